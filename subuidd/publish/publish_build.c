/* SPDX-License-Identifier: ISC */
/* The index from the store, all of it: at the first start, after a boot, after a failure. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-daemon.h>

#include "confine/cleanup.h"
#include "subuidd/base/log.h"
#include "subuidd/publish/publish_internal.h"

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
	if (unpublished_has(&build->unpublished, key->uid) || withheld_has(build->p->withheld, key->uid, key->id))
		return 0;
	return index_put_key(build->keys, key);
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

/* All rows into the two writers. */
static int fill(struct build *build)
{
	int r = 0;

	for (size_t i = 0; r >= 0 && i < sizeof(walks) / sizeof(walks[0]); i++)
		r = walk(build, &walks[i]);
	return r;
}

/* From then on readers see this one, even if the last step failed. Readers that follow the old file, which somebody
 * may have removed, are told. */
static int take_place(struct index_writer **writer, struct index_writer **old, uint64_t generation)
{
	int r = index_writer_publish(*writer, generation);

	if (r < 0 && !index_writer_published(*writer))
		return r;
	if (*old != NULL)
		index_writer_supersede(*old);
	index_writer_free(*old);
	*old = steal_ptr(writer);
	return r;
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
	if (r >= 0)
		r = fill(&build);
	free(build.unpublished.uids);
	/* Keys first: an account that can be seen can be logged in to. */
	if (r >= 0)
		r = take_place(&keys, &p->keys, generation);
	if (r >= 0)
		r = take_place(&public, &p->public, generation);
	if (r >= 0)
		p->broken = false;
	return r < 0 ? r : 0;
}

/* ---- without room ---- */

static int account_kept(void *data, uint32_t uid)
{
	const struct build *build = data;
	struct account row;
	int r = store_account_by_uid(build->p->store, uid, &row);

	return r == -ENOENT ? 0 : r < 0 ? r : row.state == ACCOUNT_ACTIVE;
}

static int range_kept(void *data, const struct id_range *range)
{
	const struct build *build = data;
	struct id_range row;
	int r = store_range_get(build->p->store, range->first, &row);

	if (r < 0)
		return r == -ENOENT ? 0 : r;
	return row.count == range->count && row.owner_uid == range->owner_uid && row.account_uid == range->account_uid &&
	       (row.account_uid == 0 || !unpublished_has(&build->unpublished, row.account_uid));
}

static int key_kept(void *data, const struct ssh_key *key)
{
	const struct build *build = data;
	struct ssh_key row;
	int r = store_key_get(build->p->store, key->id, &row);

	if (r < 0)
		return r == -ENOENT ? 0 : r;
	return row.uid == key->uid && strcmp(row.blob, key->blob) == 0 && !unpublished_has(&build->unpublished, key->uid) &&
	       !withheld_has(build->p->withheld, key->uid, key->id);
}

/* Removals first: they need no room. */
static int reuse(struct build *build)
{
	const struct index_keep keep = { build, account_kept, range_kept, key_kept };
	int r = index_prune(build->keys, &keep);

	if (r >= 0)
		r = index_prune(build->public, &keep);
	return r < 0 ? r : fill(build);
}

int publication_reuse(struct publication *p)
{
	struct index_options public_options = publication_options(p, INDEX_FILE_PUBLIC);
	struct index_options keys_options = publication_options(p, INDEX_FILE_KEYS);
	struct build build = { .p = p };
	int r = index_writer_open_stale(p->state_fd, &public_options, &p->public);

	if (r >= 0)
		r = index_writer_open_stale(p->state_fd, &keys_options, &p->keys);
	build.public = p->public;
	build.keys = p->keys;
	if (r >= 0)
		r = reuse(&build);
	free(build.unpublished.uids);
	return r < 0 ? r : 0;
}
