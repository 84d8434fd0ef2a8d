/* SPDX-License-Identifier: ISC */
/*
 * What /etc/subuid and /etc/subgid give away, read by the broker and the state program (root): see held.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "confine/cleanup.h"
#include "confine/grow.h"
#include "subid/held.h"
#include "subid/line.h"
#include "subid/sorted.h"
#include "subid/text.h"

#define NUMBER_BYTES_MAX 32

/* ---- lists of blocks ---- */

int subid_list_add(struct subid_list *list, struct id_block block)
{
	struct id_block *blocks = array_grow(list->blocks, list->count, &list->allocated, sizeof(*blocks));

	if (blocks == NULL)
		return -ENOMEM;
	list->blocks = blocks;
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

	return compare(&x->ids, &y->ids);
}

static void entries_sort(struct subid_list *list)
{
	uint32_t reach = 0;

	if (list->entries_count == 0)
		return;
	qsort(list->entries, list->entries_count, sizeof(list->entries[0]), compare_entries);
	for (size_t i = 0; i < list->entries_count; i++) {
		reach = list->entries[i].ids.last > reach ? list->entries[i].ids.last : reach;
		list->entries[i].reach = reach;
	}
}

static int compare_named(const void *a, const void *b)
{
	const struct subid_named *x = a, *y = b;
	int order = (x->name > y->name) - (x->name < y->name);

	return order != 0 ? order : (x->line > y->line) - (x->line < y->line);
}

/* Before the entries are sorted, which are in the order of the file. */
static int named_make(struct subid_list *list)
{
	list->named = calloc(list->entries_count + 1, sizeof(*list->named));
	if (list->named == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < list->entries_count; i++)
		list->named[i] = (struct subid_named){ list->entries[i].name, (uint32_t)i, list->entries[i].ids };
	if (list->entries_count > 0)
		qsort(list->named, list->entries_count, sizeof(*list->named), compare_named);
	return 0;
}

size_t subid_named_of(const struct subid_list *list, uint64_t name, const struct subid_named **at)
{
	const struct subid_named last = { .name = name, .line = UINT32_MAX };
	size_t upto = list->named == NULL ?
			      0 :
			      sorted_upto(list->named, list->entries_count, sizeof(last), &last, compare_named);
	size_t count = 0;

	while (count < upto && list->named[upto - 1 - count].name == name)
		count++;
	*at = list->named + (upto - count);
	return count;
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
	free(list->named);
	*list = (struct subid_list){ 0 };
}

bool subid_find(const struct subid_list *list, uint32_t first, uint32_t last, struct id_block *holder)
{
	const struct id_block asked = { .first = last };
	size_t upto = sorted_upto(list->blocks, list->count, sizeof(asked), &asked, compare);

	if (upto == 0 || list->blocks[upto - 1].last < first)
		return false;
	*holder = list->blocks[upto - 1];
	return true;
}

bool subid_find_other(const struct subid_list *list, uint32_t first, uint32_t last, const uint64_t *names, size_t count,
		      struct id_block *holder)
{
	const struct subid_entry asked = { .ids.first = last };
	size_t upto = sorted_upto(list->entries, list->entries_count, sizeof(asked), &asked, compare_entries);

	while (upto > 0 && list->entries[upto - 1].reach >= first) {
		const struct subid_entry *entry = &list->entries[--upto];
		bool ours = false;

		for (size_t i = 0; i < count; i++)
			ours |= entry->ids.first <= first && entry->ids.last >= last && entry->name == names[i];
		if (!ours && entry->ids.last >= first) {
			*holder = entry->ids;
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
	struct subid_entry *entries =
		array_grow(list->entries, list->entries_count, &list->entries_allocated, sizeof(*entries));

	if (entries == NULL)
		return -ENOMEM;
	list->entries = entries;
	list->entries[list->entries_count++] = (struct subid_entry){ .ids = block, .name = name };
	return 0;
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

static int hold(struct subid_list *list, struct id_block block, uint64_t name)
{
	return subid_list_add(list, block) ?: entry_add(list, block, name);
}

static int hold_loose(struct subid_list *list, uint64_t start, uint64_t count)
{
	uint64_t last = count > UINT32_MAX - start ? UINT32_MAX : start + count - 1;

	if (count == 0 || start > UINT32_MAX)
		return 0;
	return hold(list, (struct id_block){ (uint32_t)start, (uint32_t)last }, 0);
}

/* A line that is not as it should be still holds whatever it might give away to a more lenient reader. */
static int line_unreadable(const char *start, size_t start_length, const char *count, size_t count_length,
			   struct subid_list *list)
{
	int r = 0;

	list->unreadable++;
	for (int base = 0; r == 0 && base <= 10; base += 10)
		r = hold_loose(list, number_loose(start, start_length, base), number_loose(count, count_length, base));
	return r;
}

static int line_read(const char *line, size_t length, struct subid_list *list)
{
	const char *end = line + length, *start, *count;
	struct subid_line read;

	if (length == 0 || line[0] == '#')
		return 0;
	if (subid_line_parse(line, length, &read))
		return hold(list, read.ids, subid_name_hash(read.name, read.name_length));
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
	return line_unreadable(start + 1, (size_t)(count - start - 1), count + 1, (size_t)(end - count - 1), list);
}

int subid_parse(const char *text, size_t length, struct subid_list *list)
{
	struct subid_list parsed = { 0 };
	const char *line;
	size_t line_length;
	int r = 0;

	while (r == 0 && subid_line_next(&text, &length, &line, &line_length))
		r = line_read(line, line_length, &parsed);
	if (r == 0)
		r = named_make(&parsed);
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

static int reread(struct subid_file *file, int fd, const struct stat *st)
{
	cleanup_free char *text = NULL;
	struct subid_list list = { 0 };
	size_t length;
	int r = subid_text_take(fd, st, &text, &length);

	if (r == 0)
		r = subid_parse(text, length, &list);
	if (r < 0)
		return r;
	subid_list_free(&file->list);
	file->list = list;
	file->seen = subid_file_settled(st) ? *st : (struct stat){ 0 };
	return 0;
}

int subid_file_refresh(struct subid_file *file)
{
	cleanup_fd int fd = open(file->path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	struct stat st;

	if (fd < 0 && errno == ENOENT) {
		subid_list_free(&file->list);
		file->seen = (struct stat){ 0 };
		return 0;
	}
	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	return subid_file_same(&file->seen, &st) ? 0 : reread(file, fd, &st);
}

void subid_file_free(struct subid_file *file)
{
	subid_list_free(&file->list);
	file->seen = (struct stat){ 0 };
}

/* ---- one question ---- */

int subid_line_held(const char *path, const char *owner, uid_t owner_uid, uint32_t first, uint32_t count)
{
	const struct id_block asked = { first, first + count - 1 };
	cleanup_free char *text = NULL;
	const char *rest, *at;
	size_t left = 0, length;
	int r = subid_text_look(path, &text, &left), found = 0;

	if (r < 0)
		return r;
	if (memchr(text, '\0', left) != NULL) /* shadow reads the line up to it */
		return -EBADMSG;
	rest = text;
	while (subid_line_next(&rest, &left, &at, &length)) {
		struct subid_line line;

		if (!subid_line_parse(at, length, &line) || !id_blocks_overlap(asked, line.ids))
			continue;
		if (found != 0 || line.ids.first != asked.first || line.ids.last != asked.last ||
		    !subid_line_names(&line, owner, owner_uid))
			return -EEXIST;
		found = 1;
	}
	return found;
}
