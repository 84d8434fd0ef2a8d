/* SPDX-License-Identifier: ISC */
/*
 * Writes records into an index that is mapped, and publishes or clears the slots of the hash tables that name
 * them.
 */
#include <errno.h>
#include <string.h>

#include "index/check.h"
#include "index/writer/file.h"

uint32_t index_record_write(struct index_writer *writer, struct index_record *record)
{
	const struct index_header *header = &writer->view.header;
	uint32_t line = (uint32_t)writer->lines;

	record->check = index_record_checksum(header->seed, line, record);
	memcpy(writer->base + header->records_offset + (uint64_t)line * INDEX_LINE, record,
	       (size_t)record->lines * INDEX_LINE);
	writer->lines += record->lines;
	writer->lines_live += record->lines;
	index_word_store(writer, INDEX_WORD_LINES_USED, writer->lines);
	return line;
}

/* ---- tables ---- */

void index_slot_write(struct index_writer *writer, enum index_table_id table, uint64_t position, uint32_t number,
		      uint16_t tag)
{
	void *at = writer->base + writer->view.header.table[table].offset + position * sizeof(index_slot);

	__atomic_store_n((index_slot *)at,
			 index_seal(writer->view.header.seed, table, position, index_slot_value(number, tag)),
			 __ATOMIC_RELEASE);
}

int index_place_find(const struct index_writer *writer, enum index_table_id table, uint64_t hash, uint32_t line,
		     uint64_t *position)
{
	struct index_probe probe;
	uint32_t found;
	int more;

	index_probe_start(&probe, &writer->view, table, hash);
	while ((more = index_probe_next(&probe, &found)) > 0) {
		if (found == line) {
			*position = probe.position;
			return 0;
		}
	}
	return more < 0 ? more : -ENOENT;
}

/* The first free slot may be a tombstone: a reader that passed it before sees the
 * key as absent, which it was at that moment. */
int index_place_add(struct index_writer *writer, enum index_table_id table, uint64_t hash, uint32_t line)
{
	uint64_t slots = writer->view.header.table[table].slots;
	uint64_t position = hash & (slots - 1);

	for (uint64_t i = 0; i < slots; i++, position = (position + 1) & (slots - 1)) {
		index_slot slot;

		if (index_slot_read(&writer->view, table, position, &slot) < 0)
			return -EUCLEAN;
		if (index_slot_number(slot) != 0)
			continue;
		if (index_slot_tag(slot) == INDEX_TAG_TOMBSTONE)
			writer->count[table].graves--;
		writer->count[table].live++;
		index_slot_write(writer, table, position, line + 1, index_hash_tag(hash));
		return 0;
	}
	return -EUCLEAN;
}

/* A slot before an empty one can be empty itself: a probe then ends here instead of one slot further. The same then
 * holds for tombstones before it. */
int index_place_clear(struct index_writer *writer, enum index_table_id table, uint64_t position)
{
	uint64_t mask = writer->view.header.table[table].slots - 1;
	index_slot slot;

	if (index_slot_read(&writer->view, table, (position + 1) & mask, &slot) < 0)
		return -EUCLEAN;
	writer->count[table].live--;
	if (index_slot_number(slot) != 0 || index_slot_tag(slot) != INDEX_TAG_EMPTY) {
		index_slot_write(writer, table, position, 0, INDEX_TAG_TOMBSTONE);
		writer->count[table].graves++;
		return 0;
	}
	index_slot_write(writer, table, position, 0, INDEX_TAG_EMPTY);
	while (writer->count[table].graves > 0) {
		position = (position - 1) & mask;
		if (index_slot_read(&writer->view, table, position, &slot) < 0 || index_slot_number(slot) != 0 ||
		    index_slot_tag(slot) != INDEX_TAG_TOMBSTONE)
			break;
		index_slot_write(writer, table, position, 0, INDEX_TAG_EMPTY);
		writer->count[table].graves--;
	}
	return 0;
}
