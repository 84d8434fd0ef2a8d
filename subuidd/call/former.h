/* SPDX-License-Identifier: ISC */
/* How accounts were called before, for as long as the grace period of removed data is. Run by the broker. */
#ifndef SUBUIDD_FORMER_H
#define SUBUIDD_FORMER_H

#include "subuidd/call/call.h"

/* Whether an account was called so before, or its directory is still (former->moving). */
bool former_known(const struct broker *broker, struct store *store, const char *owner, const char *label,
		  struct former_name *former);
/* "renamed to alice+db1 on 2026-11-29", and what to do; FAILURE_TEXT_MAX + 1 bytes each. */
void former_words(const struct broker *broker, const struct former_name *former, const struct account *account,
		  char *why, char *todo);
/* Its time is over. */
bool former_over(const struct broker *broker, const struct former_name *former);
void former_date(int64_t when, char out[16]); /* "2026-11-29" */
/* Forgets those whose time is over. */
void former_forget(struct broker *broker);

#endif
