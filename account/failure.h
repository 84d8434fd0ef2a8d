/* SPDX-License-Identifier: ISC */
/*
 * Why a request was refused, from the broker to the exit status of subuid(1).
 * The text of a message is always "what: why; what to do".
 */
#ifndef ACCOUNT_FAILURE_H
#define ACCOUNT_FAILURE_H

#include <stdint.h>

enum failure {
	FAILURE_NONE = 0,
	FAILURE_FAILED,         /* the system refused or failed: exit 1 */
	FAILURE_INVALID,        /* the request is wrong in itself: exit 2 */
	FAILURE_NOT_FOUND,      /* exit 3 */
	FAILURE_EXISTS,         /* already exists, but differs: exit 4 */
	FAILURE_CONFLICT,       /* clashes with something else: exit 4 */
	FAILURE_NOT_PERMITTED,  /* exit 5 */
	FAILURE_LIMIT_REACHED,  /* exit 6 */
	FAILURE_POOL_EXHAUSTED, /* exit 6 */
	FAILURE_BUSY,           /* a change of the same account is under way: exit 1 */
	FAILURE_MAX_,
};

#define FAILURE_TEXT_MAX 255

struct failure_text {
	uint32_t failure;                /* enum failure */
	char what[FAILURE_TEXT_MAX + 1]; /* "alice+web1" */
	char why[FAILURE_TEXT_MAX + 1];  /* "there already, with another key" */
	char todo[FAILURE_TEXT_MAX + 1]; /* "choose another label", may be "" */
};

/* Fills text (printf-free: plain copies, cut at the end, control bytes escaped);
 * returns failure, so that a check can `return failure_set(...)`. */
enum failure failure_set(struct failure_text *text, enum failure failure, const char *what, const char *why,
			 const char *todo);

/* The name in the Varlink interface: "NotFound". NULL for NONE and unknown. */
const char *failure_name(enum failure failure);
enum failure failure_from_name(const char *name); /* FAILURE_FAILED for an unknown one */

/* Exit status of subuid(1), design section 4. */
int failure_exit_status(enum failure failure);

#endif
