/* SPDX-License-Identifier: MIT */
/*
 * Counts calls of malloc, calloc, realloc, posix_memalign, aligned_alloc and
 * memalign, and hands them on to libc by the names under which it keeps them:
 * looking them up, as virtual_time.cpp does, would need malloc. A call costs an
 * increment and a jump more than without, a nanosecond at most.
 *
 * In the program with jemalloc, malloc is jemalloc's and stays so. What its
 * contender allocates is counted where it asks for it, by jemalloc's mallocx.
 */
#include "allocations.h"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <dlfcn.h>

namespace bench
{

thread_local uint64_t allocations;

} // namespace bench

using bench::allocations;

extern "C" {

#ifdef BENCH_ON_JEMALLOC

void *mallocx(size_t bytes, int flags) noexcept
{
    using Mallocx = void *(size_t, int);
    static auto *const real = reinterpret_cast<Mallocx *>(dlsym(RTLD_NEXT, "mallocx"));
    if (real == nullptr) {
        fprintf(stderr, "bench: jemalloc has no mallocx\n");
        abort();
    }
    allocations++;
    return real(bytes, flags);
}

#else

void *__libc_malloc(size_t bytes) noexcept;
void *__libc_calloc(size_t count, size_t bytes) noexcept;
void *__libc_realloc(void *block, size_t bytes) noexcept;
void *__libc_memalign(size_t alignment, size_t bytes) noexcept;

void *malloc(size_t bytes) noexcept
{
    allocations++;
    return __libc_malloc(bytes);
}

void *calloc(size_t count, size_t bytes) noexcept
{
    allocations++;
    return __libc_calloc(count, bytes);
}

void *realloc(void *block, size_t bytes) noexcept
{
    allocations++;
    return __libc_realloc(block, bytes);
}

void *memalign(size_t alignment, size_t bytes) noexcept
{
    allocations++;
    return __libc_memalign(alignment, bytes);
}

void *aligned_alloc(size_t alignment, size_t bytes) noexcept
{
    return memalign(alignment, bytes);
}

int posix_memalign(void **block, size_t alignment, size_t bytes) noexcept
{
    bool is_power = alignment != 0 && (alignment & (alignment - 1)) == 0;
    if (!is_power || alignment % sizeof(void *) != 0)
        return EINVAL;
    void *memory = memalign(alignment, bytes);
    if (memory == nullptr)
        return ENOMEM;
    *block = memory;
    return 0;
}

#endif

} // extern "C"
