/* SPDX-License-Identifier: MIT */
/* list_wheel: the rings of lists, as list_wheel.h says. */
#include "list_wheel.h"

#define FIRST_SLOTS (1u << LIST_WHEEL_FIRST_BITS)
#define SPAN_BITS (LIST_WHEEL_FIRST_BITS + (LIST_WHEEL_LEVELS - 1) * LIST_WHEEL_BITS)

/* How far a tick is shifted to make a slot number of the level. */
static unsigned level_shift(unsigned level)
{
    return level == 0 ? 0 : LIST_WHEEL_FIRST_BITS + (level - 1) * LIST_WHEEL_BITS;
}

static unsigned level_slots(unsigned level)
{
    return level == 0 ? FIRST_SLOTS : 1u << LIST_WHEEL_BITS;
}

static unsigned slot_of(unsigned level, uint64_t tick)
{
    return (unsigned)(tick >> level_shift(level)) & (level_slots(level) - 1);
}

static bool list_is_empty(const struct list_node *list)
{
    return list->next == list;
}

static void list_clear(struct list_node *list)
{
    list->next = list->previous = list;
}

static void list_append(struct list_node *list, struct list_node *node)
{
    node->next = list;
    node->previous = list->previous;
    list->previous->next = node;
    list->previous = node;
}

static void list_remove(struct list_node *node)
{
    node->previous->next = node->next;
    node->next->previous = node->previous;
    node->next = node->previous = NULL;
}

/* Moves all nodes of one list to another, which was not in use. */
static void list_take(struct list_node *to, struct list_node *from)
{
    if (list_is_empty(from)) {
        list_clear(to);
        return;
    }
    *to = *from;
    to->next->previous = to->previous->next = to;
    list_clear(from);
}

/* Puts the timer into the lowest level that reaches its tick. */
static void place(struct list_wheel *wheel, struct list_timer *timer, uint64_t earliest)
{
    uint64_t tick = timer->due_tick < earliest ? earliest : timer->due_tick;
    uint64_t furthest = wheel->now_tick + ((uint64_t)1 << SPAN_BITS) - 1;
    if (tick > furthest)
        tick = furthest;
    uint64_t distance = tick - wheel->now_tick;
    unsigned level = 0;
    while (distance >> level_shift(level) >= level_slots(level))
        level++;
    list_append(&wheel->slots[level][slot_of(level, tick)], &timer->node);
}

void list_wheel_init(struct list_wheel *wheel, uint64_t now_tick)
{
    wheel->now_tick = now_tick;
    wheel->active = 0;
    for (unsigned level = 0; level < LIST_WHEEL_LEVELS; level++)
        for (unsigned slot = 0; slot < level_slots(level); slot++)
            list_clear(&wheel->slots[level][slot]);
}

void list_timer_init(struct list_timer *timer, void (*callback)(void *), void *arg)
{
    *timer = (struct list_timer){.callback = callback, .arg = arg};
}

void list_timer_start(struct list_wheel *wheel, struct list_timer *timer, uint64_t due_tick)
{
    list_timer_stop(wheel, timer);
    timer->due_tick = due_tick;
    wheel->active++;
    place(wheel, timer, wheel->now_tick + 1);
}

void list_timer_stop(struct list_wheel *wheel, struct list_timer *timer)
{
    if (timer->node.next == NULL)
        return;
    list_remove(&timer->node);
    wheel->active--;
}

/* Empties the slot of this level that time has just entered into those below.
 * Level 0's slot of the very tick comes after this, so it may still be used. */
static void cascade(struct list_wheel *wheel, unsigned level)
{
    struct list_node moving;
    list_take(&moving, &wheel->slots[level][slot_of(level, wheel->now_tick)]);
    while (!list_is_empty(&moving)) {
        struct list_node *node = moving.next;
        list_remove(node);
        place(wheel, (struct list_timer *)node, wheel->now_tick);
    }
}

static void run_tick(struct list_wheel *wheel)
{
    struct list_node due;
    wheel->now_tick++;
    for (unsigned level = 1; level < LIST_WHEEL_LEVELS; level++) {
        if (slot_of(level - 1, wheel->now_tick) != 0)
            break;
        cascade(wheel, level);
    }
    list_take(&due, &wheel->slots[0][slot_of(0, wheel->now_tick)]);
    while (!list_is_empty(&due)) {
        struct list_timer *timer = (struct list_timer *)due.next;
        list_timer_stop(wheel, timer);
        timer->callback(timer->arg);
    }
}

void list_wheel_advance(struct list_wheel *wheel, uint64_t now_tick)
{
    while (wheel->now_tick < now_tick)
        run_tick(wheel);
}

uint64_t list_wheel_next_tick(const struct list_wheel *wheel)
{
    if (wheel->active == 0)
        return UINT64_MAX;
    uint64_t tick = wheel->now_tick + 1;
    while (slot_of(0, tick) != 0 && list_is_empty(&wheel->slots[0][slot_of(0, tick)]))
        tick++;
    return tick;
}
