/* SPDX-License-Identifier: ISC */
/*
 * What an owner may have. Ids are never given out twice, so an owner who takes and gives back again and again would use
 * them up for everybody. The bounds on that are for owners; root and admins are free.
 */
#ifndef SUBUIDD_CHURN_H
#define SUBUIDD_CHURN_H

#include "subuidd/call/call.h"

/* The owner's own limit, or else the settings'. 0 or negative errno. */
int limit_of(struct call *call, const char *owner, struct limit *limit);

/* Whether this owner may have one more uid taken today. */
enum failure churn_account(struct call *call, const struct limit *limit);
/* That one was not taken after all: its transaction is undone. */
void churn_account_back(const struct call *call, uid_t owner_uid);

/* Whether units more, together with those given back, stay within a multiple of the owner's limit. */
enum failure churn_range(struct call *call, const struct limit *limit, uint32_t present, uint32_t units);

/* One more change by this caller: bounds how fast they make the audit trail grow. */
enum failure churn_change(struct call *call);

#endif
