/* SPDX-License-Identifier: ISC */
/*
 * What pam_subuid asks the verifier, over a socket that only root can connect to: one packet of fixed size each way.
 * Strings end inside their arrays; anything else is not answered.
 */
#ifndef ACCOUNT_PASSWORD_QUESTION_H
#define ACCOUNT_PASSWORD_QUESTION_H

#include <stdint.h>

#include "account/name.h"
#include "account/password.h"

#define PASSWORDS_SOCKET RUN_DIR "/passwords"
#define PASSWORD_QUESTION UINT32_C(0x70773031)
#define PASSWORD_NAME_MAX 255 /* of anybody: names that nobody has are asked about, too */
#define PASSWORD_ADDRESS_MAX 63

struct password_question {
	uint32_t magic;
	char name[PASSWORD_NAME_MAX + 1];
	char typed[PASSWORD_TYPED_MAX + 1];
	char address[PASSWORD_ADDRESS_MAX + 1]; /* PAM_RHOST; "" unknown */
};

enum password_verdict { /* 0: none yet */
			PASSWORD_WRONG =
				1, /* or of nobody, or of an account that is locked or expired, or not from there */
			PASSWORD_RIGHT,
			PASSWORD_TOO_MANY,  /* nothing was computed: too many wrong ones in the last minute */
			PASSWORD_RIGHT_OLD, /* right, and its hash has less work than those that are made now */
};

struct password_answer {
	uint32_t verdict;
};

#endif
