/* SPDX-License-Identifier: MIT */
/*
 * port_windows: memory and the clock where there is no POSIX.
 */
#define WIN32_LEAN_AND_MEAN

#include <windows.h>

#include <malloc.h>

#include "port.h"

void *port_alloc(size_t bytes, size_t alignment)
{
    return _aligned_malloc(bytes, alignment);
}

void port_free(void *memory)
{
    _aligned_free(memory);
}

size_t port_discard(void *memory, size_t bytes)
{
    (void)memory, (void)bytes;
    return 0;
}

/* The performance counter, whose frequency never changes: monotonic. */
uint64_t port_clock_ns(void)
{
    LARGE_INTEGER frequency, count;
    (void)QueryPerformanceFrequency(&frequency);
    (void)QueryPerformanceCounter(&count);
    uint64_t per_second = (uint64_t)frequency.QuadPart, now = (uint64_t)count.QuadPart;
    return now / per_second * 1000000000u + now % per_second * 1000000000u / per_second;
}
