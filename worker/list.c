/* SPDX-License-Identifier: ISC */
/* Lists: the broker's rows, a batch at a time, as replies that continue. */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "varlink/text.h"
#include "worker/serve.h"
#include "worker/worker.h"

/* A row of a list: accounts are many. */
static int reply_row(struct varlink_call *call, const struct request *request, const struct answer *answer)
{
	char account[ACCOUNT_NAME_MAX + 1], buffer[WORKER_ROW_MAX];
	struct json_text text = JSON_TEXT(buffer);
	json_t *parameters;

	if (wire_message(request->op)->kind == ANSWERS_ACCOUNT) {
		json_text_begin(&text, "");
		worker_account_text(&text, "account", answer);
		json_text_end(&text);
		return text.failed ? -ENOMEM : varlink_reply_text_continues(call, text.bytes, text.used);
	}
	serve_account_of(call->data, request, answer, account);
	parameters = worker_answer(answer, account);
	return parameters == NULL ? -ENOMEM : varlink_reply_continues(call, parameters);
}

/* The rows of one batch of a list, one behind the other as the broker sent them, and what ends it. */
struct batch {
	char *rows; /* room for WIRE_BATCH of row_size() */
	unsigned count;
	struct answer end;
};

static size_t row_size(uint32_t op)
{
	const size_t unit = _Alignof(struct answer);

	return (wire_answer_size(op) + unit - 1) / unit * unit;
}

static int batch_receive(const struct worker *worker, uint32_t op, struct batch *batch)
{
	size_t size = row_size(op);

	for (batch->count = 0;; batch->count++) {
		int r = worker_receive(worker->broker, op, &batch->end);

		if (r < 0 || !batch->end.row)
			return r;
		if (batch->end.failure.failure != FAILURE_NONE || batch->count == WIRE_BATCH)
			return -EPROTO;
		memcpy(batch->rows + batch->count * size, &batch->end, wire_answer_size(op));
	}
}

/* Rows go out together, or as they come. */
static int batch_reply(struct varlink_call *call, const struct request *request, const struct batch *batch)
{
	size_t size = row_size(request->op);
	int r = 0;

	for (unsigned i = 0; r == 0 && i < batch->count; i++)
		r = reply_row(call, request, (const struct answer *)(batch->rows + i * size));
	return r == 0 ? varlink_flush(call->stream) : r;
}

/* How far a check has come, after each batch and at the end; total 0: not known (yet). */
static json_t *checked_json(uint64_t checked, uint64_t total)
{
	return json_pack("{s:I, s:o*}", "checked", (json_int_t)checked, "total",
			 total > 0 ? json_integer((json_int_t)total) : NULL);
}

/* The request for what comes behind this batch. */
static int batch_next(const struct worker *worker, struct request *request, const struct answer *end)
{
	if (end->cursor == request->list.cursor)
		return -EPROTO; /* would never end */
	request->list.cursor = end->cursor;
	return worker_send(worker->broker, request);
}

/* The broker looks for the next batch while this one is written. */
static int list(struct varlink_call *call, struct request *request, struct batch *batch)
{
	const struct worker *worker = call->data;
	const bool check = wire_message(request->op)->kind == ANSWERS_FINDING;
	uint64_t checked = 0, total = 0;
	int r = worker_send(worker->broker, request);

	for (bool more = true; r == 0 && more;) {
		r = batch_receive(worker, request->op, batch);
		more = r == 0 && batch->end.failure.failure == FAILURE_NONE && batch->end.more;
		if (more)
			r = batch_next(worker, request, &batch->end);
		if (r == 0)
			r = batch_reply(call, request, batch);
		checked += batch->end.checked;
		total = batch->end.total > 0 ? batch->end.total : total;
		if (r == 0 && more && check)
			r = varlink_reply_continues(call, checked_json(checked, total));
	}
	if (r < 0)
		return r;
	if (batch->end.failure.failure != FAILURE_NONE)
		return serve_failure(call, &batch->end.failure);
	return varlink_reply(call, check ? checked_json(checked, total) : json_object());
}

int serve_list(struct varlink_call *call)
{
	struct request request;
	struct failure_text failure;
	struct batch batch = { 0 };
	int r;

	if (!call->more)
		return varlink_error(call, "org.varlink.service.ExpectedMore", json_object());
	if (worker_parse(serve_operation(call), call->parameters, &request, &failure) < 0)
		return serve_failure(call, &failure);
	batch.rows = malloc(WIRE_BATCH * row_size(request.op));
	if (batch.rows == NULL)
		return -ENOMEM;
	r = serve_host_for(call->data, request.op);
	if (r == 0)
		r = list(call, &request, &batch);
	free(batch.rows);
	return r;
}
