/* SPDX-License-Identifier: ISC */
/* Fields of an account in words, and what follows from them. Pure. */
#ifndef ACCOUNT_FIELDS_H
#define ACCOUNT_FIELDS_H

#include "account/account.h"

/* "theirs", "owner", "default" to enum account_view_kind. 0, or -EINVAL with *view untouched. */
int account_view_parse(const char *text, uint32_t *view);

/* The word; NULL for a number that is none. */
const char *account_view_name(uint32_t view);

/* "metered", "uid", "disk"; NULL: there is no limit. */
const char *account_keeper_name(uint32_t keeper);

/* VIEW_THEIRS or VIEW_OWNER: what holds for this account on a host with this setting. */
uint32_t account_view_kind(const struct account *account, uint32_t host);

/*
 * How many names (inodes) the account may have; 0: no limit. size_per_file: bytes of the quota for each of them,
 * where the account does not say how many; 0: no limit comes from the size.
 */
uint64_t account_files_limit(const struct account *account, uint64_t size_per_file);

#endif
