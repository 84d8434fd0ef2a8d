/* SPDX-License-Identifier: ISC */
/*
 * Proof that a file is what a writer would have left: every slot sealed, every
 * record sound, found by the readers' own lookups, and each table and list saying the same. Run
 * once, when the writer takes an existing file over.
 */
#include <errno.h>
#include <string.h>

#include "account/id.h"
#include "account/index_check.h"
#include "subuidd/index_file.h"

struct tally {
	uint64_t accounts, ranges, blocks;
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

/* The account is found by name and by uid, and is this record both times. */
static int account_verify(struct index_writer *writer, uint32_t line, const union index_public_copy *copy)
{
	uint64_t seed = writer->view.header.seed, position;
	struct index_account account, other;
	int rc = index_account_decode(&writer->view, copy, &account);

	if (rc == 0)
		rc = index_place_find(writer, INDEX_BY_NAME, index_hash(seed, account.name, strlen(account.name)),
				      line, &position);
	if (rc == 0)
		rc = index_place_find(writer, INDEX_BY_ID, index_hash_number(seed, account.uid), line, &position);
	if (rc == 0)
		rc = index_view_by_name(&writer->view, account.name, &other, NULL);
	if (rc == 0 && other.uid != account.uid)
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

static int entry_verify(struct index_writer *writer, uint32_t owner_uid, uint32_t k, uint32_t line,
			struct tally *tally)
{
	union index_public_copy copy;
	uint32_t position;

	if (record_check(writer, line, 0, &copy.head, INDEX_PUBLIC_LINES, tally) < 0 || copy.head.b != owner_uid)
		return -EUCLEAN;
	tally->lines_live += copy.head.lines;
	if (copy.head.kind == INDEX_ACCOUNT) {
		tally->accounts++;
		position = copy.account.position;
		return position != k ? -EUCLEAN : account_verify(writer, line, &copy);
	}
	if (copy.head.kind != INDEX_RANGE)
		return -EUCLEAN;
	tally->ranges++;
	position = copy.range.position;
	return position != k ? -EUCLEAN : range_verify(writer, line, &copy, tally);
}

/* The chain of holes: as many as there are, each in use and marked as one, no more. */
static int holes_verify(const struct index_writer *writer, const struct index_list *list, uint32_t end,
			uint64_t holes)
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

static int list_verify(struct index_writer *writer, uint32_t line, struct tally *tally)
{
	union index_public_copy copy;
	struct index_list list, found;
	uint32_t end, lines;
	uint64_t holes = 0;

	if (record_check(writer, line, INDEX_OWNER, &copy.head, INDEX_PUBLIC_LINES, tally) < 0 ||
	    index_list_decode(&writer->view, &copy, &list) < 0 ||
	    index_list_find(&writer->view, copy.head.a, &found) < 0 || found.record_line != line ||
	    index_list_end(&writer->view, &list, &end) < 0)
		return -EUCLEAN;
	lines = list.capacity / (INDEX_LINE / sizeof(index_slot));
	if (list.line + lines > tally->end)
		return -EUCLEAN;
	tally->lines_live += copy.head.lines + lines;
	for (uint32_t k = INDEX_LIST_FIRST; k < list.capacity; k++) {
		index_slot slot;

		if (index_list_read(&writer->view, &list, k, &slot) < 0)
			return -EUCLEAN;
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
	const char *text = (const char *)copy.bytes + offsetof(struct index_key_record, text);
	struct ssh_key key;
	uint64_t hash, found;

	if (record_check(writer, line, INDEX_KEY, &copy.head, INDEX_RECORD_LINES_MAX, tally) < 0)
		return -EUCLEAN;
	tally->lines_live += copy.head.lines;
	text += strnlen(text, KEY_TYPE_MAX + 1) + 1;
	if (index_view_key(&writer->view, copy.head.a, text, &key) < 0 || key.id != copy.head.b)
		return -EUCLEAN;
	hash = index_hash_key(writer->view.header.seed, key.uid, key.blob, strlen(key.blob));
	if (index_place_find(writer, INDEX_BY_KEY, hash, line, &found) < 0 || found != position)
		return -EUCLEAN;
	return 0;
}

/* From the table that leads to everything else. */
static int walk(struct index_writer *writer, enum index_table_id table, struct tally *tally)
{
	for (uint64_t i = 0; i < writer->view.header.table[table].slots; i++) {
		index_slot slot;
		uint32_t line;

		if (index_slot_read(&writer->view, table, i, &slot) < 0)
			return -EUCLEAN;
		if (index_slot_number(slot) == 0)
			continue;
		line = index_slot_number(slot) - 1;
		if ((table == INDEX_BY_KEY ? key_verify(writer, line, i, tally) :
					     list_verify(writer, line, tally)) < 0)
			return -EUCLEAN;
	}
	return 0;
}

int index_verify(struct index_writer *writer)
{
	enum index_table_id table = writer->options.file == INDEX_FILE_KEYS ? INDEX_BY_KEY : INDEX_BY_OWNER;
	const struct index_header *header = &writer->view.header;
	const void *at = writer->base + offsetof(struct index_header, lines_used);
	uint64_t used = __atomic_load_n((const uint64_t *)at, __ATOMIC_ACQUIRE);
	struct tally tally = { 0 };

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
	if (tally.accounts != writer->count[INDEX_BY_NAME].live ||
	    tally.accounts != writer->count[INDEX_BY_ID].live ||
	    tally.blocks != writer->count[INDEX_BY_BLOCK].live)
		return -EUCLEAN;
	writer->lines_live = tally.lines_live;
	return writer->lines_live <= writer->lines ? 0 : -EUCLEAN;
}
