/* SPDX-License-Identifier: ISC */
/*
 * Ageing of sub-accounts, for root: when the account expires, and no password. A lock does not show here (pam_subuid
 * refuses the login): with a "!" other tools would take the entry for one that they may unlock.
 */
#include <errno.h>
#include <stdatomic.h>
#include <unistd.h>

#include "nss/answer.h"

/* The answer that glibc's files module gives to callers that may not open /etc/shadow. */
static int shadow_allowed(void)
{
	return geteuid() == 0 ? 0 : -EACCES;
}

static int shadow_fill(const char *name, const char *password, long expires_day, struct spwd *spwd,
		       struct answer_buffer buffer)
{
	struct spwd filled = { .sp_lstchg = -1,
			       .sp_min = -1,
			       .sp_max = -1,
			       .sp_warn = -1,
			       .sp_inact = -1,
			       .sp_expire = expires_day,
			       .sp_flag = ~0ul };

	filled.sp_namp = answer_text(&buffer, name);
	if (filled.sp_namp != NULL)
		filled.sp_pwdp = answer_text(&buffer, password);
	if (filled.sp_pwdp == NULL)
		return -ERANGE;
	*spwd = filled;
	return 0;
}

/* Nobody may ever log in as one of these: locked, and expired on the first day. */
static int range_by_name(const char *name, struct spwd *spwd, struct answer_buffer buffer)
{
	struct answer_range range;
	int rc = answer_range_by_name(name, &range);

	return rc < 0 ? rc : shadow_fill(range.name, "!*", 1, spwd, buffer);
}

enum nss_status _nss_subuid_getspnam_r(const char *name, struct spwd *spwd, char *buffer, size_t buflen, int *errnop)
{
	struct index_account account;
	int rc = name_has_separator(name) ? shadow_allowed() : -ENOENT;

	if (rc == 0)
		rc = answer_by_name(name, &account, NULL);
	if (rc == 0)
		rc = shadow_fill(account.name, "*", account.expires_day, spwd,
				 (struct answer_buffer){ buffer, buflen });
	else if (rc == -ENOENT && name_has_separator(name))
		rc = range_by_name(name, spwd, (struct answer_buffer){ buffer, buflen });
	return answer_status(rc, errnop);
}

static answer_cursor cursor;

enum nss_status _nss_subuid_setspent(int stayopen)
{
	(void)stayopen;
	atomic_store_explicit(&cursor, 0, memory_order_relaxed);
	return shadow_allowed() == 0 ? NSS_STATUS_SUCCESS : NSS_STATUS_UNAVAIL;
}

enum nss_status _nss_subuid_getspent_r(struct spwd *spwd, char *buffer, size_t buflen, int *errnop)
{
	struct index_account account;
	struct index_host host;
	uint64_t after;
	int rc = shadow_allowed();

	if (rc == 0)
		rc = answer_next(&cursor, &after, &account, &host);
	if (rc == 0)
		rc = shadow_fill(account.name, "*", account.expires_day, spwd,
				 (struct answer_buffer){ buffer, buflen });
	if (rc == 0)
		atomic_store_explicit(&cursor, after, memory_order_relaxed);
	return answer_status(rc, errnop);
}

enum nss_status _nss_subuid_endspent(void)
{
	atomic_store_explicit(&cursor, 0, memory_order_relaxed);
	return NSS_STATUS_SUCCESS;
}
