/* SPDX-License-Identifier: ISC */
/* What pam_subuid has noted that a session may do (account/key_words.h). Run by the login shell, as the account. */
#ifndef BACKUP_LOGIN_GRANT_H
#define BACKUP_LOGIN_GRANT_H

#include <stdbool.h>
#include <sys/types.h>

#include "account/key_words.h"
#include "index/index.h"

/* The words of the note that the environment names: 0, or -ENOENT there is none, or -EPERM it is not one of root's for
 * this account, or not of this session. owner, group: whose it has to be. */
int login_grant_read(const char *run, const char *name, uid_t owner, gid_t group, char words[KEY_WORDS_MAX + 1]);

/* What the session may do: the words of its key, which sshd runs this program with. Of an account with passwords, or
 * with two factors, they are in a note of root's: where sshd's block for these is not in force, what it runs this with
 * is the client's. */
int login_words_of(const struct index_account *account, const char *given, const char **words);

/* sshd gives everybody one who asks, but for what the line of a key says: a password has no line. */
bool login_has_terminal(void);

#endif
