/* SPDX-License-Identifier: MIT */
/*
 * fuzzing: what a harness gives to libFuzzer, and to main.c where there is no
 * libFuzzer.
 */
#ifndef TICKWHEEL_TESTS_FUZZING_FUZZING_H
#define TICKWHEEL_TESTS_FUZZING_FUZZING_H

#include <stddef.h>
#include <stdint.h>

/* Runs one input; aborts if something is wrong. Answers 0. */
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count);

#endif
