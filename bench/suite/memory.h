/* SPDX-License-Identifier: MIT */
/* The memory that the measured part touches: mapped and touched once for all. */
#ifndef TICKWHEEL_BENCH_MEMORY_H
#define TICKWHEEL_BENCH_MEMORY_H

#include <cstddef>
#include <functional>

namespace bench
{

/* `bytes` of memory for a thread's records, in huge pages where the system has
 * them, touched already. The same memory at every call: a page fault can take
 * milliseconds, and no contender should meet one. */
char *record_memory(int thread, size_t bytes);

/* Sees to it that malloc has at least so many bytes to give that have been
 * touched, and that it never returns memory to the system. */
void warm_malloc(size_t bytes);

/* Asks malloc to use huge pages, as the records do. It may restart the program. */
void prepare_malloc(char **argv);

/* By how many bytes the resident memory grows when `use` runs. It runs in a
 * child process, which starts with no memory for records and none in malloc. */
double resident_growth(const std::function<void()> &use);

/* Bytes that malloc has given out, its own overhead included. */
size_t malloc_bytes();

} // namespace bench

#endif
