/* SPDX-License-Identifier: ISC */
/* What one owner has (accounts and ranges), or one account (ranges), as a list. */
#include <errno.h>
#include <string.h>

#include "index/check.h"
#include "index/view.h"

int index_list_decode(const struct index_view *view, const union index_public_copy *copy, struct index_list *list)
{
	const struct index_owner_record *record = &copy->owner;
	const char *text = (const char *)copy->bytes + offsetof(struct index_owner_record, text);
	size_t head = offsetof(struct index_owner_record, text), length;
	uint32_t capacity = record->head.b;

	if (record->head.length < head + 1)
		return -EUCLEAN;
	length = record->head.length - head;
	if (length > OWNER_MAX + 1 || strnlen(text, length) != length - 1)
		return -EUCLEAN;
	if (capacity < INDEX_LIST_CAPACITY_MIN || (capacity & (capacity - 1)) != 0 ||
	    record->list_line > view->header.records_lines ||
	    capacity / (INDEX_LINE / sizeof(index_slot)) > view->header.records_lines - record->list_line)
		return -EUCLEAN;
	list->line = record->list_line;
	list->capacity = capacity;
	memcpy(list->owner, text, length);
	return 0;
}

int index_list_find(const struct index_view *view, uint32_t owner_uid, struct index_list *list)
{
	union index_public_copy copy;
	struct index_probe probe;
	uint32_t line;
	int found;

	index_probe_start(&probe, view, INDEX_BY_OWNER, index_hash_number(view->header.seed, owner_uid));
	while ((found = index_probe_next(&probe, &line)) > 0) {
		if (index_record_copy(view, line, INDEX_OWNER, &copy.head, INDEX_PUBLIC_LINES) < 0)
			return -EUCLEAN;
		if (copy.head.a != owner_uid)
			continue;
		if (index_list_decode(view, &copy, list) < 0)
			return -EUCLEAN;
		list->record_line = line;
		list->record_lines = copy.head.lines;
		list->position = probe.position;
		return 0;
	}
	return found < 0 ? found : -ENOENT;
}

const index_slot *index_list_at(const struct index_view *view, const struct index_list *list, uint32_t k)
{
	const void *slot = view->base + view->header.records_offset + list->line * INDEX_LINE + k * sizeof(index_slot);

	return slot;
}

int index_list_read(const struct index_view *view, const struct index_list *list, uint32_t k, index_slot *slot)
{
	index_slot word = __atomic_load_n(index_list_at(view, list, k), __ATOMIC_ACQUIRE);

	if (!index_sealed(view->header.seed, INDEX_SEAL_LIST, list->line * 8 + k, word))
		return -EUCLEAN;
	*slot = word;
	return 0;
}

int index_list_end(const struct index_view *view, const struct index_list *list, uint32_t *end)
{
	index_slot slot;

	if (index_list_read(view, list, INDEX_LIST_END, &slot) < 0 || index_slot_tag(slot) != INDEX_LIST_TAG_HEAD ||
	    index_slot_number(slot) < INDEX_LIST_FIRST || index_slot_number(slot) > list->capacity)
		return -EUCLEAN;
	*end = index_slot_number(slot);
	return 0;
}

static int entry_decode(const struct index_view *view, uint32_t line, uint32_t owner_uid, int *is_range,
			struct index_account *account, struct id_range *range)
{
	union index_public_copy copy;
	int rc = index_record_copy(view, line, 0, &copy.head, INDEX_PUBLIC_LINES);

	if (rc < 0)
		return rc;
	if (copy.head.b != owner_uid && (copy.head.kind != INDEX_RANGE || copy.range.account_uid != owner_uid))
		return -EUCLEAN;
	if (copy.head.kind == INDEX_ACCOUNT)
		rc = index_account_decode(view, &copy, account);
	else if (copy.head.kind == INDEX_RANGE)
		rc = index_range_decode(&copy, range);
	else
		rc = -EUCLEAN;
	if (rc == 0)
		*is_range = copy.head.kind == INDEX_RANGE;
	return rc;
}

int index_list_next(const struct index_view *view, const struct index_list *list, uint32_t owner_uid, uint64_t *cursor,
		    int *is_range, struct index_account *account, struct id_range *range)
{
	uint32_t end = 0;
	int rc = index_list_end(view, list, &end);

	if (rc < 0)
		return rc;
	for (uint64_t k = *cursor < INDEX_LIST_FIRST ? INDEX_LIST_FIRST : *cursor; k < end; k++) {
		index_slot slot;

		rc = index_list_read(view, list, (uint32_t)k, &slot);
		if (rc < 0)
			return rc;
		if (index_slot_tag(slot) != INDEX_LIST_TAG_ENTRY || index_slot_number(slot) == 0)
			continue;
		rc = entry_decode(view, index_slot_number(slot) - 1, owner_uid, is_range, account, range);
		if (rc == 0)
			*cursor = k + 1;
		return rc;
	}
	return -ENOENT;
}

int index_view_owner_next(const struct index_view *view, uint32_t owner_uid, uint64_t *cursor, int *is_range,
			  struct index_account *account, struct id_range *range)
{
	struct index_list list;
	int rc = index_list_find(view, owner_uid, &list);

	return rc < 0 ? rc : index_list_next(view, &list, owner_uid, cursor, is_range, account, range);
}
