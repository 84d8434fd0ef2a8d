/* SPDX-License-Identifier: ISC */
/*
 * An index file of an earlier boot that stays in use, because there is no room for a new one. Its pages may be from
 * several moments. So the writer puts all rows into it again, and then removes entries that are no longer rows.
 */
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "index/check.h"
#include "index/writer/file.h"

static int prune_accounts(struct index_writer *writer, const struct index_keep *keep)
{
	struct index_account found;
	uint64_t cursor = 0;
	int r;

	while ((r = index_view_next(&writer->view, &cursor, &found)) == 0) {
		const struct account account = { .uid = found.uid };
		int kept = keep->account(keep->data, found.uid);

		if (kept == 0)
			kept = index_remove_account(writer, &account);
		if (kept < 0)
			return kept;
	}
	return r == -ENOENT ? 0 : r;
}

static int prune_ranges(struct index_writer *writer, const struct index_keep *keep)
{
	struct id_range found;
	uint64_t cursor = 0;
	int r;

	while ((r = index_view_range_next(&writer->view, &cursor, &found)) == 0) {
		int kept = keep->range(keep->data, &found);

		if (kept == 0)
			kept = index_remove_range(writer, &found);
		if (kept < 0)
			return kept;
	}
	return r == -ENOENT ? 0 : r;
}

static int prune_key(struct index_writer *writer, uint32_t line, const struct index_keep *keep)
{
	union index_key_copy copy;
	const char *text = (const char *)copy.bytes + offsetof(struct index_key_record, text);
	struct ssh_key key;
	int r = index_record_copy(&writer->view, line, INDEX_KEY, &copy.head, INDEX_RECORD_LINES_MAX);

	if (r < 0)
		return r;
	text += strnlen(text, KEY_TYPE_MAX + 1) + 1; /* the blob is the second string */
	r = index_view_key(&writer->view, copy.head.a, text, &key);
	if (r < 0)
		return r == -ENOENT ? -EUCLEAN : r;
	r = keep->key(keep->data, &key);
	return r == 0 ? index_remove_key(writer, &key) : r;
}

static int prune_keys(struct index_writer *writer, const struct index_keep *keep)
{
	const struct index_view *view = &writer->view;

	for (uint64_t i = 0; i < view->header.table[INDEX_BY_KEY].slots; i++) {
		index_slot slot;
		int r = index_slot_read(view, INDEX_BY_KEY, i, &slot);

		if (r == 0 && index_slot_number(slot) != 0)
			r = prune_key(writer, index_slot_number(slot) - 1, keep);
		if (r < 0)
			return r;
	}
	return 0;
}

int index_prune(struct index_writer *writer, const struct index_keep *keep)
{
	if (writer->options.file != INDEX_FILE_PUBLIC)
		return prune_keys(writer, keep);
	return prune_ranges(writer, keep) ?: prune_accounts(writer, keep);
}
