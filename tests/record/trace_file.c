/* SPDX-License-Identifier: MIT */
/* Both forms of traces: there and back, and what is said about damaged ones. */
#include "support.h"

#include "../model/random.h"

/* Reads a trace, and writes it in the other form if there is a tape for it.
 * 0, or -1 and why. */
static int convert(const struct tape *from, struct tape *to, int is_text, char *error)
{
    struct trace_reader reader;
    struct trace_event event;
    struct trace_writer writer;
    char *bytes = NULL;
    size_t count = 0;
    FILE *file = to ? open_memstream(&bytes, &count) : NULL;
    int more = trace_read_begin(&reader, from->bytes, from->count) == 0 ? 1 : -1;
    if (to && more == 1)
        REQUIRE(trace_write_begin(&writer, file, is_text) == 0);
    while (more == 1 && (more = trace_read_next(&reader, &event)) == 1) {
        if (to)
            REQUIRE(trace_write_event(&writer, &event) == 0);
    }
    if (to && more == 0)
        REQUIRE(trace_write_end(&writer) == 0);
    if (to) {
        fclose(file);
        *to = (struct tape){.bytes = (unsigned char *)bytes, .count = count};
    }
    strcpy(error, reader.error);
    return more;
}

static struct tape random_tape(uint64_t seed, size_t steps)
{
    struct tape tape = {0};
    struct firings firings = {0};
    record_random_program(seed, steps, &tape, &firings);
    free(firings.at_ns);
    return tape;
}

Test(trace_file, text_and_binary_carry_the_same)
{
    char error[160];
    for (uint64_t seed = 1; seed <= 5; seed++) {
        struct tape tape = random_tape(seed, 5000), text, binary;
        cr_assert_eq(convert(&tape, &text, 1, error), 0, "%s", error);
        cr_assert_eq(convert(&text, &binary, 0, error), 0, "%s", error);
        cr_assert_gt(text.count, tape.count);
        cr_assert_eq(binary.count, tape.count);
        cr_assert_eq(memcmp(binary.bytes, tape.bytes, tape.count), 0);
        tape_free(&tape);
        tape_free(&text);
        tape_free(&binary);
    }
}

static struct tape text_tape(const char *text)
{
    return (struct tape){.bytes = (unsigned char *)(uintptr_t)text, .count = strlen(text)};
}

Test(trace_file, a_text_is_easy_to_write_by_hand)
{
    struct tape tape = text_tape("twtrace 1\n"
                                 "# an idle timeout, refreshed once\n"
                                 "\n"
                                 "1s    start 7 +5ms\n"
                                 "+2us  move 7 +5ms   # from there\n"
                                 "+0    park 8\r\n"
                                 "+6ms  run\n"
                                 "+0    fire 7\n"
                                 "+0    start 7 never");
    struct trace_reader reader;
    struct trace_event event;
    static const uint64_t times[] = {1000000000, 1000002000, 1000002000,
                                     1006002000, 1006002000, 1006002000};
    static const uint64_t deadlines[] = {1005000000, 1005002000, 0, 1006002000, 0, UINT64_MAX};
    cr_assert_eq(trace_read_begin(&reader, tape.bytes, tape.count), 0);
    for (size_t i = 0; i < 6; i++) {
        cr_assert_eq(trace_read_next(&reader, &event), 1, "%s", reader.error);
        cr_assert_eq(event.time_ns, times[i], "event %zu", i);
        cr_assert_eq(event.deadline_ns, deadlines[i], "event %zu", i);
    }
    cr_assert_eq(trace_read_next(&reader, &event), 0, "%s", reader.error);
}

Test(trace_file, mistakes_in_a_text_are_named_with_their_line)
{
    static const struct {
        const char *text, *error;
    } cases[] = {
        {"", "this is not a trace"},
        {"hello", "this is not a trace"},
        {"twtrace 2\n", "this version is not known"},
        {"twtrace 12\n", "this version is not known"},
        {"twtrace 1\n5 jump 3\n", "line 2: 'jump' is not an operation"},
        {"twtrace 1\n5 start 3\n", "line 2: 'start' needs 4 words"},
        {"twtrace 1\n5 stop 3 9\n", "line 2: 'stop' needs 3 words"},
        {"twtrace 1\n5\n", "line 2: it should be"},
        {"twtrace 1\n\n5 stop 3 9 9 9\n", "line 3: there are more than four words"},
        {"twtrace 1\n5 run\n4 run\n", "line 3: time goes backwards"},
        {"twtrace 1\n5 run 6\n", "a run's reading is not after its time"},
        {"twtrace 1\n5h run\n", "'5h' is not a time"},
        {"twtrace 1\n-5 run\n", "'-5' is not a number"},
        {"twtrace 1\n5 stop 268435456\n", "there is no timer '268435456'"},
        {"twtrace 1\n5 stop 1048576\n", "there is no timer '1048576'"},
        {"twtrace 1\n5 stop 3x\n", "there is no timer '3x'"},
        {"twtrace 1\n5 start 3 99999999999s\n", "has more than 64 bits"},
        {"twtrace 1\n99999999999999999999 run\n", "is not a number of 64 bits"},
        {"twtrace 1\n5 run\nend 2 0\n", "the end says 2 events, but there were 1"},
        {"twtrace 1\n5 run\nend 1 0\n", "the checksum is wrong"},
        {"twtrace 1\nend 0 0\n5 run\n", "there is something behind the end"},
    };
    char error[160];
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct tape tape = text_tape(cases[i].text);
        cr_assert_eq(convert(&tape, NULL, 0, error), -1, "case %zu", i);
        cr_assert_not_null(strstr(error, cases[i].error), "case %zu: %s", i, error);
    }
}

/* As docs/TRACES.md and lib/loop/trace_format.h tell it, worked out by another program: reader
 * and writer share that file, and could err together. */
Test(trace_file, binary_form_is_this_byte_for_byte)
{
    static const char text[] = "twtrace 1\n"
                               "15 start 0 +100\n"
                               "+16 start 1 +127\n"
                               "+0 soon 300\n"
                               "+0 start 2 +2000\n"
                               "+0 start 3 +3000\n"
                               "+0 start 4 +4000\n"
                               "+0 start 5 +5000\n"
                               "+0 start 6 +6000\n"
                               "+0 start 7 +7000\n"
                               "+0 move 0 +100\n"
                               "+0 move 1 +127\n"
                               "+0 move 2 +100\n"
                               "+0 park 3\n"
                               "+0 stop 7\n"
                               "+0 start 7 +35184372088801\n"
                               "+0 move 2 +2000\n"
                               "+0 move 2 +4000\n"
                               "+0 move 2 +4000\n"
                               "1000000 run 999000\n"
                               "+0 fire 0\n";
    static const unsigned char expected[] = {
        0x93, 'T', 'W', 'T', '\r', '\n', 0x1a, 0x01,
        0x7a, 0x00, 0x08, 0x64,                   /* the most time that a head has room for */
        0x82, 0x01, 0x02, 0x08, 0x7f,             /* more of it; the longest delay of a byte */
        0x07, 0xd6, 0x04,
        0x02, 0xd3, 0x04, 0x08, 0xd0, 0x0f,       /* a step back */
        0x02, 0x02, 0x08, 0xb8, 0x17,
        0x02, 0x02, 0x08, 0xa0, 0x1f,
        0x02, 0x02, 0x08, 0x88, 0x27,
        0x02, 0x02, 0x08, 0xf0, 0x2e,
        0x02, 0x02, 0x08, 0xd8, 0x36,
        0x03, 0x0d, 0x07,                         /* the eighth of the delays before */
        0x03, 0x02, 0x07,
        0x03, 0x02, 0x01,
        0x05, 0x02,
        0x04, 0x08,
        0x02, 0x00, 0x08, 0xe1, 0xff, 0xff, 0xff, 0xff, 0xff, 0x07,
        0x03, 0x09, 0x08, 0xd0, 0x0f,             /* it is the ninth now, and new again */
        0x03, 0x00, 0x07,
        0x03, 0x00, 0x00,                         /* the latest once more */
        0x89, 0xa2, 0xe8, 0x03, 0xe8, 0x07,
        0x06, 0x03,
        0x00, 0x14, 0x1d, 0x10, 0xa4, 0x96, 0x6c, 0x2b, 0x66, 0xab};
    struct tape by_hand = text_tape(text), binary, again;
    struct tape bytes = {.bytes = (unsigned char *)(uintptr_t)expected, .count = sizeof expected};
    char error[160];
    cr_assert_eq(convert(&by_hand, &binary, 0, error), 0, "%s", error);
    cr_assert_eq(binary.count, sizeof expected);
    for (size_t i = 0; i < sizeof expected; i++)
        REQUIRE(binary.bytes[i] == expected[i]);
    cr_assert_eq(convert(&bytes, &again, 0, error), 0, "%s", error);
    cr_assert_eq(again.count, sizeof expected);
    REQUIRE(memcmp(again.bytes, expected, sizeof expected) == 0);
    tape_free(&binary);
    tape_free(&again);
}

/* A few bytes that name a high timer would have a replay make room for all below. */
Test(trace_file, a_few_bytes_cannot_name_very_many_timers)
{
    char error[160];
    for (uint32_t id = 1; id < UINT32_MAX / 2; id = id * 2 + 1) {
        struct trace_codec codec = {0};
        unsigned char bytes[64], *end = bytes + TRACE_MAGIC_BYTES;
        struct trace_event event = {.time_ns = 5, .deadline_ns = 9, .id = id, .op = TRACE_START};
        memcpy(bytes, TRACE_MAGIC, TRACE_MAGIC_BYTES);
        end = trace_put_end(&codec, trace_put(&codec, end, &event));
        struct tape tape = {.bytes = bytes, .count = (size_t)(end - bytes)};
        int result = convert(&tape, NULL, 0, error);
        cr_assert_eq(result, id < TRACE_FEW_IDS ? 0 : -1, "timer %u: %s", id, error);
        cr_assert(result == 0 || strstr(error, "there is no timer"), "timer %u: %s", id, error);
    }
}

/* But a trace of very many does. */
Test(trace_file, many_bytes_may_name_many_timers)
{
    struct tape tape = {.bytes = malloc(600000), .count = 600000};
    char error[160];
    memset(tape.bytes, '\n', tape.count);
    memcpy(tape.bytes, "twtrace 1\n5 stop 4799999\n", 25);
    cr_assert_eq(convert(&tape, NULL, 0, error), 0, "%s", error);
    memcpy(tape.bytes, "twtrace 1\n5 stop 4800000\n", 25);
    cr_assert_eq(convert(&tape, NULL, 0, error), -1);
    tape_free(&tape);
}

static const char *file_of(const char *content, size_t count)
{
    static char path[] = "/tmp/trace_file_XXXXXX";
    int fd = mkstemp(path);
    FILE *file = fdopen(fd, "wb");
    cr_assert_eq(fwrite(content, 1, count, file), count);
    cr_assert_eq(fclose(file), 0);
    return path;
}

Test(trace_file, loading_ends_at_the_bytes_allowed)
{
    enum { BYTES = 300000 };
    static char content[BYTES] = "twtrace 1\n";
    size_t count;
    memset(content + 10, '\n', BYTES - 10);
    const char *path = file_of(content, BYTES);
    void *bytes = trace_load(path, BYTES, &count);
    cr_assert_not_null(bytes);
    cr_assert_eq(count, (size_t)BYTES);
    cr_assert_eq(memcmp(bytes, content, BYTES), 0);
    free(bytes);
    for (uint64_t most = 1; most < BYTES; most = most * 3 + BYTES / 10) {
        errno = 0;
        cr_assert_null(trace_load(path, most, &count));
        cr_assert_eq(errno, EFBIG);
    }
    remove(path);
    errno = 0;
    cr_assert_null(trace_load(path, BYTES, &count));
    cr_assert_eq(errno, ENOENT);
}

/* From a pipe without an end, say. */
Test(trace_file, what_does_not_begin_as_a_trace_is_not_read_on)
{
    struct trace_reader reader;
    size_t count;
    void *bytes = trace_load("/dev/zero", UINT64_MAX, &count);
    cr_assert_not_null(bytes);
    cr_assert_leq(count, (size_t)1 << 20);
    cr_assert_eq(trace_read_begin(&reader, bytes, count), -1);
    free(bytes);
}

Test(trace_file, another_version_of_the_binary_form_is_named)
{
    struct tape tape = random_tape(3, 10);
    char error[160];
    tape.bytes[TRACE_MAGIC_BYTES - 1] = 9;
    cr_assert_eq(convert(&tape, NULL, 0, error), -1);
    cr_assert_not_null(strstr(error, "this is version 9"), "%s", error);
    tape_free(&tape);
}

Test(trace_file, a_binary_trace_cut_short_anywhere_is_refused)
{
    struct tape tape = random_tape(4, 300);
    char error[160];
    for (size_t count = 0; count < tape.count; count++) {
        struct tape cut = {.count = count, .bytes = malloc(count ? count : 1)};
        memcpy(cut.bytes, tape.bytes, count); /* its own block, so that sanitizers see its end */
        REQUIRE(convert(&cut, NULL, 0, error) == -1);
        REQUIRE(strstr(error, count < TRACE_MAGIC_BYTES ? "not a trace" : "cut short") != NULL);
        tape_free(&cut);
    }
    tape_free(&tape);
}

/* A damaged trace is refused, unless it says the same as before. */
static void damage(struct tape *tape, uint64_t rounds)
{
    struct chance chance = {5};
    char error[160];
    size_t refused = 0;
    for (uint64_t round = 0; round < rounds; round++) {
        size_t at = chance_below(&chance, tape->count);
        unsigned char before = tape->bytes[at];
        tape->bytes[at] ^= (unsigned char)(1 + chance_below(&chance, 255));
        int result = convert(tape, NULL, 0, error);
        REQUIRE(result == 0 || (result == -1 && error[0] != '\0'));
        refused += result == -1;
        tape->bytes[at] = before;
    }
    cr_assert_gt(refused, rounds * 9 / 10, "%zu of %d", refused, (int)rounds);
}

Test(trace_file, a_changed_byte_is_noticed_in_either_form)
{
    struct tape tape = random_tape(6, 300), text;
    char error[160];
    cr_assert_eq(convert(&tape, &text, 1, error), 0);
    damage(&tape, 5000);
    damage(&text, 5000);
    tape_free(&tape);
    tape_free(&text);
}

Test(trace_file, noise_behind_the_magic_is_read_without_harm)
{
    struct chance chance = {7};
    char error[160];
    for (int round = 0; round < 5000; round++) {
        size_t count = TRACE_MAGIC_BYTES + chance_below(&chance, 64);
        struct tape tape = {.bytes = malloc(count), .count = count};
        for (size_t i = 0; i < count; i++)
            tape.bytes[i] = (unsigned char)chance_word(&chance);
        memcpy(tape.bytes, TRACE_MAGIC, TRACE_MAGIC_BYTES);
        REQUIRE(convert(&tape, NULL, 0, error) == -1 && error[0] != '\0');
        tape_free(&tape);
    }
}
