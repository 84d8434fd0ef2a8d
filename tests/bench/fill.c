/* SPDX-License-Identifier: ISC */
/*
 * fill DIRECTORY ACCOUNTS RANGES [PER_OWNER]: puts accounts (with a key each, 16 of one owner) and ranges (each of
 * another) straight into the store of a state directory, as active ones, without homes: a host of a million accounts in
 * seconds, for what is measured on the store and the index. Not while subuidd runs.
 */
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "account/id.h"
#include "store/store.h"

#define UID_FIRST 2110000000u   /* above what the daemon gives out first */
#define RANGE_FIRST 1140850688u /* as well */
#define OWNER_FIRST 3000000u
#define BATCH 20000u

static uint32_t per_owner = 16;

static void check(struct store *store, int r, const char *what)
{
	if (r < 0)
		errx(1, "%s: %s: %s", what, strerror(-r), store_error(store));
}

static void key_of(uint32_t i, struct ssh_key *key)
{
	memset(key, 0, sizeof(*key));
	key->uid = UID_FIRST + i;
	key->role = ROLE_PUSH;
	strcpy(key->type, "ssh-ed25519");
	snprintf(key->blob, sizeof(key->blob), "AAAAC3NzaC1lZDI1NTE5AAAAI%08xabcdefghijklmnopqrstuvwxyzABCDEFGHI", i);
	snprintf(key->fingerprint, sizeof(key->fingerprint), "SHA256:%043u", i);
}

static void account_of(uint32_t i, struct account *account)
{
	memset(account, 0, sizeof(*account));
	account->uid = UID_FIRST + i;
	account->owner_uid = OWNER_FIRST + i / per_owner;
	account->state = ACCOUNT_ACTIVE;
	account->created = 1;
	account->facts.expires_day = -1;
	snprintf(account->owner, sizeof(account->owner), "owner%05u", i / per_owner);
	snprintf(account->label, sizeof(account->label), "web%u", i);
}

static void range_of(uint32_t i, struct id_range *range)
{
	memset(range, 0, sizeof(*range));
	range->first = RANGE_FIRST + i * RANGE_UNIT;
	range->count = RANGE_UNIT;
	range->owner_uid = OWNER_FIRST + i;
	range->created = 1;
	snprintf(range->owner, sizeof(range->owner), "owner%05u", i);
}

static void fill(struct store *store, uint32_t accounts, uint32_t ranges)
{
	struct account account;
	struct ssh_key key;
	struct id_range range;
	uint32_t most = accounts > ranges ? accounts : ranges;

	for (uint32_t i = 0; i < most; i++) {
		if (i % BATCH == 0)
			check(store, store_begin(store), "begin");
		if (i < accounts) {
			account_of(i, &account);
			key_of(i, &key);
			check(store, store_account_insert(store, &account), "account");
			check(store, store_key_insert(store, &key), "key");
		}
		if (i < ranges) {
			range_of(i, &range);
			check(store, store_range_insert(store, &range), "range");
		}
		if (i % BATCH == BATCH - 1 || i + 1 == most)
			check(store, store_commit(store), "commit");
	}
}

int main(int argc, char **argv)
{
	struct store *store;
	char path[4096];
	int r;

	if (argc == 5)
		per_owner = (uint32_t)strtoul(argv[4], NULL, 10);
	if ((argc != 4 && argc != 5) || per_owner == 0)
		errx(2, "usage: fill DIRECTORY ACCOUNTS RANGES [PER_OWNER]");
	snprintf(path, sizeof(path), "%s/state.db", argv[1]);
	r = store_open(path, &store);
	if (r < 0)
		errx(1, "%s: %s", path, strerror(-r));
	fill(store, (uint32_t)strtoul(argv[2], NULL, 10), (uint32_t)strtoul(argv[3], NULL, 10));
	store_close(store);
	return 0;
}
