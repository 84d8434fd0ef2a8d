/* SPDX-License-Identifier: ISC */
/*
 * Makes another hash of a password: the old one comes from the broker, and only where the password is that one's does a
 * new one go back. Run by the worker, sealed, of a connection of root's.
 */
#include "worker/rehash.h"

#include <errno.h>
#include <string.h>

#include "worker/password.h"
#include "worker/worker.h"

static int ask(int broker, const struct request *request, struct answer *answer)
{
	int r = worker_send(broker, request);

	if (r == 0)
		r = worker_receive(broker, request->op, answer);
	return r == 0 && (answer->row || answer->more) ? -EPROTO : r;
}

int worker_rehash(int broker, struct request *request, struct answer *answer)
{
	struct request_rehash *rehash = &request->rehash;
	char letters[PASSWORD_LETTERS + 1] = "";
	int r;

	if (!password_normal(rehash->password, letters)) {
		memset(answer, 0, sizeof(*answer));
		failure_set(&answer->failure, FAILURE_INVALID, "password", "not one that the daemon makes", "");
		return 0;
	}
	explicit_bzero(rehash->password, sizeof(rehash->password));
	memcpy(rehash->password, letters, PASSWORD_SELECTOR);
	r = ask(broker, request, answer);
	if (r == 0 && answer->failure.failure == FAILURE_NONE && answer->rehash.was[0] != '\0') {
		memcpy(rehash->was, answer->rehash.was, sizeof(rehash->was));
		worker_password_again(letters, rehash->was, rehash->hash);
		r = ask(broker, request, answer);
	}
	explicit_bzero(letters, sizeof(letters));
	explicit_bzero(rehash, sizeof(*rehash));
	return r;
}
