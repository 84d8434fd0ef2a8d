/* SPDX-License-Identifier: ISC */
/* The index from the store, all of it: at the first start, after a boot, after a failure. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "account/password.h"
#include "confine/cleanup.h"
#include "confine/grow.h"
#include "index/index.h"
#include "index/writer/guard.h"
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
	uint32_t *uids = array_grow(list->uids, list->count, &list->room, sizeof(*uids));

	if (uids == NULL)
		return -ENOMEM;
	list->uids = uids;
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
	sd_notifyf(0, "STATUS=Building the index: %llu %s\nEXTEND_TIMEOUT_USEC=30000000", (unsigned long long)done,
		   what);
}

struct build {
	struct publication *p;
	struct index_writer *public, *keys, *passwords;
	struct unpublished unpublished;
};

/* One table of the store, read from its beginning to its end. */
struct walk {
	const char *what;
	size_t size;                                                  /* of a row */
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

int publication_put_key(struct publication *p, struct index_writer *keys, struct index_writer *passwords,
			const struct ssh_key *key)
{
	cleanup_free struct ssh_key *whole = NULL; /* 5 KiB */
	int r = 0;

	if (withheld_key(p->withheld, key))
		return 0;
	if (passwords != NULL && key_is_password(key)) {
		whole = malloc(sizeof(*whole));
		if (whole == NULL)
			return -ENOMEM;
		*whole = *key;
		r = store_key_hash(p->store, key->id, whole->hash);
		if (r >= 0)
			r = index_put_key(passwords, whole);
		explicit_bzero(whole, sizeof(*whole));
	}
	return r < 0 ? r : index_put_key(keys, key);
}

static int keys_list(struct store *store, uint32_t after, void *rows)
{
	return store_key_list(store, 0, after, rows, BATCH);
}

static int key_put(struct build *build, const void *row, uint32_t *after)
{
	const struct ssh_key *key = row;

	*after = key->id;
	if (unpublished_has(&build->unpublished, key->uid))
		return 0;
	return publication_put_key(build->p, build->keys, build->passwords, key);
}

static int manage_list(struct store *store, uint32_t after, void *rows)
{
	return store_manage_list(store, NULL, 0, after, rows, BATCH);
}

static int manage_put(struct build *build, const void *row, uint32_t *after)
{
	const struct ssh_key *key = row;

	*after = key->id;
	return publication_put_key(build->p, build->keys, build->passwords, key);
}

/* Accounts first: they say what of the others is not published. */
static const struct walk walks[] = {
	{ "accounts", sizeof(struct account), accounts_list, account_put },
	{ "ranges", sizeof(struct id_range), ranges_list, range_put },
	{ "keys", sizeof(struct ssh_key), keys_list, key_put },
	{ "keys of owners", sizeof(struct ssh_key), manage_list, manage_put },
};

struct index_options publication_options(const struct publication *p, enum index_file file)
{
	static const char *const names[] = { "index", "keys", "passwords" };
	const gid_t groups[] = { 0, p->keys_gid, p->verify_gid };
	struct index_options options = { .file = file, .host = p->host };
	uint32_t accounts = 0;

	if (store_account_count(p->store, NULL, &accounts) < 0)
		accounts = 0; /* only the first size */
	options.name = names[file];
	options.mode = file == INDEX_FILE_PUBLIC ? 0644 : 0640;
	options.group = groups[file];
	options.expected = file == INDEX_FILE_PASSWORDS ? 0 : accounts;
	return options;
}

/* By the first account of each: an owner without one gets theirs with it. */
static int limits_put(struct build *build)
{
	struct store *store = build->p->store;
	cleanup_free struct limit *rows = calloc(BATCH, sizeof(*rows));
	uint64_t after = 0;
	int n, r = 0;

	if (rows == NULL)
		return -ENOMEM;
	while (r >= 0 && (n = store_limit_list(store, after, rows, BATCH, &after)) != 0) {
		if (n < 0)
			return n;
		for (int i = 0; r >= 0 && i < n; i++) {
			struct account first;

			r = store_account_list(store, rows[i].owner, 0, &first, 1);
			if (r == 1)
				r = index_put_owner(build->public, first.owner_uid, first.owner, &rows[i].bounds);
		}
	}
	return r < 0 ? r : 0;
}

/* All rows into the two writers. */
static int fill(struct build *build)
{
	int r = limits_put(build);

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

/* An empty file beside the one that may be there. */
static int create(struct publication *p, enum index_file file, struct index_writer **ret)
{
	struct index_options options = publication_options(p, file);
	int r = index_way_clear(p->state_fd, options.name);

	return r < 0 ? r : index_writer_create(p->state_fd, &options, ret);
}

/* In the file that the verifier has open: it does not believe it any more. */
static int supersede(void *data)
{
	index_writer_supersede(data);
	return 0;
}

int publication_passwords_off(struct publication *p)
{
	struct index_options options = publication_options(p, INDEX_FILE_PASSWORDS);
	int told = p->passwords == NULL ? -ENOENT : index_guarded(supersede, p->passwords);
	int gone = unlinkat(p->state_fd, options.name, 0) == 0 || errno == ENOENT ? 0 : -errno;

	index_writer_free(p->passwords);
	p->passwords = NULL;
	if (gone < 0)
		log_error("hashes of passwords stay in " PASSWORDS_PATH ": %s", strerror(-gone));
	return gone == 0 || told == 0 ? 0 : gone;
}

int publication_passwords_open(struct publication *p, uint64_t generation)
{
	struct index_options options = publication_options(p, INDEX_FILE_PASSWORDS);

	/* Hashes are where they have to be, and nowhere else. */
	return p->host.password_cost != 0 ? index_writer_open(p->state_fd, &options, generation, &p->passwords) :
					    publication_passwords_off(p);
}

int publication_build(struct publication *p)
{
	__attribute__((cleanup(index_writer_freep))) struct index_writer *public = NULL, *keys = NULL,
									 *passwords = NULL;
	struct build build = { .p = p };
	uint64_t generation = store_generation(p->store);
	int r = create(p, INDEX_FILE_PUBLIC, &public);

	if (r >= 0)
		r = create(p, INDEX_FILE_KEYS, &keys);
	if (r >= 0 && p->host.password_cost != 0)
		r = create(p, INDEX_FILE_PASSWORDS, &passwords);
	build.public = public;
	build.keys = keys;
	build.passwords = passwords;
	if (r >= 0)
		r = fill(&build);
	free(build.unpublished.uids);
	/* Keys first: an account that can be seen can be logged in to. */
	if (r >= 0 && passwords != NULL)
		r = take_place(&passwords, &p->passwords, generation);
	else if (r >= 0)
		r = publication_passwords_open(p, generation);
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
	return row.count == range->count && row.owner_uid == range->owner_uid &&
	       row.account_uid == range->account_uid &&
	       (row.account_uid == 0 || !unpublished_has(&build->unpublished, row.account_uid));
}

static int key_kept(void *data, const struct ssh_key *key)
{
	const struct build *build = data;
	bool manages = key->owner[0] != '\0';
	struct ssh_key row;
	int r = manages ? store_manage_get(build->p->store, key->id, &row) :
			  store_key_get(build->p->store, key->id, &row);

	if (r < 0)
		return r == -ENOENT ? 0 : r;
	if (withheld_key(build->p->withheld, key))
		return 0;
	if (manages)
		return row.uid == key->uid && strcmp(row.owner, key->owner) == 0 && strcmp(row.blob, key->blob) == 0;
	return row.uid == key->uid && strcmp(row.blob, key->blob) == 0 &&
	       !unpublished_has(&build->unpublished, key->uid);
}

/* Removals first: they need no room. */
static int reuse(struct build *build)
{
	const struct index_keep keep = { build, account_kept, range_kept, key_kept };
	int r = build->passwords != NULL ? index_prune(build->passwords, &keep) : 0;

	if (r >= 0)
		r = index_prune(build->keys, &keep);
	if (r >= 0)
		r = index_prune(build->public, &keep);
	return r < 0 ? r : fill(build);
}

/* The header changes only with the whole file: until there is room for that, it says what the settings were. */
int publication_reuse(struct publication *p)
{
	struct index_reader reader = INDEX_READER(INDEX_PATH);
	const struct index_host wanted = p->host;
	struct index_options public_options, keys_options, passwords_options;
	struct build build = { .p = p };
	int r = index_host(&reader, &p->host);

	public_options = publication_options(p, INDEX_FILE_PUBLIC);
	keys_options = publication_options(p, INDEX_FILE_KEYS);
	passwords_options = publication_options(p, INDEX_FILE_PASSWORDS);
	if (r >= 0)
		r = index_writer_open_stale(p->state_fd, &public_options, &p->public);
	if (r >= 0)
		r = index_writer_open_stale(p->state_fd, &keys_options, &p->keys);
	if (r >= 0 && p->host.password_cost != 0 && wanted.password_cost != 0)
		r = index_writer_open_stale(p->state_fd, &passwords_options, &p->passwords);
	p->broken = !index_host_equal(&p->host, &wanted);
	p->host = wanted;
	build.passwords = p->passwords;
	build.public = p->public;
	build.keys = p->keys;
	if (r >= 0)
		r = reuse(&build);
	free(build.unpublished.uids);
	return r < 0 ? r : 0;
}
