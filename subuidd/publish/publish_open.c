/* SPDX-License-Identifier: ISC */
/* The files of the index when the broker (root) starts and ends. */
#include "subuidd/publish/publish.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "confine/cleanup.h"
#include "index/index.h"
#include "subuidd/base/log.h"
#include "subuidd/publish/publish_internal.h"

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

static void writers_free(struct publication *p)
{
	index_writer_free(p->public);
	index_writer_free(p->keys);
	index_writer_free(p->passwords);
	p->public = p->keys = p->passwords = NULL;
}

/* A full disk must not keep the daemon from starting, which could not lock anybody then. */
static int build_or_reuse(struct publication *p)
{
	int r = publication_build(p);

	if (r != -ENOSPC && r != -EDQUOT)
		return r;
	writers_free(p);
	if (publication_reuse(p) < 0)
		return r;
	log_warn("the index cannot be rebuilt, the disk is full: the existing one stays in use");
	return 0;
}

int publication_open(struct store *store, const struct settings *settings, int state_fd,
		     const struct withheld *withheld, struct publication **ret, char *why, size_t size)
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
	r = publication_host(p, settings, &p->host, &missing);
	if (r < 0) {
		if (missing != NULL && r == -ENOENT)
			snprintf(why, size, "the group %s does not exist: run subuid setup", missing);
		else if (missing != NULL)
			snprintf(why, size, "the group %s cannot be looked up: %s", missing, strerror(-r));
		else
			snprintf(why, size, "the store or the table of users cannot be read: %s", strerror(-r));
		return r;
	}
	r = separator_same(p, why, size);
	if (r < 0)
		return r;
	if (p->host.password_cost == 0)
		publication_passwords_off(p);
	options = publication_options(p, INDEX_FILE_PUBLIC);
	r = index_writer_open(state_fd, &options, generation, &p->public);
	if (r >= 0) {
		options = publication_options(p, INDEX_FILE_KEYS);
		r = index_writer_open(state_fd, &options, generation, &p->keys);
	}
	if (r >= 0)
		r = publication_passwords_open(p, generation);
	if (r < 0) {
		if (r != -ESTALE)
			log_warn("the index is built anew: %s", strerror(-r));
		r = build_or_reuse(p);
	}
	if (r < 0) {
		writers_free(p);
		snprintf(why, size, "the index in " STATE_DIR " cannot be written: %s", strerror(-r));
		return r;
	}
	publication_sessions(state_fd, settings);
	*ret = steal_ptr(&p);
	return 0;
}

void publication_close(struct publication *p)
{
	if (p == NULL)
		return;
	writers_free(p);
	free(p);
}
