/* SPDX-License-Identifier: ISC */
/* The things of an owner, who may be gone. */
#ifndef SUBUIDD_OWNER_HAS_H
#define SUBUIDD_OWNER_HAS_H

#include "store/store.h"
#include "subuidd/wire/answers.h"

/* The uid that the accounts, or else the ranges, or else the removed accounts were made for. 1; 0: there is nothing; or
 * negative errno. */
int owner_made_for(struct store *store, const char *name, uint32_t *owner_uid);

/* How many there are; of removed accounts those that were made for this uid. 0 or negative errno. */
int owner_has(struct store *store, const char *owner, uint32_t uid, struct owner_view *view);

#endif
