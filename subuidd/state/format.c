/* SPDX-License-Identifier: ISC */
/* The format of a saved state, both ways: see format.h. Pure; run by root and by anybody, on files that may be
 * damaged. */
#include "subuidd/state/format.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define MAGIC "subuidd saved state "
#define MAGIC_LINE MAGIC "1\n"

const char *state_fault_why(enum state_fault fault)
{
	static const char *const why[] = {
		[STATE_SOUND] = "sound",
		[STATE_FOREIGN] = "not a saved state of subuidd",
		[STATE_NEWER] = "written by a newer subuidd, in a format that this one does not know",
		[STATE_HEADER] = "its header is damaged",
		[STATE_SHORT] = "it ends early: a part of it is missing",
		[STATE_LONG] = "something follows its end",
		[STATE_DAMAGED] = "damaged: its checksum does not match its contents",
	};

	return why[fault];
}

void state_word(const char *text, char *out)
{
	size_t i;

	for (i = 0; i < STATE_WORD_MAX && text[i] != '\0'; i++)
		out[i] = text[i] > ' ' && text[i] < 0x7f ? text[i] : '?';
	if (i == 0)
		out[i++] = '?';
	out[i] = '\0';
}

static bool word_valid(const char *text)
{
	size_t length = strnlen(text, STATE_WORD_MAX + 1);

	for (size_t i = 0; i < length; i++)
		if (text[i] <= ' ' || text[i] >= 0x7f)
			return false;
	return length > 0 && length <= STATE_WORD_MAX;
}

static bool header_valid(const struct state_header *header)
{
	for (uint32_t i = 0; i < HIGH_WATER_REGIONS; i++)
		if (header->marks[i] == UINT32_MAX ||
		    (header->marks[i] != 0 && header->marks[i] >> HIGH_WATER_REGION_BITS != i))
			return false;
	return word_valid(header->program) && word_valid(header->host) && header->schema > 0 && header->saved >= 0 &&
	       header->store > 0 && header->generation > 0 && header->image > 0 &&
	       header->image <= (uint64_t)STATE_IMAGE_MAX && header->image % STATE_IMAGE_UNIT == 0;
}

int state_header_format(const struct state_header *header, char *out)
{
	int length;

	if (!header_valid(header))
		return -EINVAL;
	length = snprintf(out, STATE_HEADER_MAX,
			  MAGIC_LINE "program %s\nschema %" PRIu32 "\nhost %s\nsaved %" PRId64 "\nstore %016" PRIx64
				     "\ngeneration %" PRIu64 "\naccounts %" PRIu64 "\nkeys %" PRIu64 "\nranges %" PRIu64
				     "\n",
			  header->program, header->schema, header->host, header->saved, header->store,
			  header->generation, header->accounts, header->keys, header->ranges);
	for (size_t i = 0; i < HIGH_WATER_REGIONS; i++)
		if (header->marks[i] != 0)
			length += snprintf(out + length, STATE_HEADER_MAX - (size_t)length, "mark %" PRIu32 "\n",
					   header->marks[i]);
	return length +
	       snprintf(out + length, STATE_HEADER_MAX - (size_t)length, "image %" PRIu64 "\n\n", header->image);
}

/* ---- reading a header ---- */

struct text {
	const char *at, *end;
};

/* The value of the next line, if it has this name: its length, or -1; *value points to it. */
static int line_take(struct text *text, const char *name, const char **value)
{
	size_t length = strlen(name);
	const char *end;

	if ((size_t)(text->end - text->at) <= length || memcmp(text->at, name, length) != 0 || text->at[length] != ' ')
		return -1;
	*value = text->at + length + 1;
	end = memchr(*value, '\n', (size_t)(text->end - *value));
	if (end == NULL || end == *value || end - *value > STATE_WORD_MAX)
		return -1;
	text->at = end + 1;
	return (int)(end - *value);
}

static bool word_take(struct text *text, const char *name, char *out)
{
	const char *value;
	int length = line_take(text, name, &value);

	if (length < 0)
		return false;
	memcpy(out, value, (size_t)length);
	out[length] = '\0';
	return true;
}

static bool number_take(struct text *text, const char *name, uint64_t max, uint64_t *number)
{
	const char *value;
	int length = line_take(text, name, &value);
	uint64_t sum = 0;

	for (int i = 0; i < length; i++)
		if (value[i] < '0' || value[i] > '9' || __builtin_mul_overflow(sum, 10, &sum) ||
		    __builtin_add_overflow(sum, (uint64_t)(value[i] - '0'), &sum))
			return false;
	if (length < 0 || sum > max)
		return false;
	*number = sum;
	return true;
}

static int hex_digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool identity_take(struct text *text, uint64_t *identity)
{
	const char *value;
	uint64_t sum = 0;

	if (line_take(text, "store", &value) != 16)
		return false;
	for (int i = 0; i < 16; i++) {
		int digit = hex_digit(value[i]);

		if (digit < 0)
			return false;
		sum = sum << 4 | (uint64_t)digit;
	}
	*identity = sum;
	return true;
}

static bool header_take(struct text *text, struct state_header *header)
{
	uint64_t schema = 0, saved = 0, mark;
	bool taken = word_take(text, "program", header->program) && number_take(text, "schema", INT32_MAX, &schema) &&
		     word_take(text, "host", header->host) && number_take(text, "saved", INT64_MAX, &saved) &&
		     identity_take(text, &header->store) &&
		     number_take(text, "generation", INT64_MAX, &header->generation) &&
		     number_take(text, "accounts", UINT32_MAX, &header->accounts) &&
		     number_take(text, "keys", UINT32_MAX, &header->keys) &&
		     number_take(text, "ranges", UINT32_MAX, &header->ranges);

	while (taken && number_take(text, "mark", UINT32_MAX, &mark))
		header->marks[mark >> HIGH_WATER_REGION_BITS] = (uint32_t)mark;
	header->schema = (uint32_t)schema;
	header->saved = (int64_t)saved;
	return taken && number_take(text, "image", STATE_IMAGE_MAX, &header->image);
}

/* The first line, of which `length` bytes have arrived. STATE_SHORT: it may still become one. */
static enum state_fault magic_check(const char *text, size_t length)
{
	size_t common = length < strlen(MAGIC) ? length : strlen(MAGIC);
	size_t digits = common;

	if (memcmp(text, MAGIC, common) != 0)
		return STATE_FOREIGN;
	while (digits < length && text[digits] >= '0' && text[digits] <= '9')
		digits++;
	if (digits == length)
		return digits - common > 9 ? STATE_FOREIGN : STATE_SHORT;
	if (text[digits] != '\n' || digits == common)
		return STATE_FOREIGN;
	return digits + 1 == strlen(MAGIC_LINE) && memcmp(text, MAGIC_LINE, digits + 1) == 0 ? STATE_SOUND :
											       STATE_NEWER;
}

enum state_fault state_header_parse(const char *text, size_t length, struct state_header *header)
{
	struct text rest = { text + strlen(MAGIC_LINE), text + length };
	struct state_header parsed = { .schema = 0 };
	char again[STATE_HEADER_MAX];
	enum state_fault fault = magic_check(text, length);

	if (fault != STATE_SOUND)
		return fault;
	/* A file that is written otherwise (leading zeros, two marks of one region) is not ours. */
	if (!header_take(&rest, &parsed) || state_header_format(&parsed, again) != (int)length ||
	    memcmp(again, text, length) != 0)
		return STATE_HEADER;
	*header = parsed;
	return STATE_SOUND;
}

/* ---- reading a stream ---- */

void state_decoder_start(struct state_decoder *decoder)
{
	memset(decoder, 0, sizeof(*decoder));
	decoder->fault = STATE_SHORT;
	SHA256Init(&decoder->sum);
}

static int fail(struct state_decoder *decoder, enum state_fault fault)
{
	decoder->fault = fault;
	return -EBADMSG;
}

static int header_end(struct state_decoder *decoder)
{
	enum state_fault fault = state_header_parse(decoder->text, decoder->used, &decoder->header);

	if (fault != STATE_SOUND)
		return fail(decoder, fault);
	SHA256Update(&decoder->sum, (const uint8_t *)decoder->text, decoder->used);
	decoder->at = STATE_AT_IMAGE;
	decoder->left = decoder->header.image;
	decoder->used = 0;
	return 0;
}

/* Takes one byte of the header. Anything but a saved state is refused at its first wrong byte. */
static int header_byte(struct state_decoder *decoder, char byte)
{
	enum state_fault fault;

	decoder->text[decoder->used++] = byte;
	if (decoder->used <= strlen(MAGIC_LINE) + 9) {
		fault = magic_check(decoder->text, decoder->used);
		if (fault != STATE_SOUND && fault != STATE_SHORT)
			return fail(decoder, fault);
	}
	if (byte == '\n' && decoder->used >= 2 && decoder->text[decoder->used - 2] == '\n')
		return header_end(decoder);
	return decoder->used == sizeof(decoder->text) ? fail(decoder, STATE_HEADER) : 0;
}

static int trailer_byte(struct state_decoder *decoder, char byte)
{
	char trailer[STATE_TRAILER_SIZE];
	SHA2_CTX sum = decoder->sum;

	decoder->text[decoder->used++] = byte;
	if (decoder->used < STATE_TRAILER_SIZE)
		return 0;
	state_trailer_format(&sum, trailer);
	if (memcmp(trailer, decoder->text, STATE_TRAILER_SIZE) != 0)
		return fail(decoder, STATE_DAMAGED);
	decoder->at = STATE_AT_END;
	decoder->fault = STATE_SOUND;
	return 0;
}

static int image_piece(struct state_decoder *decoder, const uint8_t *bytes, size_t size, state_sink sink, void *data)
{
	SHA256Update(&decoder->sum, bytes, size);
	decoder->left -= size;
	if (decoder->left == 0)
		decoder->at = STATE_AT_TRAILER;
	return sink(data, bytes, size);
}

int state_decode(struct state_decoder *decoder, const void *bytes, size_t size, state_sink sink, void *data)
{
	const uint8_t *at = bytes, *end = at + size;
	int r = decoder->fault == STATE_SHORT || decoder->fault == STATE_SOUND ? 0 : -EBADMSG;

	while (r == 0 && at < end) {
		size_t piece = 1;

		switch (decoder->at) {
		case STATE_AT_HEADER:
			r = header_byte(decoder, (char)*at);
			break;
		case STATE_AT_IMAGE:
			piece = (uint64_t)(end - at) < decoder->left ? (size_t)(end - at) : (size_t)decoder->left;
			r = image_piece(decoder, at, piece, sink, data);
			break;
		case STATE_AT_TRAILER:
			r = trailer_byte(decoder, (char)*at);
			break;
		case STATE_AT_END:
			r = fail(decoder, STATE_LONG);
			break;
		}
		at += piece;
	}
	return r;
}

enum state_fault state_decoder_end(const struct state_decoder *decoder)
{
	return decoder->fault;
}

void state_trailer_format(SHA2_CTX *sum, char *out)
{
	static const char digits[] = "0123456789abcdef";
	uint8_t digest[SHA256_DIGEST_LENGTH];
	char *at = mempcpy(out, "sha256 ", strlen("sha256 "));

	SHA256Final(digest, sum);
	for (size_t i = 0; i < sizeof(digest); i++) {
		*at++ = digits[digest[i] >> 4];
		*at++ = digits[digest[i] & 15];
	}
	*at = '\n';
}
