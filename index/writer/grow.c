/* SPDX-License-Identifier: ISC */
/*
 * Makes a larger file with the same content in place of a full one; records that were replaced are not copied. Each put
 * is O(1) because this happens only after a number of puts in proportion to the size.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "index/check.h"
#include "index/writer/file.h"

/* Row as the store would give it, as far as the index knows it. */
static int carry_account(const struct index_view *view, struct index_writer *to, const struct index_account *from)
{
	int rc;
	struct account account = { .uid = from->uid,
				   .owner_uid = from->owner_uid,
				   .flags = from->flags,
				   .facts.expires_day = from->expires_day };

	memcpy(account.owner, from->owner, sizeof(account.owner));
	memcpy(account.label, from->label, sizeof(account.label));
	memcpy(account.facts.comment, from->comment, sizeof(account.facts.comment));
	rc = index_view_account_bounds(view, from->uid, &account.facts.bounds);
	return rc < 0 ? rc : index_put_account(to, &account, view->header.host.separator);
}

static int carry_list(const struct index_view *view, uint32_t owner_uid, struct index_writer *to)
{
	struct index_account account = { 0 };
	struct id_range range;
	uint64_t cursor = 0;
	int is_range, rc;

	while ((rc = index_view_owner_next(view, owner_uid, &cursor, &is_range, &account, &range)) == 0) {
		if (is_range && range.owner_uid != owner_uid)
			continue; /* of the list of an account: its owner's has it, too */
		rc = is_range ? index_put_range(to, &range) : carry_account(view, to, &account);
		if (rc < 0)
			return rc;
	}
	return rc == -ENOENT ? 0 : rc;
}

static int carry_owner(const struct index_view *view, const union index_public_copy *copy, struct index_writer *to)
{
	struct index_list list;
	struct bounds bounds;
	int rc = index_list_decode(view, copy, &list);

	if (rc == 0)
		rc = index_bounds_decode(&copy->head, &bounds);
	return rc < 0 ? rc : index_put_owner(to, copy->head.a, list.owner, &bounds);
}

static int carry_key(const struct index_view *view, uint32_t line, struct index_writer *to)
{
	union index_key_copy copy;
	const char *text = (const char *)copy.bytes + offsetof(struct index_key_record, text);
	struct ssh_key key;
	int rc = index_record_copy(view, line, INDEX_KEY, &copy.head, INDEX_RECORD_LINES_MAX);

	if (rc < 0)
		return rc;
	/* by the readers' own lookup: the blob is the second string */
	text += strnlen(text, KEY_TYPE_MAX + 1) + 1;
	rc = index_view_key(view, copy.head.a, text, &key);
	if (rc == 0)
		rc = index_put_key(to, &key);
	return rc == -ENOENT ? -EUCLEAN : rc;
}

/* Everything is reached through the owners' lists, or the table of keys, once. */
static int carry_all(const struct index_writer *from, struct index_writer *to)
{
	enum index_table_id table = from->options.file != INDEX_FILE_PUBLIC ? INDEX_BY_KEY : INDEX_BY_OWNER;
	const struct index_view *view = &from->view;

	for (uint64_t i = 0; i < view->header.table[table].slots; i++) {
		union index_public_copy copy;
		index_slot slot;
		int rc = index_slot_read(view, table, i, &slot);
		uint32_t line = index_slot_number(slot) - 1;

		if (rc < 0)
			return rc;
		if (index_slot_number(slot) == 0)
			continue;
		if (table == INDEX_BY_KEY) {
			rc = carry_key(view, line, to);
		} else {
			rc = index_record_copy(view, line, INDEX_OWNER, &copy.head, INDEX_PUBLIC_LINES);
			if (rc == 0)
				rc = carry_owner(view, &copy, to);
			if (rc == 0)
				rc = carry_list(view, copy.head.a, to);
		}
		if (rc < 0)
			return rc;
	}
	return 0;
}

static bool complete(const struct index_writer *from, const struct index_writer *to)
{
	for (unsigned t = 0; t < INDEX_TABLES; t++)
		if (t != INDEX_BY_OWNER && from->count[t].live != to->count[t].live)
			return false;
	return true;
}

static int grow(struct index_writer *writer, const struct index_need *need)
{
	struct index_size size = index_size_for(writer, need);
	struct index_writer larger_one = { .options = writer->options, .dirfd = writer->dirfd };
	uint64_t generation;
	int rc;

	memcpy(larger_one.name, writer->name, sizeof(larger_one.name));
	rc = index_view_generation(&writer->view, &generation);
	if (rc == 0)
		rc = index_file_create(&larger_one, &size);
	if (rc < 0)
		return rc;
	rc = carry_all(writer, &larger_one);
	if (rc == 0 && !complete(writer, &larger_one))
		rc = -EUCLEAN;
	if (rc == 0) {
		index_word_store(&larger_one, INDEX_WORD_GENERATION, generation);
		if (writer->published)
			rc = index_file_publish(&larger_one);
	}
	if (rc < 0 && !larger_one.published) {
		index_file_unmap(&larger_one);
		return rc;
	}
	/* renamed, and only the last fsync failed: the new file is the one that readers see */
	if (larger_one.published)
		index_writer_supersede(writer); /* by now it is marked, unless somebody had removed it */
	index_file_unmap(writer);
	*writer = larger_one;
	return rc;
}

int index_room(struct index_writer *writer, const struct index_need *need)
{
	int rc;

	if (index_fits(writer, need, false))
		return 0;
	rc = grow(writer, need);
	if (rc < 0)
		return need->urgent && index_fits(writer, need, true) ? 0 : rc;
	return 1;
}

/* Makes room for a record of `lines` lines in these tables and in its owner's list. */
int index_room_for(struct index_writer *writer, struct index_need *need, uint32_t owner_uid, unsigned lines)
{
	for (int i = 0; i < 3; i++) {
		uint64_t list_lines = 0;
		uint64_t holder_lines = 0;
		int rc = need->urgent ? 0 : index_list_need(writer, owner_uid, &list_lines);

		if (rc == 0 && !need->urgent && need->holder != 0)
			rc = index_list_need(writer, need->holder, &holder_lines);
		if (rc < 0)
			return rc;
		need->lines = lines + list_lines + holder_lines;
		rc = index_room(writer, need);
		if (rc <= 0)
			return rc;
	}
	return -ENOSPC;
}
