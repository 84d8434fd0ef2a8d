/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "confine/cleanup.h"
#include "confine/read_full.h"
#include "subuidd/ids/subid_files.h"

#define FILE_BYTES_MAX (1 << 30)
#define NUMBER_BYTES_MAX 32

/* ---- lists of blocks ---- */

int subid_list_add(struct subid_list *list, struct id_block block)
{
	if (list->count == list->allocated) {
		size_t allocated = list->allocated == 0 ? 64 : list->allocated * 2;
		struct id_block *blocks = reallocarray(list->blocks, allocated, sizeof(*blocks));

		if (blocks == NULL)
			return -ENOMEM;
		list->blocks = blocks;
		list->allocated = allocated;
	}
	list->blocks[list->count++] = block;
	return 0;
}

static int compare(const void *a, const void *b)
{
	const struct id_block *x = a, *y = b;

	return x->first < y->first ? -1 : x->first > y->first;
}

static int compare_entries(const void *a, const void *b)
{
	const struct subid_entry *x = a, *y = b;

	return x->first < y->first ? -1 : x->first > y->first;
}

static void entries_sort(struct subid_list *list)
{
	uint32_t reach = 0;

	if (list->entries_count == 0)
		return;
	qsort(list->entries, list->entries_count, sizeof(list->entries[0]), compare_entries);
	for (size_t i = 0; i < list->entries_count; i++) {
		reach = list->entries[i].last > reach ? list->entries[i].last : reach;
		list->entries[i].reach = reach;
	}
}

/* Sorted and joined: then the block that begins last before an id is the only one that can hold it. */
void subid_list_sort(struct subid_list *list)
{
	size_t n = 0;

	if (list->count == 0)
		return;
	qsort(list->blocks, list->count, sizeof(list->blocks[0]), compare);
	for (size_t i = 1; i < list->count; i++) {
		struct id_block next = list->blocks[i], *present = &list->blocks[n];

		if (next.first > (uint64_t)present->last + 1)
			list->blocks[++n] = next;
		else if (next.last > present->last)
			present->last = next.last;
	}
	list->count = n + 1;
	entries_sort(list);
}

void subid_list_free(struct subid_list *list)
{
	free(list->blocks);
	free(list->entries);
	*list = (struct subid_list){0};
}

bool subid_find(const struct subid_list *list, uint32_t first, uint32_t last, struct id_block *holder)
{
	size_t low = 0, high = list->count;

	while (low < high) { /* the number of blocks that begin at or before last */
		size_t middle = low + (high - low) / 2;

		if (list->blocks[middle].first <= last)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == 0 || list->blocks[low - 1].last < first)
		return false;
	*holder = list->blocks[low - 1];
	return true;
}

bool subid_find_other(const struct subid_list *list, uint32_t first, uint32_t last, const uint64_t *names,
		      size_t count, struct id_block *holder)
{
	size_t low = 0, high = list->entries_count;

	while (low < high) { /* the number of entries that begin at or before last */
		size_t middle = low + (high - low) / 2;

		if (list->entries[middle].first <= last)
			low = middle + 1;
		else
			high = middle;
	}
	while (low > 0 && list->entries[low - 1].reach >= first) {
		const struct subid_entry *entry = &list->entries[--low];
		bool ours = false;

		for (size_t i = 0; i < count; i++)
			ours |= entry->first <= first && entry->last >= last && entry->name == names[i];
		if (!ours && entry->last >= first) {
			*holder = (struct id_block){entry->first, entry->last};
			return true;
		}
	}
	return false;
}

/* ---- lines ---- */

/* FNV-1a: tells the names in a file of root's apart. */
uint64_t subid_name_hash(const char *name, size_t length)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325);

	for (size_t i = 0; i < length; i++)
		hash = (hash ^ (unsigned char)name[i]) * UINT64_C(0x100000001b3);
	return hash;
}

static int entry_add(struct subid_list *list, struct id_block block, uint64_t name)
{
	if (list->entries_count == list->entries_allocated) {
		size_t allocated = list->entries_allocated == 0 ? 64 : list->entries_allocated * 2;
		struct subid_entry *entries = reallocarray(list->entries, allocated, sizeof(*entries));

		if (entries == NULL)
			return -ENOMEM;
		list->entries = entries;
		list->entries_allocated = allocated;
	}
	list->entries[list->entries_count++] =
		(struct subid_entry){.first = block.first, .last = block.last, .name = name};
	return 0;
}

static bool number_strict(const char *text, size_t length, uint64_t *number)
{
	uint64_t value = 0;

	if (length == 0 || length > 10 || (length > 1 && text[0] == '0'))
		return false;
	for (size_t i = 0; i < length; i++) {
		if (text[i] < '0' || text[i] > '9')
			return false;
		value = value * 10 + (uint64_t)(text[i] - '0');
	}
	*number = value;
	return true;
}

/* As shadow reads it (strtoul of any base), and whatever follows the number. */
static uint64_t number_loose(const char *text, size_t length, int base)
{
	char copy[NUMBER_BYTES_MAX + 1];

	if (length > NUMBER_BYTES_MAX)
		length = NUMBER_BYTES_MAX;
	memcpy(copy, text, length);
	copy[length] = '\0';
	return strtoull(copy, NULL, base);
}

static int hold(struct subid_list *list, uint64_t start, uint64_t count, uint64_t name)
{
	struct id_block block;
	uint64_t last;

	if (count == 0 || start > UINT32_MAX)
		return 0;
	last = count > UINT32_MAX - start ? UINT32_MAX : start + count - 1;
	block = (struct id_block){(uint32_t)start, (uint32_t)last};
	return subid_list_add(list, block) ?: entry_add(list, block, name);
}

/* A line that is not as it should be still holds whatever it might give away to a more lenient reader. */
static int line_unreadable(const char *start, size_t start_length, const char *count, size_t count_length,
			   struct subid_list *list)
{
	int r = 0;

	list->unreadable++;
	for (int base = 0; r == 0 && base <= 10; base += 10)
		r = hold(list, number_loose(start, start_length, base), number_loose(count, count_length, base), 0);
	return r;
}

/* name:start:count; a number in place of the name is an uid. */
static int line_parse(const char *line, size_t length, struct subid_list *list)
{
	const char *end = line + length, *start, *count;
	uint64_t first, n;

	if (length == 0 || line[0] == '#')
		return 0;
	start = memchr(line, ':', length);
	count = start == NULL ? NULL : memchr(start + 1, ':', (size_t)(end - start - 1));
	if (count == NULL) {
		for (size_t i = 0; i < length; i++)
			if (line[i] != ' ' && line[i] != '\t') {
				list->unreadable++;
				break;
			}
		return 0;
	}
	if (start > line && number_strict(start + 1, (size_t)(count - start - 1), &first) &&
	    number_strict(count + 1, (size_t)(end - count - 1), &n) && id_range_valid(first, n))
		return hold(list, first, n, subid_name_hash(line, (size_t)(start - line)));
	return line_unreadable(start + 1, (size_t)(count - start - 1), count + 1, (size_t)(end - count - 1), list);
}

int subid_parse(const char *text, size_t length, struct subid_list *list)
{
	struct subid_list parsed = {0};
	int r = 0;

	while (r == 0 && length > 0) {
		const char *newline = memchr(text, '\n', length);
		size_t line = newline == NULL ? length : (size_t)(newline - text);

		r = line_parse(text, line, &parsed);
		line += newline != NULL;
		text += line;
		length -= line;
	}
	if (r < 0) {
		subid_list_free(&parsed);
		return r;
	}
	subid_list_sort(&parsed);
	*list = parsed;
	return 0;
}

/* ---- the file ---- */

bool subid_file_same(const struct stat *a, const struct stat *b)
{
	return a->st_ino != 0 && a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
	       a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec &&
	       a->st_ctim.tv_sec == b->st_ctim.tv_sec && a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

bool subid_file_settled(const struct stat *st)
{
	struct timespec now;

	return clock_gettime(CLOCK_REALTIME, &now) == 0 && st->st_ctim.tv_sec + 1 < now.tv_sec;
}

static int read_list(int fd, size_t size, struct subid_list *list)
{
	cleanup_free char *text = malloc(size + 1);
	ssize_t length = text == NULL ? -ENOMEM : read_full(fd, text, size);

	if (length < 0)
		return (int)length;
	if ((size_t)length != size)
		return -EAGAIN; /* being rewritten in place */
	return subid_parse(text, size, list);
}

static int reread(struct subid_file *file, int fd, const struct stat *st)
{
	struct subid_list list = {0};
	int r;

	if (!S_ISREG(st->st_mode) || st->st_size > FILE_BYTES_MAX)
		return -EINVAL;
	r = read_list(fd, (size_t)st->st_size, &list);
	if (r < 0)
		return r;
	subid_list_free(&file->list);
	file->list = list;
	file->seen = subid_file_settled(st) ? *st : (struct stat){0};
	return 0;
}

int subid_file_refresh(struct subid_file *file)
{
	cleanup_fd int fd = open(file->path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	struct stat st;

	if (fd < 0 && errno == ENOENT) {
		subid_list_free(&file->list);
		file->seen = (struct stat){0};
		return 0;
	}
	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	return subid_file_same(&file->seen, &st) ? 0 : reread(file, fd, &st);
}

void subid_file_free(struct subid_file *file)
{
	subid_list_free(&file->list);
	file->seen = (struct stat){0};
}
