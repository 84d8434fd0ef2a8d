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

static int generation_read(const struct index_view *view, uint64_t *generation)
{
	uint64_t word = header_word(view, offsetof(struct index_header, generation));

	if (!index_sealed(view->header.seed, INDEX_SEAL_HEADER, INDEX_WORD_GENERATION, word))
		return -EUCLEAN;
	*generation = word & UINT64_C(0xffffffffffff);
	return 0;
}

static void host_fill(const struct index_view *view, uint64_t generation, struct index_host *host)
{
	const struct index_header *header = &view->header;

	host->subuids_gid = header->subuids_gid;
	host->forward_gid = header->forward_gid;
	host->uid_first = header->uid_first;
	host->uid_last = header->uid_last;
	host->enumerate = header->enumerate;
	host->separator = header->separator;
	memcpy(host->homes, header->homes, sizeof(host->homes));
	memcpy(host->shell, header->shell, sizeof(host->shell));
	host->range_first = header->range_first;
	host->range_last = header->range_last;
	host->sessions = header->sessions;
	host->generation = generation;
}

int index_view_host(const struct index_view *view, struct index_host *host)
{
	uint64_t generation;
	int rc = generation_read(view, &generation);

	if (rc == 0)
		host_fill(view, generation, host);
	return rc;
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

/* A sound table always has an empty slot: running through all of it is damage. */
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

/* ---- records ---- */

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
_Static_assert(offsetof(struct index_account_record, text) + ACCOUNT_NAME_MAX + 1 + COMMENT_MAX + 1 <=
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
	    record->head.length < head + owner + label + 3 || record->head.a < view->header.uid_first ||
	    record->head.a > view->header.uid_last)
		return false;
	if (name[owner] != view->header.separator ||
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
	struct id_range found = { .first = record->head.a, .count = record->count, .owner_uid = record->head.b,
				  .account_uid = record->account_uid };

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

/* ---- accounts ---- */

static int account_by_name(const struct index_view *view, const char *name, struct index_account *account)
{
	size_t length = strnlen(name, ACCOUNT_NAME_MAX + 1);
	union index_public_copy copy;
	struct index_probe probe;
	uint32_t line;
	int found;

	if (length > ACCOUNT_NAME_MAX || memchr(name, view->header.separator, length) == NULL)
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

static int account_by_uid(const struct index_view *view, uint32_t uid, struct index_account *account)
{
	union index_public_copy copy;
	struct index_probe probe;
	uint32_t line;
	int found;

	if (uid < view->header.uid_first || uid > view->header.uid_last)
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

int index_view_by_name(const struct index_view *view, const char *name, struct index_account *account,
		       struct index_host *host)
{
	uint64_t generation = 0;
	int rc = host != NULL ? generation_read(view, &generation) : 0;

	if (rc == 0)
		rc = account_by_name(view, name, account);
	if (rc == 0 && host != NULL)
		host_fill(view, generation, host);
	return rc;
}

int index_view_by_uid(const struct index_view *view, uint32_t uid, struct index_account *account,
		      struct index_host *host)
{
	uint64_t generation = 0;
	int rc = host != NULL ? generation_read(view, &generation) : 0;

	if (rc == 0)
		rc = account_by_uid(view, uid, account);
	if (rc == 0 && host != NULL)
		host_fill(view, generation, host);
	return rc;
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

/* A range is in the table once for each block: it counts where a lookup of its first block meets it. */
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

int index_view_range_named(const struct index_view *view, uint32_t id, struct id_range *range,
			   struct index_host *host)
{
	uint64_t generation = 0;
	int rc;

	if (id > view->header.range_last || id < view->header.range_first)
		return -ENOENT;
	rc = generation_read(view, &generation);
	if (rc == 0)
		rc = index_view_range_by_id(view, id, range);
	if (rc == 0)
		host_fill(view, generation, host);
	return rc;
}

/* ---- keys ---- */

int index_key_decode(const struct index_record *head, struct ssh_key *key)
{
	const struct index_key_record *record = (const void *)head;
	const char *text = (const char *)head + offsetof(struct index_key_record, text);
	const char *end = (const char *)head + head->length;
	struct ssh_key found = { .id = head->b, .uid = head->a, .role = record->role, .options = record->options,
				 .expires = record->expires, .storage_quota = record->storage_quota };

	if (head->length < offsetof(struct index_key_record, text))
		return -EUCLEAN;
	text = text_take(text, end, found.type, KEY_TYPE_MAX);
	text = text_take(text, end, found.blob, KEY_BLOB_MAX);
	text = text_take(text, end, found.from, FROM_MAX);
	text = text_take(text, end, found.fingerprint, FINGERPRINT_MAX);
	text = text_take(text, end, found.tools, TOOLS_MAX);
	text = text_take(text, end, found.forward, FORWARD_MAX);
	if (text == NULL || text != end)
		return -EUCLEAN;
	*key = found;
	return 0;
}

int index_view_key(const struct index_view *view, uint32_t uid, const char *blob, struct ssh_key *key)
{
	size_t length = strnlen(blob, KEY_BLOB_MAX + 1);
	_Alignas(8) uint8_t copy[INDEX_RECORD_LINES_MAX * INDEX_LINE];
	struct index_record *head = (void *)copy;
	struct ssh_key found;
	struct index_probe probe;
	uint32_t line;
	int more, rc;

	if (length > KEY_BLOB_MAX || uid < view->header.uid_first || uid > view->header.uid_last)
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
