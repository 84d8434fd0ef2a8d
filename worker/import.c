/* SPDX-License-Identifier: ISC */
/* Import: a list of rows, sent to the broker one by one when all of them have been understood. */
#include "worker/import.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "worker/field.h"

json_t *worker_import_result(const struct import_result *result, const struct failure_text *failure)
{
	const struct answer answer = { .op = OP_IMPORT, .import = *result };
	const char *error = failure_name((enum failure)failure->failure);
	json_t *reply = worker_answer(&answer, ""), *object = json_object_get(reply, "result"), *text;

	if (reply == NULL || result->outcome != IMPORT_FAILED)
		return reply;
	text = worker_answer_failure(failure);
	json_object_set_new(object, "error", json_string(error != NULL ? error : "Failed"));
	json_object_update(object, text);
	json_decref(text);
	return reply;
}

static int reply_result(struct varlink_call *call, const struct import_result *result,
			const struct failure_text *failure)
{
	json_t *parameters = worker_import_result(result, failure);

	return parameters == NULL ? -ENOMEM : varlink_reply_continues(call, parameters);
}

static json_int_t line_of(const json_t *row)
{
	return json_integer_value(json_object_get(row, "line"));
}

/* The rows of lines that can be understood, in a new list; the others are answered here. *failed: how many. */
static int rows_check(struct varlink_call *call, const json_t *rows, json_t *sound, size_t *failed)
{
	struct request request;
	struct failure_text failure;
	json_int_t bad = -1; /* the line that is passed over */
	json_t *row;
	size_t i;

	json_array_foreach(rows, i, row) {
		struct import_result result = { .outcome = IMPORT_FAILED };
		int r;

		if (json_is_object(row) && line_of(row) == bad)
			continue;
		if (worker_parse_import(row, &request, &failure) == 0) {
			if (json_array_append(sound, row) < 0)
				return -ENOMEM;
			continue;
		}
		bad = line_of(row);
		*failed += 1;
		result.line = bad > 0 && bad < UINT32_MAX ? (uint32_t)bad : 0;
		result.kind = request.import.kind;
		r = reply_result(call, &result, &failure);
		if (r < 0)
			return r;
		for (size_t at = json_array_size(sound); at > 0 && line_of(json_array_get(sound, at - 1)) == bad; at--)
			json_array_remove(sound, at - 1);
	}
	return 0;
}

static bool dry_run_of(const struct varlink_call *call)
{
	return json_is_true(json_object_get(call->parameters, "dryRun"));
}

static int rows_send(int broker, const json_t *rows, uint32_t flags, bool dry_run)
{
	struct request request;
	struct failure_text failure;
	json_t *row;
	size_t i;
	int r = 0;

	json_array_foreach(rows, i, row) {
		r = worker_parse_import(row, &request, &failure);
		request.dry_run = dry_run;
		request.import.flags |= flags | (i + 1 < json_array_size(rows) ? IMPORT_MORE : 0);
		if (r == 0)
			r = worker_send(broker, &request);
		if (r < 0)
			break;
	}
	return r;
}

/* Those that are answered; *answer is the final one. */
static int rows_answer(struct varlink_call *call, int broker, struct answer *answer)
{
	for (;;) {
		int r = worker_receive(broker, OP_IMPORT, answer);

		if (r < 0 || !answer->row)
			return r;
		r = reply_result(call, &answer->import, &answer->failure);
		if (r < 0)
			return r;
	}
}

/* The rows that can be understood go to the broker: all of them, or none if one line that cannot be understood
 * stops all. */
static int rows_run(struct varlink_call *call, int broker, const json_t *rows, json_t *sound, uint32_t flags,
		    struct failure_text *failure)
{
	struct answer answer = { 0 };
	size_t failed = 0;
	int r = rows_check(call, rows, sound, &failed);

	if (r < 0)
		return r;
	if (json_array_size(sound) > 0 && (failed == 0 || (flags & IMPORT_KEEP_GOING))) {
		r = rows_send(broker, sound, flags, dry_run_of(call));
		if (r == 0)
			r = rows_answer(call, broker, &answer);
		if (r < 0)
			return r;
	}
	if (answer.failure.failure == FAILURE_NONE)
		return varlink_reply(call, json_object());
	*failure = answer.failure;
	return 1;
}

int worker_import(struct varlink_call *call, int broker, struct failure_text *failure)
{
	const json_t *rows = json_object_get(call->parameters, "rows");
	json_t *sound = json_array();
	uint32_t flags = 0;
	int r;

	if (sound == NULL)
		return -ENOMEM;
	flags |= json_is_true(json_object_get(call->parameters, "keepGoing")) ? IMPORT_KEEP_GOING : 0;
	if (dry_run_of(call) && json_is_true(json_object_get(call->parameters, "goesOn")))
		flags |= IMPORT_GOES_ON;
	if (json_array_size(rows) == 0 || json_array_size(rows) > WIRE_IMPORT_BATCH) {
		field_invalid(failure, "rows", "not 1 to 64 rows", "send what is more in another call");
		r = 1;
	} else {
		r = rows_run(call, broker, rows, sound, flags, failure);
	}
	json_decref(sound);
	return r;
}
