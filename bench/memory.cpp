#include "memory.h"

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <malloc.h>
#include <mutex>
#include <sys/mman.h>
#include <unistd.h>

namespace bench
{

namespace
{

constexpr size_t HUGE_PAGE = size_t{2} << 20;
constexpr size_t PAGE = 4096;
constexpr size_t MAX_THREADS = 8;
constexpr size_t ADDRESSES = size_t{64} << 30; /* reserved for each thread; used as needed */

struct Arena {
    char *memory = nullptr;
    size_t touched = 0;
};

void touch(char *memory, size_t bytes)
{
    for (size_t i = 0; i < bytes; i += PAGE)
        *const_cast<volatile char *>(memory + i) = 0;
}

char *map(size_t bytes)
{
    void *memory = mmap(nullptr, bytes + HUGE_PAGE, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) {
        perror("bench: mmap");
        exit(1);
    }
    auto aligned = (reinterpret_cast<uintptr_t>(memory) + HUGE_PAGE - 1) & ~(HUGE_PAGE - 1);
    madvise(reinterpret_cast<void *>(aligned), bytes, MADV_HUGEPAGE); /* a wish, no more */
    return reinterpret_cast<char *>(aligned);
}

} // namespace

char *record_memory(int thread, size_t bytes)
{
    static Arena arenas[MAX_THREADS];
    if (thread < 0 || static_cast<size_t>(thread) >= MAX_THREADS || bytes > ADDRESSES) {
        fprintf(stderr, "bench: no records for thread %d, %zu bytes\n", thread, bytes);
        exit(1);
    }
    Arena &arena = arenas[thread];
    if (arena.memory == nullptr)
        arena.memory = map(ADDRESSES);
    if (bytes > arena.touched) {
        touch(arena.memory + arena.touched, bytes - arena.touched);
        arena.touched = bytes;
    }
    return arena.memory;
}

void warm_malloc(size_t bytes)
{
    static std::mutex mutex;
    static size_t warm = 0;
    std::lock_guard<std::mutex> lock(mutex);
    if (bytes <= warm)
        return;
    auto *memory = static_cast<char *>(malloc(bytes));
    if (memory == nullptr) {
        fprintf(stderr, "bench: no memory for %zu bytes\n", bytes);
        exit(1);
    }
    touch(memory, bytes);
    free(memory);
    warm = bytes;
}

void prepare_malloc(char **argv)
{
    const char *tunables = getenv("GLIBC_TUNABLES");
    if (tunables == nullptr) {
        /* glibc reads it before main: hence the restart. Without glibc 2.35 it
         * does nothing, and malloc uses small pages. */
        setenv("GLIBC_TUNABLES", "glibc.malloc.hugetlb=1", 1);
        execv("/proc/self/exe", argv);
    }
    mallopt(M_MMAP_MAX, 0);
    mallopt(M_TRIM_THRESHOLD, -1); /* never */
    mallopt(M_ARENA_MAX, 1);
}

size_t malloc_bytes()
{
    return mallinfo2().uordblks;
}

} // namespace bench
