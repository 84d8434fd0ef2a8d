/* SPDX-License-Identifier: ISC */
/*
 * The file systems of one session: a root of its own, in which are the system, read-only, the account's home, and
 * nothing of anybody else. Run by pam_subuid in the process, root's, that opens the session.
 */
#ifndef PAM_PRIVATE_H
#define PAM_PRIVATE_H

#include <stdbool.h>

#include "index/index.h"
#include "index/session_rules.h"

struct private_view {
	const struct index_account *account;
	const struct index_host *host;
	const struct session_rules *rules;
	const char *home; /* what the account can write: its path on the host, and in the session */
	bool executes;    /* programs in the home and in /tmp may be run */
	bool gated;       /* all that it runs comes into a root of its own before anybody's program is run */
};

/*
 * This process, and those that it starts, see only that from now on: a mount namespace, which ends with the last of
 * them. 0; or negative errno, *step, and the process sees what it saw before.
 */
int private_enter(const struct private_view *view, const char **step);

/* Makes passwd, group and nsswitch.conf in the directory: system users and groups, and the account's name. 0 or
 * negative errno. */
int private_files_make(const struct private_view *view, int directory);

#endif
