/* SPDX-License-Identifier: ISC */
/* Each account, and each id of a range, has a group of its own: same name, same number, nobody else in it. */
#include <errno.h>
#include <stdatomic.h>

#include "nss/answer.h"

static int group_fill(uint32_t gid, const char *name, struct group *grp, struct answer_buffer buffer)
{
	struct group filled = { .gr_gid = gid };

	filled.gr_mem = answer_pointers(&buffer, 1);
	if (filled.gr_mem != NULL)
		filled.gr_name = answer_text(&buffer, name);
	if (filled.gr_name != NULL)
		filled.gr_passwd = answer_text(&buffer, "x");
	if (filled.gr_passwd == NULL)
		return -ERANGE;
	filled.gr_mem[0] = NULL;
	*grp = filled;
	return 0;
}

static int range_by_name(const char *name, struct group *grp, struct answer_buffer buffer)
{
	struct answer_range range;
	int rc = answer_range_by_name(name, &range);

	return rc < 0 ? rc : group_fill(range.id, range.name, grp, buffer);
}

static int range_by_id(uint32_t id, struct group *grp, struct answer_buffer buffer)
{
	struct answer_range range;
	int rc = answer_range_by_id(id, &range);

	return rc < 0 ? rc : group_fill(range.id, range.name, grp, buffer);
}

enum nss_status _nss_subuid_getgrnam_r(const char *name, struct group *grp, char *buffer, size_t buflen, int *errnop)
{
	struct index_account account;
	int rc = answer_by_name(name, &account, NULL);

	if (rc == 0)
		rc = group_fill(account.uid, account.name, grp, (struct answer_buffer){ buffer, buflen });
	else if (rc == -ENOENT)
		rc = range_by_name(name, grp, (struct answer_buffer){ buffer, buflen });
	return answer_status(rc, errnop);
}

enum nss_status _nss_subuid_getgrgid_r(gid_t gid, struct group *grp, char *buffer, size_t buflen, int *errnop)
{
	struct index_account account;
	int rc = answer_by_uid(gid, &account, NULL);

	if (rc == 0)
		rc = group_fill(account.uid, account.name, grp, (struct answer_buffer){ buffer, buflen });
	else if (rc == -ENOENT)
		rc = range_by_id(gid, grp, (struct answer_buffer){ buffer, buflen });
	return answer_status(rc, errnop);
}

static answer_cursor cursor;

enum nss_status _nss_subuid_setgrent(int stayopen)
{
	(void)stayopen;
	atomic_store_explicit(&cursor, 0, memory_order_relaxed);
	return NSS_STATUS_SUCCESS;
}

enum nss_status _nss_subuid_getgrent_r(struct group *grp, char *buffer, size_t buflen, int *errnop)
{
	struct index_account account;
	struct index_host host;
	uint64_t after;
	int rc = answer_next(&cursor, &after, &account, &host);

	if (rc == 0)
		rc = group_fill(account.uid, account.name, grp, (struct answer_buffer){ buffer, buflen });
	if (rc == 0)
		atomic_store_explicit(&cursor, after, memory_order_relaxed);
	return answer_status(rc, errnop);
}

enum nss_status _nss_subuid_endgrent(void)
{
	return _nss_subuid_setgrent(0);
}
