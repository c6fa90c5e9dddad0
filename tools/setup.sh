# SPDX-License-Identifier: MIT
# Sourced by tests/run and bench/run: makes sure that what they need is there.
#
#   . tools/setup.sh
#   need_packages cmake gcc libuv1-dev      # Debian's names
#   build_release . build/release BENCH bench_programs
#
# Where apt is, missing packages are installed; elsewhere, what is missing is
# named, and need_packages answers 1. Nothing is printed when nothing is missing.

# Whether the thing that a Debian package brings is here, however it came.
_tw_have() {
    if command -v dpkg-query >/dev/null &&
        [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; then
        return 0
    fi
    case $1 in
    ninja-build) command -v ninja ;;
    pkg-config | pkgconf) command -v pkg-config ;;
    python3-jinja2) /usr/bin/python3 -c 'import jinja2' ;;
    python3) [ -x /usr/bin/python3 ] ;;
    lld) command -v ld.lld ;;
    abigail-tools) command -v abidiff ;;
    groff-base) command -v groff ;;
    util-linux) command -v taskset ;;
    man-db) command -v man ;;
    libcriterion-dev) _tw_have_header criterion/criterion.h ;;
    libbenchmark-dev) _tw_have_header benchmark/benchmark.h c++ ;;
    libboost-dev) _tw_have_header boost/asio.hpp c++ ;;
    libjemalloc-dev) _tw_have_header jemalloc/jemalloc.h ;;
    libevent-dev) _tw_have_header event2/event.h ;;
    libuv1-dev) _tw_have_header uv.h ;;
    libev-dev) _tw_have_header ev.h ;;
    libace-dev) _tw_have_header ace/Timer_Wheel_T.h c++ ;;
    libsystemd-dev) _tw_have_header systemd/sd-event.h ;;
    liburing-dev) _tw_have_header liburing.h ;;
    libglib2.0-dev) pkg-config --exists glib-2.0 ;;
    systemtap-sdt-dev) _tw_have_header sys/sdt.h ;;
    nghttp2-client) command -v h2load ;;
    libc6-dev) _tw_have_header stdio.h ;;
    gcc-multilib) printf '#include <stdio.h>\nint main(void) { return 0; }\n' |
        gcc -m32 -x c -o /dev/null - ;;
    lib* | *-dev) false ;;
    *) command -v "$1" ;;
    esac >/dev/null 2>&1
}

_tw_have_header() {
    printf '#include <%s>\n' "$1" | ${CC:-cc} -x "${2:-c}" -E - -o /dev/null
}

_tw_as_root() {
    if [ "$(id -u)" = 0 ]; then
        DEBIAN_FRONTEND=noninteractive "$@"
    else
        sudo env DEBIAN_FRONTEND=noninteractive "$@"
    fi
}

# need_packages NAME...: 0 when all of them are here at the end.
need_packages() {
    _tw_missing=
    for _tw_package in "$@"; do
        _tw_have "$_tw_package" || _tw_missing="$_tw_missing $_tw_package"
    done
    [ -n "$_tw_missing" ] || return 0
    if ! command -v apt-get >/dev/null; then
        echo "Missing, by the names of Debian's packages:$_tw_missing" >&2
        echo "Install what your system calls them, and run this again." >&2
        return 1
    fi
    if [ "$(id -u)" != 0 ] && ! command -v sudo >/dev/null; then
        echo "Missing, and neither root nor sudo is here to install them:" >&2
        echo "    apt-get install$_tw_missing" >&2
        return 1
    fi
    echo "Installing with apt-get:$_tw_missing"
    # Unquoted: one word for each package.
    _tw_as_root apt-get update -q </dev/null &&
        _tw_as_root apt-get install -qy --no-install-recommends $_tw_missing </dev/null
}

# build_release SOURCE FOLDER PART TARGET...: builds targets of the release with one
# part of the project (BENCH or EXAMPLES) and no other, so that nothing is asked
# for which is not used. A folder that was configured before keeps its generator.
build_release() {
    _tw_source=$1 _tw_folder=$2 _tw_part=$3
    shift 3
    cmake -S "$_tw_source" -B "$_tw_folder" -DCMAKE_BUILD_TYPE=Release -DTICKWHEEL_TESTS=OFF \
        -DTICKWHEEL_BENCH=OFF -DTICKWHEEL_EXAMPLES=OFF "-DTICKWHEEL_$_tw_part=ON" &&
        cmake --build "$_tw_folder" -j 2 --target "$@"
}
