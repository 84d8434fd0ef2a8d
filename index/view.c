/* SPDX-License-Identifier: ISC */
/*
 * Lookups in an index file that is already in memory. Every record is copied, then the copy is checked and used.
 * Runs in foreign and setuid processes.
 */
#include <errno.h>
#include <string.h>

#include "account/id.h"
#include "index/check.h"
#include "index/view.h"

int index_view_init(struct index_view *view, const void *base, uint64_t size)
{
	if (size < sizeof(view->header))
		return -EUCLEAN;
	memcpy(&view->header, base, sizeof(view->header));
	if (!index_header_sound(&view->header, size))
		return -EUCLEAN;
	view->base = base;
	return 0;
}

static uint64_t header_word(const struct index_view *view, size_t offset)
{
	const void *word = view->base + offset;

	return __atomic_load_n((const uint64_t *)word, __ATOMIC_ACQUIRE);
}

bool index_view_current(const struct index_view *view)
{
	return header_word(view, offsetof(struct index_header, superseded)) ==
	       index_seal(view->header.seed, INDEX_SEAL_HEADER, INDEX_WORD_SUPERSEDED, 0);
}

int index_view_generation(const struct index_view *view, uint64_t *generation)
{
	uint64_t word = header_word(view, offsetof(struct index_header, generation));

	if (!index_sealed(view->header.seed, INDEX_SEAL_HEADER, INDEX_WORD_GENERATION, word))
		return -EUCLEAN;
	*generation = word & UINT64_C(0xffffffffffff);
	return 0;
}

/* ---- slots ---- */

const index_slot *index_slot_at(const struct index_view *view, enum index_table_id table, uint64_t position)
{
	const void *slot = view->base + view->header.table[table].offset + position * sizeof(index_slot);

	return slot;
}

int index_slot_read(const struct index_view *view, enum index_table_id table, uint64_t position, index_slot *slot)
{
	index_slot word = __atomic_load_n(index_slot_at(view, table, position), __ATOMIC_ACQUIRE);

	if (!index_sealed(view->header.seed, table, position, word))
		return -EUCLEAN;
	*slot = word;
	return 0;
}

void index_probe_start(struct index_probe *probe, const struct index_view *view, enum index_table_id table,
		       uint64_t hash)
{
	uint64_t slots = view->header.table[table].slots;

	probe->view = view;
	probe->table = table;
	probe->tag = index_hash_tag(hash);
	probe->position = 0;
	probe->next = slots != 0 ? hash & (slots - 1) : 0;
	probe->left = slots;
}

/* A sound table always has an empty slot: a probe that runs through all of it has found damage. */
int index_probe_next(struct index_probe *probe, uint32_t *line)
{
	while (probe->left > 0) {
		index_slot slot;

		probe->left--;
		probe->position = probe->next;
		probe->next = (probe->next + 1) & (probe->view->header.table[probe->table].slots - 1);
		if (index_slot_read(probe->view, probe->table, probe->position, &slot) < 0)
			return -EUCLEAN;
		if (index_slot_number(slot) == 0) {
			if (index_slot_tag(slot) == INDEX_TAG_EMPTY)
				return 0;
			continue;
		}
		if (index_slot_tag(slot) == probe->tag) {
			*line = index_slot_number(slot) - 1;
			return 1;
		}
	}
	return -EUCLEAN;
}

/* ---- accounts ---- */

int index_view_by_name(const struct index_view *view, const char *name, struct index_account *account)
{
	size_t length = strnlen(name, ACCOUNT_NAME_MAX + 1);
	union index_public_copy copy;
	struct index_probe probe;
	uint32_t line;
	int found;

	if (length > ACCOUNT_NAME_MAX || memchr(name, view->header.host.separator, length) == NULL)
		return -ENOENT;
	index_probe_start(&probe, view, INDEX_BY_NAME, index_hash(view->header.seed, name, length));
	while ((found = index_probe_next(&probe, &line)) > 0) {
		const char *text = (const char *)copy.bytes + offsetof(struct index_account_record, text);

		if (index_record_copy(view, line, INDEX_ACCOUNT, &copy.head, INDEX_PUBLIC_LINES) < 0)
			return -EUCLEAN;
		if (copy.head.length > offsetof(struct index_account_record, text) + length &&
		    memcmp(text, name, length + 1) == 0)
			return index_account_decode(view, &copy, account);
	}
	return found < 0 ? found : -ENOENT;
}

int index_view_by_uid(const struct index_view *view, uint32_t uid, struct index_account *account)
{
	union index_public_copy copy;
	struct index_probe probe;
	uint32_t line;
	int found;

	if (uid < view->header.host.uid_first || uid > view->header.host.uid_last)
		return -ENOENT;
	index_probe_start(&probe, view, INDEX_BY_ID, index_hash_number(view->header.seed, uid));
	while ((found = index_probe_next(&probe, &line)) > 0) {
		if (index_record_copy(view, line, INDEX_ACCOUNT, &copy.head, INDEX_PUBLIC_LINES) < 0)
			return -EUCLEAN;
		if (copy.head.a == uid)
			return index_account_decode(view, &copy, account);
	}
	return found < 0 ? found : -ENOENT;
}

int index_view_next(const struct index_view *view, uint64_t *cursor, struct index_account *account)
{
	uint64_t slots = view->header.table[INDEX_BY_ID].slots;
	union index_public_copy copy;

	for (uint64_t position = *cursor; position < slots; position++) {
		index_slot slot;
		int rc = index_slot_read(view, INDEX_BY_ID, position, &slot);

		if (rc < 0)
			return rc;
		if (index_slot_number(slot) == 0)
			continue;
		rc = index_record_copy(view, index_slot_number(slot) - 1, INDEX_ACCOUNT, &copy.head,
				       INDEX_PUBLIC_LINES);
		if (rc == 0)
			rc = index_account_decode(view, &copy, account);
		if (rc == 0)
			*cursor = position + 1;
		return rc;
	}
	return -ENOENT;
}

int index_view_range_by_id(const struct index_view *view, uint32_t id, struct id_range *range)
{
	union index_public_copy copy;
	struct index_probe probe;
	uint32_t line;
	int found;

	index_probe_start(&probe, view, INDEX_BY_BLOCK, index_hash_number(view->header.seed, id / RANGE_UNIT));
	while ((found = index_probe_next(&probe, &line)) > 0) {
		if (index_record_copy(view, line, INDEX_RANGE, &copy.head, INDEX_PUBLIC_LINES) < 0)
			return -EUCLEAN;
		if (id >= copy.head.a && id - copy.head.a < copy.range.count)
			return index_range_decode(&copy, range);
	}
	return found < 0 ? found : -ENOENT;
}

/* A range is in the table once for each block: only the entry that a lookup of its first block meets counts. */
static int range_met(const struct index_view *view, uint64_t position, const union index_public_copy *copy)
{
	union index_public_copy other;
	struct index_probe probe;
	uint32_t line;
	int found;

	index_probe_start(&probe, view, INDEX_BY_BLOCK,
			  index_hash_number(view->header.seed, copy->head.a / RANGE_UNIT));
	while ((found = index_probe_next(&probe, &line)) > 0) {
		if (probe.position == position)
			return 1;
		if (index_record_copy(view, line, INDEX_RANGE, &other.head, INDEX_PUBLIC_LINES) < 0)
			return -EUCLEAN;
		if (other.head.a == copy->head.a)
			return 0;
	}
	return found;
}

int index_view_range_next(const struct index_view *view, uint64_t *cursor, struct id_range *range)
{
	uint64_t slots = view->header.table[INDEX_BY_BLOCK].slots;
	union index_public_copy copy;

	for (uint64_t position = *cursor; position < slots; position++) {
		index_slot slot;
		int rc = index_slot_read(view, INDEX_BY_BLOCK, position, &slot);

		if (rc == 0 && index_slot_number(slot) == 0)
			continue;
		if (rc == 0)
			rc = index_record_copy(view, index_slot_number(slot) - 1, INDEX_RANGE, &copy.head,
					       INDEX_PUBLIC_LINES);
		if (rc == 0)
			rc = range_met(view, position, &copy);
		if (rc == 0)
			continue;
		if (rc == 1)
			rc = index_range_decode(&copy, range);
		if (rc == 0)
			*cursor = position + 1;
		return rc;
	}
	return -ENOENT;
}

int index_view_range_named(const struct index_view *view, uint32_t id, struct id_range *range)
{
	const struct index_host *host = &view->header.host;

	return id > host->range_last || id < host->range_first ? -ENOENT : index_view_range_by_id(view, id, range);
}

/* ---- keys ---- */

int index_view_key(const struct index_view *view, uint32_t uid, const char *blob, struct ssh_key *key)
{
	size_t length = strnlen(blob, KEY_BLOB_MAX + 1);
	_Alignas(8) uint8_t copy[INDEX_RECORD_LINES_MAX * INDEX_LINE];
	struct index_record *head = (void *)copy;
	struct ssh_key found;
	struct index_probe probe;
	uint32_t line;
	int more, rc;

	if (length > KEY_BLOB_MAX)
		return -ENOENT;
	index_probe_start(&probe, view, INDEX_BY_KEY, index_hash_key(view->header.seed, uid, blob, length));
	while ((more = index_probe_next(&probe, &line)) > 0) {
		rc = index_record_copy(view, line, INDEX_KEY, head, INDEX_RECORD_LINES_MAX);
		if (rc == 0)
			rc = index_key_decode(head, &found);
		if (rc < 0)
			return rc;
		if (found.uid == uid && strcmp(found.blob, blob) == 0) {
			*key = found;
			return 0;
		}
	}
	return more < 0 ? more : -ENOENT;
}
