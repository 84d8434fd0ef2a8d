/* SPDX-License-Identifier: ISC */
/*
 * A note of root's for the login shell: what this session may do. sshd runs a key's forced command, and none for a
 * password; so accounts with passwords have one forced command for all, and the words are here. Run in sshd's process
 * that stays root.
 */
#ifndef PAM_GRANT_H
#define PAM_GRANT_H

#include <security/pam_modules.h>

#include "account/account.h"

/* 0 or negative errno: the login shell refuses a session without one. The directory stays open in the handle: at its
 * end the session may be in mounts of its own, where nothing of the host's is written. */
int grant_write(pam_handle_t *pamh, const char *run, const struct ssh_key *key);
void grant_remove(pam_handle_t *pamh);

#endif
