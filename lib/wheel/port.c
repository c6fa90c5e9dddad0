/* SPDX-License-Identifier: MIT */
/*
 * port: the clock, memory in pages, and what ends a program that broke its promises, for
 * POSIX; port_windows.c has the rest of it for Windows.
 */
#ifndef _DEFAULT_SOURCE
#define _DEFAULT_SOURCE /* madvise */
#endif

#include "port.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#ifndef _WIN32 /* there port_windows.c has what needs them */
#include "huge_pages.h"
#endif

void tw_broken(const char *what, const char *file, int line)
{
    fprintf(stderr, "tickwheel: broken invariant: %s (%s:%d)\n", what, file, line);
    abort();
}

void tw_misuse(const char *what)
{
    fprintf(stderr, "tickwheel: misuse: %s\n", what);
    abort();
}

unsigned port_next_number(void)
{
    static atomic_uint next;
    return atomic_fetch_add_explicit(&next, 1, memory_order_relaxed);
}

unsigned port_next_tag(void)
{
    static atomic_uint next;
    return atomic_fetch_add_explicit(&next, 1, memory_order_relaxed);
}

#ifndef _WIN32

void *port_alloc(size_t bytes, size_t alignment)
{
    void *memory = NULL;
    if (alignment < sizeof(void *))
        alignment = sizeof(void *);
    if (posix_memalign(&memory, alignment, bytes) != 0)
        return NULL;
    huge_pages_ask(memory, bytes);
    return memory;
}

void port_free(void *memory)
{
    free(memory);
}

size_t port_discard(void *memory, size_t bytes)
{
#ifdef __linux__ /* elsewhere the pages may keep what is in them, and their memory */
    const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    uintptr_t begin = ((uintptr_t)memory + page - 1) / page * page;
    uintptr_t end = ((uintptr_t)memory + bytes) / page * page;
    if (begin < end && madvise((void *)begin, end - begin, MADV_DONTNEED) == 0)
        return end - begin;
#else
    (void)memory, (void)bytes;
#endif
    return 0;
}

uint64_t port_clock_ns(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

#endif
