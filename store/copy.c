/* SPDX-License-Identifier: ISC */
/*
 * A copy of the whole store in a file without a name, made a piece at a time. Until it is complete, changes made
 * meanwhile by the same connection are made in the copy, too.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "confine/cleanup.h"
#include "store/sqlite.h"

#define PAGES 1024 /* at a time: 4 MiB, a few milliseconds */

struct store_copy {
	sqlite3_backup *backup;
	struct store *from, *to;
};

static const char pragmas[] = /* for a copy that is thrown away */
	"PRAGMA journal_mode = MEMORY;"
	"PRAGMA synchronous = OFF;";

int store_copy_begin(struct store *from, struct store_copy **ret)
{
	__attribute__((cleanup(store_closep))) struct store *to = calloc(1, sizeof(*to));
	struct store_copy *copy;
	int code;

	if (to == NULL)
		return -ENOMEM;
	code = sqlite3_open_v2("", &to->db,
			       SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_PRIVATECACHE |
				       SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE,
			       NULL);
	copy = calloc(1, sizeof(*copy));
	if (to->db == NULL || copy == NULL) {
		free(copy);
		return -ENOMEM;
	}
	if (code == SQLITE_OK)
		copy->backup = sqlite3_backup_init(to->db, "main", from->db, "main");
	if (copy->backup == NULL) {
		int r = store_errno(to, code != SQLITE_OK ? code : sqlite3_extended_errcode(to->db));

		free(copy);
		return r;
	}
	copy->from = from;
	copy->to = steal_ptr(&to);
	*ret = copy;
	return 0;
}

int store_copy_step(struct store_copy *copy)
{
	int code = sqlite3_backup_step(copy->backup, PAGES);

	if (code == SQLITE_OK || code == SQLITE_BUSY || code == SQLITE_LOCKED)
		return 1;
	return code == SQLITE_DONE ? 0 : store_errno(copy->to, code);
}

void store_copy_abandon(struct store_copy *copy)
{
	if (copy == NULL)
		return;
	if (copy->backup != NULL)
		sqlite3_backup_finish(copy->backup);
	store_close(copy->to);
	free(copy);
}

int store_copy_end(struct store_copy *copy, struct store **ret)
{
	int code = sqlite3_backup_finish(copy->backup);

	copy->backup = NULL;
	if (code == SQLITE_OK)
		code = store_connection_prepare(copy->to->db);
	if (code == SQLITE_OK)
		code = sqlite3_exec(copy->to->db, pragmas, NULL, NULL, NULL);
	if (code != SQLITE_OK) {
		int r = store_errno(copy->to, code);

		store_copy_abandon(copy);
		return r;
	}
	copy->to->generation = copy->from->generation;
	copy->to->identity = copy->from->identity;
	memcpy(copy->to->floor, copy->from->floor, sizeof(copy->to->floor));
	*ret = steal_ptr(&copy->to);
	store_copy_abandon(copy);
	return 0;
}
