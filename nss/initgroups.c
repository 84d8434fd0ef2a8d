/* SPDX-License-Identifier: ISC */
/* The group of all sub-accounts, and the groups of those that may forward, have passwords or need both, which sshd's
 * `Match Group` asks for. They are answered here and in no member list, so that a million accounts cost nothing. */
#include <errno.h>
#include <stdlib.h>

#include "nss/answer.h"

/* Like glibc's own modules: the array is the caller's, from malloc, and grows by doubling
 * up to limit (0 or less: none). */
static int group_add(gid_t gid, long int *start, long int *size, gid_t **groups, long int limit)
{
	int saved = errno;
	long int larger;
	gid_t *grown;

	if (*start >= *size) {
		if (limit > 0 && *size >= limit)
			return 0; /* full: the rest is left out */
		larger = *size > 0 ? *size * 2 : 1;
		if (limit > 0 && larger > limit)
			larger = limit;
		grown = realloc(*groups, (size_t)larger * sizeof(**groups));
		errno = saved;
		if (grown == NULL)
			return -ENOMEM;
		*groups = grown;
		*size = larger;
	}
	(*groups)[(*start)++] = gid;
	return 0;
}

/* 0 or -ENOMEM */
static int group_say(gid_t gid, gid_t primary, long int *start, long int *size, gid_t **groups, long int limit)
{
	/* never root's group, nor "none", whatever the header says */
	if (gid == 0 || gid == (gid_t)-1 || gid == primary)
		return 0;
	for (long int i = 0; i < *start; i++)
		if ((*groups)[i] == gid)
			return 0;
	return group_add(gid, start, size, groups, limit);
}

/* sshd's block for sub-accounts applies to ids of ranges as well. */
static int groups_of_range(const char *name, struct index_account *account, struct index_host *host)
{
	struct answer_range range;
	int rc = answer_range_by_name(name, &range);

	if (rc < 0)
		return rc;
	account->flags = 0;
	host->subuids_gid = range.subuids_gid;
	return 0;
}

enum nss_status _nss_subuid_initgroups_dyn(const char *user, gid_t group, long int *start, long int *size,
					   gid_t **groups, long int limit, int *errnop)
{
	struct index_account account;
	struct index_host host;
	int rc = answer_by_name(user, &account, &host);

	if (rc == -ENOENT)
		rc = groups_of_range(user, &account, &host);
	if (rc < 0)
		return answer_status(rc, errnop);
	rc = group_say(host.subuids_gid, group, start, size, groups, limit);
	if (rc == 0 && (account.flags & ACCOUNT_FORWARDS) != 0)
		rc = group_say(host.forward_gid, group, start, size, groups, limit);
	if (rc == 0 && (account.flags & ACCOUNT_PASSWORDS) != 0)
		rc = group_say(host.passwords_gid, group, start, size, groups, limit);
	if (rc == 0 && (account.flags & ACCOUNT_BOTH) != 0)
		rc = group_say(host.both_gid, group, start, size, groups, limit);
	if (rc < 0) {
		*errnop = ENOMEM;
		return NSS_STATUS_TRYAGAIN;
	}
	return NSS_STATUS_SUCCESS;
}
