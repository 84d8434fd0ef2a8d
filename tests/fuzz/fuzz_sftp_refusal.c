/* SPDX-License-Identifier: ISC */
/*
 * Any bytes as those of an sftp client that is refused, in pieces of any size. The answers are those of a second, plain
 * reading of all bytes at once: one for each packet, with its number, until the first that is none.
 */
#include "tests/fuzz/fuzz.h"

#include <errno.h>
#include <stdbool.h>

#include "backup/sftp_refusal.h"

static const char text[] = "not with this key";

static uint32_t number(const uint8_t *at)
{
	return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

/* The next answer that is due, by the plain reading; false: none, *bad: the client is none. */
static bool expect(const uint8_t *data, size_t size, size_t *at, uint8_t *type, uint8_t id[4], bool *bad)
{
	uint32_t length;

	*bad = false;
	if (*at > size || size - *at < 9)
		return false;
	length = number(data + *at);
	*bad = length < 5 || length > 256 * 1024;
	if (*bad)
		return false;
	*type = data[*at + 4];
	memcpy(id, data + *at + 5, 4);
	*at += 4 + (size_t)length;
	return true;
}

static void check_answer(const uint8_t *out, long n, uint8_t type, const uint8_t id[4])
{
	must(n >= 9 && n <= SFTP_REFUSAL_ANSWER_MAX && number(out) + 4 == (uint32_t)n);
	if (type == 1) {
		must(n == 9 && out[4] == 2 && number(out + 5) == 3);
		return;
	}
	must(out[4] == 101 && memcmp(out + 5, id, 4) == 0 && (number(out + 9) == 3 || number(out + 9) == 4));
	must(number(out + 13) == strlen(text) && memcmp(out + 17, text, strlen(text)) == 0);
	must((size_t)n == 17 + strlen(text) + 4 && number(out + n - 4) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const size_t step = size > 0 ? (size_t)data[0] + 1 : 1;
	struct sftp_refusal refusal = { .have = 0 };
	uint8_t *out = malloc(SFTP_REFUSAL_ANSWER_MAX), id[4], type;
	size_t plain = 0;
	bool bad = false;

	must(out != NULL);
	for (size_t at = 0, taken; at < size && !bad; at += taken) {
		size_t piece = size - at < step ? size - at : step;
		uint8_t *copy = take_copy(data + at, piece);
		long n = sftp_refusal_take(&refusal, copy, piece, &taken, text, out);

		free(copy);
		must(taken <= piece && (n != 0 || taken == piece));
		if (n > 0) {
			must(expect(data, size, &plain, &type, id, &bad));
			check_answer(out, n, type, id);
		} else if (n < 0) {
			must(n == -EPROTO && !expect(data, size, &plain, &type, id, &bad) && bad);
		}
	}
	must(bad || !expect(data, size, &plain, &type, id, &bad));
	free(out);
	return 0;
}
