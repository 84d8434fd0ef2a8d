/* SPDX-License-Identifier: ISC */
/* Fields of an account in words, and values that follow from them. Pure. */
#ifndef ACCOUNT_FIELDS_H
#define ACCOUNT_FIELDS_H

#include "account/account.h"

/* By enum account_view_kind, ended by NULL. */
extern const char *const account_view_words[];

/* "theirs", "owner", "default" to enum account_view_kind. 0, or -EINVAL with *view untouched. */
int account_view_parse(const char *text, uint32_t *view);

/* VIEW_THEIRS or VIEW_OWNER: the kind for this account on a host with this setting. */
uint32_t account_view_kind(const struct account *account, uint32_t host);

/*
 * How many names (inodes) the account may have; 0: no limit. size_per_file: bytes of the quota for each of them, if the
 * account has no limit of its own; 0: no limit follows from the size.
 */
uint64_t account_files_limit(const struct account *account, uint64_t size_per_file);

#endif
