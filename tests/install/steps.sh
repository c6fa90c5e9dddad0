#!/bin/sh
# SPDX-License-Identifier: MIT
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

step_man_pages_and_adapters() {
    command -v python3 >/dev/null || exit 77    # no pages are made without it
    man=$prefix/share/man
    for page in man3/tw_call_later.3 man3/tw_fd.3 man3/tickwheel_uv.3 man7/tickwheel.7; do
        [ -s "$man/$page" ] || fail "$page is installed"
    done
    for header in .hpp _uv.h _event.h _ev.h _uring.h _glib.h _asio.hpp; do
        [ -s "$prefix/include/tickwheel$header" ] || fail "tickwheel$header is installed"
    done
    command -v man >/dev/null || exit 0
    MANPAGER=cat LC_ALL=C man -M "$man" tw_call_later_ns | grep -q "tw_call_later" ||
        fail "man tw_call_later_ns works"
}

step_parts_left_out() {
    # Without options, and without a C++ compiler or any library that the parts
    # need: they are named and left out, and the library is built.
    lacking="-DCMAKE_DISABLE_FIND_PACKAGE_Criterion=ON -DCMAKE_DISABLE_FIND_PACKAGE_benchmark=ON
             -DCMAKE_DISABLE_FIND_PACKAGE_Jemalloc=ON"
    CXX=/nonexistent/c++ "$CMAKE" -S "$TOP" -B "$here/build" $lacking >"$here/said"
    for part in "the tests are left out, not installed: .*g++, libcriterion-dev" \
        "the benchmarks are left out, not installed: .*g++, libbenchmark-dev" \
        "tickwheel::jemalloc is left out, not installed: libjemalloc-dev"; do
        grep -q "tickwheel: $part" "$here/said" || fail "it says that $part"
    done
    "$CMAKE" --build "$here/build" --target tickwheel_static tickwheel_shared
    # What is asked for by name and cannot be had is an error that says so.
    for part in TESTS:libcriterion-dev BENCH:libbenchmark-dev JEMALLOC:libjemalloc-dev; do
        option=TICKWHEEL_${part%:*}
        if "$CMAKE" -S "$TOP" -B "$here/asked" $lacking $library_only -DTICKWHEEL_JEMALLOC=OFF \
            -D$option=ON >"$here/log" 2>&1; then
            fail "$option=ON is an error"
        fi
        grep -q "$option is ON" "$here/log" || fail "$option=ON is the error"
        grep -q "${part#*:}" "$here/log" || fail "the error of $option names ${part#*:}"
    done
    # A C++ compiler that was installed since is found in the same folder.
    command -v c++ >/dev/null || exit 77
    "$CMAKE" "$here/build" >"$here/said"
    ! grep -q g++ "$here/said" || fail "g++ is found later"
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

step_run_path() {
    need_pkg_config
    $CC $CFLAGS -o "$here/consumer" "$consumer/consumer.c" \
        $(pkg-config --cflags --libs tickwheel) \
        "-Wl,-rpath,$(pkg-config --variable=libdir tickwheel)"
    LD_LIBRARY_PATH= "$here/consumer"
}

# The command that compiles file $1 in the folder $2.
compile_command() {
    grep '"command"' "$2/compile_commands.json" | grep -- "-c .*/$1\"" || fail "$1 is compiled in $2"
}

# A project that names no build type, as CMake's own examples do, gets a library
# that is optimised all the same, and nothing that it did not ask for.
step_add_subdirectory() {
    alone="-DTICKWHEEL_SOURCE=$TOP -DCMAKE_EXPORT_COMPILE_COMMANDS=ON"
    CFLAGS= "$CMAKE" -S "$consumer" -B "$here/build" $alone
    "$CMAKE" --build "$here/build"
    "$here/build/with_tickwheel"
    command=$(compile_command wheel.c "$here/build")
    case $command in *' -O3 '*) ;; *) fail "the library is optimised" ;; esac
    command=$(compile_command consumer.c "$here/build")
    case $command in *' -O'[0-9]*) fail "the rest is compiled as it was" ;; esac
    [ -z "$(find "$here/build" -name '*jemalloc*.a' -o -name 'jemalloc.c.o')" ] ||
        fail "tickwheel::jemalloc is built unasked"

    # What it does name is left as it is.
    "$CMAKE" -S "$consumer" -B "$here/debug" $alone -DCMAKE_BUILD_TYPE=Debug
    CFLAGS=-Og "$CMAKE" -S "$consumer" -B "$here/flags" $alone
    for folder in debug flags; do
        command=$(compile_command wheel.c "$here/$folder")
        case $command in *' -O3 '*) fail "-O3 is added in $folder" ;; esac
    done
    # And what it asks for is there.
    [ "$JEMALLOC" = no ] && return
    "$CMAKE" -S "$consumer" -B "$here/asked" $alone -DCONSUMER_WANTS_JEMALLOC=ON
    compile_command lib/jemalloc.c "$here/asked" >"$here/log"
}

# TICKWHEEL_CHECKED=ON: a program that misuses the library is stopped, and told.
step_checked() {
    build "$TOP" "$here/build" $library_only -DTICKWHEEL_JEMALLOC=OFF -DTICKWHEEL_CHECKED=ON \
        -DBUILD_SHARED_LIBS=OFF
    for program in consumer misuse; do
        $CC $CFLAGS -o "$here/$program" -I "$TOP/include" "$consumer/$program.c" \
            "$here/build/libtickwheel.a" -pthread
    done
    "$here/consumer"
    if "$here/misuse" 2>"$here/said"; then
        fail "a call from another thread is noticed"
    fi
    grep -q '^tickwheel: misuse: .*thread' "$here/said" || fail "the message says what was wrong"
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

# The node of the linker's version script: the SONAME's version.
case $VERSION in
0.*) soversion=${VERSION%.*} ;;
*) soversion=${VERSION%%.*} ;;
esac

# LIBRARY exports functions named tw_, of this version, and nothing else.
expect_exports() {
    nm -D --defined-only "$1" | grep -v " A TICKWHEEL_$soversion\$" >"$here/symbols"
    grep -q ' T tw_' "$here/symbols" || fail "$1 exports functions"
    if grep -v " T tw_[a-z_]*@@TICKWHEEL_$soversion\$" "$here/symbols"; then
        fail "$1 exports only functions named tw_..., of version TICKWHEEL_$soversion"
    fi
}

step_exports_only_tw() {
    for library in $(shared_libraries); do
        expect_exports "$library"
    done
    # Every function that a header declares is in one of them.
    for library in $(shared_libraries); do
        nm -D --defined-only "$library"
    done >"$here/symbols"
    cat "$prefix"/include/*.h | grep '^TW_API' | grep -o 'tw_[a-z_]*(' | tr -d '(' >"$here/declared"
    [ -s "$here/declared" ] || fail "the headers declare functions"
    while read -r function; do
        grep -q " T $function@" "$here/symbols" || echo "$function"
    done <"$here/declared" >"$here/lacking"
    [ ! -s "$here/lacking" ] || fail "in the library are:" $(cat "$here/lacking")
}

step_exports_with_lld() {
    command -v ld.lld >/dev/null || { echo "skipped: no lld"; exit 77; }
    build "$TOP" "$here/build" $library_only -DTICKWHEEL_JEMALLOC=OFF -DBUILD_SHARED_LIBS=ON \
        -DCMAKE_SHARED_LINKER_FLAGS=-fuse-ld=lld -DCMAKE_EXE_LINKER_FLAGS=-fuse-ld=lld
    expect_exports "$here/build/libtickwheel.so"
}

step_soname() {
    for library in $(shared_libraries); do
        name=$(basename "$library")
        expected=$name.$soversion
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
