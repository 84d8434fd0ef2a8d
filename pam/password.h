/* SPDX-License-Identifier: ISC */
/* Passwords, and what follows for a session from how sshd let somebody in. Run in foreign processes, root's. */
#ifndef PAM_PASSWORD_H
#define PAM_PASSWORD_H

#include <security/pam_modules.h>

#include "index/index.h"

/* Which password it was, from the authentication to the session, which may be another process's (sshd hands it over).
 * Only modules of PAM can set it. */
#define PASSWORD_VARIABLE "SUBUID_PASSWORD"

/* Asks for the password, and the verifier whether it is right. The same for a name that nobody has (account NULL). */
int password_authenticate(pam_handle_t *pamh, const char *user, const struct index_account *account);

/* Has the daemon make another hash of a right password (pam/rehash.c). */
void password_rehash(const pam_handle_t *pamh, const struct index_account *account, const char *typed);

/* The session has begun: nobody needs to know any more which one it was. */
void password_forget(pam_handle_t *pamh);

#endif
