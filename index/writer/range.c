/* SPDX-License-Identifier: ISC */
/* Ranges in the index: named once for each block, in the owner's list, and in that of the account that has it. */
#include <errno.h>
#include <string.h>

#include "account/id.h"
#include "index/check.h"
#include "index/writer/file.h"

static int range_find(const struct index_writer *writer, uint32_t first, struct index_found *found)
{
	uint64_t hash = index_hash_number(writer->view.header.seed, first / RANGE_UNIT);
	struct index_probe probe;
	int more;

	index_probe_start(&probe, &writer->view, INDEX_BY_BLOCK, hash);
	while ((more = index_probe_next(&probe, &found->line)) > 0) {
		if (index_record_copy(&writer->view, found->line, INDEX_RANGE, &found->copy.head, INDEX_PUBLIC_LINES) <
		    0)
			return -EUCLEAN;
		if (found->copy.head.a == first)
			return 0;
	}
	return more < 0 ? more : -ENOENT;
}

static uint32_t range_last_block(uint32_t first, uint32_t count)
{
	return (uint32_t)(((uint64_t)first + count - 1) / RANGE_UNIT);
}

enum range_act { RANGE_PROVE, RANGE_SWING, RANGE_CLEAR };

/* For each slot that names the range. Two of its blocks can share a probe and a tag: a slot is then met from both, and
 * is already done the second time. */
static int range_slots(struct index_writer *writer, const struct index_found *found, enum range_act act,
		       uint32_t new_line)
{
	uint32_t first = found->copy.head.a, last = range_last_block(first, found->copy.range.count);

	for (uint32_t block = first / RANGE_UNIT; block <= last; block++) {
		uint64_t hash = index_hash_number(writer->view.header.seed, block), position;
		int rc;

		while ((rc = index_place_find(writer, INDEX_BY_BLOCK, hash, found->line, &position)) == 0) {
			if (act == RANGE_PROVE)
				break;
			if (act == RANGE_SWING)
				index_slot_write(writer, INDEX_BY_BLOCK, position, new_line + 1, index_hash_tag(hash));
			else if (index_place_clear(writer, INDEX_BY_BLOCK, position) < 0)
				return -EUCLEAN;
		}
		if (rc < 0 && (rc != -ENOENT || act == RANGE_PROVE))
			return -EUCLEAN;
	}
	return 0;
}

/* The lists that name the range. The second one is an account's. */
struct range_lists {
	struct index_list list[2];
	uint32_t position[2];
	unsigned count;
};

static int range_list(const struct index_writer *writer, const struct index_found *found, uint32_t uid,
		      uint32_t position, struct range_lists *lists)
{
	struct index_list *list = &lists->list[lists->count];
	index_slot slot;
	int rc = index_list_find(&writer->view, uid, list);

	if (rc == 0 && position >= list->capacity)
		rc = -EUCLEAN;
	if (rc == 0)
		rc = index_list_read(&writer->view, list, position, &slot);
	if (rc == 0 && index_slot_number(slot) != found->line + 1)
		rc = -EUCLEAN;
	lists->position[lists->count++] = position;
	return rc == -ENOENT ? -EUCLEAN : rc;
}

static int range_lists(const struct index_writer *writer, const struct index_found *found, struct range_lists *lists)
{
	const struct index_range_record *range = &found->copy.range;
	int rc;

	lists->count = 0;
	rc = range_list(writer, found, range->head.b, range->position, lists);
	if (rc == 0 && range->account_uid != 0)
		rc = range_list(writer, found, range->account_uid, range->held_position, lists);
	return rc;
}

static int range_replace(struct index_writer *writer, struct index_found *found, union index_public_copy *copy)
{
	struct index_need need = { .urgent = true };
	struct range_lists lists;
	uint32_t line;
	int rc;

	copy->range.position = found->copy.range.position;
	copy->range.held_position = found->copy.range.held_position;
	if (index_record_same(&copy->head, &found->copy.head))
		return 0;
	rc = index_room_for(writer, &need, copy->head.b, copy->head.lines);
	if (rc == 0)
		rc = range_find(writer, copy->head.a, found);
	if (rc == 0)
		rc = range_lists(writer, found, &lists);
	if (rc == 0)
		rc = range_slots(writer, found, RANGE_PROVE, 0);
	if (rc < 0)
		return rc;
	copy->range.position = found->copy.range.position;
	copy->range.held_position = found->copy.range.held_position;
	line = index_record_write(writer, &copy->head);
	rc = range_slots(writer, found, RANGE_SWING, line);
	for (unsigned i = 0; i < lists.count; i++)
		index_list_swing(writer, &lists.list[i], lists.position[i], line);
	writer->lines_live -= found->copy.head.lines;
	return rc;
}

static int range_insert(struct index_writer *writer, const struct id_range *range, union index_public_copy *copy)
{
	uint32_t first = range->first / RANGE_UNIT, last = range_last_block(range->first, range->count);
	struct index_need need = { .slots = { [INDEX_BY_OWNER] = 2, [INDEX_BY_BLOCK] = last - first + 1 },
				   .holder = range->account_uid };
	struct index_list list, held;
	uint32_t line;
	int rc = index_room_for(writer, &need, range->owner_uid, copy->head.lines);

	if (rc == 0)
		rc = index_list_reserve(writer, range->owner_uid, range->owner, &list, &copy->range.position);
	if (rc == 0 && range->account_uid != 0)
		rc = index_list_reserve(writer, range->account_uid, range->owner, &held, &copy->range.held_position);
	if (rc < 0)
		return rc;
	line = index_record_write(writer, &copy->head);
	rc = index_list_add(writer, &list, copy->range.position, line);
	if (rc == 0 && range->account_uid != 0)
		rc = index_list_add(writer, &held, copy->range.held_position, line);
	for (uint32_t block = first; rc == 0 && block <= last; block++)
		rc = index_place_add(writer, INDEX_BY_BLOCK, index_hash_number(writer->view.header.seed, block), line);
	return rc;
}

int index_put_range(struct index_writer *writer, const struct id_range *range)
{
	union index_public_copy copy;
	struct index_found found;
	int rc;

	if (writer->view.header.table[INDEX_BY_BLOCK].slots == 0)
		return -EINVAL;
	rc = index_range_encode(range, 0, &copy);
	if (rc < 0)
		return rc;
	rc = range_find(writer, range->first, &found);
	if (rc == -ENOENT)
		return range_insert(writer, range, &copy);
	if (rc == 0 && (found.copy.range.count != range->count || found.copy.head.b != range->owner_uid ||
			found.copy.range.account_uid != range->account_uid))
		return -EEXIST;
	return rc < 0 ? rc : range_replace(writer, &found, &copy);
}

int index_remove_range(struct index_writer *writer, const struct id_range *range)
{
	struct range_lists lists;
	struct index_found found;
	int rc;

	if (writer->view.header.table[INDEX_BY_BLOCK].slots == 0)
		return -EINVAL;
	rc = range_find(writer, range->first, &found);
	if (rc == -ENOENT)
		return 0;
	if (rc == 0)
		rc = range_lists(writer, &found, &lists);
	if (rc == 0)
		rc = range_slots(writer, &found, RANGE_PROVE, 0);
	if (rc == 0)
		rc = range_slots(writer, &found, RANGE_CLEAR, 0);
	for (unsigned i = 0; rc == 0 && i < lists.count; i++)
		rc = index_list_clear(writer, &lists.list[i], lists.position[i]);
	if (rc == 0)
		writer->lines_live -= found.copy.head.lines;
	return rc;
}
