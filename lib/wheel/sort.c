/* SPDX-License-Identifier: MIT */
/*
 * sort: insertion for few, one pass of a bucket sort where deadlines are spread, and
 * merging for the rest.
 */
#include "sort.h"

#include <string.h>

#include "bits.h"

/* Up to here insertion is fastest: its moves are in one or two cache lines, and
 * it mispredicts about once an entry. */
#define SORT_BY_INSERTION 12

/* Buckets that entries are spread over, at most: their sizes are on the stack. */
#define SORT_BUCKET_BITS 10

static void insertion_sort(struct sort_entry *entries, size_t n)
{
    for (size_t i = 1; i < n; i++) {
        struct sort_entry entry = entries[i];
        size_t j = i;
        for (; j > 0 && sort_before(&entry, &entries[j - 1]); j--)
            entries[j] = entries[j - 1];
        entries[j] = entry;
    }
}

/* Merges the sorted halves entries[0, middle) and entries[middle, n): the first
 * goes to spare and is merged back. */
static void merge(struct sort_entry *entries, size_t middle, size_t n, struct sort_entry *spare)
{
    memcpy(spare, entries, middle * sizeof *entries);
    size_t left = 0, right = middle, out = 0;
    while (left < middle && right < n) {
        bool take_right = sort_before(&entries[right], &spare[left]);
        entries[out++] = take_right ? entries[right] : spare[left];
        right += take_right;
        left += !take_right;
    }
    memcpy(&entries[out], &spare[left], (middle - left) * sizeof *entries);
}

static void reverse(struct sort_entry *entries, size_t n)
{
    for (size_t i = 0; i < n / 2; i++) {
        struct sort_entry entry = entries[i];
        entries[i] = entries[n - 1 - i];
        entries[n - 1 - i] = entry;
    }
}

/* What must be known before. */
struct range {
    uint64_t earliest, latest;   /* deadlines */
    bool in_order, opposite;     /* the entries are sorted, or the other way round */
};

static struct range range_of(const struct sort_entry *entries, size_t n)
{
    struct range range = {entries[0].deadline, entries[0].deadline, true, true};
    for (size_t i = 1; i < n; i++) {
        uint64_t deadline = entries[i].deadline;
        range.earliest = deadline < range.earliest ? deadline : range.earliest;
        range.latest = deadline > range.latest ? deadline : range.latest;
        bool before = sort_before(&entries[i - 1], &entries[i]);
        range.in_order &= before;
        range.opposite &= !before;
    }
    return range;
}

/* Sorts entries[0, n), which has room for them, by taking from[0, n) in turn; few
 * are far from their place. */
static void insert_all(struct sort_entry *entries, const struct sort_entry *from, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        size_t j = i;
        for (; j > 0 && sort_before(&from[i], &entries[j - 1]); j--)
            entries[j] = entries[j - 1];
        entries[j] = from[i];
    }
}

/* Spreads the entries over some n buckets of equal spans of time, which follow each
 * other in `spare`, and takes them back sorted. No comparison is mispredicted but
 * within the buckets, which hold few. false: one holds too many. */
static bool bucket_sort(struct sort_entry *entries, size_t n, struct sort_entry *spare,
                        const struct range *range)
{
    unsigned bits = bits_width(n - 1), width = bits_width(range->latest - range->earliest);
    if (bits > SORT_BUCKET_BITS)
        bits = SORT_BUCKET_BITS;
    unsigned shift = width > bits ? width - bits : 0;
    union {
        uint16_t size;
        uint16_t next; /* where its next entry goes, once all sizes are known */
    } buckets[1 << SORT_BUCKET_BITS];
    memset(buckets, 0, sizeof *buckets << bits);
    for (size_t i = 0; i < n; i++)
        buckets[(entries[i].deadline - range->earliest) >> shift].size++;
    unsigned most = 0, begin = 0;
    for (size_t i = 0; i >> bits == 0; i++) {
        unsigned size = buckets[i].size;
        most = size > most ? size : most;
        buckets[i].next = (uint16_t)begin;
        begin += size;
    }
    if (most > 2 * SORT_BY_INSERTION)
        return false;
    for (size_t i = 0; i < n; i++)
        spare[buckets[(entries[i].deadline - range->earliest) >> shift].next++] = entries[i];
    insert_all(entries, spare, n);
    return true;
}

static void merge_sort(struct sort_entry *entries, size_t n, struct sort_entry *spare)
{
    if (n <= SORT_BY_INSERTION) {
        insertion_sort(entries, n);
        return;
    }
    size_t middle = n / 2;
    merge_sort(entries, middle, spare);
    merge_sort(entries + middle, n - middle, spare);
    if (sort_before(&entries[middle], &entries[middle - 1]))
        merge(entries, middle, n, spare);
}

bool sort_entries(struct sort_entry *entries, size_t n, struct sort_entry *spare)
{
    TW_ASSERT(n <= SORT_MOST);
    struct range range = range_of(entries, n);
    if (range.in_order)
        return true;
    if (n <= SORT_BY_INSERTION)
        insertion_sort(entries, n);
    else if (range.opposite)
        reverse(entries, n);
    else if (!bucket_sort(entries, n, spare, &range))
        merge_sort(entries, n, spare);
    return false;
}
