/* SPDX-License-Identifier: MIT */
/* trace_file: both forms of a trace, as trace_file.h says. */
#include "trace_file.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>

const char *const trace_op_names[8] = {"end",  "run",  "start", "move",
                                       "stop", "park", "fire",  "soon"};

static bool has_id(enum trace_op op)
{
    return op != TRACE_END && op != TRACE_RUN;
}

static bool has_deadline(enum trace_op op)
{
    return op == TRACE_START || op == TRACE_MOVE;
}

__attribute__((format(printf, 2, 3)))
static int fail(struct trace_reader *reader, const char *format, ...)
{
    char *out = reader->error;
    size_t room = sizeof reader->error;
    int used = reader->line != 0
                   ? snprintf(out, room, "line %zu: ", reader->line)
                   : snprintf(out, room, "byte %zu, event %" PRIu64 ": ",
                              (size_t)(reader->at - reader->begin), reader->codec.count + 1);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(out + used, room - (size_t)used, format, arguments);
    va_end(arguments);
    return -1;
}

/* At an end event: whether the events before it are those that were written. */
static int check_end(struct trace_reader *reader, uint64_t count, uint64_t checksum)
{
    if (count != reader->codec.count)
        return fail(reader, "the end says %" PRIu64 " events, but there were %" PRIu64, count,
                    reader->codec.count);
    if (checksum != reader->codec.checksum)
        return fail(reader, "the checksum is wrong: some event was changed");
    return 0;
}

/* ---------------------------------------------------------------- binary form */

static int get_byte(struct trace_reader *reader, unsigned *byte)
{
    if (reader->at == reader->end)
        return fail(reader, "the trace is cut short: it has no end");
    *byte = *reader->at++;
    return 0;
}

static int get_varint(struct trace_reader *reader, uint64_t *value)
{
    unsigned byte = 128;
    *value = 0;
    for (unsigned shift = 0; byte & 128; shift += 7) {
        if (get_byte(reader, &byte) != 0)
            return -1;
        if (shift > 63 || (shift == 63 && byte > 1))
            return fail(reader, "a number has more than 64 bits");
        *value |= (uint64_t)(byte & 127) << shift;
    }
    return 0;
}

static int get_id(struct trace_reader *reader, uint32_t *id)
{
    uint64_t coded;
    if (get_varint(reader, &coded) != 0)
        return -1;
    uint64_t sum = reader->codec.id + (coded & 1 ? ~(coded >> 1) : coded >> 1);
    if (sum >= reader->ids)
        return fail(reader, "there is no timer %" PRIu64, sum);
    *id = reader->codec.id = (uint32_t)sum;
    return 0;
}

static int get_delay(struct trace_reader *reader, uint64_t *delay)
{
    unsigned index = 0;
    if (get_byte(reader, &index) != 0)
        return -1;
    if (index > TRACE_DELAYS)
        return fail(reader, "there is no kind of delay %u", index);
    if (index < TRACE_DELAYS)
        *delay = reader->codec.delays[index];
    else if (get_varint(reader, delay) != 0)
        return -1;
    trace_codec_use_delay(&reader->codec, index, *delay);
    return 0;
}

static int get_end(struct trace_reader *reader)
{
    uint64_t count, checksum = 0;
    if (get_varint(reader, &count) != 0)
        return -1;
    for (unsigned shift = 0; shift < 64; shift += 8) {
        unsigned byte = 0;
        if (get_byte(reader, &byte) != 0)
            return -1;
        checksum |= (uint64_t)byte << shift;
    }
    if (check_end(reader, count, checksum) != 0)
        return -1;
    return reader->at == reader->end ? 0 : fail(reader, "there is something behind the end");
}

static int get_binary(struct trace_reader *reader, struct trace_event *event)
{
    unsigned head = 0;
    uint64_t rest = 0, back;
    if (get_byte(reader, &head) != 0 || (head & 128 && get_varint(reader, &rest) != 0))
        return -1;
    event->op = head & 7;
    if (event->op == TRACE_END)
        return get_end(reader);
    uint64_t passed = rest << 4 | (head >> 3 & 15);
    if (rest >> 60 != 0 || passed > UINT64_MAX - reader->codec.time_ns)
        return fail(reader, "time has more than 64 bits");
    event->time_ns = reader->codec.time_ns + passed;
    if (event->op == TRACE_RUN) {
        if (get_varint(reader, &back) != 0)
            return -1;
        event->deadline_ns = event->time_ns - back;
        return back <= event->time_ns ? 1 : fail(reader, "a run before time began");
    }
    if (get_id(reader, &event->id) != 0)
        return -1;
    if (has_deadline(event->op)) {
        if (get_delay(reader, &event->deadline_ns) != 0)
            return -1;
        event->deadline_ns += event->time_ns; /* modulo 2^64: it may lie in the past */
    }
    return 1;
}

/* ------------------------------------------------------------------ text form */

/* A line cut into words; a '#' ends it. */
struct words {
    char text[256];
    char *word[4];
    int count;
};

static int cut_line(struct trace_reader *reader, struct words *words)
{
    reader->line++;
    size_t left = (size_t)(reader->end - reader->at);
    const unsigned char *newline = memchr(reader->at, '\n', left);
    size_t length = newline ? (size_t)(newline - reader->at) : left;
    if (length >= sizeof words->text)
        return fail(reader, "the line is too long");
    memcpy(words->text, reader->at, length);
    words->text[length] = '\0';
    if (strlen(words->text) != length)
        return fail(reader, "there is a zero byte in it");
    reader->at += length + (newline != NULL);
    words->text[strcspn(words->text, "#")] = '\0';
    words->count = 0;
    char *rest = words->text;
    for (char *word; (word = strtok_r(rest, " \t\r", &rest)) != NULL;) {
        if (words->count == 4)
            return fail(reader, "there are more than four words");
        words->word[words->count++] = word;
    }
    return 0;
}

static int parse_number(struct trace_reader *reader, const char *word, char **end, uint64_t *value)
{
    errno = 0;
    *value = strtoull(word, end, 10);
    if (word[0] < '0' || word[0] > '9' || errno != 0)
        return fail(reader, "'%.40s' is not a number of 64 bits", word);
    return 0;
}

/* NUMBER[ns|us|ms|s], +NUMBER[...] counted from `base`, or never. */
static int parse_time(struct trace_reader *reader, const char *word, uint64_t base,
                      uint64_t *time_ns)
{
    static const struct {
        const char *name;
        uint64_t ns;
    } units[] = {{"", 1}, {"ns", 1}, {"us", 1000}, {"ms", 1000000}, {"s", 1000000000}};
    if (strcmp(word, "never") == 0) {
        *time_ns = UINT64_MAX;
        return 0;
    }
    bool relative = word[0] == '+';
    char *unit;
    uint64_t number;
    if (parse_number(reader, word + relative, &unit, &number) != 0)
        return -1;
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        if (strcmp(unit, units[i].name) != 0)
            continue;
        uint64_t from = relative ? base : 0;
        if (number > (UINT64_MAX - from) / units[i].ns)
            return fail(reader, "'%.40s' has more than 64 bits", word);
        *time_ns = from + number * units[i].ns;
        return 0;
    }
    return fail(reader, "'%.40s' is not a time: 120, 5ms, +60s or never", word);
}

static int parse_op(struct trace_reader *reader, const char *word, enum trace_op *op)
{
    for (unsigned i = 1; i < 8; i++) {
        if (strcmp(word, trace_op_names[i]) == 0) {
            *op = (enum trace_op)i;
            return 0;
        }
    }
    return fail(reader, "'%.40s' is not an operation", word);
}

static int parse_id(struct trace_reader *reader, const char *word, uint32_t *id)
{
    uint64_t number;
    char *end;
    if (parse_number(reader, word, &end, &number) != 0)
        return -1;
    if (*end != '\0' || number >= reader->ids)
        return fail(reader, "there is no timer '%.40s'", word);
    *id = (uint32_t)number;
    return 0;
}

static int parse_end(struct trace_reader *reader, const struct words *words)
{
    uint64_t count, checksum;
    char *end;
    if (words->count != 3)
        return fail(reader, "it should be: end COUNT CHECKSUM");
    if (parse_number(reader, words->word[1], &end, &count) != 0)
        return -1;
    checksum = strtoull(words->word[2], &end, 16);
    if (*end != '\0')
        return fail(reader, "'%.40s' is not a checksum", words->word[2]);
    if (check_end(reader, count, checksum) != 0)
        return -1;
    return reader->at == reader->end ? 0 : fail(reader, "there is something behind the end");
}

/* TIME run [READING], TIME OP ID, TIME start ID DEADLINE */
static int parse_event(struct trace_reader *reader, const struct words *words,
                       struct trace_event *event)
{
    uint64_t before = reader->codec.time_ns;
    if (words->count < 2)
        return fail(reader, "it should be: TIME OPERATION [TIMER [DEADLINE]]");
    if (parse_time(reader, words->word[0], before, &event->time_ns) != 0 ||
        parse_op(reader, words->word[1], &event->op) != 0)
        return -1;
    if (event->time_ns < before)
        return fail(reader, "time goes backwards");
    int needed = 2 + has_id(event->op) + has_deadline(event->op);
    bool reading = event->op == TRACE_RUN && words->count == 3;
    if (words->count != needed + reading)
        return fail(reader, "'%s' needs %d words", trace_op_names[event->op], needed);
    if (has_id(event->op) && parse_id(reader, words->word[2], &event->id) != 0)
        return -1;
    if (event->op == TRACE_RUN)
        event->deadline_ns = event->time_ns;
    if (!reading && !has_deadline(event->op))
        return 1;
    if (parse_time(reader, words->word[needed + reading - 1], event->time_ns,
                   &event->deadline_ns) != 0)
        return -1;
    if (reading && event->deadline_ns > event->time_ns)
        return fail(reader, "a run's reading is not after its time");
    return 1;
}

static int get_text(struct trace_reader *reader, struct trace_event *event)
{
    struct words words;
    do {
        if (reader->at == reader->end)
            return 0;
        if (cut_line(reader, &words) != 0)
            return -1;
    } while (words.count == 0);
    if (strcmp(words.word[0], "end") == 0)
        return parse_end(reader, &words);
    return parse_event(reader, &words, event);
}

/* -------------------------------------------------------------------- reading */

int trace_read_begin(struct trace_reader *reader, const void *bytes, size_t count)
{
    static const char title[] = "twtrace 1";
    const size_t length = sizeof title - 1;
    memset(reader, 0, sizeof *reader);
    reader->begin = reader->at = bytes;
    reader->end = reader->begin + count;
    reader->ids = TRACE_FEW_IDS;
    if (count > TRACE_FEW_IDS / TRACE_IDS_A_BYTE)
        reader->ids = count < TRACE_MAX_ID / TRACE_IDS_A_BYTE
                          ? (uint32_t)count * TRACE_IDS_A_BYTE : TRACE_MAX_ID;
    if (count >= length && memcmp(bytes, "twtrace ", 8) == 0) {
        reader->line = 1;
        bool ends = count == length || strchr("\r\n", reader->at[length]) != NULL;
        if (memcmp(bytes, title, length) != 0 || !ends)
            return fail(reader, "this version is not known here, only 1");
        const unsigned char *newline = memchr(bytes, '\n', count);
        reader->at = newline ? newline + 1 : reader->end;
        return 0;
    }
    if (count < TRACE_MAGIC_BYTES || memcmp(bytes, TRACE_MAGIC, TRACE_MAGIC_BYTES - 1) != 0)
        return fail(reader, "this is not a trace");
    if (reader->at[TRACE_MAGIC_BYTES - 1] != TRACE_VERSION)
        return fail(reader, "this is version %d, and only %d is known here",
                    reader->at[TRACE_MAGIC_BYTES - 1], TRACE_VERSION);
    reader->at += TRACE_MAGIC_BYTES;
    return 0;
}

int trace_read_next(struct trace_reader *reader, struct trace_event *event)
{
    memset(event, 0, sizeof *event);
    int result = reader->line != 0 ? get_text(reader, event) : get_binary(reader, event);
    if (result == 1)
        trace_codec_count(&reader->codec, event);
    return result;
}

/* Reads on until the end of the file. 0, or -1 with errno. */
static int load_all(FILE *file, uint64_t most, char **bytes, size_t *used)
{
    struct trace_reader reader;
    size_t room = 1 << 16;
    *bytes = malloc(room);
    while (*bytes) {
        *used += fread(*bytes + *used, 1, room - *used, file);
        if (ferror(file))
            return -1;
        if (*used < room || trace_read_begin(&reader, *bytes, *used) != 0)
            return 0;
        if (room >= most || room > SIZE_MAX / 2) {
            errno = EFBIG;
            return -1;
        }
        char *larger = realloc(*bytes, room *= 2);
        if (larger == NULL)
            return -1;
        *bytes = larger;
    }
    return -1;
}

void *trace_load(const char *path, uint64_t most, size_t *count)
{
    FILE *file = path ? fopen(path, "rb") : stdin;
    if (file == NULL)
        return NULL;
    char *bytes = NULL;
    *count = 0;
    int failed = load_all(file, most, &bytes, count);
    if (failed == 0 && *count > most) {
        errno = EFBIG;
        failed = -1;
    }
    int error = errno;
    if (failed != 0) {
        free(bytes);
        bytes = NULL;
    }
    if (path)
        fclose(file);
    errno = error;
    return bytes;
}

/* -------------------------------------------------------------------- writing */

int trace_write_begin(struct trace_writer *writer, FILE *file, int is_text)
{
    *writer = (struct trace_writer){.file = file, .is_text = is_text};
    if (is_text)
        return fprintf(file, "twtrace %d\n", TRACE_VERSION) < 0 ? -1 : 0;
    return fwrite(TRACE_MAGIC, 1, TRACE_MAGIC_BYTES, file) == TRACE_MAGIC_BYTES ? 0 : -1;
}

static int write_text(FILE *file, const struct trace_event *event)
{
    int failed = fprintf(file, "%" PRIu64 " %s", event->time_ns, trace_op_names[event->op]) < 0;
    if (has_id(event->op))
        failed |= fprintf(file, " %" PRIu32, event->id) < 0;
    bool given = has_deadline(event->op) ||
                 (event->op == TRACE_RUN && event->deadline_ns != event->time_ns);
    if (given && event->deadline_ns == UINT64_MAX)
        failed |= fputs(" never", file) < 0;
    else if (given && event->deadline_ns >= event->time_ns)
        failed |= fprintf(file, " +%" PRIu64, event->deadline_ns - event->time_ns) < 0;
    else if (given)
        failed |= fprintf(file, " %" PRIu64, event->deadline_ns) < 0;
    failed |= fputc('\n', file) < 0;
    return failed ? -1 : 0;
}

int trace_write_event(struct trace_writer *writer, const struct trace_event *event)
{
    if (writer->is_text) {
        trace_codec_count(&writer->codec, event);
        return write_text(writer->file, event);
    }
    unsigned char bytes[TRACE_MAX_EVENT];
    size_t count = (size_t)(trace_put(&writer->codec, bytes, event) - bytes);
    return fwrite(bytes, 1, count, writer->file) == count ? 0 : -1;
}

int trace_write_end(struct trace_writer *writer)
{
    if (writer->is_text)
        return fprintf(writer->file, "end %" PRIu64 " %016" PRIx64 "\n", writer->codec.count,
                       writer->codec.checksum) < 0 ? -1 : 0;
    unsigned char bytes[TRACE_MAX_EVENT];
    size_t count = (size_t)(trace_put_end(&writer->codec, bytes) - bytes);
    return fwrite(bytes, 1, count, writer->file) == count ? 0 : -1;
}
