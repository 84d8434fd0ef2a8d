/* SPDX-License-Identifier: ISC */
/*
 * The worker: turns the JSON of one untrusted peer into requests of fixed size, and the broker's answers into JSON.
 * It holds no privilege: the broker decides what it may do; checks here only serve clear messages.
 */
#ifndef SUBUIDD_WORKER_H
#define SUBUIDD_WORKER_H

#include <jansson.h>

#include "subuidd/wire/wire.h"
#include "varlink/stream.h"

/* Parameters of a call (an object) into the request of this op. Pure.
 * 0, or -EINVAL and *failure says what to change; *request is whole (unused bytes 0) in
 * the first case, undefined in the second. */
int worker_parse(uint32_t op, json_t *parameters, struct request *request, struct failure_text *failure);

/* Its parts: the begin of a request, all 0 but for op and size; and what the records of its message say, but for a
 * run. Pure. Same returns. */
void worker_request_begin(uint32_t op, struct request *request);
int worker_parse_parts(json_t *parameters, struct request *request, struct failure_text *failure);

/* The broker's answer (a result or one row of a list), as the parameters of a reply. account: full name of the
 * account that a key or range is of, "" none. Pure. NULL: no memory. */
json_t *worker_answer(const struct answer *answer, const char *account);
/* The same of an account alone, as text: as the member `name` of the object that was begun, "" by itself. Pure. */
struct json_text;
#define WORKER_ROW_MAX 8192 /* each byte of its texts escaped */
void worker_account_text(struct json_text *text, const char *name, const struct answer *answer);
json_t *worker_answer_failure(const struct failure_text *failure);

/* Asks the broker. A message from it that is not exactly what it has to be is
 * -EPROTO, on which the worker ends. */
int worker_send(int broker, const struct request *request);
int worker_receive(int broker, uint32_t op, struct answer *answer);

/* Serves io.subuidd.Accounts until the peer ends. 0, or the negative errno that ended it. */
int worker_serve(int broker, struct varlink_stream *stream);

#endif
