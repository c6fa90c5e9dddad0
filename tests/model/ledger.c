#include "ledger.h"

#include <stdlib.h>
#include <string.h>

void ledger_free(struct ledger *ledger)
{
    free(ledger->lines);
    *ledger = (struct ledger){0};
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
    if (ledger->count == ledger->room) {
        ledger->room = ledger->room * 2 + 64;
        ledger->lines = realloc(ledger->lines, ledger->room * sizeof line);
        if (!ledger->lines)
            abort();
    }
    size_t place = ledger->count;
    while (place > 0 && line_before(&line, &ledger->lines[place - 1]))
        place--;
    memmove(&ledger->lines[place + 1], &ledger->lines[place],
            (ledger->count++ - place) * sizeof line);
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
    memmove(&ledger->lines[place], &ledger->lines[place + 1],
            (--ledger->count - place) * sizeof *ledger->lines);
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
