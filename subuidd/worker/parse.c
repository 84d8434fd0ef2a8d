/* SPDX-License-Identifier: ISC */
/*
 * JSON parameters into requests, record by record. Run by the worker on what an untrusted peer
 * wrote; the types of top-level members have been checked by the table of the
 * method (serve.c), but nothing here depends on that.
 */
#include "subuidd/worker/worker.h"

#include <errno.h>
#include <string.h>

#include "subuidd/wire/request.h"
#include "subuidd/worker/field.h"
#include "subuidd/worker/record_json.h"

void worker_request_begin(uint32_t op, struct request *request)
{
	memset(request, 0, sizeof(*request));
	request->op = op;
	request->size = (uint32_t)wire_request_size(op);
}

int worker_parse_parts(json_t *parameters, struct request *request, struct failure_text *failure)
{
	char *base = (char *)request;

	for (const struct wire_part *part = wire_message(request->op)->request; part->record != NULL; part++) {
		uint32_t set = 0;
		int r;

		if (part->record == &key_record || part->record == &run_record)
			continue; /* an object of its own */
		r = record_parse(part->record, parameters, base + part->at, &set, failure);
		if (r < 0)
			return r;
		if (part->set_at != 0)
			memcpy(base + part->set_at, &set, sizeof(set));
	}
	return 0;
}

/* A key is an object of its own, and more than its members (key.c). */
static int key_parse_of(json_t *parameters, struct request *request, struct failure_text *failure)
{
	int r;

	switch (request->op) {
	case OP_ACCOUNT_ADD:
		r = field_key(parameters, &request->add.key, failure);
		request->add.has_key = r > 0;
		return r < 0 ? r : 0;
	case OP_KEY_ADD:
		r = field_key(parameters, &request->key_add.key, failure);
		return r != 0 ? r : field_invalid(failure, "key", "missing", "give a public key");
	default:
		return 0;
	}
}

/* Which separator this host has only the broker knows; the default one is in no owner's alphabet. */
int worker_parse(uint32_t op, json_t *parameters, struct request *request, struct failure_text *failure)
{
	int r;

	if (wire_message(op) == NULL || wire_message(op)->import)
		return field_invalid(failure, "method", "not known", "");
	worker_request_begin(op, request);
	r = worker_parse_parts(parameters, request, failure);
	if (r == 0)
		r = key_parse_of(parameters, request, failure);
	if (r < 0)
		return r;
	if (op == OP_RUN_LIST && request->list.all && request->list.cursor != 0)
		return field_invalid(failure, "all", "given together with before", "choose one");
	return request_shape(request, SEPARATOR_DEFAULT, failure) == FAILURE_NONE ? 0 : -EINVAL;
}
