/* SPDX-License-Identifier: ISC */
/*
 * pam_subuid.so: may this sub-account log in? Runs in foreign processes, most of them root's.
 *
 * The module has a say about sub-accounts only. A name without a separator is none, and is passed over before
 * anything is read: neither a damaged index nor a mistyped option locks root out of the machine.
 */
#include <errno.h>
#include <string.h>
#include <syslog.h>
#include <time.h>
#include <security/pam_ext.h>
#include <security/pam_modules.h>

#include "index/index.h"
#include "account/name.h"
#include "pam/owner.h"
#include "pam/session.h"
#include "pam/verdict.h"

#define SECONDS_PER_DAY 86400

/* The map is kept for the life of the process (the library is linked nodelete): one more
 * login in the same process costs no system call. */
struct index_reader pam_index = { .path = INDEX_PATH, .trusted = INDEX_TRUSTED_UID };

enum whose {
	NOT_OURS,
	OURS,
	OURS_NOBODY, /* the name of an id inside a range */
	UNDECIDED, /* it may be ours, and the index cannot be read */
};

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

		if (strncmp(argv[i], prefix, sizeof(prefix) - 1) == 0 &&
		    services_valid(argv[i] + sizeof(prefix) - 1)) {
			*services = argv[i] + sizeof(prefix) - 1;
			continue;
		}
		pam_syslog(pamh, LOG_ERR, "option '%s' is unknown or wrong; see pam_subuid(8)",
			   text_escape(argv[i], shown, sizeof(shown)));
		return -EINVAL;
	}
	return 0;
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
		return refuse(pamh, flags, user, "this is a subordinate id, and nobody who logs in", PAM_PERM_DENIED);
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
	if (verdict_admits(verdict))
		return session_admit(pamh, flags, &account);
	return refuse_account(pamh, flags, &account, verdict_text(verdict), verdict_pam(verdict));
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

static int session_open(pam_handle_t *pamh, int flags)
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
	return session_count(pamh, flags, &account);
}

/* Every entry point leaves errno as it was. */
#define KEEPING_ERRNO(call)          \
	do {                         \
		int saved = errno;   \
		int status = (call); \
                                     \
		errno = saved;       \
		return status;       \
	} while (0)

#define EXPORT __attribute__((visibility("default")))

EXPORT int pam_sm_acct_mgmt(pam_handle_t *pamh, int flags, int argc, const char **argv)
{
	KEEPING_ERRNO(account_management(pamh, flags, argc, argv));
}

/* Sub-accounts log in by key, which sshd checks. There is no password to know. */
EXPORT int pam_sm_authenticate(pam_handle_t *pamh, int flags, int argc, const char **argv)
{
	(void)flags, (void)argc, (void)argv;
	KEEPING_ERRNO(answer(pamh, PAM_AUTHINFO_UNAVAIL, PAM_AUTHINFO_UNAVAIL));
}

EXPORT int pam_sm_setcred(pam_handle_t *pamh, int flags, int argc, const char **argv)
{
	(void)flags, (void)argc, (void)argv;
	KEEPING_ERRNO(answer(pamh, PAM_SUCCESS, PAM_CRED_UNAVAIL));
}

EXPORT int pam_sm_chauthtok(pam_handle_t *pamh, int flags, int argc, const char **argv)
{
	(void)flags, (void)argc, (void)argv;
	KEEPING_ERRNO(answer(pamh, PAM_AUTHTOK_ERR, PAM_AUTHTOK_ERR));
}

EXPORT int pam_sm_open_session(pam_handle_t *pamh, int flags, int argc, const char **argv)
{
	(void)argc, (void)argv;
	KEEPING_ERRNO(session_open(pamh, flags));
}

/* Nothing was opened, so closing always succeeds. */
EXPORT int pam_sm_close_session(pam_handle_t *pamh, int flags, int argc, const char **argv)
{
	(void)flags, (void)argc, (void)argv;
	KEEPING_ERRNO(answer(pamh, PAM_SUCCESS, PAM_SUCCESS));
}
