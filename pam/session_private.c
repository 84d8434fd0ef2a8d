/* SPDX-License-Identifier: ISC */
/* Gives a session file systems of its own, or refuses it. Run by pam_subuid in a process of root's. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <security/pam_modules.h>

#include "account/shell.h"
#include "confine/cleanup.h"
#include "pam/private.h"
#include "pam/session.h"

#define WHY_MAX 160

/*
 * Programs in the home may be run with a key of the roles for that. The other gates behind sshd run programs of the
 * system alone. Where an administrator lets sub-accounts in by other ways (cron, su), there is no gate.
 */
static bool executes(pam_handle_t *pamh, const struct index_account *account)
{
	cleanup_free struct ssh_key *key = malloc(sizeof(*key));

	if (!from_sshd(pamh))
		return true;
	return key != NULL && session_key(pamh, account, key) == 0 && tools_isolated(key->tools);
}

static int not_private(pam_handle_t *pamh, int flags, const struct index_account *account, const char *step, int error)
{
	char why[WHY_MAX];
	const char *name = strerrorname_np(-error);

	snprintf(why, sizeof(why), "no file systems of its own: %s: %s; see private in subuidd.conf(5)", step,
		 name != NULL ? name : "?");
	session_end_soon(pamh);
	return refuse_account(pamh, flags, account, why, PAM_SESSION_ERR);
}

int session_private(pam_handle_t *pamh, int flags, const struct index_account *account)
{
	cleanup_free struct session_rules *rules = malloc(sizeof(*rules));
	struct index_host host;
	char home[512];
	const char *step = "memory";
	int r = rules == NULL ? -ENOMEM : session_rules_read(SESSION_RULES_PATH, INDEX_TRUSTED_UID, rules);

	if (r < 0)
		return not_private(pamh, flags, account, SESSION_RULES_PATH, r);
	if (!rules->private)
		return PAM_SUCCESS;
	r = index_host(&pam_index, &host);
	if (r == 0)
		r = index_home(&host, account, home, sizeof(home));
	if (r < 0)
		return not_private(pamh, flags, account, INDEX_PATH, r);
	r = private_enter(&(struct private_view){ .account = account,
						  .host = &host,
						  .rules = rules,
						  .home = home,
						  .executes = executes(pamh, account),
						  .gated = from_sshd(pamh) },
			  &step);
	return r < 0 ? not_private(pamh, flags, account, step, r) : PAM_SUCCESS;
}
