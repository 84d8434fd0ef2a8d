/* SPDX-License-Identifier: ISC */
/*
 * What a key may do, in the words that the login shell is run with: written by authorized-keys, and by pam_subuid for
 * accounts with passwords; read by backup/login_command.c, which has the grammar. Pure, libc only.
 */
#ifndef ACCOUNT_KEY_WORDS_H
#define ACCOUNT_KEY_WORDS_H

#include <stdbool.h>
#include <stddef.h>

#include "account/account.h"

#define KEY_WORDS_MAX 1535
#define KEY_QUOTA_MAX (UINT64_C(1) << 60)

/* From pam_subuid to the login shell: which note in GRANTS_DIRECTORY has the words of this session, as
 * "NUMBER-SECRET". The note begins with the same text, so that nobody else's can be named. */
#define GRANT_VARIABLE "SUBUID_GRANT"
#define GRANT_SECRET 32 /* hexadecimal digits */
#define GRANT_NAME_MAX (10 + 1 + GRANT_SECRET)
#define GRANTS_DIRECTORY "grants" /* below RUN_DIR */
/* The forced command of sshd's block for these accounts, in place of the words. */
#define GRANTED "granted"

/* Forced on a key with which an owner manages their accounts: "PROGRAM key=12 fp=SHA256:…". The shell of a user of the
 * host is told this; the login shell above takes it, too. */
#define MANAGE_PROGRAM LIBEXECDIR "/manage"

/* Length, or -EINVAL when the key's fields are not of the shape that may stand inside command="…". */
int key_words_format(const struct ssh_key *key, char *out, size_t size);

/* "SHA256:" and 43 characters. */
bool fingerprint_shaped(const char *text);

/* snprintf at *used; false when it does not fit. */
__attribute__((format(printf, 4, 5))) bool words_append(char *out, size_t size, size_t *used, const char *format, ...);

#endif
