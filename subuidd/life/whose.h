/* SPDX-License-Identifier: ISC */
/* Tells whose processes are, by the index. For children of the broker. */
#ifndef SUBUIDD_WHOSE_H
#define SUBUIDD_WHOSE_H

#include <stdbool.h>
#include <stdint.h>

#include "home/sessions.h"
#include "index/index.h"

/* The account that has this id, or a range with it. 0; -ENOENT: there is none; or why that cannot be read. */
int whose_account(uint32_t id, struct index_account *account);
/* The bounds that hold for it (index_bounds()). */
int whose_bounds(const struct index_account *account, struct account_bounds *bounds);

/* Whether the owner runs it, to look at what the account has: `subuid exec`, a container. */
bool whose_owner_runs(int proc, const struct session *session, uint32_t owner_uid);

#endif
