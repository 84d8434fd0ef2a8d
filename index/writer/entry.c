/* SPDX-License-Identifier: ISC */
/* Records from rows. A row that no reader would accept is refused here. */
#include <errno.h>
#include <string.h>

#include "account/bounds.h"
#include "account/id.h"
#include "index/writer/file.h"

/* Appends text and its NUL to the record. */
static void text_put(struct index_record *head, const char *text)
{
	size_t size = strlen(text) + 1;

	memcpy((char *)head + head->length, text, size);
	head->length = (uint16_t)(head->length + size);
}

static void record_end(struct index_record *head)
{
	head->lines = (uint8_t)((head->length + INDEX_LINE - 1) / INDEX_LINE);
}

/* The end of a record that may say bounds. */
static void bounds_end(struct index_record *head, const struct bounds *bounds)
{
	size_t at = (head->length + sizeof(uint64_t) - 1) & ~(sizeof(uint64_t) - 1);
	uint64_t *word = (void *)((char *)head + at), *next = word + 1;

	record_end(head);
	if (bounds_none(bounds))
		return;
	for (unsigned i = 0; i < BOUNDS; i++)
		if (bounds->of[i] != 0) {
			*word |= UINT64_C(1) << i;
			*next++ = bounds->of[i];
		}
	head->lines = (uint8_t)((at + (size_t)(next - word) * sizeof(*word) + INDEX_LINE - 1) / INDEX_LINE);
}

bool index_record_same(const struct index_record *a, const struct index_record *b)
{
	const size_t head = sizeof(a->check);

	return a->lines == b->lines &&
	       memcmp((const uint8_t *)a + head, (const uint8_t *)b + head, (size_t)a->lines * INDEX_LINE - head) == 0;
}

int index_account_encode(const struct account *account, char separator, uint32_t position,
			 union index_public_copy *copy)
{
	char name[ACCOUNT_NAME_MAX + 1];

	if (name_join(account->owner, separator, account->label, name) < 0 ||
	    strnlen(account->facts.comment, COMMENT_MAX + 1) > COMMENT_MAX)
		return -EINVAL;
	memset(copy, 0, sizeof(*copy));
	copy->account.head = (struct index_record){ .kind = INDEX_ACCOUNT, .a = account->uid, .b = account->owner_uid };
	copy->account.head.length = offsetof(struct index_account_record, text);
	copy->account.expires_day = account->facts.expires_day;
	copy->account.flags = account->flags & (ACCOUNT_LOCKED | ACCOUNT_FORWARDS | ACCOUNT_FULL | ACCOUNT_PASSWORDS |
						ACCOUNT_FROZEN | ACCOUNT_BOTH | ACCOUNT_SERVICES);
	copy->account.owner_length = (uint8_t)strlen(account->owner);
	copy->account.label_length = (uint8_t)strlen(account->label);
	copy->account.position = position;
	text_put(&copy->head, name);
	text_put(&copy->head, account->facts.comment);
	bounds_end(&copy->head, &account->facts.bounds);
	return 0;
}

int index_range_encode(const struct id_range *range, uint32_t position, union index_public_copy *copy)
{
	if (!id_range_valid(range->first, range->count) || strnlen(range->owner, OWNER_MAX + 1) > OWNER_MAX ||
	    strnlen(range->label, LABEL_MAX + 1) > LABEL_MAX)
		return -EINVAL;
	memset(copy, 0, sizeof(*copy));
	copy->range.head = (struct index_record){ .kind = INDEX_RANGE, .a = range->first, .b = range->owner_uid };
	copy->range.head.length = offsetof(struct index_range_record, text);
	copy->range.count = range->count;
	copy->range.account_uid = range->account_uid;
	copy->range.position = position;
	copy->range.place = range->place;
	memcpy(copy->range.behind, range->behind, sizeof(range->behind));
	text_put(&copy->head, range->owner);
	text_put(&copy->head, range->label);
	record_end(&copy->head);
	return 0;
}

int index_owner_encode(uint32_t owner_uid, const char *owner, const struct bounds *bounds, uint32_t list_line,
		       uint32_t capacity, union index_public_copy *copy)
{
	if (strnlen(owner, OWNER_MAX + 1) > OWNER_MAX)
		return -EINVAL;
	memset(copy, 0, sizeof(*copy));
	copy->owner.head = (struct index_record){ .kind = INDEX_OWNER, .a = owner_uid, .b = capacity };
	copy->owner.head.length = offsetof(struct index_owner_record, text);
	copy->owner.list_line = list_line;
	text_put(&copy->head, owner);
	bounds_end(&copy->head, bounds);
	return 0;
}

int index_key_encode(const struct ssh_key *key, union index_key_copy *copy)
{
	if (strnlen(key->type, KEY_TYPE_MAX + 1) > KEY_TYPE_MAX ||
	    strnlen(key->blob, KEY_BLOB_MAX + 1) > KEY_BLOB_MAX || strnlen(key->from, FROM_MAX + 1) > FROM_MAX ||
	    strnlen(key->fingerprint, FINGERPRINT_MAX + 1) > FINGERPRINT_MAX ||
	    strnlen(key->tools, TOOLS_MAX + 1) > TOOLS_MAX || strnlen(key->forward, FORWARD_MAX + 1) > FORWARD_MAX ||
	    strnlen(key->command, COMMAND_MAX + 1) > COMMAND_MAX || strnlen(key->net, NET_MAX + 1) > NET_MAX ||
	    strnlen(key->owner, OWNER_MAX + 1) > OWNER_MAX ||
	    strnlen(key->hash, PASSWORD_HASH_MAX + 1) > PASSWORD_HASH_MAX || key->blob[0] == '\0')
		return -EINVAL;
	memset(copy, 0, sizeof(*copy));
	copy->key.head = (struct index_record){ .kind = INDEX_KEY, .a = key->uid, .b = key->id };
	copy->key.head.length = offsetof(struct index_key_record, text);
	copy->key.expires = key->expires;
	copy->key.role = key->role;
	copy->key.options = key->options;
	copy->key.storage_quota = key->storage_quota;
	text_put(&copy->head, key->type);
	text_put(&copy->head, key->blob);
	text_put(&copy->head, key->from);
	text_put(&copy->head, key->fingerprint);
	text_put(&copy->head, key->tools);
	text_put(&copy->head, key->forward);
	if (key->command[0] != '\0' || key->net[0] != '\0' || key->owner[0] != '\0' || key->hash[0] != '\0') {
		text_put(&copy->head, key->command);
		text_put(&copy->head, key->net);
		if (key->owner[0] != '\0' || key->hash[0] != '\0')
			text_put(&copy->head, key->owner);
	}
	if (key->hash[0] != '\0')
		text_put(&copy->head, key->hash);
	record_end(&copy->head);
	return 0;
}
