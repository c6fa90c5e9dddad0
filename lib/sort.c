#include "sort.h"

#include <string.h>

#include "bits.h"

/* Up to here insertion is fastest: its moves are in one or two cache lines, and
 * it mispredicts about once an entry. */
#define SORT_BY_INSERTION 12

static inline bool entry_before(const struct sort_entry *a, const struct sort_entry *b)
{
    if (a->deadline != b->deadline)
        return a->deadline < b->deadline;
    return timer_scheduled_before(a->sequence, b->sequence);
}

static void insertion_sort(struct sort_entry *entries, size_t n)
{
    for (size_t i = 1; i < n; i++) {
        struct sort_entry entry = entries[i];
        size_t j = i;
        for (; j > 0 && entry_before(&entry, &entries[j - 1]); j--)
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
        bool take_right = entry_before(&entries[right], &spare[left]);
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

/* What must be known in order to deal. */
struct range {
    uint64_t earliest, latest;   /* deadlines */
    bool in_order;               /* the entries are sorted */
};

static struct range range_of(const struct sort_entry *entries, size_t n)
{
    struct range range = {entries[0].deadline, entries[0].deadline, true};
    for (size_t i = 1; i < n; i++) {
        uint64_t deadline = entries[i].deadline;
        range.earliest = deadline < range.earliest ? deadline : range.earliest;
        range.latest = deadline > range.latest ? deadline : range.latest;
        range.in_order &= entry_before(&entries[i - 1], &entries[i]);
    }
    return range;
}

/* Sorts entries[0, n), which has room for them, by taking dealt[0, n) in turn; few
 * are far from their place. */
static void insert_all(struct sort_entry *entries, const struct sort_entry *dealt, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        size_t j = i;
        for (; j > 0 && entry_before(&dealt[i], &entries[j - 1]); j--)
            entries[j] = entries[j - 1];
        entries[j] = dealt[i];
    }
}

/* Deals the entries into some n piles of equal spans of time, one after the other
 * in `spare`, and takes them up sorted. No comparison is mispredicted but in the
 * piles, which hold one or two. false: a pile is too high. */
static bool sort_by_dealing(struct sort_entry *entries, size_t n, struct sort_entry *spare)
{
    struct range range = range_of(entries, n);
    if (range.in_order)
        return true;
    unsigned bits = bits_width(n - 1), width = bits_width(range.latest - range.earliest);
    unsigned shift = width > bits ? width - bits : 0;
    uint16_t begin[SORT_BY_DEALING];   /* of each pile; first, how many are in it */
    memset(begin, 0, sizeof *begin << bits);
    for (size_t i = 0; i < n; i++)
        begin[(entries[i].deadline - range.earliest) >> shift]++;
    bool too_high = false;
    uint16_t dealt = 0;
    for (size_t pile = 0; pile >> bits == 0; pile++) {
        uint16_t height = begin[pile];
        too_high |= height > 2 * SORT_BY_INSERTION;
        begin[pile] = dealt;
        dealt = (uint16_t)(dealt + height);
    }
    if (too_high)
        return false;
    for (size_t i = 0; i < n; i++)
        spare[begin[(entries[i].deadline - range.earliest) >> shift]++] = entries[i];
    insert_all(entries, spare, n);
    return true;
}

/* deal: no attempt to deal them, or more that include them, has failed. */
static void sort_part(struct sort_entry *entries, size_t n, struct sort_entry *spare, bool deal)
{
    if (n <= SORT_BY_INSERTION) {
        insertion_sort(entries, n);
        return;
    }
    if (deal && n <= SORT_BY_DEALING) {
        if (sort_by_dealing(entries, n, spare))
            return;
        deal = false;
    }
    size_t middle = n / 2;
    sort_part(entries, middle, spare, deal);
    sort_part(entries + middle, n - middle, spare, deal);
    if (entry_before(&entries[middle], &entries[middle - 1]))
        merge(entries, middle, n, spare);
}

void sort_entries(struct sort_entry *entries, size_t n, struct sort_entry *spare)
{
    /* Buckets are stacks: a herd that was not moved on its way comes out with
     * its last first. */
    if (n > SORT_BY_INSERTION && entries[n - 1].deadline == entries[0].deadline &&
        entry_before(&entries[n - 1], &entries[0]))
        reverse(entries, n);
    sort_part(entries, n, spare, true);
}

static tw_timer *next_of(const tw_timer *timer)
{
    return timer->place_;
}

static tw_timer *merge_lists(tw_timer *a, tw_timer *b)
{
    tw_timer *first = NULL, *last = NULL;
    while (a && b) {
        tw_timer **from = timer_before(b, a) ? &b : &a;
        tw_timer *timer = *from;
        *from = next_of(timer);
        if (last)
            last->place_ = timer;
        else
            first = timer;
        last = timer;
    }
    tw_timer *rest = a ? a : b;
    if (!last)
        return rest;
    last->place_ = rest;
    return first;
}

tw_timer *sort_list(tw_timer *list)
{
    /* sorted[i]: a sorted list of 2^i timers, or none, like a binary number
     * that is counted up; the last takes whatever overflows. */
    tw_timer *sorted[64] = {NULL};
    while (list) {
        tw_timer *carry = list;
        list = next_of(list);
        carry->place_ = NULL;
        unsigned i = 0;
        for (; sorted[i]; i++) {
            carry = merge_lists(sorted[i], carry);
            sorted[i] = NULL;
        }
        sorted[i] = carry;
    }
    tw_timer *all = NULL;
    for (unsigned i = 0; i < 64; i++)
        all = merge_lists(sorted[i], all);
    return all;
}
