#!/bin/sh
# SPDX-License-Identifier: MIT
# The comparison with the last release's ABI, of this tree, and of trees that have
# been changed: sh test_abi.sh STEP, as ctest calls it.
#   TOP  the source tree      WORK  a folder to work in
set -eu
here=$WORK/$1
rm -rf "$here"
mkdir -p "$here"
export BUILD="$here/build"
mkdir -p "$BUILD"

for tool in abidiff gcc objdump; do
    command -v $tool >/dev/null || { echo "skipped: no $tool"; exit 77; }
done

fail() {
    echo "not so: $*" >&2
    exit 1
}

# A copy of the sources, in which sed's SCRIPT changes FILE; it must find something.
change() {
    mkdir -p "$here/tree"
    for part in CMakeLists.txt cmake include lib tools; do
        [ -e "$here/tree/$part" ] || cp -R "$TOP/$part" "$here/tree/"
    done
    cp "$here/tree/$2" "$here/before"
    sed -i "$1" "$here/tree/$2"
    ! cmp -s "$here/before" "$here/tree/$2" || fail "$2 was changed by $1"
}

recorded() {
    ls "$TOP"/tests/abi/libtickwheel.so."$VERSION".abi >/dev/null 2>&1 ||
        { echo "skipped: $VERSION has not been recorded yet"; exit 77; }
}

compare() {
    "$TOP/tests/abi/abi" compare "$here/tree" >"$here/said" 2>&1
}

step_as_released() {
    "$TOP/tests/abi/abi" compare
}

step_function_gone() {
    recorded
    change 's/local: \*;/local: tw_timeout_ms; *;/' cmake/symbols.map.in
    ! compare || fail "a function that is gone is found"
    grep tw_timeout_ms "$here/said" || fail "it is named"
}

step_struct_changed() {
    recorded
    change 's/^    uint64_t tick_ns;/    uint64_t before_;\n&/' include/tickwheel.h
    ! compare || fail "a field in the middle is found"
    grep before_ "$here/said" || fail "it is named"
}

step_parameter_changed() {
    recorded
    change 's/int tw_reserve(tw_loop \*loop, size_t/int tw_reserve(tw_loop *loop, unsigned/' \
        include/tickwheel.h
    file=$(grep -rl '^int tw_reserve(tw_loop' "$here/tree/lib")
    change 's/^int tw_reserve(tw_loop \*loop, size_t/int tw_reserve(tw_loop *loop, unsigned/' \
        "${file#"$here/tree/"}"
    ! compare || fail "another type of a parameter is found"
    grep "tw_reserve" "$here/said" || fail "it is named"
}

step_growth_is_allowed() {
    recorded
    change '/^struct tw_stats {/,/^};/s/^};/    uint64_t later_;\n&/' include/tickwheel.h
    compare || { cat "$here/said"; fail "a field at the end of tw_stats breaks nothing"; }
}

step_padding_is_no_place() {
    recorded
    change '/^    bool cached_now;/,/\*\//s/\*\//&\n    bool later_;/' include/tickwheel.h
    ! compare || fail "a field in the padding behind the last bool is found"
    grep "tw_options.later_ " "$here/said" || fail "it is named"
}

step_soname_announces() {
    recorded
    change 's/^#define TW_VERSION_MINOR .*/#define TW_VERSION_MINOR 999/' include/tickwheel.h
    change 's/^    uint64_t tick_ns;/    uint64_t before_;\n&/' include/tickwheel.h
    compare || { cat "$here/said"; fail "another SONAME may have another ABI"; }
}

"step_$1"
