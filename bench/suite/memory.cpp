/* SPDX-License-Identifier: MIT */
/* memory: mapping and touching it, as memory.h says. */
#include "memory.h"
#include "stopwatch.h"

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <malloc.h>
#include <mutex>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

namespace bench
{

namespace
{

constexpr size_t HUGE_PAGE = size_t{2} << 20;
constexpr size_t PAGE = 4096;
constexpr size_t MAX_THREADS = 8;

struct Arena {
    char *memory = nullptr;
    size_t touched = 0;
};

Arena arenas[MAX_THREADS];

/* Addresses reserved for each thread; used as needed. Valgrind has fewer. */
size_t addresses()
{
    return size_t{is_counting() ? 1u : 64u} << 30;
}

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
    if (thread < 0 || static_cast<size_t>(thread) >= MAX_THREADS || bytes > addresses()) {
        fprintf(stderr, "bench: no records for thread %d, %zu bytes\n", thread, bytes);
        exit(1);
    }
    Arena &arena = arenas[thread];
    if (arena.memory == nullptr)
        arena.memory = map(addresses());
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

static double resident_bytes()
{
    FILE *file = fopen("/proc/self/smaps_rollup", "r");
    char line[256];
    size_t kib = 0;
    while (file != nullptr && fgets(line, sizeof line, file) != nullptr)
        if (sscanf(line, "Rss: %zu kB", &kib) == 1)
            break;
    if (file != nullptr)
        fclose(file);
    return static_cast<double>(kib) * 1024;
}

double resident_growth(const std::function<void()> &use)
{
    int ends[2];
    if (pipe(ends) != 0)
        return 0;
    pid_t child = fork();
    if (child == 0) {
        mallopt(M_MMAP_MAX, 65536); /* as malloc is by itself: large blocks are mapped */
        malloc_trim(0);
        for (Arena &arena : arenas)
            if (arena.memory != nullptr)
                madvise(arena.memory, addresses(), MADV_DONTNEED);
        double before = resident_bytes();
        use();
        double grown = resident_bytes() - before;
        _exit(write(ends[1], &grown, sizeof grown) == sizeof grown ? 0 : 1);
    }
    double grown = 0;
    close(ends[1]);
    if (read(ends[0], &grown, sizeof grown) != sizeof grown)
        fprintf(stderr, "bench: the child that was to measure its memory has failed\n");
    close(ends[0]);
    if (child > 0)
        waitpid(child, nullptr, 0);
    return grown;
}

size_t malloc_bytes()
{
    return mallinfo2().uordblks;
}

} // namespace bench
