/* SPDX-License-Identifier: MIT */
/*
 * outer: what the cases ask of an event loop that carries a wheel. Each loop has a
 * file that implements it by the loop's adapter; cases.c is linked to each.
 *
 * The adapter's struct is taken from malloc and given back at the earliest moment
 * that its manual allows, so that the sanitizers see a use after that.
 */
#ifndef TEST_OUTER_H
#define TEST_OUTER_H

#include <stdbool.h>
#include <tickwheel.h>

#ifdef __cplusplus
extern "C" {
#endif

struct outer {
    const char *name;
    bool returns_when_empty;     /* run returns when nothing is pending; else on detach */
    bool nests;                  /* turn may be called in a callback */
    bool forks;
    void (*open)(void);
    void (*close)(void);
    int (*attach)(tw_loop *wheel);
    void (*detach)(void);        /* the memory is given back now, or in one of the next turns */
    void (*update)(void);        /* NULL: the adapter has nothing to be told */
    void (*turn)(void);          /* waits until something happens, and handles it */
    void (*run)(void);
    void (*in_a_while)(void (*event)(void)); /* an event of the loop's own, in 5 ms */
    void (*child)(void);         /* after a fork: what the loop and the adapter are to be told */
    int (*attach_nothing)(tw_loop *wheel);   /* attach with a NULL for the loop */
};

extern const struct outer outer;

#ifdef __cplusplus
}
#endif
#endif
