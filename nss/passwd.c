/* SPDX-License-Identifier: ISC */
/*
 * passwd(5) of accounts, and of ids inside ranges, which are not listed. Run in any process of the host, setuid
 * programs and those with threads among them.
 */
#include <errno.h>
#include <stdatomic.h>

#include "nss/answer.h"

/* Locked and expired accounts resolve too: their files still have an owner with a name. */
static int passwd_fill(const struct index_account *account, const struct index_host *host, struct passwd *pwd,
		       struct answer_buffer buffer)
{
	struct passwd filled = { .pw_uid = account->uid, .pw_gid = account->uid };

	filled.pw_name = answer_text(&buffer, account->name);
	if (filled.pw_name != NULL)
		filled.pw_passwd = answer_text(&buffer, "x");
	if (filled.pw_passwd != NULL)
		filled.pw_gecos = answer_text(&buffer, account->comment);
	if (filled.pw_gecos != NULL)
		filled.pw_dir = answer_home(&buffer, host, account);
	if (filled.pw_dir != NULL)
		filled.pw_shell = answer_text(&buffer, host->shell);
	if (filled.pw_shell == NULL)
		return -ERANGE;
	*pwd = filled;
	return 0;
}

static int range_fill(const struct answer_range *range, struct passwd *pwd, struct answer_buffer buffer)
{
	struct passwd filled = { .pw_uid = range->id, .pw_gid = range->id };

	filled.pw_name = answer_text(&buffer, range->name);
	if (filled.pw_name != NULL)
		filled.pw_passwd = answer_text(&buffer, "x");
	if (filled.pw_passwd != NULL)
		filled.pw_gecos = answer_text(&buffer, range->comment);
	if (filled.pw_gecos != NULL)
		filled.pw_dir = answer_text(&buffer, RANGE_HOME);
	if (filled.pw_dir != NULL)
		filled.pw_shell = answer_text(&buffer, RANGE_SHELL);
	if (filled.pw_shell == NULL)
		return -ERANGE;
	*pwd = filled;
	return 0;
}

static int range_by_name(const char *name, struct passwd *pwd, struct answer_buffer buffer)
{
	struct answer_range range;
	int rc = answer_range_by_name(name, &range);

	return rc < 0 ? rc : range_fill(&range, pwd, buffer);
}

static int range_by_id(uint32_t id, struct passwd *pwd, struct answer_buffer buffer)
{
	struct answer_range range;
	int rc = answer_range_by_id(id, &range);

	return rc < 0 ? rc : range_fill(&range, pwd, buffer);
}

enum nss_status _nss_subuid_getpwnam_r(const char *name, struct passwd *pwd, char *buffer, size_t buflen, int *errnop)
{
	struct index_account account;
	struct index_host host;
	int rc = answer_by_name(name, &account, &host);

	if (rc == 0)
		rc = passwd_fill(&account, &host, pwd, (struct answer_buffer){ buffer, buflen });
	else if (rc == -ENOENT)
		rc = range_by_name(name, pwd, (struct answer_buffer){ buffer, buflen });
	return answer_status(rc, errnop);
}

enum nss_status _nss_subuid_getpwuid_r(uid_t uid, struct passwd *pwd, char *buffer, size_t buflen, int *errnop)
{
	struct index_account account;
	struct index_host host;
	int rc = answer_by_uid(uid, &account, &host);

	if (rc == 0)
		rc = passwd_fill(&account, &host, pwd, (struct answer_buffer){ buffer, buflen });
	else if (rc == -ENOENT)
		rc = range_by_id(uid, pwd, (struct answer_buffer){ buffer, buflen });
	return answer_status(rc, errnop);
}

static answer_cursor cursor;

enum nss_status _nss_subuid_setpwent(int stayopen)
{
	(void)stayopen;
	atomic_store_explicit(&cursor, 0, memory_order_relaxed);
	return NSS_STATUS_SUCCESS;
}

enum nss_status _nss_subuid_getpwent_r(struct passwd *pwd, char *buffer, size_t buflen, int *errnop)
{
	struct index_account account;
	struct index_host host;
	uint64_t after;
	int rc = answer_next(&cursor, &after, &account, &host);

	if (rc == 0)
		rc = passwd_fill(&account, &host, pwd, (struct answer_buffer){ buffer, buflen });
	if (rc == 0)
		atomic_store_explicit(&cursor, after, memory_order_relaxed);
	return answer_status(rc, errnop);
}

enum nss_status _nss_subuid_endpwent(void)
{
	return _nss_subuid_setpwent(0);
}
