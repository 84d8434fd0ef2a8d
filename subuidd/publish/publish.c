/* SPDX-License-Identifier: ISC */
/*
 * Each change of the store into the index, after its commit. Run by the broker (root): what cannot be published is not
 * acknowledged, and what has to be shut out is tried in every way there is.
 */
#include "subuidd/publish/publish.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "account/password.h"
#include "confine/cleanup.h"
#include "index/writer/guard.h"
#include "subuidd/base/log.h"
#include "subuidd/publish/publish_internal.h"

#define BATCH 256
#define KEY_BATCH 32

int publication_settings(struct publication *p, const struct settings *settings)
{
	struct index_host host;
	const char *missing;
	int r = publication_host(p, settings, &host, &missing);

	publication_sessions(p->state_fd, settings);
	if (r < 0 || index_host_equal(&host, &p->host))
		return r;
	p->host = host;
	p->broken = true;
	if (host.password_cost == 0) /* at once, also where there is no room for the rest */
		publication_passwords_off(p);
	return publication_repair(p);
}

/* Somebody may have removed a file, or put another one in its place: readers that open it now would see that. */
static bool ready(struct publication *p)
{
	if (!p->broken && !(index_writer_present(p->public) && index_writer_present(p->keys) &&
			    (p->passwords == NULL || index_writer_present(p->passwords)))) {
		log_warn("a file of the index is gone: all are built anew");
		p->broken = true;
	}
	return !p->broken;
}

/* Where the disk fails under a map: negative errno, and not the end of the daemon. */
struct change {
	struct publication *p;
	int (*act)(struct publication *p, const void *row);
	const void *row;
};

static int change_run(void *data)
{
	const struct change *change = data;

	return change->act(change->p, change->row);
}

static int guarded(struct publication *p, int (*act)(struct publication *p, const void *row), const void *row)
{
	struct change change = { p, act, row };

	return index_guarded(change_run, &change);
}

static int build(struct publication *p, const void *row)
{
	(void)row;
	return publication_build(p);
}

int publication_repair(struct publication *p)
{
	int r;

	if (ready(p))
		return 0;
	r = guarded(p, build, NULL);
	if (r < 0)
		log_error("the index cannot be written, changes are not published: %s", strerror(-r));
	return r;
}

int publication_rebuild(struct publication *p)
{
	p->broken = true;
	return publication_repair(p);
}

unsigned publication_changes(struct publication *p)
{
	unsigned changes = p->changes;

	p->changes = 0;
	return changes;
}

static int commit(struct publication *p, const void *row)
{
	uint64_t generation = store_generation(p->store);

	(void)row;
	index_writer_commit(p->keys, generation);
	if (p->passwords != NULL)
		index_writer_commit(p->passwords, generation);
	index_writer_commit(p->public, generation);
	return 0;
}

void publication_commit(struct publication *p)
{
	if (!p->broken && guarded(p, commit, NULL) < 0)
		p->broken = true;
}

/* One that could not be put: the whole is tried once, readers see all of it or what was. */
static int put_result(struct publication *p, int r)
{
	if (r >= 0)
		return 0;
	p->changes |= PUBLISHED_ACCOUNTS | PUBLISHED_RANGES;
	if (r == -ERANGE)
		log_info("a range outside of the blocks of the settings: the index is built anew");
	else
		log_error("publishing: %s", strerror(-r));
	p->broken = true;
	return publication_repair(p);
}

/* With what its keys say of it: sshd has to know before it has seen a key. */
int publication_put_account(struct publication *p, struct index_writer *writer, const struct account *account)
{
	struct account published = *account;
	int forwards = store_key_forwards(p->store, account->uid);
	int passwords = p->host.password_cost != 0 ? store_key_passwords(p->store, account->uid) : 0;

	if (forwards < 0 || passwords < 0)
		return forwards < 0 ? forwards : passwords;
	published.flags &= ~(uint32_t)(ACCOUNT_FORWARDS | ACCOUNT_PASSWORDS | ACCOUNT_BOTH | ACCOUNT_SERVICES);
	published.flags |= account->facts.factors == FACTORS_BOTH ? ACCOUNT_BOTH : 0;
	published.flags |= account->facts.services == SERVICES_YES ? ACCOUNT_SERVICES : 0;
	published.flags |= passwords ? ACCOUNT_PASSWORDS : 0;
	published.flags |= forwards ? ACCOUNT_FORWARDS : 0;
	published.flags |= withheld_has(p->withheld, account->uid, 0) ? ACCOUNT_LOCKED : 0;
	return index_put_account(writer, &published, p->host.separator);
}

int publication_put_owner(struct publication *p, struct index_writer *writer, const char *owner, uint32_t uid)
{
	struct limit limit = { 0 };
	int r = store_limit_get(p->store, owner, &limit);

	return r < 0 && r != -ENOENT ? r : index_put_owner(writer, uid, owner, &limit.bounds);
}

/* A change of what readers see; where it fails, of the whole. */
static int put(struct publication *p, int (*act)(struct publication *p, const void *row), const void *row)
{
	return put_result(p, ready(p) ? guarded(p, act, row) : -EAGAIN);
}

/* The same for what has to be shut out: in the file as it is, if not otherwise, whatever else that lacks. It needs no
 * room. */
static int put_urgent(struct publication *p, int (*act)(struct publication *p, const void *row), const void *row)
{
	int r = put(p, act, row);

	return r < 0 ? guarded(p, act, row) : 0;
}

static int put_account(struct publication *p, const void *row)
{
	return publication_put_account(p, p->public, row);
}

static int put_key(struct publication *p, const void *row)
{
	return publication_put_key(p, p->keys, p->passwords, row);
}

static int remove_key(struct publication *p, const void *row)
{
	int r = p->passwords != NULL && key_is_password(row) ? index_remove_key(p->passwords, row) : 0;

	return r < 0 ? r : index_remove_key(p->keys, row);
}

static int put_range(struct publication *p, const void *row)
{
	const struct id_range *range = row;

	p->changes |= PUBLISHED_RANGES;
	if (!publication_range_outside(&p->host, range))
		return index_put_range(p->public, range);
	publication_range_widen(&p->host, range);
	return -ERANGE;
}

static int remove_range(struct publication *p, const void *row)
{
	p->changes |= PUBLISHED_RANGES;
	return index_remove_range(p->public, row);
}

int publish_account(struct publication *p, const struct account *account)
{
	return put(p, put_account, account);
}

int publish_key(struct publication *p, const struct ssh_key *key)
{
	return put(p, put_key, key);
}

int publish_key_gone(struct publication *p, const struct ssh_key *key)
{
	return put_urgent(p, remove_key, key);
}

int publish_range(struct publication *p, const struct id_range *range)
{
	return put(p, put_range, range);
}

/* By the owner's first account; a first one that comes later brings it along. */
static int put_limit(struct publication *p, const void *row)
{
	struct account first;
	int n = store_account_list(p->store, row, 0, &first, 1);

	return n == 1 ? publication_put_owner(p, p->public, first.owner, first.owner_uid) : n;
}

int publish_limit(struct publication *p, const char *owner)
{
	return put(p, put_limit, owner);
}

int publish_range_gone(struct publication *p, const struct id_range *range)
{
	return put(p, remove_range, range);
}

static int each_key(struct publication *p, uint32_t uid, int (*act)(struct publication *, const void *))
{
	cleanup_free struct ssh_key *rows = calloc(KEY_BATCH, sizeof(*rows));
	uint32_t after = 0;
	int n;

	if (rows == NULL)
		return -ENOMEM;
	while ((n = store_key_list(p->store, uid, after, rows, KEY_BATCH)) > 0)
		for (int i = 0; i < n; i++) {
			int r = act(p, &rows[i]);

			if (r < 0 && r != -ENOENT)
				return r;
			after = rows[i].id;
		}
	return n;
}

static int each_range(struct publication *p, const struct account *account,
		      int (*act)(struct publication *, const void *))
{
	cleanup_free struct id_range *rows = calloc(BATCH, sizeof(*rows));
	uint32_t after = 0;
	int n;

	if (rows == NULL)
		return -ENOMEM;
	while ((n = store_range_list_account(p->store, account->uid, after, rows, BATCH)) > 0)
		for (int i = 0; i < n; i++) {
			int r = act(p, &rows[i]);

			if (r < 0 && r != -ENOENT)
				return r;
			after = rows[i].first;
		}
	return n;
}

/* Keys before the account, so that anyone who sees the account can log in to it. */
static int put_whole(struct publication *p, const void *row)
{
	const struct account *account = row;
	int r = publication_put_owner(p, p->public, account->owner, account->owner_uid);

	if (r >= 0)
		r = each_key(p, account->uid, put_key);
	if (r >= 0)
		r = each_range(p, account, put_range);
	return r < 0 ? r : put_account(p, account);
}

/* Keys first: from here on no login begins. */
static int remove_whole(struct publication *p, const void *row)
{
	const struct account *account = row;
	int r = each_key(p, account->uid, remove_key);

	if (r >= 0)
		r = index_remove_account(p->public, account);
	return r < 0 && r != -ENOENT ? r : each_range(p, account, remove_range);
}

/* Without a key there is no login either. */
static int remove_keys(struct publication *p, const void *row)
{
	const struct account *account = row;

	return each_key(p, account->uid, remove_key);
}

int publish_account_whole(struct publication *p, const struct account *account)
{
	p->changes |= PUBLISHED_ACCOUNTS;
	return put(p, put_whole, account);
}

int publish_account_gone(struct publication *p, const struct account *account)
{
	p->changes |= PUBLISHED_ACCOUNTS;
	return put_urgent(p, remove_whole, account);
}

int publish_account_locked(struct publication *p, const struct account *account)
{
	int r = put_urgent(p, put_account, account);

	return r < 0 ? guarded(p, remove_keys, account) : 0;
}
