/* SPDX-License-Identifier: MIT */
/*
 * Runs the model on many seeds: see --help.
 */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model.h"

static const char usage[] =
    "model [--seed N] [--seeds N] [--steps N] [--fail-from K] [--each-failure] [--trace]\n"
    "\n"
    "  --seed N         the first seed (1; the environment's TW_MODEL_SEED goes before that)\n"
    "  --seeds N        how many, one after the other (100)\n"
    "  --steps N        of the clock, for each (300)\n"
    "  --fail-from K    every allocation from number K on fails\n"
    "  --each-failure   each seed once for every K that its program gets to\n"
    "  --trace          tell every operation on stderr\n";

static unsigned long long number(const char *text)
{
    char *end;
    unsigned long long value = strtoull(text, &end, 0);
    if (*text == '\0' || *end != '\0') {
        fprintf(stderr, "%s is not a number\n", text);
        exit(2);
    }
    return value;
}

struct order {
    struct model_plan plan;
    unsigned long long seeds;
    bool each_failure;
};

static void read_options(int argc, char **argv, struct order *order)
{
    for (int i = 1; i < argc; i++) {
        const char *option = argv[i], *value = i + 1 < argc ? argv[i + 1] : "";
        if (strcmp(option, "--trace") == 0)
            order->plan.trace = true;
        else if (strcmp(option, "--each-failure") == 0)
            order->each_failure = true;
        else if (strcmp(option, "--seed") == 0)
            order->plan.seed = number(value), i++;
        else if (strcmp(option, "--seeds") == 0)
            order->seeds = number(value), i++;
        else if (strcmp(option, "--steps") == 0)
            order->plan.steps = (unsigned)number(value), i++;
        else if (strcmp(option, "--fail-from") == 0)
            order->plan.fail_from = (long)number(value), i++;
        else {
            fputs(usage, strcmp(option, "--help") == 0 ? stdout : stderr);
            exit(strcmp(option, "--help") == 0 ? 0 : 2);
        }
    }
}

/* The program of one seed, with memory ending at each of its allocations. */
static void fail_at_each(struct model_plan plan, struct model_counts *counts)
{
    plan.fail_from = LONG_MAX;
    uint64_t calls = model_run(&plan, counts);
    for (plan.fail_from = 0; (uint64_t)plan.fail_from < calls; plan.fail_from++)
        model_run(&plan, counts);
}

int main(int argc, char **argv)
{
    const char *seed = getenv("TW_MODEL_SEED");
    struct order order = {
        .plan = {.seed = seed ? number(seed) : 1, .steps = 300, .fail_from = -1}, .seeds = 100};
    read_options(argc, argv, &order);
    struct model_counts counts = {0};
    for (unsigned long long i = 0; i < order.seeds; i++, order.plan.seed++) {
        if (order.each_failure)
            fail_at_each(order.plan, &counts);
        else
            model_run(&order.plan, &counts);
    }
    printf("%llu seeds: %llu operations, %llu runs (%llu nested), %llu callbacks, %llu cascaded, "
           "%llu allocations refused\n", order.seeds, (unsigned long long)counts.operations,
           (unsigned long long)counts.runs, (unsigned long long)counts.nested,
           (unsigned long long)counts.callbacks,
           (unsigned long long)counts.cascaded, (unsigned long long)counts.refused);
    return counts.callbacks > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
