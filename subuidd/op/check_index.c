/* SPDX-License-Identifier: ISC */
/*
 * Compares index and keys with the store, both ways. Run by the broker: everything is in memory and in the store,
 * and a step is some hundred look-ups.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "account/advice.h"
#include "index/index.h"
#include "index/walk.h"
#include "confine/cleanup.h"
#include "subuidd/op/check_step.h"

#define LOOKS (8 * CHECK_FEW) /* of a step */
#define KEY_BATCH 16

/* r: why the walk along the file ended; 0: at this place, to be gone on from. */
static enum failure part_end(struct call *call, struct check_result *result, const char *what, int r,
			     enum check_step step, uint64_t at)
{
	if (r < 0 && r != -ENOENT && advice_for(r) != NULL)
		check_add_error(result, what, "it cannot be read", r);
	else if (r < 0 && r != -ENOENT)
		check_add(result, what, r == -ENXIO ? "it does not exist" : "it cannot be read: damaged, or not root's",
			  TODO_INDEX)
			->repair = REPAIR_INDEX;
	check_send(call, result);
	if (r < 0)
		check_step_after(call, step);
	else
		check_step_at(call, step, (uint32_t)at);
	return FAILURE_NONE;
}

/* Those of the account itself, and of its owner's limit. */
static bool bounds_same(struct call *call, struct index_reader *reader, const struct account *row)
{
	struct limit limit = { 0 };
	struct bounds own, owner;

	if (index_bounds_said(reader, row->uid, row->owner_uid, &own, &owner) < 0)
		return false;
	store_limit_get(call->store, row->owner, &limit);
	return memcmp(&own, &row->facts.bounds, sizeof(own)) == 0 && memcmp(&owner, &limit.bounds, sizeof(owner)) == 0;
}

/* Everything that the index shows is in the store. */
enum failure check_step_index(struct call *call, uint32_t from)
{
	static struct index_reader reader = INDEX_READER(INDEX_PATH);
	struct check_result result = { 0 };
	struct index_account seen;
	struct account row;
	uint64_t at = from;
	int r = 0;

	for (int i = 0; i < LOOKS && result.count < CHECK_FEW - 1; i++) {
		r = index_account_next(&reader, &at, &seen);
		if (r < 0)
			break;
		call->answer.checked++;
		if (store_account_by_uid(call->store, seen.uid, &row) < 0 || row.state != ACCOUNT_ACTIVE)
			check_add(&result, seen.name, "in the index, but not in the store as active", TODO_INDEX)
				->repair = REPAIR_INDEX;
		else if (!bounds_same(call, &reader, &row))
			check_add(&result, seen.name, "the index says other bounds of it than the store", TODO_INDEX)
				->repair = REPAIR_INDEX;
	}
	return part_end(call, &result, "index", r, STEP_INDEX, at);
}

static bool range_stored(struct store *store, const struct id_range *seen)
{
	struct id_range row;

	return store_range_get(store, seen->first, &row) == 0 && row.count == seen->count &&
	       row.owner_uid == seen->owner_uid && row.account_uid == seen->account_uid &&
	       strcmp(row.owner, seen->owner) == 0 && strcmp(row.label, seen->label) == 0;
}

/* The same for ranges: newuidmap grants the entries of the file. */
enum failure check_step_index_ranges(struct call *call, uint32_t from)
{
	static struct index_reader reader = INDEX_READER(INDEX_PATH);
	struct check_result result = { 0 };
	struct id_range seen;
	char subject[OWNER_MAX + 16];
	uint64_t at = from;
	int r = 0;

	for (int i = 0; i < LOOKS && result.count < CHECK_FEW - 1; i++) {
		r = index_range_next(&reader, &at, &seen);
		if (r < 0)
			break;
		call->answer.checked++;
		if (range_stored(call->store, &seen))
			continue;
		snprintf(subject, sizeof(subject), "%s %u", seen.owner, seen.first);
		check_add(&result, subject, "a range in the index, but not just so in the store", TODO_INDEX)->repair =
			REPAIR_INDEX;
	}
	return part_end(call, &result, "index", r, STEP_INDEX_RANGES, at);
}

/* ---- keys ---- */

/* The facts of a key that sshd is told; the file does not have the time when it was made. */
static bool keys_same(const struct ssh_key *a, const struct ssh_key *b)
{
	return a->id == b->id && a->uid == b->uid && a->role == b->role && a->options == b->options &&
	       a->expires == b->expires && a->storage_quota == b->storage_quota && strcmp(a->tools, b->tools) == 0 &&
	       strcmp(a->forward, b->forward) == 0 && strcmp(a->command, b->command) == 0 &&
	       strcmp(a->net, b->net) == 0 && strcmp(a->from, b->from) == 0 && strcmp(a->type, b->type) == 0 &&
	       strcmp(a->fingerprint, b->fingerprint) == 0 && strcmp(a->blob, b->blob) == 0 &&
	       strcmp(a->owner, b->owner) == 0;
}

static void key_check(const struct account *row, const char *name, const struct ssh_key *key,
		      struct check_result *result)
{
	static struct index_reader reader = INDEX_READER(KEYS_PATH);
	char fault[FAILURE_TEXT_MAX + 1];
	struct ssh_key seen;
	int r = index_key(&reader, row->uid, key->blob, &seen);

	if (r == 0 && keys_same(key, &seen))
		return;
	if (r == 0)
		snprintf(fault, sizeof(fault), "the keys file says something else of key %u (%s) than the store",
			 key->id, key->fingerprint);
	else
		snprintf(fault, sizeof(fault), "key %u (%s) is not in the keys file: no login with it", key->id,
			 key->fingerprint);
	if (r == -EUCLEAN)
		snprintf(fault, sizeof(fault), "the keys file is damaged where key %u (%s) lies: no login with it",
			 key->id, key->fingerprint);
	if (r == 0 || r == -ENOENT || r == -EUCLEAN)
		check_add_account(result, row, name, fault, TODO_INDEX, REPAIR_INDEX);
}

/* If the file cannot be read at all, that is reported once: of the whole host at the end of the walk along it, to
 * owners here. */
static bool keys_readable(const struct call *call, struct check_result *result)
{
	static struct index_reader reader = INDEX_READER(KEYS_PATH);
	struct index_host host;

	if (index_host(&reader, &host) == 0)
		return true;
	if (!call->request.list.all && result->count == 0)
		check_add(result, "keys", "the keys file cannot be read: no login with a key", TODO_INDEX)->repair =
			REPAIR_INDEX;
	return false;
}

int check_account_keys(struct call *call, const struct account *row, struct check_result *result)
{
	static struct ssh_key keys[KEY_BATCH]; /* some 80 KiB */
	char name[ACCOUNT_NAME_MAX + 1];
	uint32_t after = 0;
	int n = 0;

	if (row->state != ACCOUNT_ACTIVE ||
	    name_join(row->owner, call->broker->settings.separator, row->label, name) < 0)
		return 0;
	while ((n = store_key_list(call->store, row->uid, after, keys, KEY_BATCH)) > 0) {
		if (!keys_readable(call, result))
			return 0;
		for (int i = 0; i < n; i++)
			key_check(row, name, &keys[i], result);
		after = keys[n - 1].id;
		if (n < KEY_BATCH)
			return 0;
	}
	return n;
}

static bool key_stored(struct store *store, const struct ssh_key *seen)
{
	struct account account;
	struct ssh_key row;

	if (seen->owner[0] != '\0')
		return store_manage_get(store, seen->id, &row) == 0 && keys_same(&row, seen);
	return store_key_get(store, seen->id, &row) == 0 && keys_same(&row, seen) &&
	       store_account_by_uid(store, seen->uid, &account) == 0 && account.state == ACCOUNT_ACTIVE;
}

/* The other way: anyone who has a key that is in the file can log in. */
enum failure check_step_keys(struct call *call, uint32_t from)
{
	static struct index_reader reader = INDEX_READER(KEYS_PATH);
	struct check_result result = { 0 };
	struct ssh_key seen;
	char subject[FAILURE_TEXT_MAX + 1];
	uint64_t at = from;
	int r = 0;

	for (int i = 0; i < LOOKS && result.count < CHECK_FEW - 1; i++) {
		r = index_key_next(&reader, &at, &seen);
		if (r < 0)
			break;
		call->answer.checked++;
		if (key_stored(call->store, &seen))
			continue;
		snprintf(subject, sizeof(subject), "key %u of uid %u (%s)", seen.id, seen.uid, seen.fingerprint);
		check_add(&result, subject,
			  "in the keys file, but not just so in the store: logins with it are admitted", TODO_INDEX)
			->repair = REPAIR_INDEX;
	}
	return part_end(call, &result, "keys", r, STEP_KEYS, at);
}
