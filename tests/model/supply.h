/* SPDX-License-Identifier: MIT */
/*
 * supply: an allocator that can fail, and verifies what is given back.
 *
 * Each block carries its own size and alignment, and each is given back once and
 * with its own size. New memory is full of rubbish, so that nothing relies on
 * zeroes.
 */
#ifndef TICKWHEEL_TESTS_MODEL_SUPPLY_H
#define TICKWHEEL_TESTS_MODEL_SUPPLY_H

#include <tickwheel.h>

struct supply {
    uint64_t calls;          /* allocations asked for */
    uint64_t refused;        /* of them */
    uint64_t fail_from;      /* calls of this number (from 0) and higher may be refused */
    unsigned fail_one_in;    /* each of them with this chance; 1: always; 0: never */
    uint64_t chance;         /* state of the dice for that */
    size_t blocks, bytes;    /* held now */
    const char *complaint;   /* the first misuse; NULL: none */
};

/* Nothing is refused until fail_one_in is set. The supply outlives the loop. */
tw_allocator supply_allocator(struct supply *supply);

#endif
