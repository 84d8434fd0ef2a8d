/* SPDX-License-Identifier: ISC */
/* The index from the store, all of it: at the first start, after a boot, after a failure. */
#include <errno.h>
#include <stdlib.h>
#include <systemd/sd-daemon.h>

#include "confine/cleanup.h"
#include "subuidd/log.h"
#include "subuidd/publish_internal.h"

#define BATCH 256
#define KEY_BATCH 32
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

static int build_accounts(struct publication *p, struct index_writer *writer, struct unpublished *unpublished)
{
	cleanup_free struct account *rows = calloc(BATCH, sizeof(*rows));
	uint64_t done = 0;
	uint32_t after = 0;
	int n;

	if (rows == NULL)
		return -ENOMEM;
	while ((n = store_account_list(p->store, NULL, after, rows, BATCH)) > 0)
		for (int i = 0; i < n; i++) {
			int r = rows[i].state == ACCOUNT_ACTIVE ?
					publication_put_account(p, writer, &rows[i]) :
					unpublished_add(unpublished, rows[i].uid);

			if (r < 0)
				return r;
			after = rows[i].uid;
			progress("accounts", ++done);
		}
	return n;
}

static int build_ranges(struct publication *p, struct index_writer *writer, const struct unpublished *unpublished)
{
	cleanup_free struct id_range *rows = calloc(BATCH, sizeof(*rows));
	uint64_t done = 0;
	uint32_t after = 0;
	int n;

	if (rows == NULL)
		return -ENOMEM;
	while ((n = store_range_list(p->store, NULL, after, rows, BATCH)) > 0)
		for (int i = 0; i < n; i++) {
			int r = 0;

			if (rows[i].account_uid == 0 || !unpublished_has(unpublished, rows[i].account_uid))
				r = index_put_range(writer, &rows[i]);
			if (r < 0)
				return r;
			after = rows[i].first;
			progress("ranges", ++done);
		}
	return n;
}

static int build_keys(struct publication *p, struct index_writer *writer, const struct unpublished *unpublished)
{
	cleanup_free struct ssh_key *rows = calloc(KEY_BATCH, sizeof(*rows));
	uint64_t done = 0;
	uint32_t after = 0;
	int n;

	if (rows == NULL)
		return -ENOMEM;
	while ((n = store_key_list(p->store, 0, after, rows, KEY_BATCH)) > 0)
		for (int i = 0; i < n; i++) {
			int r = unpublished_has(unpublished, rows[i].uid) ? 0 : index_put_key(writer, &rows[i]);

			if (r < 0)
				return r;
			after = rows[i].id;
			progress("keys", ++done);
		}
	return n;
}

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
	struct unpublished unpublished = { 0 };
	cleanup_free uint32_t *uids = NULL;
	uint64_t generation = store_generation(p->store);
	int r = index_writer_create(p->state_fd, &public_options, &public);

	if (r >= 0)
		r = index_writer_create(p->state_fd, &keys_options, &keys);
	if (r >= 0)
		r = build_accounts(p, public, &unpublished);
	uids = unpublished.uids; /* freed at the end */
	if (r >= 0)
		r = build_ranges(p, public, &unpublished);
	if (r >= 0)
		r = build_keys(p, keys, &unpublished);
	/* Keys first: an account that can be seen can be logged in to. */
	if (r >= 0)
		r = index_writer_publish(keys, generation);
	if (r >= 0)
		r = index_writer_publish(public, generation);
	if (r < 0)
		return r;
	index_writer_free(p->public);
	index_writer_free(p->keys);
	p->public = steal_ptr(&public);
	p->keys = steal_ptr(&keys);
	p->broken = false;
	return 0;
}
