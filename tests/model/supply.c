/* SPDX-License-Identifier: MIT */
/* supply: giving, refusing and verifying memory, as supply.h says. */
#include "supply.h"

#include <stdlib.h>
#include <string.h>

#include "random.h"

#define MARK UINT64_C(0x71C40D1CEB0A7E55)

/* In front of each block, at the end of a piece as large as its alignment. */
struct label {
    uint64_t mark;
    size_t bytes;
    size_t lead;   /* from the start of the memory to the block */
};

static bool refuses(struct supply *supply)
{
    if (supply->calls++ < supply->fail_from || supply->fail_one_in == 0)
        return false;
    struct chance chance = {supply->chance};
    bool refuse = chance_one_in(&chance, supply->fail_one_in);
    supply->chance = chance.state;
    supply->refused += refuse;
    return refuse;
}

static void complain(struct supply *supply, const char *complaint)
{
    if (!supply->complaint)
        supply->complaint = complaint;
}

static void *supply_alloc(void *arg, size_t bytes, size_t alignment)
{
    struct supply *supply = arg;
    if (bytes == 0 || alignment == 0 || (alignment & (alignment - 1)) != 0)
        complain(supply, "an alignment is not a power of two");
    else if (bytes % alignment != 0 || alignment > (size_t)2 << 20)
        complain(supply, "a size is no multiple of its alignment");
    if (supply->complaint || refuses(supply))
        return NULL;
    size_t lead = alignment < 64 ? 64 : alignment;
    char *memory = aligned_alloc(lead, lead + (bytes + lead - 1) / lead * lead);
    if (!memory)
        return NULL;
    char *block = memory + lead;
    struct label label = {.mark = MARK, .bytes = bytes, .lead = lead};
    memcpy(block - sizeof label, &label, sizeof label);
    memset(block, 0xA5, bytes);
    supply->blocks++;
    supply->bytes += bytes;
    return block;
}

static void supply_free(void *arg, void *block, size_t bytes)
{
    struct supply *supply = arg;
    struct label label;
    memcpy(&label, (char *)block - sizeof label, sizeof label);
    if (label.mark != MARK)
        complain(supply, "what is given back was never given out");
    else if (label.bytes != bytes)
        complain(supply, "a block is given back with another size");
    if (supply->complaint)
        return;
    memset((char *)block - sizeof label, 0, sizeof label);
    supply->blocks--;
    supply->bytes -= bytes;
    free((char *)block - label.lead);
}

tw_allocator supply_allocator(struct supply *supply)
{
    return (tw_allocator){.alloc = supply_alloc, .free = supply_free, .allocator_arg = supply};
}
