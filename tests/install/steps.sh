#!/bin/sh
# One step of the installation tests: sh steps.sh STEP, as ctest calls it.
#   TOP  the source tree            WORK      a folder to work in
#   CC   the C compiler             CFLAGS    its flags
#   CMAKE  the cmake to use         VERSION   of the library
#   JEMALLOC  yes, if the component jemalloc is to be built
set -eu

prefix=$WORK/prefix
consumer=$TOP/tests/install/consumer
library_only="-DTICKWHEEL_TESTS=OFF -DTICKWHEEL_BENCH=OFF -DTICKWHEEL_EXAMPLES=OFF"
here=$WORK/$1
rm -rf "$here"
mkdir -p "$here"

fail() {
    echo "not so: $*" >&2
    exit 1
}

# Where the libraries went below a prefix: lib, lib64 or lib/<machine>.
libdir() {
    dirname "$(find "$1" -name 'libtickwheel.a' -o -name 'libtickwheel.so' | head -n 1)"
}

build() {   # build SOURCE FOLDER [option...]: configures and builds
    source=$1
    folder=$2
    shift 2
    "$CMAKE" -S "$source" -B "$folder" -DCMAKE_BUILD_TYPE=Release "$@"
    "$CMAKE" --build "$folder"
}

build_and_run_consumer() {   # build_and_run_consumer PREFIX [option...]
    at=$1
    shift
    components=
    [ "$JEMALLOC" = no ] || components=jemalloc
    build "$consumer" "$here/build" -DCMAKE_PREFIX_PATH="$at" -DTICKWHEEL_VERSION="$VERSION" \
        -DCOMPONENTS="$components" "$@"
    for program in "$here"/build/with_*; do
        "$program"
    done
}

step_library_alone() {
    # Neither a C++ compiler nor any library can be found; jemalloc is off, or
    # it would be asked for.
    rm -rf "$prefix"
    jemalloc=OFF
    [ "$JEMALLOC" = no ] || jemalloc=ON
    CXX=/nonexistent/c++ build "$TOP" "$here/alone" $library_only -DTICKWHEEL_JEMALLOC=OFF \
        -DCMAKE_DISABLE_FIND_PACKAGE_Criterion=ON -DCMAKE_DISABLE_FIND_PACKAGE_benchmark=ON
    # The same with what else there is, for the steps that follow.
    build "$TOP" "$here/build" $library_only -DTICKWHEEL_JEMALLOC=$jemalloc
    "$CMAKE" --install "$here/build" --prefix "$prefix"
    [ -f "$prefix/include/tickwheel.h" ] || fail "the header is installed"
}

step_find_package() {
    build_and_run_consumer "$prefix"
}

step_find_package_refuses_other_version() {
    for version in 99.0 "${VERSION%%.*}.99"; do
        if "$CMAKE" -S "$consumer" -B "$here/$version" -DCMAKE_PREFIX_PATH="$prefix" \
            -DTICKWHEEL_VERSION=$version >"$here/log" 2>&1; then
            fail "version $version is refused, $VERSION being installed"
        fi
        grep -q "compatible with requested version" "$here/log" || fail "for its version"
    done
}

need_pkg_config() {
    command -v pkg-config >/dev/null || { echo "skipped: no pkg-config"; exit 77; }
    PKG_CONFIG_PATH=$(libdir "$prefix")/pkgconfig
    export PKG_CONFIG_PATH
    [ "$(pkg-config --modversion tickwheel)" = "$VERSION" ] || fail "the .pc file has the version"
}

step_pkg_config_shared() {
    need_pkg_config
    $CC $CFLAGS -o "$here/consumer" "$consumer/consumer.c" $(pkg-config --cflags --libs tickwheel)
    LD_LIBRARY_PATH=$(libdir "$prefix") "$here/consumer"
    if LD_LIBRARY_PATH= "$here/consumer" 2>/dev/null; then
        fail "the program is linked to the shared library"
    fi
    [ "$JEMALLOC" = no ] && return
    $CC $CFLAGS -o "$here/jemalloc" "$consumer/jemalloc.c" \
        $(pkg-config --cflags --libs tickwheel-jemalloc)
    LD_LIBRARY_PATH=$(libdir "$prefix") "$here/jemalloc"
}

step_pkg_config_static() {
    need_pkg_config
    # A program that is static altogether: it fails to link if Libs.private is
    # short of anything.
    $CC $CFLAGS -static -o "$here/consumer" "$consumer/consumer.c" \
        $(pkg-config --static --cflags --libs tickwheel)
    "$here/consumer"
    [ "$JEMALLOC" = no ] && return
    # jemalloc itself from its shared library, as its .pc file has no word on
    # what its static one needs.
    $CC $CFLAGS -o "$here/jemalloc" "$consumer/jemalloc.c" $(pkg-config --cflags tickwheel) \
        "$(libdir "$prefix")/libtickwheel_jemalloc.a" "$(libdir "$prefix")/libtickwheel.a" -ljemalloc
    "$here/jemalloc"
}

step_add_subdirectory() {
    build "$consumer" "$here/build" -DTICKWHEEL_SOURCE="$TOP"
    "$here/build/with_tickwheel"
}

step_examples_alone() {
    build "$TOP/examples" "$here/build" -DCMAKE_PREFIX_PATH="$prefix"
    "$here/build/hello" >"$here/said"
    [ "$(tr '\n' ' ' <"$here/said")" = "3 2 1 " ] || fail "hello says 3, 2, 1"
}

step_one_kind_only() {
    for kind in ON OFF; do
        build "$TOP" "$here/$kind" $library_only -DTICKWHEEL_JEMALLOC=OFF -DBUILD_SHARED_LIBS=$kind
        "$CMAKE" --install "$here/$kind" --prefix "$here/prefix-$kind"
    done
    [ -z "$(find "$here/prefix-ON" -name '*.a')" ] || fail "BUILD_SHARED_LIBS=ON makes no .a"
    [ -z "$(find "$here/prefix-OFF" -name '*.so*')" ] || fail "BUILD_SHARED_LIBS=OFF makes no .so"
    JEMALLOC=no
    for kind in ON OFF; do
        rm -rf "$here/build"
        build_and_run_consumer "$here/prefix-$kind"
        [ -x "$here/build/with_tickwheel" ] || fail "tickwheel::tickwheel is there with $kind"
    done
}

shared_libraries() {
    find "$prefix" -name 'libtickwheel*.so'
}

step_tracepoints() {
    command -v readelf >/dev/null || exit 77
    grep -q 'TICKWHEEL_HAVE_SDT:INTERNAL=1' "$WORK/library_alone/build/CMakeCache.txt" || exit 77
    for library in $(shared_libraries | grep -v jemalloc); do
        readelf -n "$library" | sed -n '/Provider: tickwheel/{n;s/.*Name: //p}' |
            sort -u >"$here/tracepoints"
        printf '%s\n' cancel cascade fire start | diff - "$here/tracepoints" ||
            fail "$library has these tracepoints"
    done
}

step_exports_only_tw() {
    for library in $(shared_libraries); do
        nm -D --defined-only "$library" >"$here/symbols"
        grep -q ' T tw_' "$here/symbols" || fail "$library exports functions"
        if grep -v ' T tw_[a-z]' "$here/symbols"; then
            fail "$library exports only functions whose names begin with tw_"
        fi
    done
    # Every function that a header declares is in one of them.
    for library in $(shared_libraries); do
        nm -D --defined-only "$library"
    done >"$here/symbols"
    cat "$prefix"/include/*.h | grep '^TW_API' | grep -o 'tw_[a-z_]*(' | tr -d '(' >"$here/declared"
    [ -s "$here/declared" ] || fail "the headers declare functions"
    while read -r function; do
        grep -q " T $function\$" "$here/symbols" || echo "$function"
    done <"$here/declared" >"$here/lacking"
    [ ! -s "$here/lacking" ] || fail "in the library are:" $(cat "$here/lacking")
}

step_soname() {
    for library in $(shared_libraries); do
        name=$(basename "$library")
        case $VERSION in
        0.*) expected=$name.${VERSION%.*} ;;
        *) expected=$name.${VERSION%%.*} ;;
        esac
        objdump -p "$library" | grep -q "SONAME *$expected\$" || fail "the SONAME is $expected"
        [ "$(readlink -f "$library")" = "$(readlink -f "$library.$VERSION")" ] ||
            fail "$name is a link to $name.$VERSION"
    done
}

step_moved_prefix() {
    cp -a "$prefix" "$here/elsewhere"
    if grep -r "$WORK" "$here/elsewhere" --include '*.pc' --include '*.cmake'; then
        fail "no installed file names the prefix"
    fi
    build_and_run_consumer "$here/elsewhere"
}

"step_$1"
