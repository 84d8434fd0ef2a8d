/* SPDX-License-Identifier: ISC */
/* Roles by name. Pure, libc only. */
#ifndef ACCOUNT_ROLE_H
#define ACCOUNT_ROLE_H

#include "account/account.h"

/* "push"; NULL for an unknown role. */
const char *role_name(enum role role);

/* 0, or -EINVAL for an unknown name (*role untouched). */
int role_parse(const char *name, enum role *role);

/* The gate's options that go with ssh_key.options: "no-delete", … one bit each. NULL if unknown. */
const char *key_option_name(uint32_t bit);
int key_option_parse(const char *name, uint32_t *bit);

#endif
