/* SPDX-License-Identifier: ISC */
/* rsync's log, cut anywhere, counts what a plain reading of its lines counts. First byte: how it is cut. */
#include "tests/fuzz/fuzz.h"

#include "backup/file_count.h"

static const char mark[] = "] " FILE_COUNT_FORMAT;

/* A line that says a file: up to its first ']' anything, then the mark and no more. */
static int line_counts(const char *line, size_t length)
{
	const char *bracket = length > 0 ? memchr(line, ']', length) : NULL;
	size_t rest = bracket != NULL ? length - (size_t)(bracket - line) : 0;

	return rest == sizeof(mark) - 1 && memcmp(bracket, mark, rest) == 0;
}

static uint64_t plain(const char *bytes, size_t size)
{
	uint64_t files = 0;
	const char *end;

	for (; size > 0 && (end = memchr(bytes, '\n', size)) != NULL; bytes = end + 1) {
		files += (uint64_t)line_counts(bytes, (size_t)(end - bytes));
		size -= (size_t)(end + 1 - bytes);
	}
	return files; /* a last line without its end is not told yet */
}

/* The same of deletions: up to its first ']' anything, then these words, then any name. */
static uint64_t plain_deleted(const char *bytes, size_t size)
{
	static const char words[] = "] deleting ";
	uint64_t deleted = 0;
	const char *end, *bracket;

	for (; size > 0 && (end = memchr(bytes, '\n', size)) != NULL; bytes = end + 1) {
		bracket = memchr(bytes, ']', (size_t)(end - bytes));
		deleted += bracket != NULL && (size_t)(end - bracket) >= sizeof(words) - 1 &&
			   memcmp(bracket, words, sizeof(words) - 1) == 0;
		size -= (size_t)(end + 1 - bytes);
	}
	return deleted;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input input = { data, size };
	size_t piece = 1u + take_byte(&input) % 37u;
	const char *bytes = (const char *)input.at;
	struct file_count count = { 0 };

	for (size_t at = 0; at < input.left; at += piece) {
		size_t part = input.left - at < piece ? input.left - at : piece;
		char *copy = take_copy(bytes + at, part);
		uint64_t before = count.files;

		file_count_take(&count, copy, part);
		free(copy);
		must(count.files >= before && count.files - before <= part);
		must(count.files == plain(bytes, at + part));
		must(count.any);
		must(count.deleted == plain_deleted(bytes, at + part));
	}
	must(input.left > 0 || (!count.any && count.files == 0));
	return 0;
}
