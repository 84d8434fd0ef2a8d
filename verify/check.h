/* SPDX-License-Identifier: ISC */
/* Whether a password is right: one hash is computed for each question, whomever it is about, unless there were too
 * many. */
#ifndef VERIFY_CHECK_H
#define VERIFY_CHECK_H

#include <stdbool.h>
#include <stddef.h>

#include "account/password_question.h"
#include "index/index.h"
#include "verify/tries.h"

struct verifier {
	struct index_reader *accounts, *passwords;
	struct tries *tries;
};

/* Whether these bytes are a question. */
bool question_sound(const struct password_question *question, size_t size);

/* What a question counts for: as whose try, and in whose turn its hash is computed (queue.h). */
struct password_try {
	struct tries_key counted[2]; /* of the account and of the address */
	struct tries_key turns[2];   /* of the account, or of all that begin like no password; and of the address */
};

/* Run by the first process, of each question: PASSWORD_WRONG (this host takes none) or PASSWORD_TOO_MANY; 0: a try is
 * taken, and a worker has to look. clock: ms that only rise. */
enum password_verdict password_admit(struct verifier *verifier, const struct password_question *question, int64_t clock,
				     struct password_try *tried);

/* Run by a worker: the hash is computed. now: seconds since the epoch. */
enum password_verdict password_check(struct verifier *verifier, const struct password_question *question, int64_t now);

/* What was right, or was not looked at, is no try. */
void password_return(struct verifier *verifier, const struct password_try *tried);

#endif
