/* SPDX-License-Identifier: ISC */
/*
 * The header of the index: what readers have to know of this host and its settings. Run by the broker (root) at its
 * start and when the settings are read again.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "subuidd/broker.h"
#include "subuidd/ids/group.h"
#include "subuidd/publish/publish_internal.h"

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

void publication_range_widen(struct index_host *host, const struct id_range *range)
{
	const uint32_t last = range->first + (range->count - 1);

	if (range->first < host->range_first)
		host->range_first = UINT32_C(1) << (31 - __builtin_clz(range->first));
	if (last > host->range_last)
		host->range_last = last > INT32_MAX ? UINT32_MAX - 1 : (UINT32_C(1) << (32 - __builtin_clz(last))) - 1;
}

bool publication_range_outside(const struct index_host *host, const struct id_range *range)
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
		publication_range_widen(host, &row);
		n = store_range_list(p->store, NULL, row.first > host->range_last ? row.first : host->range_last, &row,
				     1);
	}
	return n;
}

static uint16_t memory_units(uint32_t mib)
{
	return (uint16_t)((mib + SESSION_MEMORY_MIB - 1) / SESSION_MEMORY_MIB);
}

_Static_assert(sizeof(LOGIN_SHELL) <= sizeof(((struct index_host *)0)->shell), "the path of the login shell fits");

/* Nothing of it is in the index while the host takes none: no account has passwords then. */
static int passwords_host(struct publication *p, const struct settings *settings, struct index_host *host,
			  const char **missing)
{
	gid_t gid = 0;
	int r;

	p->verify_gid = 0;
	if (!settings->passwords)
		return 0;
	*missing = PASSWORDS_GROUP;
	r = group_by_name(PASSWORDS_GROUP, &gid);
	if (r < 0)
		return r;
	*missing = VERIFY_GROUP;
	r = group_by_name(VERIFY_GROUP, &p->verify_gid);
	if (r < 0)
		return r;
	host->passwords_gid = gid;
	host->password_tries = (uint16_t)settings->password_tries;
	host->password_cost = (uint8_t)settings->password_cost;
	return 0;
}

int publication_host(struct publication *p, const struct settings *settings, struct index_host *host,
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
	/* The same: sshd does not ask for both, and the login shell refuses those who came with one. */
	*missing = BOTH_GROUP;
	r = group_by_name(BOTH_GROUP, &gid);
	if (r < 0 && r != -ENOENT)
		return r;
	host->both_gid = r == 0 ? gid : 0;
	*missing = KEYS_GROUP;
	r = group_by_name(KEYS_GROUP, &p->keys_gid);
	if (r < 0)
		return r;
	r = passwords_host(p, settings, host, missing);
	if (r < 0)
		return r;
	*missing = NULL;
	host->enumerate = settings->enumerate;
	host->sessions = (struct index_sessions){
		.per_key = (uint16_t)settings->sessions_key,
		.per_account = (uint16_t)settings->sessions_account,
		.memory = memory_units(settings->memory_mib),
		.cpu_weight = (uint16_t)settings->cpu_weight,
		.silence = settings->silence_seconds,
	};
	host->bounds = (struct index_bounds){
		.processes = settings->processes,
		.open_files = settings->open_files,
		.file_size = settings->file_size_mib,
		.bandwidth = settings->bandwidth_kib,
		.io_weight = (uint16_t)settings->io_weight,
		.logins = (uint16_t)settings->logins_minute,
	};
	host->session_hours = (uint8_t)settings->session_hours;
	host->account_memory = memory_units(settings->account_memory_mib);
	host->session_shell = (uint8_t)settings->session_shell;
	host->separator = settings->separator;
	snprintf(host->homes, sizeof(host->homes), "%s", settings->homes);
	snprintf(host->shell, sizeof(host->shell), "%s", LOGIN_SHELL);
	r = range_bounds(p, settings, host);
	return r < 0 ? r : uid_bounds(p, settings, host);
}
