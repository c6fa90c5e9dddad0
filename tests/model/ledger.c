/* SPDX-License-Identifier: MIT */
/* ledger: a sorted array of what is pending, as ledger.h says. */
#include "ledger.h"

#include <stdlib.h>
#include <string.h>

void ledger_free(struct ledger *ledger)
{
    free(ledger->memory);
    *ledger = (struct ledger){0};
}

/* Makes room for one more line behind the last. */
static void make_room(struct ledger *ledger)
{
    size_t before = (size_t)(ledger->lines - ledger->memory);
    if (before + ledger->count < ledger->room)
        return;
    if (before < ledger->room / 2 || ledger->room == 0) {
        ledger->room = ledger->room * 2 + 64;
        ledger->memory = realloc(ledger->memory, ledger->room * sizeof *ledger->lines);
        if (!ledger->memory)
            abort();
        ledger->lines = ledger->memory + before;
        return;
    }
    memcpy(ledger->memory, ledger->lines, ledger->count * sizeof *ledger->lines);
    ledger->lines = ledger->memory;
}

static bool line_before(const struct ledger_line *a, const struct ledger_line *b)
{
    if (a->soon != b->soon)
        return a->soon;
    if (!a->soon && a->deadline != b->deadline)
        return a->deadline < b->deadline;
    return a->order < b->order;
}

void ledger_add(struct ledger *ledger, unsigned entry, bool soon, uint64_t deadline)
{
    struct ledger_line line = {
        .soon = soon, .deadline = deadline, .order = ++ledger->last_order, .entry = entry};
    make_room(ledger);
    size_t place = ledger->count++;
    for (; place > 0 && line_before(&line, &ledger->lines[place - 1]); place--)
        ledger->lines[place] = ledger->lines[place - 1];
    ledger->lines[place] = line;
}

const struct ledger_line *ledger_find(const struct ledger *ledger, unsigned entry)
{
    for (size_t i = 0; i < ledger->count; i++) {
        if (ledger->lines[i].entry == entry)
            return &ledger->lines[i];
    }
    return NULL;
}

void ledger_remove(struct ledger *ledger, unsigned entry)
{
    size_t place = (size_t)(ledger_find(ledger, entry) - ledger->lines);
    ledger->count--;
    if (place <= ledger->count / 2) { /* what runs is at the front */
        for (; place > 0; place--)
            ledger->lines[place] = ledger->lines[place - 1];
        ledger->lines++;
    } else {
        for (; place < ledger->count; place++)
            ledger->lines[place] = ledger->lines[place + 1];
    }
}

const struct ledger_line *ledger_next(const struct ledger *ledger, uint64_t now,
                                      uint64_t last_order, uint64_t last_soon)
{
    for (size_t i = 0; i < ledger->count; i++) {
        const struct ledger_line *line = &ledger->lines[i];
        if (line->order > (line->soon ? last_soon : last_order))
            continue;
        if (line->soon || line->deadline <= now)
            return line;
    }
    return NULL;
}

uint64_t ledger_earliest(const struct ledger *ledger)
{
    for (size_t i = 0; i < ledger->count; i++) {
        if (!ledger->lines[i].soon)
            return ledger->lines[i].deadline;
    }
    return UINT64_MAX;
}

bool ledger_has_soon(const struct ledger *ledger)
{
    return ledger->count > 0 && ledger->lines[0].soon;
}
