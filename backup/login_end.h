/* SPDX-License-Identifier: ISC */
/* Tells somebody who works at the terminal of a session when it ends. Run by the login shell, as the account. */
#ifndef BACKUP_LOGIN_END_H
#define BACKUP_LOGIN_END_H

/* As they begin, if that is soon: what pam_subuid has found. name: of the account, kept. original: the client's
 * command, or NULL: nobody is told whose terminal is for the output of one. */
void login_end_told(const char *name, const char *original);

/* Asked every few seconds meanwhile: says so ten minutes before, and one. Where the account expires, the daemon does,
 * to every session of it. */
void login_end_watch(void);

#endif
