/* SPDX-License-Identifier: ISC */
/* An owner's list: entries keep their place for life, holes are chained through the slots. */
#include <errno.h>

#include "index/check.h"
#include "index/writer/file.h"

static uint32_t list_lines(uint32_t capacity)
{
	return capacity / (uint32_t)(INDEX_LINE / sizeof(index_slot));
}

static void list_store(struct index_writer *writer, uint64_t line, uint32_t k, uint32_t number, uint16_t tag)
{
	void *at = writer->base + writer->view.header.records_offset + line * INDEX_LINE + k * sizeof(index_slot);

	__atomic_store_n(
		(index_slot *)at,
		index_seal(writer->view.header.seed, INDEX_SEAL_LIST, line * 8 + k, index_slot_value(number, tag)),
		__ATOMIC_RELEASE);
}

/* The entry that the next one goes to: the first hole, or else the one after the last; capacity if full. */
static int list_free_entry(const struct index_writer *writer, const struct index_list *list, uint32_t *position)
{
	index_slot slot;
	uint32_t end;

	if (index_list_read(&writer->view, list, INDEX_LIST_FREE, &slot) < 0 ||
	    index_list_end(&writer->view, list, &end) < 0)
		return -EUCLEAN;
	if (index_slot_number(slot) >= end)
		return -EUCLEAN;
	*position = index_slot_number(slot) != 0 ? index_slot_number(slot) : end;
	return 0;
}

int index_list_need(const struct index_writer *writer, uint32_t owner_uid, uint64_t *lines)
{
	struct index_list list;
	uint32_t position;
	int rc = index_list_find(&writer->view, owner_uid, &list);

	if (rc == -ENOENT) {
		*lines = INDEX_OWNER_LINES + list_lines(INDEX_LIST_CAPACITY_MIN);
		return 0;
	}
	if (rc == 0)
		rc = list_free_entry(writer, &list, &position);
	if (rc < 0)
		return rc;
	/* for a new OWNER record, too */
	*lines = INDEX_OWNER_LINES + (position < list.capacity ? 0 : list_lines(list.capacity * 2));
	return 0;
}

/* New lines of `capacity` slots with the entries of `from` (NULL: none), and an OWNER record for them. */
static int list_make(struct index_writer *writer, uint32_t owner_uid, const char *owner, const struct index_list *from,
		     uint32_t capacity, struct index_list *list)
{
	union index_public_copy copy;
	uint64_t line = writer->lines;
	struct bounds bounds;
	int rc = index_view_owner_bounds(&writer->view, owner_uid, &bounds);

	if (rc == 0)
		rc = index_owner_encode(owner_uid, owner, &bounds, (uint32_t)line, capacity, &copy);
	if (rc < 0)
		return rc;
	for (uint32_t k = 0; k < capacity; k++) {
		index_slot slot = k == INDEX_LIST_FREE ? index_slot_value(0, INDEX_LIST_TAG_HEAD) :
				  k == INDEX_LIST_END  ? index_slot_value(INDEX_LIST_FIRST, INDEX_LIST_TAG_HEAD) :
							 0;

		if (from != NULL && k < from->capacity && index_list_read(&writer->view, from, k, &slot) < 0)
			return -EUCLEAN;
		list_store(writer, line, k, index_slot_number(slot), index_slot_tag(slot));
	}
	writer->lines += list_lines(capacity);
	writer->lines_live += list_lines(capacity);
	*list = (struct index_list){ .line = line, .capacity = capacity };
	list->record_line = index_record_write(writer, &copy.head);
	return 0;
}

int index_list_reserve(struct index_writer *writer, uint32_t owner_uid, const char *owner, struct index_list *list,
		       uint32_t *position)
{
	uint64_t hash = index_hash_number(writer->view.header.seed, owner_uid);
	struct index_list present;
	int rc = index_list_find(&writer->view, owner_uid, &present);

	if (rc == -ENOENT) {
		*position = INDEX_LIST_FIRST;
		rc = list_make(writer, owner_uid, owner, NULL, INDEX_LIST_CAPACITY_MIN, list);
		return rc < 0 ? rc : index_place_add(writer, INDEX_BY_OWNER, hash, list->record_line);
	}
	if (rc == 0)
		rc = list_free_entry(writer, &present, position);
	if (rc < 0)
		return rc;
	if (*position < present.capacity) {
		*list = present;
		return 0;
	}
	if (present.capacity > UINT32_MAX / 4)
		return -EFBIG;
	rc = list_make(writer, owner_uid, owner, &present, present.capacity * 2, list);
	if (rc < 0)
		return rc;
	list->position = present.position;
	index_slot_write(writer, INDEX_BY_OWNER, list->position, list->record_line + 1, index_hash_tag(hash));
	writer->lines_live -= list_lines(present.capacity) + present.record_lines;
	return 0;
}

int index_list_add(struct index_writer *writer, const struct index_list *list, uint32_t position, uint32_t line)
{
	index_slot slot;
	int rc = index_list_read(&writer->view, list, position, &slot);

	if (rc < 0)
		return rc;
	list_store(writer, list->line, position, line + 1, INDEX_LIST_TAG_ENTRY);
	if (index_slot_tag(slot) == INDEX_LIST_TAG_HOLE)
		list_store(writer, list->line, INDEX_LIST_FREE, index_slot_number(slot), INDEX_LIST_TAG_HEAD);
	else
		list_store(writer, list->line, INDEX_LIST_END, position + 1, INDEX_LIST_TAG_HEAD);
	return 0;
}

void index_list_swing(struct index_writer *writer, const struct index_list *list, uint32_t position, uint32_t line)
{
	list_store(writer, list->line, position, line + 1, INDEX_LIST_TAG_ENTRY);
}

int index_list_clear(struct index_writer *writer, const struct index_list *list, uint32_t position)
{
	index_slot head;
	int rc = index_list_read(&writer->view, list, INDEX_LIST_FREE, &head);

	if (rc < 0)
		return rc;
	list_store(writer, list->line, position, index_slot_number(head), INDEX_LIST_TAG_HOLE);
	list_store(writer, list->line, INDEX_LIST_FREE, position, INDEX_LIST_TAG_HEAD);
	return 0;
}
