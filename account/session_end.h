/* SPDX-License-Identifier: ISC */
/* When a session ends, and why: found by pam_subuid, which says it to the login shell in the environment. Pure, libc
 * only. */
#ifndef ACCOUNT_SESSION_END_H
#define ACCOUNT_SESSION_END_H

#include <stdbool.h>
#include <stdint.h>

#include "account/date.h"

enum session_end_cause { SESSION_END_ACCOUNT, SESSION_END_KEY, SESSION_END_PASSWORD, SESSION_END_HOURS };

struct session_end {
	int64_t at; /* the second; 0: it has no end of its own */
	enum session_end_cause cause;
};

#define SESSION_END_MAX 40   /* "253402300799 password" */
#define SESSION_END_TEXT 100 /* for people */

/* Whichever comes first. */
void session_end_add(struct session_end *end, int64_t at, enum session_end_cause cause);

/* For the environment, and out of it: 0, or -EINVAL (*end untouched). */
void session_end_format(const struct session_end *end, char out[SESSION_END_MAX]);
int session_end_parse(const char *text, struct session_end *end);

/* "this session ends on 2027-01-31 00:00 UTC, when the key expires"; "" for a time that no calendar has. */
void session_end_text(const struct session_end *end, char out[SESSION_END_TEXT]);

/* The minutes before its end that somebody is told of between these two looks: 10 or 1; 0: nothing. */
unsigned session_end_due(const struct session_end *end, int64_t before, int64_t now);

/* Soon enough to be said as it begins. */
static inline bool session_ends_soon(const struct session_end *end, int64_t now)
{
	return end->at != 0 && end->at - now < SECONDS_PER_DAY;
}

/* "when the key expires" */
const char *session_end_why(const struct session_end *end);

#endif
