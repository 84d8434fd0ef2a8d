/* SPDX-License-Identifier: ISC */
/* Whether a password is right: one hash is computed for each question, whomever it is about. */
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

/* now: seconds since the epoch; clock: ms that only rise. */
enum password_verdict password_check(struct verifier *verifier, const struct password_question *question, int64_t now,
				     int64_t clock);

#endif
