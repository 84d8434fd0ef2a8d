/* SPDX-License-Identifier: ISC */
/*
 * App passwords: made by us, never chosen. One is "abcd-efghi-jklmn-pqrst-uvwxy" of an alphabet of 32 letters. The
 * first group is no secret: it says which password of the account it is, so that one hash is computed for each try,
 * whatever the account has. The other four are 100 random bits. In the store a password is the row of a key whose type
 * is PASSWORD_TYPE and whose blob is the first group. Pure, libc only.
 */
#ifndef ACCOUNT_PASSWORD_H
#define ACCOUNT_PASSWORD_H

#include <stdbool.h>
#include <stdint.h>

#include "account/account.h"

#define PASSWORD_TYPE "password"
#define PASSWORD_SELECTOR 4                       /* letters of the first group */
#define PASSWORD_LETTERS (PASSWORD_SELECTOR + 20) /* of all groups, without what stands between */
#define PASSWORD_TEXT_MAX (PASSWORD_LETTERS + 4)  /* "abcd-efghi-jklmn-pqrst-uvwxy" */
#define PASSWORD_TYPED_MAX 127                    /* with blanks in it, as people type it */
#define PASSWORD_COST_LEAST 3
#define PASSWORD_COST_MOST 6 /* 32 MiB and some 100 ms */
#define PASSWORD_SETTING_MAX 63

bool key_is_password(const struct ssh_key *key);

/* Letters of random bytes: the lowest five bits of each count. */
void password_letters(const uint8_t random[PASSWORD_LETTERS], char letters[PASSWORD_LETTERS + 1]);

/* The letters in groups, as they are shown. */
void password_text(const char letters[PASSWORD_LETTERS + 1], char text[PASSWORD_TEXT_MAX + 1]);

/* What somebody typed, without blanks and hyphens and in lower case. False: it cannot be one of ours. */
bool password_normal(const char *typed, char letters[PASSWORD_LETTERS + 1]);

bool password_selector_valid(const char *blob);

/* A yescrypt hash of exactly this cost, as crypt(5) writes it: what was made by us, and nothing that takes longer. */
bool password_hash_shaped(const char *hash, unsigned cost);
/* The cost of such a hash; 0: it is none. */
unsigned password_hash_cost(const char *hash);

/* May log in from this address (the text of a number, PAM_RHOST)? from "": from anywhere. Only addresses, networks and
 * patterns of them are understood: password_from_valid() says whether all of a list is. An address that is none, as
 * where sshd looks up names, is in no list. */
bool password_from_valid(const char *from);
bool password_from_admits(const char *from, const char *address);

#endif
