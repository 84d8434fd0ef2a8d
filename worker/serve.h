/* SPDX-License-Identifier: ISC */
/* The methods of io.subuidd.Accounts, shared by the files that serve them. A negative return ends the worker. */
#ifndef SUBUIDD_WORKER_SERVE_H
#define SUBUIDD_WORKER_SERVE_H

#include <stdbool.h>

#include "subuidd/wire/wire.h"
#include "varlink/server.h"

#define INTERFACE "io.subuidd.Accounts"

/* One connection's: the data of its calls. */
struct worker {
	int broker;
	bool host_known;
	struct daemon_status host;
};

uint32_t serve_operation(const struct varlink_call *call); /* 0: no such method */
int serve_failure(struct varlink_call *call, const struct failure_text *failure);

/* Full names are made of what the host says. To be known before the request goes out: one request at a time. */
int serve_host_for(struct worker *worker, uint32_t op);

/* name, of ACCOUNT_NAME_MAX + 1 bytes: "alice+web1" of the account that the keys of this call, or this range, belong
 * to; the label alone if the rest cannot be told, "" for a range of the owner. */
void serve_account_of(const struct worker *worker, const struct request *request, const struct answer *answer,
		      char *name);

/* Each method that lists. */
int serve_list(struct varlink_call *call);

#endif
