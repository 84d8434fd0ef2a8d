/* SPDX-License-Identifier: ISC */
#include "subuidd/ids/group.h"
#include "subuidd/publish/publish.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "confine/cleanup.h"
#include "subuidd/broker.h"
#include "subuidd/call/caller.h"
#include "index/writer/guard.h"
#include "subuidd/base/log.h"
#include "subuidd/publish/publish_internal.h"

#define BATCH 256
#define KEY_BATCH 32
#define LOGIN_SHELL LIBEXECDIR "/login"

/* The blocks of the settings, and what was given out when they were others. */
static int uid_bounds(struct publication *p, const struct settings *settings, struct index_host *host)
{
	struct account row;
	uint32_t after = 0;
	int n;

	host->uid_first = UINT32_MAX;
	host->uid_last = 0;
	for (unsigned i = 0; i < settings->accounts_count; i++) {
		if (settings->accounts[i].first < host->uid_first)
			host->uid_first = settings->accounts[i].first;
		if (settings->accounts[i].last > host->uid_last)
			host->uid_last = settings->accounts[i].last;
	}
	n = store_account_list(p->store, NULL, 0, &row, 1);
	if (n == 1 && row.uid < host->uid_first)
		host->uid_first = row.uid;
	while (n == 1) {
		/* Only those above the blocks are looked at, and they are few or none. */
		after = row.uid > host->uid_last ? row.uid : host->uid_last;
		if (row.uid > host->uid_last)
			host->uid_last = row.uid;
		n = store_account_list(p->store, NULL, after, &row, 1);
	}
	return n;
}

/* Ids that may have names: those of the settings' blocks, and from and to a power of two where a range was taken
 * over from elsewhere. Not to the exact range: the header changes only with the whole file, and this way only a few
 * times in all. */
static void range_bounds_widen(struct index_host *host, const struct id_range *range)
{
	const uint32_t last = range->first + (range->count - 1);

	if (range->first < host->range_first)
		host->range_first = UINT32_C(1) << (31 - __builtin_clz(range->first));
	if (last > host->range_last)
		host->range_last = last > INT32_MAX ? UINT32_MAX - 1 : (UINT32_C(1) << (32 - __builtin_clz(last))) - 1;
}

static bool range_outside(const struct index_host *host, const struct id_range *range)
{
	return host->range_last != 0 &&
	       (range->first < host->range_first || range->first + (range->count - 1) > host->range_last);
}

static int range_bounds(struct publication *p, const struct settings *settings, struct index_host *host)
{
	struct id_range row;
	int n;

	if (!settings->range_names)
		return 0;
	host->range_first = UINT32_MAX;
	for (unsigned i = 0; i < settings->ranges_count; i++) {
		if (settings->ranges[i].first < host->range_first)
			host->range_first = settings->ranges[i].first;
		if (settings->ranges[i].last > host->range_last)
			host->range_last = settings->ranges[i].last;
	}
	n = store_range_list(p->store, NULL, 0, &row, 1);
	while (n == 1) { /* none begins lower; those that begin higher are few or none */
		range_bounds_widen(host, &row);
		n = store_range_list(p->store, NULL, row.first > host->range_last ? row.first : host->range_last, &row, 1);
	}
	return n;
}

static int host_of(struct publication *p, const struct settings *settings, struct index_host *host,
		   const char **missing)
{
	gid_t gid = 0;
	int r;

	memset(host, 0, sizeof(*host));
	*missing = SUBUIDS_GROUP;
	r = group_by_name(SUBUIDS_GROUP, &gid);
	if (r < 0)
		return r;
	host->subuids_gid = gid;
	/* A host that was set up before there was this group: keys of the role forward do not forward. */
	*missing = FORWARD_GROUP;
	r = group_by_name(FORWARD_GROUP, &gid);
	if (r < 0 && r != -ENOENT)
		return r;
	host->forward_gid = r == 0 ? gid : 0;
	*missing = KEYS_GROUP;
	r = group_by_name(KEYS_GROUP, &p->keys_gid);
	if (r < 0)
		return r;
	*missing = NULL;
	host->enumerate = settings->enumerate;
	host->sessions = (struct index_sessions){
		.per_key = (uint16_t)settings->sessions_key,
		.per_account = (uint16_t)settings->sessions_account,
		.memory = (uint16_t)((settings->memory_mib + SESSION_MEMORY_MIB - 1) / SESSION_MEMORY_MIB),
		.cpu_weight = (uint16_t)settings->cpu_weight,
		.silence = settings->silence_seconds,
	};
	host->separator = settings->separator;
	snprintf(host->homes, sizeof(host->homes), "%s", settings->homes);
	snprintf(host->shell, sizeof(host->shell), "%s", LOGIN_SHELL);
	r = range_bounds(p, settings, host);
	return r < 0 ? r : uid_bounds(p, settings, host);
}

/* Names are joined by the separator: with another one, every account would have a new name. */
static int separator_same(struct publication *p, char *why, size_t size)
{
	struct index_reader reader = INDEX_READER(INDEX_PATH);
	struct index_host before;
	uint32_t accounts = 0;
	int r = store_account_count(p->store, NULL, &accounts);

	if (r < 0 || accounts == 0 || index_host(&reader, &before) < 0 || before.separator == p->host.separator)
		return r;
	snprintf(why, size, "separator = %c: there are accounts with %c in their names, it cannot be changed",
		 p->host.separator, before.separator);
	return -EINVAL;
}

/* A full disk must not keep the daemon from starting, which could not lock anybody then. */
static int build_or_reuse(struct publication *p)
{
	int r = publication_build(p);

	if (r != -ENOSPC && r != -EDQUOT)
		return r;
	index_writer_free(p->public);
	index_writer_free(p->keys);
	p->public = p->keys = NULL;
	if (publication_reuse(p) < 0)
		return r;
	log_warn("the index cannot be built anew, the disk is full: the one that is there goes on");
	return 0;
}

int publication_open(struct store *store, const struct settings *settings, int state_fd, const struct withheld *withheld,
		     struct publication **ret, char *why, size_t size)
{
	cleanup_free struct publication *p = calloc(1, sizeof(*p));
	struct index_options options;
	const char *missing = NULL;
	uint64_t generation = store_generation(store);
	int r;

	if (p == NULL)
		return -ENOMEM;
	p->store = store;
	p->state_fd = state_fd;
	p->withheld = withheld;
	r = host_of(p, settings, &p->host, &missing);
	if (r < 0) {
		if (missing != NULL && r == -ENOENT)
			snprintf(why, size, "the group %s is not there: run subuid setup", missing);
		else if (missing != NULL)
			snprintf(why, size, "the group %s cannot be looked up: %s", missing, strerror(-r));
		else
			snprintf(why, size, "the store or the table of users cannot be read: %s", strerror(-r));
		return r;
	}
	r = separator_same(p, why, size);
	if (r < 0)
		return r;
	options = publication_options(p, INDEX_FILE_PUBLIC);
	r = index_writer_open(state_fd, &options, generation, &p->public);
	if (r >= 0) {
		options = publication_options(p, INDEX_FILE_KEYS);
		r = index_writer_open(state_fd, &options, generation, &p->keys);
	}
	if (r < 0) {
		if (r != -ESTALE)
			log_warn("the index is built anew: %s", strerror(-r));
		r = build_or_reuse(p);
	}
	if (r < 0) {
		index_writer_free(p->public);
		index_writer_free(p->keys);
		snprintf(why, size, "the index in " STATE_DIR " cannot be written: %s", strerror(-r));
		return r;
	}
	*ret = steal_ptr(&p);
	return 0;
}

void publication_close(struct publication *p)
{
	if (p == NULL)
		return;
	index_writer_free(p->public);
	index_writer_free(p->keys);
	free(p);
}

/* Member by member: there is padding between them. */
static bool host_same(const struct index_host *a, const struct index_host *b)
{
	return a->subuids_gid == b->subuids_gid && a->forward_gid == b->forward_gid &&
	       a->uid_first == b->uid_first && a->uid_last == b->uid_last && a->enumerate == b->enumerate &&
	       a->range_first == b->range_first && a->range_last == b->range_last &&
	       memcmp(&a->sessions, &b->sessions, sizeof(a->sessions)) == 0 &&
	       a->separator == b->separator && strcmp(a->homes, b->homes) == 0 && strcmp(a->shell, b->shell) == 0;
}

int publication_settings(struct publication *p, const struct settings *settings)
{
	struct index_host host;
	const char *missing;
	int r = host_of(p, settings, &host, &missing);

	if (r < 0 || host_same(&host, &p->host))
		return r;
	p->host = host;
	p->broken = true;
	return publication_repair(p);
}

/* Somebody may have removed a file, or put another one in its place: readers that open it now would see that. */
static bool ready(struct publication *p)
{
	if (!p->broken && !(index_writer_present(p->public) && index_writer_present(p->keys))) {
		log_warn("a file of the index is gone: both are built anew");
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

	if (forwards < 0)
		return forwards;
	published.flags &= ~(uint32_t)ACCOUNT_FORWARDS;
	published.flags |= forwards ? ACCOUNT_FORWARDS : 0;
	published.flags |= withheld_has(p->withheld, account->uid, 0) ? ACCOUNT_LOCKED : 0;
	return index_put_account(writer, &published, p->host.separator);
}

/* A change of what readers see; where it fails, of the whole. */
static int put(struct publication *p, int (*act)(struct publication *p, const void *row), const void *row)
{
	return put_result(p, ready(p) ? guarded(p, act, row) : -EAGAIN);
}

/* The same for what has to be shut out: in the file as it is, if not otherwise, whatever else that lacks. It needs no room. */
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
	return index_put_key(p->keys, row);
}

static int remove_key(struct publication *p, const void *row)
{
	return index_remove_key(p->keys, row);
}

static int put_range(struct publication *p, const void *row)
{
	const struct id_range *range = row;

	p->changes |= PUBLISHED_RANGES;
	if (!range_outside(&p->host, range))
		return index_put_range(p->public, range);
	range_bounds_widen(&p->host, range);
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
	int r = each_key(p, account->uid, put_key);

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
