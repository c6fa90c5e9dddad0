#!/bin/sh
# SPDX-License-Identifier: MIT
# steps.sh SOURCE BUILD: builds the library for Windows, and runs smoke.c under wine. Ends
# with 77 where the tools are missing.
set -eu
source=$1 build=$2
for tool in x86_64-w64-mingw32-gcc wine; do
    command -v "$tool" >/dev/null || { echo "skipped: there is no $tool"; exit 77; }
done
cmake -S "$source" -B "$build" -DCMAKE_TOOLCHAIN_FILE="$source/cmake/mingw.cmake" \
    -DCMAKE_BUILD_TYPE=Release -DTICKWHEEL_TESTS=OFF -DTICKWHEEL_BENCH=OFF \
    -DTICKWHEEL_EXAMPLES=OFF -DTICKWHEEL_JEMALLOC=OFF -DBUILD_SHARED_LIBS=OFF >/dev/null
cmake --build "$build" --target tickwheel_static
x86_64-w64-mingw32-gcc -std=c11 -O2 -Wall -Wextra -D__USE_MINGW_ANSI_STDIO=1 -I"$source/include" \
    "$source/tests/windows/smoke.c" "$build/libtickwheel.a" -static -o "$build/smoke.exe"
export WINEPREFIX="$build/wine" WINEDEBUG=-all
result=0
wine "$build/smoke.exe" || result=$?
for server in wineserver /usr/lib/wine/wineserver; do
    command -v "$server" >/dev/null && "$server" -k && break
done
exit $result
