/* SPDX-License-Identifier: MIT */
/* stats_text: the text made of known figures, line by line. */
#include "stats_text.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static int failures;

/* Whether the text has this as a whole line of its own, exactly once. */
static void expect_line(const char *text, const char *line)
{
    size_t length = strlen(line);
    int found = 0;
    for (const char *at = text; (at = strstr(at, line)) != NULL; at += length)
        found += (at == text || at[-1] == '\n') && at[length] == '\n';
    if (found == 1)
        return;
    printf("%d times instead of once: %s\n", found, line);
    failures++;
}

static void expect_lines(const char *text, const char *const *lines)
{
    for (; *lines != NULL; lines++)
        expect_line(text, *lines);
    if (failures > 0)
        printf("in:\n%s", text);
}

static void prometheus_has_every_loop_in_each_family(const tw_stats *loops)
{
    static const char *const lines[] = {
        "# TYPE tickwheel_pending gauge",
        "tickwheel_pending{loop=\"0\"} 7",
        "tickwheel_pending{loop=\"1\"} 0",
        "# TYPE tickwheel_started_total counter",
        "tickwheel_started_total{loop=\"0\"} 18446744073709551615",
        "tickwheel_moved_max{loop=\"1\"} 9",
        "# TYPE tickwheel_lateness_seconds histogram",
        "tickwheel_lateness_seconds_bucket{loop=\"0\",le=\"1.023e-06\"} 5",  /* 0 to 2^10 - 1 ns */
        "tickwheel_lateness_seconds_bucket{loop=\"0\",le=\"4.095e-06\"} 16", /* and to 2^12 - 1 */
        "tickwheel_lateness_seconds_bucket{loop=\"0\",le=\"68.7194767\"} 16",
        "tickwheel_lateness_seconds_bucket{loop=\"0\",le=\"+Inf\"} 17",
        "tickwheel_lateness_seconds_count{loop=\"0\"} 17",
        "tickwheel_lateness_seconds_count{loop=\"1\"} 0",
        NULL,
    };
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    stats_prometheus(out, loops, 2);
    fclose(out);
    expect_lines(text, lines);
    free(text);
}

static void text_has_a_line_for_each_lateness_seen(const tw_stats *loops)
{
    static const char *const lines[] = {
        "pending                       7  Timers still to run.",
        "late                          2  by up to 0.000000000 s",
        "late                          3  by up to 0.000001023 s",
        "late                         11  by up to 0.000002047 s",
        NULL,
    };
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    stats_text(out, &loops[0]);
    fclose(out);
    expect_lines(text, lines);
    free(text);
}

/* Each word of tw_stats gets a number of its own, which must be in the text; but the size,
 * and lateness, which has lines of its own. */
static void text_has_every_counter(void)
{
    tw_stats stats;
    char *text = NULL, number[32];
    size_t size;
    uint64_t words[sizeof stats / sizeof(uint64_t)];
    const size_t count = sizeof words / sizeof words[0];
    const size_t first_late = offsetof(tw_stats, late) / sizeof(uint64_t);

    if (sizeof(size_t) != sizeof(uint64_t))
        return; /* two to a word */
    for (size_t i = 0; i < count; i++)
        words[i] = 1000000 + i;
    memcpy(&stats, words, sizeof stats);
    FILE *out = open_memstream(&text, &size);
    stats_text(out, &stats);
    fclose(out);
    for (size_t i = 1; i < count; i++) {
        snprintf(number, sizeof number, " %zu ", (size_t)words[i]);
        if ((i < first_late || i >= first_late + 64) && !strstr(text, number)) {
            printf("the field at byte %zu of tw_stats has no line in stats_text.c\n",
                   i * sizeof(uint64_t));
            failures++;
        }
    }
    free(text);
}

int main(void)
{
    static tw_stats loops[2];
    loops[0].pending = 7;
    loops[0].started = UINT64_MAX;
    loops[0].late[0] = 2;
    loops[0].late[10] = 3;
    loops[0].late[11] = 11;
    loops[0].late[63] = 1;
    loops[1].moved_max = 9;
    prometheus_has_every_loop_in_each_family(loops);
    text_has_a_line_for_each_lateness_seen(loops);
    text_has_every_counter();
    return failures == 0 ? 0 : 1;
}
