/* SPDX-License-Identifier: ISC */
/*
 * Proves that a file is as a writer would have left it: every slot is sealed, every record is sound and found by the
 * readers' own lookups, and tables and lists agree. Run once, when the writer takes over an existing file.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "account/id.h"
#include "index/check.h"
#include "index/writer/file.h"

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22
#endif

#define AHEAD 4u        /* entries of a list whose slots are fetched before they are looked at */
#define TABLE_AHEAD 16u /* slots of a table whose records are */

struct tally {
	uint64_t accounts, ranges, blocks;
	uint64_t of_accounts, held; /* ranges that accounts have, and entries of accounts' lists */
	uint64_t lines_live;
	uint64_t end; /* lines in use, from the header */
};

static int record_check(const struct index_writer *writer, uint32_t line, unsigned kind, struct index_record *copy,
			unsigned lines_max, const struct tally *tally)
{
	int rc = index_record_copy(&writer->view, line, kind, copy, lines_max);

	return rc == 0 && copy->lines > tally->end - line ? -EUCLEAN : rc;
}

/* Seals and counts of a table. */
static int table_count(struct index_writer *writer, enum index_table_id table)
{
	struct index_count *count = &writer->count[table];
	uint64_t slots = writer->view.header.table[table].slots;

	*count = (struct index_count){ 0 };
	for (uint64_t i = 0; i < slots; i++) {
		index_slot slot;

		if (index_slot_read(&writer->view, table, i, &slot) < 0)
			return -EUCLEAN;
		if (index_slot_number(slot) > writer->lines)
			return -EUCLEAN;
		if (index_slot_number(slot) != 0)
			count->live++;
		else if (index_slot_tag(slot) == INDEX_TAG_TOMBSTONE)
			count->graves++;
		else if (index_slot_tag(slot) != INDEX_TAG_EMPTY)
			return -EUCLEAN;
	}
	return slots != 0 && count->live + count->graves >= slots ? -EUCLEAN : 0;
}

/* A lookup by this hash passes the slot that names the line. *first: no other record with the same tag is before it, so
 * that the lookup ends here. */
static int place_verify(const struct index_writer *writer, enum index_table_id table, uint64_t hash, uint32_t line,
			uint64_t *position, bool *first)
{
	struct index_probe probe;
	uint32_t found;

	*first = true;
	index_probe_start(&probe, &writer->view, table, hash);
	while (index_probe_next(&probe, &found) > 0) {
		if (found == line) {
			*position = probe.position;
			return 0;
		}
		*first = false;
	}
	return -EUCLEAN;
}

/* The record of a line is needed soon, and may be anywhere in a file that no cache holds. */
static void line_prefetch(const struct index_writer *writer, index_slot slot)
{
	const struct index_header *header = &writer->view.header;

	if (index_slot_number(slot) != 0 && index_slot_number(slot) <= header->records_lines)
		__builtin_prefetch(writer->base + header->records_offset +
				   (uint64_t)(index_slot_number(slot) - 1) * INDEX_LINE);
}

/* The slots in which a record will be looked for, from its unchecked head: a hint, checked later. */
static void account_prefetch(const struct index_writer *writer, index_slot slot)
{
	const struct index_header *header = &writer->view.header;
	const struct index_account_record *record;
	const void *at;
	size_t length;

	if (index_slot_number(slot) == 0 || index_slot_number(slot) > header->records_lines)
		return;
	at = writer->base + header->records_offset + (uint64_t)(index_slot_number(slot) - 1) * INDEX_LINE;
	record = at;
	length = (size_t)record->owner_length + record->label_length + 1;
	if (record->head.kind != INDEX_ACCOUNT || length > INDEX_LINE - offsetof(struct index_account_record, text))
		return;
	__builtin_prefetch(index_slot_at(&writer->view, INDEX_BY_ID,
					 index_hash_number(header->seed, record->head.a) &
						 (header->table[INDEX_BY_ID].slots - 1)));
	__builtin_prefetch(index_slot_at(&writer->view, INDEX_BY_NAME,
					 index_hash(header->seed, record->text, length) &
						 (header->table[INDEX_BY_NAME].slots - 1)));
}

/* The account is found by name and by uid, and is this record both times. */
static int account_verify(struct index_writer *writer, uint32_t line, const union index_public_copy *copy)
{
	uint64_t seed = writer->view.header.seed, position;
	struct index_account account, other = { .uid = 0 };
	struct bounds bounds;
	bool first_by_name = true, first_by_id = true;
	int rc = index_account_decode(&writer->view, copy, &account);

	if (rc == 0)
		rc = index_bounds_decode(&copy->head, &bounds);

	if (rc == 0)
		rc = place_verify(writer, INDEX_BY_NAME, index_hash(seed, account.name, strlen(account.name)), line,
				  &position, &first_by_name);
	if (rc == 0)
		rc = place_verify(writer, INDEX_BY_ID, index_hash_number(seed, account.uid), line, &position,
				  &first_by_id);
	if (rc == 0 && !first_by_name)
		rc = index_view_by_name(&writer->view, account.name, &other);
	if (rc == 0 && !first_by_name && other.uid != account.uid)
		rc = -EUCLEAN;
	if (rc == 0 && !first_by_id)
		rc = index_view_by_uid(&writer->view, account.uid, &other);
	if (rc == 0 && !first_by_id && strcmp(other.name, account.name) != 0)
		rc = -EUCLEAN;
	return rc < 0 ? -EUCLEAN : 0;
}

static int range_verify(struct index_writer *writer, uint32_t line, const union index_public_copy *copy,
			struct tally *tally)
{
	uint64_t seed = writer->view.header.seed, position, last;
	struct id_range range = { 0 };

	if (index_range_decode(copy, &range) < 0)
		return -EUCLEAN;
	last = ((uint64_t)range.first + range.count - 1) / RANGE_UNIT;
	for (uint64_t block = range.first / RANGE_UNIT; block <= last; block++) {
		if (index_place_find(writer, INDEX_BY_BLOCK, index_hash_number(seed, block), line, &position) < 0)
			return -EUCLEAN;
		tally->blocks++;
	}
	return 0;
}

static int entry_verify(struct index_writer *writer, uint32_t owner_uid, uint32_t k, uint32_t line, struct tally *tally)
{
	union index_public_copy copy;
	uint32_t position;

	if (record_check(writer, line, 0, &copy.head, INDEX_PUBLIC_LINES, tally) < 0)
		return -EUCLEAN;
	if (copy.head.b != owner_uid) { /* in an account's list: proved through the owner's list, which names it too */
		tally->held++;
		return copy.head.kind == INDEX_RANGE && copy.range.account_uid == owner_uid &&
				       copy.range.held_position == k ?
			       0 :
			       -EUCLEAN;
	}
	tally->lines_live += copy.head.lines;
	if (copy.head.kind == INDEX_ACCOUNT) {
		tally->accounts++;
		position = copy.account.position;
		return position != k ? -EUCLEAN : account_verify(writer, line, &copy);
	}
	if (copy.head.kind != INDEX_RANGE)
		return -EUCLEAN;
	tally->ranges++;
	tally->of_accounts += copy.range.account_uid != 0;
	position = copy.range.position;
	return position != k ? -EUCLEAN : range_verify(writer, line, &copy, tally);
}

/* The chain of holes: it has as many as there are, each in use and marked as a hole, and no more. */
static int holes_verify(const struct index_writer *writer, const struct index_list *list, uint32_t end, uint64_t holes)
{
	index_slot slot;
	uint32_t next;

	if (index_list_read(&writer->view, list, INDEX_LIST_FREE, &slot) < 0 ||
	    index_slot_tag(slot) != INDEX_LIST_TAG_HEAD)
		return -EUCLEAN;
	while ((next = index_slot_number(slot)) != 0) {
		if (next < INDEX_LIST_FIRST || next >= end || holes-- == 0 ||
		    index_list_read(&writer->view, list, next, &slot) < 0 ||
		    index_slot_tag(slot) != INDEX_LIST_TAG_HOLE)
			return -EUCLEAN;
	}
	return holes == 0 ? 0 : -EUCLEAN;
}

static void list_prefetch(const struct index_writer *writer, const struct index_list *list, uint32_t k, uint32_t end)
{
	if (k + 2 * AHEAD < end)
		line_prefetch(writer, *index_list_at(&writer->view, list, k + 2 * AHEAD));
	if (k + AHEAD < end)
		account_prefetch(writer, *index_list_at(&writer->view, list, k + AHEAD));
}

/* The first ones of a list, before it is gone through. */
static void list_prefetch_start(const struct index_writer *writer, const struct index_list *list, uint32_t end)
{
	for (uint32_t k = INDEX_LIST_FIRST; k < end && k < INDEX_LIST_FIRST + 2 * AHEAD; k++)
		line_prefetch(writer, *index_list_at(&writer->view, list, k));
	for (uint32_t k = INDEX_LIST_FIRST; k < end && k < INDEX_LIST_FIRST + AHEAD; k++)
		account_prefetch(writer, *index_list_at(&writer->view, list, k));
}

static int list_verify(struct index_writer *writer, uint32_t line, struct tally *tally)
{
	union index_public_copy copy;
	struct index_list list, found;
	struct bounds bounds;
	uint32_t end, lines;
	uint64_t holes = 0;

	if (record_check(writer, line, INDEX_OWNER, &copy.head, INDEX_PUBLIC_LINES, tally) < 0 ||
	    index_list_decode(&writer->view, &copy, &list) < 0 || index_bounds_decode(&copy.head, &bounds) < 0 ||
	    index_list_find(&writer->view, copy.head.a, &found) < 0 || found.record_line != line ||
	    index_list_end(&writer->view, &list, &end) < 0)
		return -EUCLEAN;
	lines = list.capacity / (INDEX_LINE / sizeof(index_slot));
	if (list.line + lines > tally->end)
		return -EUCLEAN;
	tally->lines_live += copy.head.lines + lines;
	list_prefetch_start(writer, &list, end);
	for (uint32_t k = INDEX_LIST_FIRST; k < list.capacity; k++) {
		index_slot slot;

		if (index_list_read(&writer->view, &list, k, &slot) < 0)
			return -EUCLEAN;
		list_prefetch(writer, &list, k, end);
		if (k >= end) {
			if (index_slot_number(slot) != 0 || index_slot_tag(slot) != 0)
				return -EUCLEAN;
		} else if (index_slot_tag(slot) == INDEX_LIST_TAG_HOLE) {
			holes++;
		} else if (index_slot_tag(slot) != INDEX_LIST_TAG_ENTRY ||
			   entry_verify(writer, copy.head.a, k, index_slot_number(slot) - 1, tally) < 0) {
			return -EUCLEAN;
		}
	}
	return holes_verify(writer, &list, end, holes);
}

static int key_verify(struct index_writer *writer, uint32_t line, uint64_t position, struct tally *tally)
{
	union index_key_copy copy;
	const char *text = (const char *)copy.bytes + offsetof(struct index_key_record, text), *blob;
	struct ssh_key key;
	uint64_t hash, found;
	bool first = true;

	if (record_check(writer, line, INDEX_KEY, &copy.head, INDEX_RECORD_LINES_MAX, tally) < 0)
		return -EUCLEAN;
	tally->lines_live += copy.head.lines;
	/* the blob is the second string */
	blob = text + strnlen(text, KEY_TYPE_MAX + 1) + 1;
	hash = index_hash_key(writer->view.header.seed, copy.head.a, blob, strnlen(blob, KEY_BLOB_MAX));
	if (place_verify(writer, INDEX_BY_KEY, hash, line, &found, &first) < 0 || found != position)
		return -EUCLEAN;
	if (index_key_decode(&copy.head, &key) < 0)
		return -EUCLEAN;
	if (!first && (index_view_key(&writer->view, copy.head.a, blob, &key) < 0 || key.id != copy.head.b))
		return -EUCLEAN;
	return 0;
}

/* From the table that leads to everything else. */
static int walk(struct index_writer *writer, enum index_table_id table, struct tally *tally)
{
	uint64_t slots = writer->view.header.table[table].slots;

	for (uint64_t i = 0; i < slots; i++) {
		index_slot slot;
		uint32_t line;

		if (i + TABLE_AHEAD < slots)
			line_prefetch(writer, *index_slot_at(&writer->view, table, i + TABLE_AHEAD));

		if (index_slot_read(&writer->view, table, i, &slot) < 0)
			return -EUCLEAN;
		if (index_slot_number(slot) == 0)
			continue;
		line = index_slot_number(slot) - 1;
		if ((table == INDEX_BY_KEY ? key_verify(writer, line, i, tally) : list_verify(writer, line, tally)) < 0)
			return -EUCLEAN;
	}
	return 0;
}

int index_verify(struct index_writer *writer)
{
	enum index_table_id table = writer->options.file != INDEX_FILE_PUBLIC ? INDEX_BY_KEY : INDEX_BY_OWNER;
	const struct index_header *header = &writer->view.header;
	const void *at = writer->base + offsetof(struct index_header, lines_used);
	uint64_t used = __atomic_load_n((const uint64_t *)at, __ATOMIC_ACQUIRE);
	struct tally tally = { 0 };

	/* all of it is read: in one go, and not page by page (kernels before 5.14: page by page) */
	(void)madvise(writer->base, header->file_size, MADV_POPULATE_READ);
	if (!index_sealed(header->seed, INDEX_SEAL_HEADER, INDEX_WORD_LINES_USED, used))
		return -EUCLEAN;
	writer->lines = used & UINT64_C(0xffffffffffff);
	if (writer->lines > header->records_lines)
		return -EUCLEAN;
	tally.end = writer->lines;
	for (unsigned t = 0; t < INDEX_TABLES; t++)
		if (table_count(writer, t) < 0)
			return -EUCLEAN;
	if (walk(writer, table, &tally) < 0)
		return -EUCLEAN;
	/* each account and range was met in a list, once: equal numbers leave no others in the tables */
	if (tally.accounts != writer->count[INDEX_BY_NAME].live || tally.accounts != writer->count[INDEX_BY_ID].live ||
	    tally.blocks != writer->count[INDEX_BY_BLOCK].live || tally.held != tally.of_accounts)
		return -EUCLEAN;
	writer->lines_live = tally.lines_live;
	return writer->lines_live <= writer->lines ? 0 : -EUCLEAN;
}
