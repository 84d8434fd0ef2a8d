/* SPDX-License-Identifier: ISC */
/*
 * Transactions of the store, and changes inside of them that are made whole or not at all. With each commit of
 * something published the generation rises, and the witness outside knows which ids were given out. Run by the broker
 * (root).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "store/sqlite.h"

static void transaction_end(struct store *store, bool open)
{
	store->open = open;
	store->changed = store->raised = store->given = false;
	memset(store->given_marks, 0, sizeof(store->given_marks));
}

int store_begin(struct store *store)
{
	int r;

	if (store->open)
		abort();
	r = store_run(store, SQL_BEGIN, NULL, 0);
	if (r == 0)
		transaction_end(store, true);
	return r;
}

/* SQLite may have rolled back already by itself (disk full, I/O error). */
void store_rollback(struct store *store)
{
	if (!sqlite3_get_autocommit(store->db))
		store_run(store, SQL_ROLLBACK, NULL, 0);
	transaction_end(store, false);
}

/* Up to the commit itself. */
static int commit_prepare(struct store *store, uint64_t *generation)
{
	int r = 0;

	if (sqlite3_get_autocommit(store->db))
		return -EIO; /* rolled back by SQLite after an error that the caller passed over */
	if (store->changed) {
		r = store_run(store, SQL_GENERATION_RAISE, NULL, 0);
		*generation += 1;
	}
	if (r == 0 && store->raised)
		r = store_meta_read(store, SQL_GENERATION, generation);
	/* known outside, before anybody may have them */
	if (r == 0 && store->given && store->witness != NULL)
		r = store->witness->give(store->witness->data, store->given_marks);
	return r;
}

int store_commit(struct store *store)
{
	uint64_t generation = store->generation;
	int r;

	if (!store->open)
		abort();
	r = commit_prepare(store, &generation);
	if (r == 0)
		r = store_run(store, SQL_COMMIT, NULL, 0);
	if (r < 0) {
		store_rollback(store);
		return r;
	}
	transaction_end(store, false);
	if (generation == store->generation)
		return 0;
	store->generation = generation;
	if (store->witness != NULL)
		store->witness->committed(store->witness->data, generation);
	return 0;
}

uint64_t store_generation(const struct store *store)
{
	return store->generation;
}

int store_save(struct store *store)
{
	if (!store->open)
		abort();
	return store_run(store, SQL_SAVE, NULL, 0);
}

int store_save_end(struct store *store, int result)
{
	char kept[sizeof(store->error)];

	if (result == 0)
		result = store_run(store, SQL_SAVE_END, NULL, 0);
	if (result == 0)
		return 0;
	memcpy(kept, store->error, sizeof(kept));
	if (!sqlite3_get_autocommit(store->db) && store_run(store, SQL_SAVE_UNDO, NULL, 0) == 0)
		store_run(store, SQL_SAVE_END, NULL, 0);
	memcpy(store->error, kept, sizeof(kept)); /* the first fault is the cause */
	return result;
}

int store_save_publish(struct store *store, int result)
{
	result = store_save_end(store, result);
	store->changed |= result == 0;
	return result;
}

int store_change(struct store *store, enum store_statement id, const struct store_value *values, size_t count)
{
	int r = store_save(store);

	return r < 0 ? r : store_save_end(store, store_run(store, id, values, count));
}

int store_change_one(struct store *store, enum store_statement id, const struct store_value *values, size_t count)
{
	int r = store_save(store);

	if (r < 0)
		return r;
	r = store_run(store, id, values, count);
	if (r == 0 && store_changes(store) == 0)
		r = -ENOENT;
	return store_save_end(store, r);
}
