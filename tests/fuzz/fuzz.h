/* SPDX-License-Identifier: ISC */
/* What the harnesses share: a property that has to hold, and reading an input from its front. */
#ifndef TESTS_FUZZ_H
#define TESTS_FUZZ_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A property of the code. The line that it stands in is the report. */
#define must(condition) must_hold((condition) ? 1 : 0, #condition, __FILE__, __LINE__)
static inline void must_hold(int condition, const char *text, const char *file, int line)
{
	if (condition)
		return;
	fprintf(stderr, "%s:%d: does not hold: %s\n", file, line, text);
	abort();
}

struct input {
	const uint8_t *at;
	size_t left;
};

/* 0 at the end. */
static inline uint8_t take_byte(struct input *input)
{
	if (input->left == 0)
		return 0;
	input->left--;
	return *input->at++;
}

static inline uint64_t take_number(struct input *input, unsigned bytes)
{
	uint64_t number = 0;

	for (unsigned i = 0; i < bytes; i++)
		number = number << 8 | take_byte(input);
	return number;
}

/* Exactly these bytes, so that a byte too far is found; freed by the caller. */
static inline void *take_copy(const void *bytes, size_t size)
{
	char *copy = malloc(size > 0 ? size : 1);

	must(copy != NULL);
	if (size > 0)
		memcpy(copy, bytes, size);
	return copy;
}

/* A piece up to the next byte 0xff, or all that is left; *length without it. On the heap, ended by NUL, which it may
 * contain as well. */
static inline char *take_piece(struct input *input, size_t *length)
{
	const uint8_t *end = input->left > 0 ? memchr(input->at, 0xff, input->left) : NULL;
	size_t size = end != NULL ? (size_t)(end - input->at) : input->left;
	char *piece = malloc(size + 1);

	must(piece != NULL);
	if (size > 0)
		memcpy(piece, input->at, size);
	piece[size] = '\0';
	input->at += size + (end != NULL);
	input->left -= size + (end != NULL);
	if (length != NULL)
		*length = size;
	return piece;
}

/* The same as a string: up to its first NUL, in just as many bytes as it needs. */
static inline char *take_text(struct input *input)
{
	char *piece = take_piece(input, NULL), *text = strdup(piece);

	must(text != NULL);
	free(piece);
	return text;
}

#endif
