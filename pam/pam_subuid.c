/* SPDX-License-Identifier: ISC */
/*
 * pam_subuid.so: may this sub-account log in? Runs in foreign processes, most of them root's.
 *
 * The module has a say about sub-accounts only. A name without a separator is not one, and is passed over before
 * anything is read: neither a damaged index nor a mistyped option locks root out of the machine.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>
#include <time.h>
#include <security/pam_ext.h>
#include <security/pam_modules.h>

#include "account/date.h"
#include "account/name.h"
#include "account/passwd.h"
#include "index/index.h"
#include "index/verdict.h"
#include "pam/grant.h"
#include "pam/password.h"
#include "pam/session.h"

/* The map is kept for the life of the process (the library is linked nodelete): one more
 * login in the same process costs no system call. */

enum whose {
	NOT_OURS,
	OURS,
	OURS_NOBODY, /* the name of an id inside a range */
	UNDECIDED,   /* it may be ours, and the index cannot be read */
};

/* For a name while the index cannot be read: true only if a source other than ours certainly knows it (a cache may
 * still answer for us; our login shell gives that away). */
static bool known_elsewhere(const char *name)
{
	entry_cleanup struct host_entry passwd = { 0 };

	if (user_find(name, &passwd) != 0)
		return false;
	return strcmp(passwd.user.pw_shell, LIBEXECDIR "/login") != 0;
}

static enum whose whose_is(const char *user, struct index_account *account, int *error)
{
	struct index_host host;
	struct id_range range;
	uint32_t id;

	*error = 0;
	if (user == NULL || !name_has_separator(user))
		return NOT_OURS;
	*error = index_account_by_name(&pam_index, user, account);
	if (*error == 0)
		return OURS;
	if (*error == -ENOENT)
		*error = index_range_by_name(&pam_index, user, &id, &range, &host);
	if (*error == 0)
		return OURS_NOBODY;
	if (*error == -ENOENT)
		return NOT_OURS;
	if (strchr(user, SEPARATOR_DEFAULT) == NULL && known_elsewhere(user))
		return NOT_OURS;
	return UNDECIDED;
}

static int verdict_pam(enum verdict verdict)
{
	switch (verdict) {
	case VERDICT_ALLOW:
	case VERDICT_OWNER_DOUBT:
		return PAM_SUCCESS;
	case VERDICT_EXPIRED:
	case VERDICT_OWNER_EXPIRED:
		return PAM_ACCT_EXPIRED;
	case VERDICT_OWNER_UNAVAILABLE:
		return PAM_AUTHINFO_UNAVAIL;
	case VERDICT_SERVICE:
	case VERDICT_LOCKED:
	case VERDICT_FROZEN:
	case VERDICT_OWNER_GONE:
	case VERDICT_OWNER_CHANGED:
	case VERDICT_OWNER_LOCKED:
		break;
	}
	return PAM_PERM_DENIED;
}

static void admitted_in_doubt(const pam_handle_t *pamh, const char *user, const struct owner_facts *owner)
{
	char name[NAME_LOGGED_MAX];
	const char *why = strerrorname_np(-owner->error);

	pam_syslog(pamh, LOG_WARNING, "%s: admitted by the index alone: %s (%s)", text_escape(user, name, sizeof(name)),
		   verdict_text(VERDICT_OWNER_DOUBT), why != NULL ? why : "?");
}

/* 0, or -EINVAL for an option that is unknown or empty (logged). */
static int options_parse(const pam_handle_t *pamh, int argc, const char **argv, const char **services)
{
	static const char prefix[] = "services=";

	*services = SERVICES_DEFAULT;
	for (int i = 0; i < argc; i++) {
		char shown[NAME_LOGGED_MAX];

		if (strncmp(argv[i], prefix, sizeof(prefix) - 1) == 0 && services_valid(argv[i] + sizeof(prefix) - 1)) {
			*services = argv[i] + sizeof(prefix) - 1;
			continue;
		}
		pam_syslog(pamh, LOG_ERR, "option '%s' is unknown or wrong; see pam_subuid(8)",
			   text_escape(argv[i], shown, sizeof(shown)));
		return -EINVAL;
	}
	return 0;
}

static int refused(pam_handle_t *pamh, int flags, const struct index_account *account, enum verdict verdict)
{
	char why[WHY_MAX];

	return refuse_account(pamh, flags, account,
			      verdict == VERDICT_FROZEN ? frozen_text(account, why) : verdict_text(verdict),
			      verdict_pam(verdict));
}

static int account_management(pam_handle_t *pamh, int flags, int argc, const char **argv)
{
	const char *user = pam_item(pamh, PAM_USER), *service = pam_item(pamh, PAM_SERVICE), *services;
	struct index_account account;
	struct owner_facts owner;
	enum verdict verdict;
	int error;

	if (user == NULL)
		return PAM_USER_UNKNOWN;
	switch (whose_is(user, &account, &error)) {
	case NOT_OURS:
		return PAM_IGNORE;
	case UNDECIDED:
		return refuse(pamh, flags, user, "the index of sub-accounts cannot be read (see subuid doctor)",
			      PAM_AUTHINFO_UNAVAIL);
	case OURS_NOBODY:
		return refuse(pamh, flags, user, "this is a subordinate id, as which nobody may log in",
			      PAM_PERM_DENIED);
	case OURS:
		break;
	}
	if (options_parse(pamh, argc, argv, &services) < 0)
		return refuse(pamh, flags, user, "the PAM module is misconfigured", PAM_SERVICE_ERR);

	owner_lookup(account.owner, &owner);
	verdict = verdict_of(&account, &owner, service != NULL ? service : "", services,
			     (long)(time(NULL) / SECONDS_PER_DAY));
	if (verdict == VERDICT_OWNER_DOUBT)
		admitted_in_doubt(pamh, user, &owner);
	if (verdict_admits(verdict)) /* its service manager is no session: it would take the place of one */
		return is_service_manager(pamh) ? PAM_SUCCESS : session_admit(pamh, flags, &account);
	return refused(pamh, flags, &account, verdict);
}

/* The answer of the other functions: nothing to do for our accounts, no opinion about other users. */
static int answer(const pam_handle_t *pamh, int ours, int undecided)
{
	struct index_account account;
	int error;

	switch (whose_is(pam_item(pamh, PAM_USER), &account, &error)) {
	case NOT_OURS:
		return PAM_IGNORE;
	case UNDECIDED:
	case OURS_NOBODY:
		return undecided;
	case OURS:
		break;
	}
	return ours;
}

/* A name with a separator that nobody has is asked about like that of an account: nobody learns by the time that it
 * takes which accounts there are. */
static int authenticate(pam_handle_t *pamh)
{
	const char *user = pam_item(pamh, PAM_USER);
	struct index_account account;
	bool ours = false;
	int error;

	switch (whose_is(user, &account, &error)) {
	case NOT_OURS:
		if (user == NULL || !name_has_separator(user) || known_elsewhere(user))
			return PAM_IGNORE;
		break;
	case UNDECIDED:
	case OURS_NOBODY:
		return PAM_AUTHINFO_UNAVAIL;
	case OURS:
		ours = true;
		break;
	}
	return password_authenticate(pamh, user, ours ? &account : NULL);
}

/* Its owner makes passwords, and takes them away. */
static int password_change(pam_handle_t *pamh, int flags)
{
	int status = answer(pamh, PAM_AUTHTOK_ERR, PAM_AUTHTOK_ERR);

	if (status == PAM_AUTHTOK_ERR && (flags & (PAM_SILENT | PAM_PRELIM_CHECK)) == PAM_PRELIM_CHECK)
		pam_error(pamh, "This account does not change its passwords: its owner does, by `subuid passwd`.");
	return status;
}

/* services: where the session line names some, it alone keeps out services that have no account stage (runuser). */
static int session_begin(pam_handle_t *pamh, int flags, int argc, const char **argv,
			 const struct index_account *account)
{
	const char *service = pam_item(pamh, PAM_SERVICE), *services;
	int status;

	if (options_parse(pamh, argc, argv, &services) < 0)
		return refuse(pamh, flags, account->name, "the PAM module is misconfigured", PAM_SESSION_ERR);
	if (argc > 0 && !service_admitted(account, service != NULL ? service : "", services))
		return refuse_account(pamh, flags, account, verdict_text(VERDICT_SERVICE), PAM_SESSION_ERR);
	status = session_count(pamh, flags, account);
	if (status == PAM_SUCCESS) {
		if ((account->flags & ACCOUNT_FROZEN) == 0) /* in there it would stand, and tell nobody why */
			session_group(pamh, account);       /* while this process still sees where that is */
		status = is_service_manager(pamh) ? session_manager(pamh, flags, account) :
						    session_private(pamh, flags, account);
	}
	password_forget(pamh); /* not the session's to see */
	return status;
}

static int session_open(pam_handle_t *pamh, int flags, int argc, const char **argv)
{
	struct index_account account;
	int error;

	switch (whose_is(pam_item(pamh, PAM_USER), &account, &error)) {
	case NOT_OURS:
		return PAM_IGNORE;
	case UNDECIDED:
	case OURS_NOBODY:
		return PAM_SESSION_ERR;
	case OURS:
		break;
	}
	return session_begin(pamh, flags, argc, argv, &account);
}

/* Mounts of the session's own end with its last process, so closing always succeeds. */
static int session_close(pam_handle_t *pamh)
{
	grant_remove(pamh);
	return answer(pamh, PAM_SUCCESS, PAM_SUCCESS);
}

/* Every entry point leaves errno as it was. */
#define KEEPING_ERRNO(call)                                                                                            \
	do {                                                                                                           \
		int saved = errno;                                                                                     \
		int status = (call);                                                                                   \
                                                                                                                       \
		errno = saved;                                                                                         \
		return status;                                                                                         \
	} while (0)

#define EXPORT __attribute__((visibility("default")))

EXPORT int pam_sm_acct_mgmt(pam_handle_t *pamh, int flags, int argc, const char **argv)
{
	KEEPING_ERRNO(account_management(pamh, flags, argc, argv));
}

EXPORT int pam_sm_authenticate(pam_handle_t *pamh, int flags, int argc, const char **argv)
{
	(void)flags, (void)argc, (void)argv;
	KEEPING_ERRNO(authenticate(pamh));
}

EXPORT int pam_sm_setcred(pam_handle_t *pamh, int flags, int argc, const char **argv)
{
	(void)flags, (void)argc, (void)argv;
	KEEPING_ERRNO(answer(pamh, PAM_SUCCESS, PAM_CRED_UNAVAIL));
}

EXPORT int pam_sm_chauthtok(pam_handle_t *pamh, int flags, int argc, const char **argv)
{
	(void)argc, (void)argv;
	KEEPING_ERRNO(password_change(pamh, flags));
}

EXPORT int pam_sm_open_session(pam_handle_t *pamh, int flags, int argc, const char **argv)
{
	KEEPING_ERRNO(session_open(pamh, flags, argc, argv));
}

EXPORT int pam_sm_close_session(pam_handle_t *pamh, int flags, int argc, const char **argv)
{
	(void)flags, (void)argc, (void)argv;
	KEEPING_ERRNO(session_close(pamh));
}
