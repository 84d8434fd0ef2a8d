/* SPDX-License-Identifier: ISC */
/* The index from the store, all of it: at the first start, after a boot, after a failure. */
#include <errno.h>
#include <stdlib.h>
#include <systemd/sd-daemon.h>

#include "confine/cleanup.h"
#include "subuidd/log.h"
#include "subuidd/publish_internal.h"

#define BATCH 64
#define PROGRESS 100000u /* rows between two words about it */

/* While building: the accounts that are not published, in the order of uid. */
struct unpublished {
	uint32_t *uids;
	size_t count, room;
};

static int unpublished_add(struct unpublished *list, uint32_t uid)
{
	if (list->count == list->room) {
		size_t room = list->room == 0 ? 64 : list->room * 2;
		uint32_t *uids = reallocarray(list->uids, room, sizeof(*uids));

		if (uids == NULL)
			return -ENOMEM;
		list->uids = uids;
		list->room = room;
	}
	list->uids[list->count++] = uid;
	return 0;
}

static int compare_uids(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static bool unpublished_has(const struct unpublished *list, uint32_t uid)
{
	return list->count > 0 && bsearch(&uid, list->uids, list->count, sizeof(uid), compare_uids) != NULL;
}

static void progress(const char *what, uint64_t done)
{
	if (done % PROGRESS != 0)
		return;
	log_info("building the index: %llu %s", (unsigned long long)done, what);
	sd_notifyf(0, "STATUS=Building the index: %llu %s\nEXTEND_TIMEOUT_USEC=30000000", (unsigned long long)done, what);
}

struct build {
	struct publication *p;
	struct index_writer *public, *keys;
	struct unpublished unpublished;
};

/* One table of the store, read from its beginning to its end. */
struct walk {
	const char *what;
	size_t size; /* of a row */
	int (*list)(struct store *store, uint32_t after, void *rows); /* at most BATCH */
	int (*put)(struct build *build, const void *row, uint32_t *after);
};

static int walk(struct build *build, const struct walk *walk)
{
	cleanup_free char *rows = calloc(BATCH, walk->size);
	uint64_t done = 0;
	uint32_t after = 0;
	int n;

	if (rows == NULL)
		return -ENOMEM;
	while ((n = walk->list(build->p->store, after, rows)) > 0)
		for (int i = 0; i < n; i++) {
			int r = walk->put(build, rows + (size_t)i * walk->size, &after);

			if (r < 0)
				return r;
			progress(walk->what, ++done);
		}
	return n;
}

static int accounts_list(struct store *store, uint32_t after, void *rows)
{
	return store_account_list(store, NULL, after, rows, BATCH);
}

static int account_put(struct build *build, const void *row, uint32_t *after)
{
	const struct account *account = row;

	*after = account->uid;
	if (account->state != ACCOUNT_ACTIVE)
		return unpublished_add(&build->unpublished, account->uid);
	return publication_put_account(build->p, build->public, account);
}

static int ranges_list(struct store *store, uint32_t after, void *rows)
{
	return store_range_list(store, NULL, after, rows, BATCH);
}

static int range_put(struct build *build, const void *row, uint32_t *after)
{
	const struct id_range *range = row;

	*after = range->first;
	if (range->account_uid != 0 && unpublished_has(&build->unpublished, range->account_uid))
		return 0;
	return index_put_range(build->public, range);
}

static int keys_list(struct store *store, uint32_t after, void *rows)
{
	return store_key_list(store, 0, after, rows, BATCH);
}

static int key_put(struct build *build, const void *row, uint32_t *after)
{
	const struct ssh_key *key = row;

	*after = key->id;
	return unpublished_has(&build->unpublished, key->uid) ? 0 : index_put_key(build->keys, key);
}

/* Accounts first: they say what of the others is not published. */
static const struct walk walks[] = {
	{ "accounts", sizeof(struct account), accounts_list, account_put },
	{ "ranges", sizeof(struct id_range), ranges_list, range_put },
	{ "keys", sizeof(struct ssh_key), keys_list, key_put },
};

struct index_options publication_options(const struct publication *p, enum index_file file)
{
	struct index_options options = { .file = file, .host = p->host };
	uint32_t accounts = 0;

	if (store_account_count(p->store, NULL, &accounts) < 0)
		accounts = 0; /* only the first size */
	options.name = file == INDEX_FILE_PUBLIC ? "index" : "keys";
	options.mode = file == INDEX_FILE_PUBLIC ? 0644 : 0640;
	options.group = file == INDEX_FILE_PUBLIC ? 0 : p->keys_gid;
	options.expected = accounts;
	return options;
}

int publication_build(struct publication *p)
{
	__attribute__((cleanup(index_writer_freep))) struct index_writer *public = NULL, *keys = NULL;
	struct index_options public_options = publication_options(p, INDEX_FILE_PUBLIC);
	struct index_options keys_options = publication_options(p, INDEX_FILE_KEYS);
	struct build build = { .p = p };
	uint64_t generation = store_generation(p->store);
	int r = index_way_clear(p->state_fd, public_options.name);

	if (r >= 0)
		r = index_way_clear(p->state_fd, keys_options.name);
	if (r >= 0)
		r = index_writer_create(p->state_fd, &public_options, &public);

	if (r >= 0)
		r = index_writer_create(p->state_fd, &keys_options, &keys);
	build.public = public;
	build.keys = keys;
	for (size_t i = 0; r >= 0 && i < sizeof(walks) / sizeof(walks[0]); i++)
		r = walk(&build, &walks[i]);
	free(build.unpublished.uids);
	/* Keys first: an account that can be seen can be logged in to. */
	if (r >= 0)
		r = index_writer_publish(keys, generation);
	if (r >= 0)
		r = index_writer_publish(public, generation);
	if (r < 0)
		return r;
	index_writer_supersede(p->public);
	index_writer_supersede(p->keys);
	index_writer_free(p->public);
	index_writer_free(p->keys);
	p->public = steal_ptr(&public);
	p->keys = steal_ptr(&keys);
	p->broken = false;
	return 0;
}
