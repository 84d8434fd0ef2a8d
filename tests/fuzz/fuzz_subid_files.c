/* SPDX-License-Identifier: ISC */
/* The plug-in's reader of /etc/subuid: any bytes, fed in any portions, give the lines that a plain reading gives.
 */
#include <stdlib.h>
#include <string.h>

#include "subid/guest/guest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* not reached: no name is looked up here */
int subid_index_account(uint32_t uid, const char *name)
{
	(void)uid;
	(void)name;
	return 0;
}

int subid_index_has(uint32_t id)
{
	(void)id;
	return 0;
}

#define LINES_MAX 64

struct seen {
	uint32_t first[LINES_MAX], last[LINES_MAX];
	uint64_t owner[LINES_MAX];
	size_t count;
};

static uint64_t name_sum(const char *name, size_t length)
{
	uint64_t sum = length;

	for (size_t i = 0; i < length; i++)
		sum = sum * 31 + (unsigned char)name[i];
	return sum;
}

static int see(const struct subid_line *line, void *data)
{
	struct seen *seen = data;

	if (line->name_length == 0 || line->ids.first > line->ids.last || line->ids.last == UINT32_MAX)
		abort();
	if (memchr(line->name, ':', line->name_length) != NULL || memchr(line->name, '\n', line->name_length) != NULL)
		abort();
	if (seen->count == LINES_MAX)
		return 1;
	seen->owner[seen->count] = name_sum(line->name, line->name_length);
	seen->first[seen->count] = line->ids.first;
	seen->last[seen->count++] = line->ids.last;
	return 0;
}

static void feed(const char *bytes, size_t size, size_t portion, struct seen *seen)
{
	struct subid_text text = { .each = see, .data = seen };
	int rc = 0;

	for (size_t at = 0; rc == 0 && at < size; at += portion) {
		size_t part = size - at < portion ? size - at : portion;
		char *copy = malloc(part); /* so that a byte too far is found */

		if (copy == NULL)
			abort();
		memcpy(copy, bytes + at, part);
		rc = subid_text_feed(&text, copy, part);
		free(copy);
	}
	if (rc == 0)
		subid_text_end(&text);
}

/* The same by the plain way: the whole text at once. */
static void split(const char *bytes, size_t size, struct seen *seen)
{
	for (size_t at = 0, end; at <= size; at = end + 1) {
		struct subid_line line;

		for (end = at; end < size && bytes[end] != '\n'; end++)
			;
		if (subid_line_parse(bytes + at, end - at, &line) && see(&line, seen) != 0)
			return;
	}
}

static void pieces(const struct seen *seen)
{
	struct subid_pieces list = { 0 };

	for (size_t i = 0; i < seen->count; i++)
		if (subid_pieces_add(&list, seen->first[i], seen->last[i]) < 0)
			abort();
	if (subid_pieces_join(&list) < 0)
		abort();
	for (size_t i = 0; i < list.count; i++) {
		uint64_t first = list.at[i].start, count = list.at[i].count;

		if (!subid_request_valid(first, count))
			abort();
		if (i > 0 && list.at[i - 1].start + list.at[i - 1].count == first)
			abort();
		for (size_t k = 0; k < i; k++)
			if (list.at[k].start < first + count && first < list.at[k].start + list.at[k].count)
				abort();
	}
	subid_pieces_free(&list);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct seen whole = { 0 }, parts = { 0 }, plain = { 0 };
	size_t portion = size > 0 ? 1u + data[0] % 61u : 1;
	const char *bytes = (const char *)data;

	feed(bytes, size, size > 0 ? size : 1, &whole);
	feed(bytes, size, portion, &parts);
	split(bytes, size, &plain);
	if (memcmp(&whole, &parts, sizeof(whole)) != 0 || memcmp(&whole, &plain, sizeof(whole)) != 0)
		abort();
	pieces(&whole);
	return 0;
}
