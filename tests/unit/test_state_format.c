/* SPDX-License-Identifier: ISC */
/* The format of saved states: what is written is read as it is, in pieces of any size, and nothing else is read. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "subuidd/state/format.h"

#define IMAGE 1536

static struct state_header sound(void)
{
	struct state_header header = { .program = "0.1.0",
				       .host = "backup1.example",
				       .schema = 5,
				       .saved = 1795910400,
				       .store = 0x00f1e2d3c4b5a697,
				       .generation = 4711,
				       .accounts = 60,
				       .keys = 75,
				       .ranges = 3,
				       .image = IMAGE };

	header.marks[1073807359u >> HIGH_WATER_REGION_BITS] = 1073807359u;
	header.marks[2100000059u >> HIGH_WATER_REGION_BITS] = 2100000059u;
	return header;
}

/* A whole file; its length. */
static size_t file_make(const struct state_header *header, char *out)
{
	int length = state_header_format(header, out);
	SHA2_CTX sum;

	assert_true(length > 0);
	for (int i = 0; i < IMAGE; i++)
		out[length + i] = (char)(i * 7);
	length += IMAGE;
	SHA256Init(&sum);
	SHA256Update(&sum, (const uint8_t *)out, (size_t)length);
	state_trailer_format(&sum, out + length);
	return (size_t)length + STATE_TRAILER_SIZE;
}

struct image {
	char bytes[IMAGE];
	size_t size;
};

static int keep(void *data, const void *bytes, size_t size)
{
	struct image *image = data;

	assert_true(image->size + size <= sizeof(image->bytes));
	memcpy(image->bytes + image->size, bytes, size);
	image->size += size;
	return 0;
}

static enum state_fault reads(const char *bytes, size_t size, size_t piece, struct image *image,
			      struct state_header *header)
{
	struct state_decoder decoder;

	image->size = 0;
	state_decoder_start(&decoder);
	for (size_t at = 0; at < size; at += piece)
		if (state_decode(&decoder, bytes + at, size - at < piece ? size - at : piece, keep, image) < 0)
			break;
	if (decoder.at > STATE_AT_HEADER)
		*header = decoder.header;
	return state_decoder_end(&decoder);
}

static enum state_fault verdict(const char *bytes, size_t size)
{
	struct state_header header;
	struct image image;

	return reads(bytes, size, 97, &image, &header);
}

static void what_is_written_is_read_in_pieces_of_any_size(void **state)
{
	static const size_t pieces[] = { 1, 2, 7, 64, 512, 1000, 100000 };
	struct state_header header = sound(), read;
	static char file[STATE_HEADER_MAX + IMAGE + STATE_TRAILER_SIZE];
	size_t size = file_make(&header, file);
	struct image image;

	(void)state;
	for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
		memset(&read, 0x5a, sizeof(read));
		assert_int_equal(reads(file, size, pieces[i], &image, &read), STATE_SOUND);
		assert_memory_equal(&read, &header, sizeof(header));
		assert_int_equal(image.size, IMAGE);
		assert_memory_equal(image.bytes, file + size - STATE_TRAILER_SIZE - IMAGE, IMAGE);
	}
}

static void a_file_that_is_cut_off_anywhere_is_short(void **state)
{
	struct state_header header = sound();
	static char file[STATE_HEADER_MAX + IMAGE + STATE_TRAILER_SIZE];
	size_t size = file_make(&header, file);

	(void)state;
	for (size_t cut = 0; cut < size; cut++)
		assert_int_equal(verdict(file, cut), STATE_SHORT);
}

static void a_file_that_goes_on_is_long(void **state)
{
	struct state_header header = sound();
	static char file[STATE_HEADER_MAX + IMAGE + STATE_TRAILER_SIZE + 1];
	size_t size = file_make(&header, file);

	(void)state;
	file[size] = '\n';
	assert_int_equal(verdict(file, size + 1), STATE_LONG);
}

static void no_flipped_bit_passes(void **state)
{
	struct state_header header = sound();
	static char file[STATE_HEADER_MAX + IMAGE + STATE_TRAILER_SIZE];
	size_t size = file_make(&header, file);

	(void)state;
	for (size_t at = 0; at < size; at++)
		for (int bit = 0; bit < 8; bit++) {
			file[at] = (char)(file[at] ^ 1 << bit);
			assert_int_not_equal(verdict(file, size), STATE_SOUND);
			file[at] = (char)(file[at] ^ 1 << bit);
		}
	assert_int_equal(verdict(file, size), STATE_SOUND);
}

static void what_is_no_saved_state_is_refused_at_once(void **state)
{
	static const char sqlite[] = "SQLite format 3\0...........", newer[] = "subuidd saved state 2\nprogram 9\n",
			  many[] = "subuidd saved state 11111111111111111111", other[] = "subuidd saved states\n";

	(void)state;
	assert_int_equal(verdict(sqlite, sizeof(sqlite)), STATE_FOREIGN);
	assert_int_equal(verdict("\x7f", 1), STATE_FOREIGN);
	assert_int_equal(verdict(newer, sizeof(newer) - 1), STATE_NEWER);
	assert_int_equal(verdict(many, sizeof(many) - 1), STATE_FOREIGN);
	assert_int_equal(verdict(other, sizeof(other) - 1), STATE_FOREIGN);
	assert_int_equal(verdict("", 0), STATE_SHORT);
}

#define REFUSED(old, new)                                                                                              \
	do {                                                                                                           \
		char text[STATE_HEADER_MAX], *at;                                                                      \
		struct state_header before = sound(), header = before;                                                 \
		int length = state_header_format(&header, text);                                                       \
		char whole[2 * STATE_HEADER_MAX];                                                                      \
		text[length] = '\0';                                                                                   \
		at = strstr(text, old);                                                                                \
		assert_non_null(at);                                                                                   \
		length = snprintf(whole, sizeof(whole), "%.*s%s%s", (int)(at - text), text, new, at + strlen(old));    \
		assert_int_equal(state_header_parse(whole, (size_t)length, &header), STATE_HEADER);                    \
		assert_memory_equal(&header, &before, sizeof(header));                                                 \
	} while (0)

static void a_header_is_read_only_as_it_is_written(void **state)
{
	(void)state;
	REFUSED("generation 4711", "generation 04711");
	REFUSED("generation 4711", "generation +4711");
	REFUSED("generation 4711", "generation 0");
	REFUSED("generation 4711", "generation 9223372036854775808");
	REFUSED("generation 4711", "generation 99999999999999999999999999");
	REFUSED("generation 4711\n", "");
	REFUSED("schema 5", "schema 0");
	REFUSED("host backup1.example", "host backup1 example");
	REFUSED("host backup1.example", "host \x1b[31m");
	REFUSED("store 00f1", "store 00F1");
	REFUSED("store 00f1e2d3c4b5a697", "store 0000000000000000");
	REFUSED("mark 2100000059\n", "mark 2100000059\nmark 2100000058\n");
	REFUSED("mark 1073807359\nmark 2100000059\n", "mark 2100000059\nmark 1073807359\n");
	REFUSED("mark 2100000059\n", "mark 2100000059\nmark 4294967295\n");
	REFUSED("image 1536", "image 1537");
	REFUSED("image 1536", "image 0");
	REFUSED("image 1536", "image 1099511628288");
	REFUSED("image 1536\n", "image 1536\nmore 1\n");
}

static void what_cannot_be_read_is_not_written(void **state)
{
	char text[STATE_HEADER_MAX];
	struct state_header header;

	(void)state;
#define BAD(change)                                                                                                    \
	do {                                                                                                           \
		header = sound();                                                                                      \
		change;                                                                                                \
		assert_int_equal(state_header_format(&header, text), -EINVAL);                                         \
	} while (0)
	BAD(header.image = 1);
	BAD(header.store = 0);
	BAD(header.host[0] = '\0');
	BAD(header.host[1] = '\n');
	BAD(header.marks[3] = 1);
	BAD(header.saved = -1);
}

static void a_header_with_all_that_fits_is_read(void **state)
{
	struct state_header header = sound(), read;
	char text[STATE_HEADER_MAX];
	int length;

	(void)state;
	memset(header.program, 'p', STATE_WORD_MAX);
	memset(header.host, '~', STATE_WORD_MAX);
	for (uint32_t i = 0; i < HIGH_WATER_REGIONS; i++)
		header.marks[i] = i << HIGH_WATER_REGION_BITS | 0xfffffe;
	header.generation = INT64_MAX;
	header.accounts = header.keys = header.ranges = UINT32_MAX;
	header.image = STATE_IMAGE_MAX;
	length = state_header_format(&header, text);
	assert_in_range(length, 1, STATE_HEADER_MAX);
	assert_int_equal(state_header_parse(text, (size_t)length, &read), STATE_SOUND);
	assert_memory_equal(&read, &header, sizeof(header));
}

static void words_are_made_to_fit(void **state)
{
	char out[STATE_WORD_MAX + 1], text[STATE_WORD_MAX + 10];

	(void)state;
	state_word("a b\n\x80", out);
	assert_string_equal(out, "a?b??");
	state_word("", out);
	assert_string_equal(out, "?");
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	state_word(text, out);
	assert_int_equal(strlen(out), STATE_WORD_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_written_is_read_in_pieces_of_any_size),
		cmocka_unit_test(a_file_that_is_cut_off_anywhere_is_short),
		cmocka_unit_test(a_file_that_goes_on_is_long),
		cmocka_unit_test(no_flipped_bit_passes),
		cmocka_unit_test(what_is_no_saved_state_is_refused_at_once),
		cmocka_unit_test(a_header_is_read_only_as_it_is_written),
		cmocka_unit_test(what_cannot_be_read_is_not_written),
		cmocka_unit_test(a_header_with_all_that_fits_is_read),
		cmocka_unit_test(words_are_made_to_fit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
