#!/bin/sh
# SPDX-License-Identifier: MIT
# One test on a bare Debian: sh steps.sh STEP, as ctest calls it.
#   TOP   the source tree       WORK  a folder to work in
set -eu
. "$TOP/tests/roots/root.sh"

base=$WORK/base
log=$WORK/$1.log

fail() {
    echo "not so: $*" >&2
    exit 1
}

# expect FILE TEXT...: the file has a line with each of them.
expect() {
    file=$1
    shift
    for text in "$@"; do
        grep -q -- "$text" "$file" || fail "the output has a line with '$text'"
    done
}

# In the root $1, in the folder where the repository is.
in_repository() {
    folder=$1
    shift
    root_run "$folder" sh -euc 'cd /srv/tickwheel; exec "$@"' sh "$@"
}

# What is committed, in root $1.
clone() {
    git clone -q "$TOP" "$1/srv/tickwheel"
    [ -z "$(git -C "$TOP" status --porcelain)" ] ||
        echo "What is not committed in $TOP is not tested here."
}

# The root that the others are copies of: Debian with a C compiler.
step_base() {
    root_allowed || exit 77
    git -C "$TOP" rev-parse HEAD || { echo "skipped: not a git repository"; exit 77; }
    mkdir -p "$WORK"
    root_make "$base" gcc libc6-dev
}

step_remove() {
    rm -rf --one-file-system "$WORK"
}

# A root of the test's own, $WORK/NAME, a copy of the first one; removed at its end.
new_root() {
    [ -d "$base" ] || { echo "skipped: no bare system was made"; exit 77; }
    root=$WORK/$1
    root_remove "$root"
    cp -a "$base" "$root"
    clone "$root"
}

# quietly COMMAND...: its output goes to the log, and is shown if it fails.
quietly() {
    "$@" >"$log" 2>&1 || { cat "$log" >&2; fail "$* succeeds"; }
}

# Debian's packages, into root $1.
install() {
    folder=$1
    shift
    quietly root_run "$folder" apt-get install -qy --no-install-recommends "$@"
}

# The two commands of the README do everything, and each only what it needs.
step_two_commands() {
    new_root two_commands
    quietly root_run "$root" apt-get update -q

    # Before them: nothing but CMake is here, and the library is built.
    install "$root" cmake make
    in_repository "$root" cmake -S . -B /tmp/build | tee "$log"
    expect "$log" "the tests are left out, .*libcriterion-dev" \
        "the benchmarks are left out, .*libbenchmark-dev" \
        "tickwheel::jemalloc is left out, .*libjemalloc-dev"
    quietly in_repository "$root" cmake --build /tmp/build

    quietly in_repository "$root" bench/run --rounds 1 \
        --filter '^steady/(limit|tickwheel-embedded|libuv)/10000$'
    sed '/^Installing/,/^Building/d' "$log"
    expect "$log" "tickwheel-embedded" "libuv" "^The report, with plots"
    if root_run "$root" dpkg -s libcriterion-dev 2>"$log"; then
        fail "bench/run installs only what it uses"
    fi

    quietly in_repository "$root" tests/run --quick
    sed -n '/^=== Summary/,$p' "$log"
    expect "$log" "^100% tests passed, 0 tests failed out of [1-9]"

    # What was built, installed where the system looks by itself.
    quietly in_repository "$root" cmake --install build/release
    quietly root_run "$root" ldconfig
    quietly in_repository "$root" debian/tests/readme-program
}

# Every file of the root $1 but those in which the package manager keeps its books.
files_of() {
    (cd "$1" && find . -xdev \( -path ./var/lib/dpkg -o -path ./var/lib/apt -o -path ./var/cache \
        -o -path ./var/log -o -path ./tmp -o -path ./root \) -prune -o -print | LC_ALL=C sort)
}

# Debian's packages are built of what they say they need; in another bare system
# they are installed, used, and removed.
step_packages() {
    new_root packages_built
    built=$root
    quietly root_run "$built" apt-get update -q
    install "$built" build-essential lintian
    quietly in_repository "$built" apt-get build-dep -qy --no-install-recommends ./
    quietly in_repository "$built" dpkg-buildpackage -b -us -uc
    cp "$log" "$WORK/build.log"
    ls "$built"/srv/*.deb
    in_repository "$built" sh -c 'lintian --allow-root --fail-on error,warning \
        --suppress-tags-from-file debian/lintian-suppressed ../tickwheel_*.changes'
    if grep 'dpkg-gensymbols: warning' "$WORK/build.log"; then
        echo "tests/abi/abi record brings the lists of symbols up to date."
    fi

    new_root packages_used
    quietly root_run "$root" apt-get update -q
    install "$root" cmake make pkg-config
    files_of "$root" >"$WORK/before"
    mkdir "$root/tmp/packages"
    find "$built/srv" -name '*.deb' ! -name '*-dbgsym_*' -exec cp {} "$root/tmp/packages" \;
    quietly root_run "$root" sh -c 'apt-get install -qy --no-install-recommends /tmp/packages/*.deb'
    quietly in_repository "$root" debian/tests/readme-program
    quietly root_run "$root" sh -c 'apt-get purge -qy --autoremove \
        $(for package in /tmp/packages/*.deb; do dpkg-deb -f $package Package; done)'
    files_of "$root" >"$WORK/after"
    diff "$WORK/before" "$WORK/after" || fail "the packages are removed without a trace"

    # And once more as distributions do it, with what the tests say they need.
    install "$root" autopkgtest
    quietly root_run "$root" sh -c 'autopkgtest /tmp/packages/*.deb /srv/tickwheel/ -- null'
    sed -n '/@ summary/,/^autopkgtest.*Binaries/p' "$log"
}

trap 'for root in "$WORK/two_commands" "$WORK"/packages_*; do root_remove "$root"; done' EXIT
trap 'exit 130' INT TERM
"step_$1"
