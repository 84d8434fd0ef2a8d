/* SPDX-License-Identifier: ISC */
/* Accounts in the index: named by name, by uid and in the owner's list; and what an owner's limit says of them. */
#include <errno.h>
#include <string.h>

#include "index/check.h"
#include "index/writer/file.h"

static int account_find(const struct index_writer *writer, uint32_t uid, struct index_found *found)
{
	struct index_probe probe;
	int more;

	index_probe_start(&probe, &writer->view, INDEX_BY_ID, index_hash_number(writer->view.header.seed, uid));
	while ((more = index_probe_next(&probe, &found->line)) > 0) {
		if (index_record_copy(&writer->view, found->line, INDEX_ACCOUNT, &found->copy.head,
				      INDEX_PUBLIC_LINES) < 0)
			return -EUCLEAN;
		if (found->copy.head.a == uid)
			return 0;
	}
	return more < 0 ? more : -ENOENT;
}

/* Where one account is named: all of it is found before any of it is changed. */
struct account_places {
	uint64_t name_hash, id_hash;
	uint64_t name, id;
	struct index_list list;
};

static int account_places(const struct index_writer *writer, const struct index_found *found,
			  struct account_places *places)
{
	const struct index_account_record *record = &found->copy.account;
	uint64_t seed = writer->view.header.seed;
	index_slot slot;
	int rc;

	places->name_hash = index_hash(seed, found->copy.bytes + offsetof(struct index_account_record, text),
				       record->owner_length + 1u + record->label_length);
	places->id_hash = index_hash_number(seed, record->head.a);
	rc = index_place_find(writer, INDEX_BY_NAME, places->name_hash, found->line, &places->name);
	if (rc == 0)
		rc = index_place_find(writer, INDEX_BY_ID, places->id_hash, found->line, &places->id);
	if (rc == 0)
		rc = index_list_find(&writer->view, record->head.b, &places->list);
	if (rc == 0 && record->position >= places->list.capacity)
		rc = -EUCLEAN;
	if (rc == 0)
		rc = index_list_read(&writer->view, &places->list, record->position, &slot);
	if (rc == 0 && index_slot_number(slot) != found->line + 1)
		rc = -EUCLEAN;
	return rc == -ENOENT ? -EUCLEAN : rc;
}

static int account_replace(struct index_writer *writer, struct index_found *found, union index_public_copy *copy)
{
	struct index_need need = { .urgent = true };
	struct account_places places;
	uint32_t line;
	int rc;

	copy->account.position = found->copy.account.position;
	if (index_record_same(&copy->head, &found->copy.head))
		return 0;
	rc = index_room_for(writer, &need, copy->head.b, copy->head.lines);

	if (rc == 0)
		rc = account_find(writer, copy->head.a, found); /* again: the file may be another one now */
	if (rc == 0)
		rc = account_places(writer, found, &places);
	if (rc < 0)
		return rc;
	copy->account.position = found->copy.account.position;
	line = index_record_write(writer, &copy->head);
	index_slot_write(writer, INDEX_BY_NAME, places.name, line + 1, index_hash_tag(places.name_hash));
	index_slot_write(writer, INDEX_BY_ID, places.id, line + 1, index_hash_tag(places.id_hash));
	index_list_swing(writer, &places.list, copy->account.position, line);
	writer->lines_live -= found->copy.head.lines;
	return 0;
}

static int account_insert(struct index_writer *writer, const struct account *account, const char *name,
			  union index_public_copy *copy)
{
	struct index_need need = { .slots = { [INDEX_BY_NAME] = 1, [INDEX_BY_ID] = 1, [INDEX_BY_OWNER] = 1 } };
	struct index_list list;
	uint64_t seed;
	uint32_t line;
	int rc = index_room_for(writer, &need, account->owner_uid, copy->head.lines);

	if (rc == 0)
		rc = index_list_reserve(writer, account->owner_uid, account->owner, &list, &copy->account.position);
	if (rc < 0)
		return rc;
	seed = writer->view.header.seed;
	line = index_record_write(writer, &copy->head);
	rc = index_list_add(writer, &list, copy->account.position, line);
	if (rc == 0)
		rc = index_place_add(writer, INDEX_BY_ID, index_hash_number(seed, account->uid), line);
	if (rc == 0)
		rc = index_place_add(writer, INDEX_BY_NAME, index_hash(seed, name, strlen(name)), line);
	return rc;
}

/* Same name and owner: it can only replace that account. */
static bool same_account(const union index_public_copy *a, const union index_public_copy *b)
{
	size_t text = offsetof(struct index_account_record, text);
	size_t length = a->account.owner_length + 1u + a->account.label_length;

	return a->head.b == b->head.b && a->account.owner_length == b->account.owner_length &&
	       a->account.label_length == b->account.label_length &&
	       memcmp(a->bytes + text, b->bytes + text, length) == 0;
}

int index_put_account(struct index_writer *writer, const struct account *account, char separator)
{
	const struct index_header *header = &writer->view.header;
	union index_public_copy copy;
	struct index_account other;
	struct index_found found;
	const char *name = (const char *)copy.bytes + offsetof(struct index_account_record, text);
	int rc;

	if (separator != header->host.separator || header->table[INDEX_BY_NAME].slots == 0)
		return -EINVAL;
	if (account->uid < header->host.uid_first || account->uid > header->host.uid_last)
		return -ERANGE;
	rc = index_account_encode(account, separator, 0, &copy);
	if (rc < 0)
		return rc;
	rc = account_find(writer, account->uid, &found);
	if (rc == 0)
		return same_account(&found.copy, &copy) ? account_replace(writer, &found, &copy) : -EEXIST;
	if (rc != -ENOENT)
		return rc;
	rc = index_view_by_name(&writer->view, name, &other);
	if (rc != -ENOENT)
		return rc == 0 ? -EEXIST : rc;
	return account_insert(writer, account, name, &copy);
}

int index_remove_account(struct index_writer *writer, const struct account *account)
{
	struct account_places places;
	struct index_found found;
	int rc;

	if (writer->view.header.table[INDEX_BY_ID].slots == 0)
		return -EINVAL;
	rc = account_find(writer, account->uid, &found);
	if (rc == -ENOENT)
		return 0;
	if (rc == 0)
		rc = account_places(writer, &found, &places);
	if (rc == 0)
		rc = index_place_clear(writer, INDEX_BY_NAME, places.name);
	if (rc == 0)
		rc = index_place_clear(writer, INDEX_BY_ID, places.id);
	if (rc == 0)
		rc = index_list_clear(writer, &places.list, found.copy.account.position);
	if (rc == 0)
		writer->lines_live -= found.copy.head.lines;
	return rc;
}

/* ---- the bounds that an owner's limit gives to each of their accounts ---- */

/* Its list has to be there, empty or not. */
static int owner_replace(struct index_writer *writer, uint32_t owner_uid, const char *owner,
			 const struct bounds *bounds)
{
	uint64_t hash = index_hash_number(writer->view.header.seed, owner_uid);
	struct index_list list;
	union index_public_copy copy;
	uint32_t line;
	int rc = index_list_find(&writer->view, owner_uid, &list);

	if (rc == 0)
		rc = index_owner_encode(owner_uid, owner, bounds, (uint32_t)list.line, list.capacity, &copy);
	if (rc < 0)
		return rc;
	line = index_record_write(writer, &copy.head);
	index_slot_write(writer, INDEX_BY_OWNER, list.position, line + 1, index_hash_tag(hash));
	writer->lines_live -= list.record_lines;
	return 0;
}

int index_put_owner(struct index_writer *writer, uint32_t owner_uid, const char *owner, const struct bounds *bounds)
{
	struct index_need need = { .slots = { [INDEX_BY_OWNER] = 1 } };
	struct bounds present;
	struct index_list list;
	uint32_t position;
	int rc;

	if (writer->view.header.table[INDEX_BY_OWNER].slots == 0)
		return -EINVAL;
	rc = index_view_owner_bounds(&writer->view, owner_uid, &present);
	if (rc < 0)
		return rc;
	if (memcmp(&present, bounds, sizeof(present)) == 0)
		return 0;
	rc = index_room_for(writer, &need, owner_uid, INDEX_OWNER_LINES);
	if (rc == 0)
		rc = index_list_reserve(writer, owner_uid, owner, &list, &position);
	return rc < 0 ? rc : owner_replace(writer, owner_uid, owner, bounds);
}
