/* SPDX-License-Identifier: ISC */
/* How large a file has to be, and whether something still fits. */
#include "index/writer/file.h"

#define SLOTS_MIN 16u
#define LINES_MIN 64u
#define RESERVE_LINES 128u /* and a sixteenth */

/* More than 9/16 of the slots in use, tombstones included, makes probes long. */
static bool table_room(const struct index_writer *writer, enum index_table_id table, uint64_t need)
{
	uint64_t used = writer->count[table].live + writer->count[table].graves + need;

	return need == 0 || used <= writer->view.header.table[table].slots / 16 * 9;
}

static uint64_t reserve_lines(uint64_t capacity)
{
	uint64_t lines = RESERVE_LINES + capacity / 16;

	return lines < capacity ? lines : capacity;
}

/* The last lines are for urgent changes when no larger file can be made. */
bool index_fits(const struct index_writer *writer, const struct index_need *need, bool reserve)
{
	uint64_t capacity = writer->view.header.records_lines;

	for (unsigned t = 0; t < INDEX_TABLES; t++)
		if (!table_room(writer, t, need->slots[t]))
			return false;
	return writer->lines + need->lines <= (reserve ? capacity : capacity - reserve_lines(capacity));
}

static uint64_t power_of_two(uint64_t least)
{
	uint64_t power = SLOTS_MIN;

	while (power < least)
		power *= 2;
	return power;
}

static uint64_t larger(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

struct index_size index_size_for(const struct index_writer *writer, const struct index_need *need)
{
	static const struct index_need none;
	enum index_file file = writer->options.file;
	uint64_t expected = writer->options.expected;
	struct index_size size = { 0 };

	if (need == NULL)
		need = &none;
	for (unsigned t = 0; t < INDEX_TABLES; t++) {
		uint64_t first = t == INDEX_BY_OWNER || t == INDEX_BY_BLOCK ? expected / 4 : expected;

		if (index_table_wanted(file, t))
			size.slots[t] = power_of_two(larger(2 * first, 3 * (writer->count[t].live + need->slots[t])));
	}
	size.lines = larger(expected * (file != INDEX_FILE_PUBLIC ? 6 : 2), 2 * (writer->lines_live + need->lines)) +
		     LINES_MIN + RESERVE_LINES;
	return size;
}
