/* SPDX-License-Identifier: ISC */
/* Output and options that several commands share. */
#ifndef CLI_ROWS_H
#define CLI_ROWS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "account/name.h"

/* Tables; STATUS_DONE or STATUS_FAILED. */
int print_keys(const json_t *keys);
int print_ranges(const json_t *ranges);

/* The owner of something that was made for this uid, with " (gone)" or " (changed)" behind the name. In doubt the owner
 * stands. */
#define OWNER_TEXT_MAX (OWNER_MAX + sizeof(" (changed)"))
const char *owner_text(const char *name, uint64_t uid, char *out, size_t size);

/* "active", "locked", "expired", "frozen", "full", "owner gone", "owner changed", or another state of the store. */
struct row;
const char *account_state_text(const struct row *account);

/* Root has no sub-accounts: where other users get their own, root gets everybody's. */
bool caller_owns_nothing(void);

/* A command line of --owner NAME, --all and no operands. STATUS_DONE and *parameters, or
 * -1 - status to end with, which may be STATUS_DONE (--help). */
int owner_all_object(const char *owner, int all, json_t **parameters); /* the two, when they are known */
int owner_all_parameters(const char *name, int argc, char **argv, json_t **parameters);
/* The same of a command that has --removed, too: then *removed is set. */
int owner_all_removed(const char *name, int argc, char **argv, bool *removed, json_t **parameters);

#endif
