/* SPDX-License-Identifier: MIT */
/*
 * main: runs a harness without libFuzzer, with any compiler, on any machine: on
 * files, on all files of folders, or on random bytes. See usage.
 */
#define _DEFAULT_SOURCE

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "fuzzing.h"
#include "random.h"

#define MOST_BYTES 4096

static const char usage[] =
    "HARNESS [--random N] [--seed S] [FILE|FOLDER...]\n"
    "\n"
    "Runs the inputs in the files, and so many random ones. One that fails is told\n"
    "on stderr, and ends the process by abort(); a random one is left behind in the\n"
    "file `failed`. FUZZ_TRACE=1 in the environment tells every step.\n";

static unsigned long inputs;

static void run_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    static unsigned char bytes[1 << 20];
    if (!file) {
        perror(path);
        exit(2);
    }
    size_t count = fread(bytes, 1, sizeof bytes, file);
    fclose(file);
    unsigned char *exact = malloc(count + 1); /* a read behind the end shows */
    if (!exact)
        exit(2);
    memcpy(exact, bytes, count);
    fprintf(stderr, "%s\n", path);
    LLVMFuzzerTestOneInput(exact, count);
    free(exact);
    inputs++;
}

static void run_path(const char *path)
{
    struct stat status;
    if (stat(path, &status) != 0) {
        perror(path);
        exit(2);
    }
    if (!S_ISDIR(status.st_mode)) {
        run_file(path);
        return;
    }
    struct dirent **names;
    int count = scandir(path, &names, NULL, alphasort);
    for (int i = 0; i < count; i++) {
        char inner[4096];
        snprintf(inner, sizeof inner, "%s/%s", path, names[i]->d_name);
        if (names[i]->d_name[0] != '.')
            run_path(inner);
        free(names[i]);
    }
    if (count >= 0)
        free(names);
}

/* Bytes of which some come again and again, as they do in programs. */
static size_t draw(struct chance *chance, unsigned char *bytes)
{
    size_t count = 4 + chance_below(chance, MOST_BYTES >> chance_below(chance, 8));
    unsigned char favourites[8];
    for (unsigned i = 0; i < sizeof favourites; i++)
        favourites[i] = (unsigned char)chance_below(chance, 26);
    for (size_t i = 0; i < count; i++)
        bytes[i] = chance_one_in(chance, 2) ? favourites[chance_below(chance, 8)]
                                            : (unsigned char)chance_word(chance);
    return count;
}

static void run_random(uint64_t seed, unsigned long count)
{
    static unsigned char bytes[MOST_BYTES + 4];
    for (unsigned long i = 0; i < count; i++) {
        struct chance chance = {seed + i};
        size_t length = draw(&chance, bytes);
        FILE *file = fopen("failed", "wb");
        if (!file || fwrite(bytes, 1, length, file) != length || fclose(file) != 0) {
            perror("failed");
            exit(2);
        }
        LLVMFuzzerTestOneInput(bytes, length);
        inputs++;
    }
    remove("failed");
}

static unsigned long long number(const char *text)
{
    char *end;
    unsigned long long value = text ? strtoull(text, &end, 0) : 0;
    if (!text || *text == '\0' || *end != '\0') {
        fputs(usage, stderr);
        exit(2);
    }
    return value;
}

int main(int argc, char **argv)
{
    unsigned long long seed = 1, count = 0;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--random") == 0)
            count = number(argv[++i]);
        else if (strcmp(argv[i], "--seed") == 0)
            seed = number(argv[++i]);
        else if (argv[i][0] == '-') {
            fputs(usage, strcmp(argv[i], "--help") == 0 ? stdout : stderr);
            return strcmp(argv[i], "--help") == 0 ? 0 : 2;
        } else {
            run_path(argv[i]);
        }
    }
    if (count > 0) {
        printf("random inputs of the seeds %llu to %llu\n", seed, seed + count - 1);
        run_random(seed, (unsigned long)count);
    }
    printf("%lu inputs\n", inputs);
    return inputs > 0 ? 0 : 2;
}
