/* SPDX-License-Identifier: ISC */
/* Keys in the index of keys. The blob of a key never changes under its id. */
#include <errno.h>
#include <string.h>

#include "index/check.h"
#include "index/writer/file.h"

/* The slot and the record of a key, by uid and blob. 1: it says what `wanted` (may be NULL) says; 0: something else. */
static int key_find(const struct index_writer *writer, const struct ssh_key *key, struct index_record *head,
		    uint64_t *position, const struct index_record *wanted)
{
	uint64_t hash = index_hash_key(writer->view.header.seed, key->uid, key->blob, strlen(key->blob));
	union index_key_copy copy;
	struct index_probe probe;
	uint32_t line;
	int more;

	index_probe_start(&probe, &writer->view, INDEX_BY_KEY, hash);
	while ((more = index_probe_next(&probe, &line)) > 0) {
		const char *text = (const char *)copy.bytes + offsetof(struct index_key_record, text);
		const char *end;

		if (index_record_copy(&writer->view, line, INDEX_KEY, &copy.head, INDEX_RECORD_LINES_MAX) < 0)
			return -EUCLEAN;
		end = (const char *)copy.bytes + copy.head.length;
		text += strnlen(text, KEY_TYPE_MAX + 1) + 1;
		if (copy.head.a == key->uid && text < end && strncmp(text, key->blob, (size_t)(end - text)) == 0) {
			*head = copy.head;
			*position = probe.position;
			return wanted != NULL && index_record_same(wanted, &copy.head);
		}
	}
	return more < 0 ? more : -ENOENT;
}

int index_put_key(struct index_writer *writer, const struct ssh_key *key)
{
	struct index_need need = { 0 };
	union index_key_copy copy;
	struct index_record head;
	uint64_t position, hash;
	uint32_t line;
	int rc;

	if (writer->view.header.table[INDEX_BY_KEY].slots == 0)
		return -EINVAL;
	if (key->owner[0] == '\0' &&
	    (key->uid < writer->view.header.host.uid_first || key->uid > writer->view.header.host.uid_last))
		return -ERANGE;
	rc = index_key_encode(key, &copy);
	if (rc < 0)
		return rc;
	rc = key_find(writer, key, &head, &position, &copy.head);
	if (rc == 1 || (rc < 0 && rc != -ENOENT))
		return rc == 1 ? 0 : rc;
	need.urgent = rc == 0;
	need.slots[INDEX_BY_KEY] = rc == 0 ? 0 : 1;
	need.lines = copy.head.lines;
	rc = index_room(writer, &need);
	if (rc < 0)
		return rc;
	hash = index_hash_key(writer->view.header.seed, key->uid, key->blob, strlen(key->blob));
	rc = key_find(writer, key, &head, &position, NULL);
	if (rc < 0 && rc != -ENOENT)
		return rc;
	line = index_record_write(writer, &copy.head);
	if (rc == -ENOENT)
		return index_place_add(writer, INDEX_BY_KEY, hash, line);
	index_slot_write(writer, INDEX_BY_KEY, position, line + 1, index_hash_tag(hash));
	writer->lines_live -= head.lines;
	return 0;
}

int index_remove_key(struct index_writer *writer, const struct ssh_key *key)
{
	struct index_record head;
	uint64_t position;
	int rc;

	if (writer->view.header.table[INDEX_BY_KEY].slots == 0)
		return -EINVAL;
	rc = key_find(writer, key, &head, &position, NULL);
	if (rc == -ENOENT)
		return 0;
	if (rc == 0)
		rc = index_place_clear(writer, INDEX_BY_KEY, position);
	if (rc == 0)
		writer->lines_live -= head.lines;
	return rc;
}
