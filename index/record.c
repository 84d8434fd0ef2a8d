/* SPDX-License-Identifier: ISC */
/*
 * Records of the index: copied, and the copy checked and taken apart. Nothing in the file is trusted. Runs in foreign
 * and setuid processes.
 */
#include <errno.h>
#include <string.h>

#include "account/id.h"
#include "index/check.h"
#include "index/view.h"

int index_record_copy(const struct index_view *view, uint32_t line, unsigned kind, struct index_record *copy,
		      unsigned lines_max)
{
	const struct index_header *header = &view->header;
	const uint8_t *from = view->base + header->records_offset + (uint64_t)line * INDEX_LINE;

	if (line >= header->records_lines)
		return -EUCLEAN;
	/* The code below trusts only the copy: the map may change under us if it is damaged. */
	memcpy(copy, from, INDEX_LINE);
	if (copy->lines == 0 || copy->lines > lines_max || copy->lines > header->records_lines - line)
		return -EUCLEAN;
	if (copy->lines > 1)
		memcpy((uint8_t *)copy + INDEX_LINE, from + INDEX_LINE, (copy->lines - 1) * (size_t)INDEX_LINE);
	else if (lines_max > 1)
		memset((uint8_t *)copy + INDEX_LINE, 0, INDEX_LINE);
	if (copy->check != index_record_checksum(header->seed, line, copy))
		return -EUCLEAN;
	if (copy->length > copy->lines * INDEX_LINE || (kind != 0 && copy->kind != kind))
		return -EUCLEAN;
	return 0;
}

/* A string of at most max bytes that ends by NUL before `end`; its length, or -1. */
static long text_length(const char *text, const char *end, size_t max)
{
	size_t left = (size_t)(end - text);
	size_t length = strnlen(text, left);

	return length < left && length <= max ? (long)length : -1;
}

/* Copies the next string of a record's text into out (max + 1 bytes). The text after it, or NULL. */
static const char *text_take(const char *text, const char *end, char *out, size_t max)
{
	long length = text != NULL ? text_length(text, end, max) : -1;

	if (length < 0)
		return NULL;
	memcpy(out, text, (size_t)length + 1);
	return text + length + 1;
}

/* Room behind the longest name and label, for copies of a fixed size. */
_Static_assert(offsetof(struct index_account_record, text) + ACCOUNT_NAME_MAX + 1 + COMMENT_MAX + 1 + 7 +
			       (1 + BOUNDS) * sizeof(uint64_t) <=
		       INDEX_PUBLIC_LINES * INDEX_LINE,
	       "a copy holds the longest account");

/* The text's lengths are in the record: each must be where its NUL is. */
static bool account_sound(const struct index_view *view, const union index_public_copy *copy)
{
	const struct index_account_record *record = &copy->account;
	size_t head = offsetof(struct index_account_record, text);
	unsigned owner = record->owner_length, label = record->label_length;
	const char *name = (const char *)copy->bytes + head, *comment = name + owner + label + 2;
	const char *end = (const char *)copy->bytes + record->head.length;

	if (owner == 0 || owner > OWNER_MAX || label == 0 || label > LABEL_MAX ||
	    record->head.length < head + owner + label + 3 || record->head.a < view->header.host.uid_first ||
	    record->head.a > view->header.host.uid_last)
		return false;
	if (name[owner] != view->header.host.separator ||
	    text_length(name, end, ACCOUNT_NAME_MAX) != (long)(owner + 1 + label))
		return false;
	return (*comment == '\0' ? 0 : text_length(comment, end, COMMENT_MAX)) + 1 == end - comment;
}

/* Copying a fixed size costs less than finding the lengths; the bytes behind the NUL are more of the same record,
 * or 0. */
int index_account_decode(const struct index_view *view, const union index_public_copy *copy,
			 struct index_account *account)
{
	const struct index_account_record *record = &copy->account;
	const char *name = (const char *)copy->bytes + offsetof(struct index_account_record, text);
	unsigned owner = record->owner_length, label = record->label_length;

	if (!account_sound(view, copy))
		return -EUCLEAN;
	account->uid = record->head.a;
	account->owner_uid = record->head.b;
	account->flags = record->flags;
	account->expires_day = record->expires_day;
	memcpy(account->name, name, sizeof(account->name));
	memcpy(account->owner, name, sizeof(account->owner));
	account->owner[owner] = '\0';
	memcpy(account->label, name + owner + 1, sizeof(account->label));
	name += owner + label + 2;
	account->comment[0] = '\0';
	if (*name != '\0')
		memcpy(account->comment, name, strlen(name) + 1);
	return 0;
}

int index_range_decode(const union index_public_copy *copy, struct id_range *range)
{
	const struct index_range_record *record = &copy->range;
	const char *text = (const char *)copy->bytes + offsetof(struct index_range_record, text);
	const char *end = (const char *)copy->bytes + record->head.length;
	struct id_range found = { .first = record->head.a,
				  .count = record->count,
				  .owner_uid = record->head.b,
				  .account_uid = record->account_uid,
				  .place = record->place,
				  .behind = { record->behind[0], record->behind[1] } };

	if (record->head.length < offsetof(struct index_range_record, text) ||
	    !id_range_valid(record->head.a, record->count))
		return -EUCLEAN;
	text = text_take(text, end, found.owner, OWNER_MAX);
	text = text_take(text, end, found.label, LABEL_MAX);
	if (text == NULL || text != end)
		return -EUCLEAN;
	*range = found;
	return 0;
}

int index_key_decode(const struct index_record *head, struct ssh_key *key)
{
	const struct index_key_record *record = (const void *)head;
	const char *text = (const char *)head + offsetof(struct index_key_record, text);
	const char *end = (const char *)head + head->length;
	struct ssh_key found = { .id = head->b,
				 .uid = head->a,
				 .role = record->role,
				 .options = record->options,
				 .expires = record->expires,
				 .storage_quota = record->storage_quota };

	if (head->length < offsetof(struct index_key_record, text))
		return -EUCLEAN;
	text = text_take(text, end, found.type, KEY_TYPE_MAX);
	text = text_take(text, end, found.blob, KEY_BLOB_MAX);
	text = text_take(text, end, found.from, FROM_MAX);
	text = text_take(text, end, found.fingerprint, FINGERPRINT_MAX);
	text = text_take(text, end, found.tools, TOOLS_MAX);
	text = text_take(text, end, found.forward, FORWARD_MAX);
	if (text != NULL && text != end) { /* a record without these is of a version before them, or of a key without */
		text = text_take(text, end, found.command, COMMAND_MAX);
		text = text_take(text, end, found.net, NET_MAX);
		if (text != NULL && text != end)
			text = text_take(text, end, found.owner, OWNER_MAX);
	}
	if (text != NULL && text != end) /* of a password, in the verifier's file */
		text = *text != '\0' ? text_take(text, end, found.hash, PASSWORD_HASH_MAX) : NULL;
	if (text == NULL || text != end)
		return -EUCLEAN;
	*key = found;
	return 0;
}
