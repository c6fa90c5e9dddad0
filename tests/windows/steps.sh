#!/bin/sh
# SPDX-License-Identifier: MIT
# steps.sh SOURCE BUILD: builds the library for Windows, and runs smoke.c and the tests of
# the core under wine. Ends with 77 where the tools are missing.
set -eu
source=$1 build=$2
for tool in x86_64-w64-mingw32-gcc wine; do
    command -v "$tool" >/dev/null || { echo "skipped: there is no $tool"; exit 77; }
done
cmake -S "$source" -B "$build" -DCMAKE_TOOLCHAIN_FILE="$source/cmake/mingw.cmake" \
    -DCMAKE_BUILD_TYPE=Release -DTICKWHEEL_TESTS=OFF -DTICKWHEEL_BENCH=OFF \
    -DTICKWHEEL_EXAMPLES=OFF -DTICKWHEEL_JEMALLOC=OFF -DBUILD_SHARED_LIBS=OFF >/dev/null
cmake --build "$build" --target tickwheel_static

# program NAME FILE OPTION...
program() {
    name=$1 file=$2
    shift 2
    x86_64-w64-mingw32-gcc -std=gnu11 -O2 -D__USE_MINGW_ANSI_STDIO=1 -I"$source/include" "$@" \
        "$source/tests/$file" "$build/libtickwheel.a" -static -lpthread -o "$build/$name.exe"
}

export WINEPREFIX="$build/wine" WINEDEBUG=-all
for server in wineserver /usr/lib/wine/wineserver; do
    command -v "$server" >/dev/null && break
done
# It stays for all of them: a program that comes while the last one's server is about to end
# cannot always start another.
"$server" -p || true
trap '"$server" -k || true' EXIT
failed=
run() {
    timeout 300 wine "$build/$1.exe" >"$build/$1.log" 2>&1 && result=passes || result=fails
    echo "$1 $result: $(tail -n 1 "$build/$1.log" | tr -d '\r')"
    [ $result = passes ] || { failed="$failed $1"; grep -a 'not so\|FAIL' "$build/$1.log" || true; }
}

program smoke windows/smoke.c -Wall -Wextra
run smoke
# Left out: what is about mmap, hardened builds, other threads (smoke.c has those), and
# the large ones.
for test in bits calendar check chunk pool post ready remote_pool run sort wheel; do
    program "unit_$test" "unit/test_$test.c" -Wno-format -I"$source/lib/wheel" \
        -I"$source/lib/threads" -I"$source/lib/loop" -I"$source/tests/mini" \
        -include "$source/tests/windows/memory.h" "$source/tests/windows/mini.c"
    run "unit_$test"
done
for test in asyncio_docs bad_input bare contexts driving embedded far handles looking_in nested \
            options order periodic stats waking windows; do
    program "contract_$test" "contract/$test.c" -Wno-format -I"$source/tests/mini" \
        -include "$source/tests/windows/memory.h" "$source/tests/windows/mini.c" \
        "$source/tests/contract/support.c"
    run "contract_$test"
done

[ -z "$failed" ] || { echo "FAILED:$failed"; exit 1; }
