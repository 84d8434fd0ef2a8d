/* SPDX-License-Identifier: ISC */
/*
 * Names of ids inside ranges, for NSS: owner, separator, '_', and for a sub-account's range its
 * label and '_', then the id: "alice+_1073742824", "alice+_web1_1073742824". A label cannot begin
 * with '_', so that no account, present or future, has such a name. Pure, libc only.
 */
#ifndef ACCOUNT_RANGE_NAME_H
#define ACCOUNT_RANGE_NAME_H

#include <stdint.h>

#include "account/account.h"

#define RANGE_NAME_MAX (OWNER_MAX + 2 + LABEL_MAX + 1 + 10)

/* id: one of the range. */
void range_name_format(const struct id_range *range, char separator, uint32_t id, char out[RANGE_NAME_MAX + 1]);

/* "Subordinate id 1000 of alice+web1": its place in the range, for passwd(5)'s comment. */
#define RANGE_COMMENT_MAX (ACCOUNT_NAME_MAX + 32)
void range_comment_format(const struct id_range *range, char separator, uint32_t id, char out[RANGE_COMMENT_MAX + 1]);

/* The rest of their passwd(5) entries: nobody is ever to log in as one. */
#define RANGE_HOME "/"
#define RANGE_SHELL "/usr/sbin/nologin"

/* The id that such a name would belong to. To find out whether it does, format the id's name and compare.
 * 0, or -EINVAL (*id untouched). */
int range_name_parse(const char *name, uint32_t *id);

#endif
