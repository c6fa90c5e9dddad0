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
