/* SPDX-License-Identifier: ISC */
/* Computes one hash at a time. Run by each worker of the verifier, without any right. */
#include "verify/work.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

int verify_work(int channel, struct verifier *verifier)
{
	for (;;) {
		struct password_question question;
		struct password_answer answer = { 0 };
		ssize_t got = recv(channel, &question, sizeof(question), 0);

		if (got < 0 && errno == EINTR)
			continue;
		if (got != (ssize_t)sizeof(question))
			return got < 0 ? -errno : got == 0 ? 0 : -EPROTO;
		answer.verdict = password_check(verifier, &question, time(NULL));
		explicit_bzero(&question, sizeof(question));
		if (send(channel, &answer, sizeof(answer), MSG_NOSIGNAL) != (ssize_t)sizeof(answer))
			return -errno;
	}
}
