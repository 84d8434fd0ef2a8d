/* SPDX-License-Identifier: ISC */
/* The keys file from its beginning to its end. Run by the daemon, for a check. */
#include "index/walk.h"

#include <errno.h>

#include "index/check.h"
#include "index/map.h"
#include "index/view.h"

static int view_key_next(const struct index_view *view, uint64_t *cursor, struct ssh_key *key)
{
	_Alignas(8) uint8_t copy[INDEX_RECORD_LINES_MAX * INDEX_LINE];
	struct index_record *head = (void *)copy;
	uint64_t slots = view->header.table[INDEX_BY_KEY].slots;

	for (uint64_t position = *cursor; position < slots; position++) {
		index_slot slot;
		int rc = index_slot_read(view, INDEX_BY_KEY, position, &slot);

		if (rc == 0 && index_slot_number(slot) == 0)
			continue;
		if (rc == 0)
			rc = index_record_copy(view, index_slot_number(slot) - 1, INDEX_KEY, head,
					       INDEX_RECORD_LINES_MAX);
		if (rc == 0)
			rc = index_key_decode(head, key);
		if (rc == 0)
			*cursor = position + 1;
		return rc;
	}
	return -ENOENT;
}

int index_key_next(struct index_reader *reader, uint64_t *cursor, struct ssh_key *key)
{
	struct index_hold hold;
	int rc = index_enter(reader, &hold);

	if (rc == 0) {
		rc = view_key_next(hold.view, cursor, key);
		index_leave(&hold);
	}
	return rc;
}
