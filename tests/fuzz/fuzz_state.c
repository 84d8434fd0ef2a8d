/* SPDX-License-Identifier: ISC */
/*
 * Saved states, which root reads from wherever they were kept. A header that is accepted is what is written for it,
 * byte by byte; the pieces in which a file arrives make no difference; a file that is sound gives all of its image.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "subuidd/state/format.h"
#include "tests/fuzz/fuzz.h"

struct image {
	SHA2_CTX sum;
	uint64_t size;
};

static int keep(void *data, const void *bytes, size_t size)
{
	struct image *image = data;

	SHA256Update(&image->sum, bytes, size);
	image->size += size;
	return 0;
}

static void header(const uint8_t *data, size_t size)
{
	struct state_header header, before;
	char again[STATE_HEADER_MAX];

	memset(&header, 0x5a, sizeof(header));
	before = header;
	if (state_header_parse((const char *)data, size, &header) != STATE_SOUND) {
		must(memcmp(&header, &before, sizeof(header)) == 0);
		return;
	}
	must(state_header_format(&header, again) == (int)size && memcmp(again, data, size) == 0);
}

static enum state_fault reads(const uint8_t *data, size_t size, size_t piece, struct image *image)
{
	struct state_decoder decoder;

	image->size = 0;
	SHA256Init(&image->sum);
	state_decoder_start(&decoder);
	for (size_t at = 0; at < size; at += piece)
		if (state_decode(&decoder, data + at, size - at < piece ? size - at : piece, keep, image) < 0)
			break;
	if (state_decoder_end(&decoder) == STATE_SOUND)
		must(image->size == decoder.header.image);
	must(image->size <= (decoder.at == STATE_AT_HEADER ? 0 : decoder.header.image));
	return state_decoder_end(&decoder);
}

static enum state_fault whole(const uint8_t *data, size_t size)
{
	struct image one, other;
	uint8_t a[SHA256_DIGEST_LENGTH], b[SHA256_DIGEST_LENGTH];
	enum state_fault fault = reads(data, size, size == 0 ? 1 : size, &one);

	must(reads(data, size, 1 + (size_t)(size > 0 ? data[0] : 0), &other) == fault && one.size == other.size);
	SHA256Final(a, &one.sum);
	SHA256Final(b, &other.sum);
	must(memcmp(a, b, sizeof(a)) == 0);
	return fault;
}

/* From a sound file on: pairs of a place and a byte. Whatever they change is found. */
static void damaged(const uint8_t *data, size_t size)
{
	static uint8_t file[STATE_HEADER_MAX + STATE_IMAGE_UNIT + STATE_TRAILER_SIZE], bytes[sizeof(file)];
	static size_t length;

	if (length == 0) {
		const struct state_header sound = { .program = "0.1.0",
						    .host = "host",
						    .schema = 5,
						    .saved = 1,
						    .store = 7,
						    .generation = 3,
						    .marks[0] = 70000,
						    .image = STATE_IMAGE_UNIT };
		SHA2_CTX sum;

		length = (size_t)state_header_format(&sound, (char *)file) + STATE_IMAGE_UNIT;
		SHA256Init(&sum);
		SHA256Update(&sum, file, length);
		state_trailer_format(&sum, (char *)file + length);
		length += STATE_TRAILER_SIZE;
	}
	memcpy(bytes, file, sizeof(bytes));
	for (size_t i = 0; i + 3 <= size; i += 3)
		bytes[(data[i] | data[i + 1] << 8) % length] = data[i + 2];
	must((whole(bytes, length) == STATE_SOUND) == (memcmp(bytes, file, length) == 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	header(data, size);
	whole(data, size);
	damaged(data, size);
	return 0;
}
