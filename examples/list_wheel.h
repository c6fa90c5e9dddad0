/* SPDX-License-Identifier: MIT */
/*
 * list_wheel: the textbook's hierarchical timing wheel of doubly linked lists, for
 * comparison with tickwheel in http_server (build switch HTTP_TIMERS_LIST_WHEEL).
 *
 * After G. Varghese and T. Lauck, "Hashed and Hierarchical Timing Wheels" (1987),
 * scheme 7, with the sizes that Linux long used: 256 slots of one tick, then
 * levels of 64 slots, each slot as long as the whole level below. When a level
 * has turned once, one slot of the next level is emptied into it at a stroke.
 *
 * Time is counted in ticks of the caller's. A timer is due at its tick or, if
 * that has passed, at the next one. Starting and stopping are O(1).
 */
#ifndef LIST_WHEEL_H
#define LIST_WHEEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LIST_WHEEL_LEVELS 4
#define LIST_WHEEL_FIRST_BITS 8 /* slots of level 0, as a power of two, */
#define LIST_WHEEL_BITS 6       /* and of the others */

struct list_node {
    struct list_node *next, *previous; /* NULL: in no list */
};

struct list_timer {
    struct list_node node; /* first: a node is cast to its timer */
    uint64_t due_tick;
    void (*callback)(void *arg);
    void *arg;
};

struct list_wheel {
    uint64_t now_tick; /* the last one that was run */
    size_t active;
    struct list_node slots[LIST_WHEEL_LEVELS][1 << LIST_WHEEL_FIRST_BITS];
};

void list_wheel_init(struct list_wheel *wheel, uint64_t now_tick);

void list_timer_init(struct list_timer *timer, void (*callback)(void *), void *arg);

/* Starts the timer, or moves it if it is active. One that is due beyond the span
 * of the wheel is kept in its furthest slot until it is within it. */
void list_timer_start(struct list_wheel *wheel, struct list_timer *timer, uint64_t due_tick);

/* Stops the timer, if it is active; its memory may then be freed. */
void list_timer_stop(struct list_wheel *wheel, struct list_timer *timer);

/* Runs every timer due up to now_tick, tick by tick. */
void list_wheel_advance(struct list_wheel *wheel, uint64_t now_tick);

/* When to advance next: the next tick that has timers or that empties a slot of
 * a higher level; UINT64_MAX if no timer is active. Looks at up to 256 slots. */
uint64_t list_wheel_next_tick(const struct list_wheel *wheel);

#endif
