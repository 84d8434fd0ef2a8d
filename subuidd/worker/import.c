/* SPDX-License-Identifier: ISC */
/* Import: a list of rows, sent to the broker one by one when all of them have been understood. */
#include "subuidd/worker/import.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "account/date.h"
#include "subuidd/worker/field.h"

static const struct {
	const char *name;
	enum import_kind kind;
} kinds[] = {
	{"account", IMPORT_ACCOUNT}, {"key", IMPORT_KEY},	       {"range", IMPORT_RANGE},
	{"limit", IMPORT_LIMIT},     {"tombstone", IMPORT_TOMBSTONE},
};

const char *worker_import_kind(uint32_t kind)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (kinds[i].kind == kind)
			return kinds[i].name;
	return "unknown";
}

/* A member that nobody reads would be something that is silently not imported. */
static int members_known(json_t *row, struct failure_text *failure)
{
	static const char *const known[] = {"line",  "kind",  "owner",	  "label",   "uid",   "first",
					    "count", "quota", "expires",  "comment", "locked", "created",
					    "key",   "keys",  "accounts", "ranges",  "adopt", "ownerUid"};
	const char *name;
	json_t *value;

	json_object_foreach(row, name, value)
	{
		bool found = false;

		for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
			found = found || strcmp(name, known[i]) == 0;
		if (!found)
			return field_invalid(failure, name, "not a member of a row", "");
	}
	return 0;
}

static int kind_of(json_t *row, uint32_t *kind, struct failure_text *failure)
{
	const char *text = NULL;
	int r = field_text(row, "kind", &text, failure);

	for (size_t i = 0; r > 0 && i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (strcmp(kinds[i].name, text) == 0) {
			*kind = kinds[i].kind;
			return 0;
		}
	return r < 0 ? r : field_invalid(failure, "kind", "not a kind of row", "");
}

/* What they may be is the broker's to say: here they only have to fit. */
static int name_of(json_t *row, const char *member, char *out, size_t most, struct failure_text *failure)
{
	const char *text = NULL;
	int r = field_text(row, member, &text, failure);

	if (r <= 0)
		return r;
	if (strlen(text) > most)
		return field_invalid(failure, member, "too long", "");
	field_put(out, text);
	return 0;
}

static int numbers_of(json_t *row, struct request_import *import, struct failure_text *failure)
{
	const struct {
		const char *name;
		uint32_t *value;
	} numbers[] = {
		{"line", &import->line},     {"uid", &import->uid},	      {"first", &import->first},
		{"count", &import->count},   {"accounts", &import->accounts}, {"keys", &import->keys},
		{"ranges", &import->ranges}, {"ownerUid", &import->owner_uid},
	};
	json_int_t number = 0;
	int r;

	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		r = field_integer(row, numbers[i].name, 0, UINT32_MAX - 1, &number, failure);
		if (r < 0)
			return r;
		if (r > 0)
			*numbers[i].value = (uint32_t)number;
	}
	r = field_integer(row, "created", 0, (json_int_t)DATE_DAY_MAX * SECONDS_PER_DAY, &number, failure);
	if (r > 0)
		import->created = number;
	return r < 0 ? r : 0;
}

static int facts_of(json_t *row, struct request_import *import, struct failure_text *failure)
{
	uint32_t locked = 0, adopt = 0;
	int r = worker_parse_settings(row, &import->set, &import->expires_day, &import->quota, import->comment,
				      failure);

	if (r == 0)
		r = field_flag(row, "locked", &locked, failure);
	if (r == 0)
		r = field_flag(row, "adopt", &adopt, failure);
	if (field_member(row, "locked") != NULL)
		import->set |= SET_LOCKED;
	import->account_flags = locked ? ACCOUNT_LOCKED : 0;
	import->flags |= adopt ? IMPORT_ADOPT : 0;
	return r;
}

int worker_parse_import(json_t *row, struct request *request, struct failure_text *failure)
{
	struct request_import *import = &request->import;
	int r;

	memset(request, 0, sizeof(*request));
	request->op = OP_IMPORT;
	request->size = (uint32_t)wire_request_size(OP_IMPORT);
	if (!json_is_object(row))
		return field_invalid(failure, "rows", "not a list of objects", "");
	r = members_known(row, failure);
	if (r == 0)
		r = kind_of(row, &import->kind, failure);
	if (r == 0)
		r = name_of(row, "owner", import->name.owner, OWNER_MAX, failure);
	if (r == 0)
		r = name_of(row, "label", import->name.label, LABEL_MAX, failure);
	if (r == 0)
		r = numbers_of(row, import, failure);
	if (r == 0)
		r = facts_of(row, import, failure);
	if (r < 0)
		return r;
	r = field_key(row, &import->key, failure);
	if (r == 0 && import->kind == IMPORT_KEY)
		return field_invalid(failure, "key", "missing", "give a public key");
	return r < 0 ? r : 0;
}

json_t *worker_import_result(const struct import_result *result, const struct failure_text *failure)
{
	static const char *const outcomes[] = {"not-tried", "made", "present", "failed"};
	json_t *o = json_pack("{s:I, s:s, s:s}", "line", (json_int_t)result->line, "kind",
			      worker_import_kind(result->kind), "outcome",
			      result->outcome < IMPORT_OUTCOME_MAX_ ? outcomes[result->outcome] : "failed");
	const char *error = failure_name((enum failure)failure->failure);
	json_t *text;

	if (o == NULL)
		return NULL;
	if (result->id != 0)
		json_object_set_new(o, "id", json_integer(result->id));
	if (result->outcome != IMPORT_FAILED)
		return json_pack("{s:o}", "result", o);
	text = worker_answer_failure(failure);
	json_object_set_new(o, "error", json_string(error != NULL ? error : "Failed"));
	json_object_update(o, text);
	json_decref(text);
	return json_pack("{s:o}", "result", o);
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

/* The rows of lines that can be understood, in a new list; what cannot is answered here. *failed: how many. */
static int rows_check(struct varlink_call *call, const json_t *rows, json_t *sound, size_t *failed)
{
	struct request request;
	struct failure_text failure;
	json_int_t bad = -1; /* the line that is passed over */
	json_t *row;
	size_t i;

	json_array_foreach(rows, i, row)
	{
		struct import_result result = {.outcome = IMPORT_FAILED};
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

static int rows_send(int broker, const json_t *rows, uint32_t flags)
{
	struct request request;
	struct failure_text failure;
	json_t *row;
	size_t i;
	int r = 0;

	json_array_foreach(rows, i, row)
	{
		r = worker_parse_import(row, &request, &failure);
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

/* What can be understood goes to the broker: all of it, or nothing when one line that cannot stops all. */
static int rows_run(struct varlink_call *call, int broker, const json_t *rows, json_t *sound, uint32_t flags,
		    struct failure_text *failure)
{
	struct answer answer = {0};
	size_t failed = 0;
	int r = rows_check(call, rows, sound, &failed);

	if (r < 0)
		return r;
	if (json_array_size(sound) > 0 && (failed == 0 || (flags & IMPORT_KEEP_GOING))) {
		r = rows_send(broker, sound, flags);
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
	flags |= json_is_true(json_object_get(call->parameters, "dryRun")) ? IMPORT_DRY_RUN : 0;
	flags |= json_is_true(json_object_get(call->parameters, "keepGoing")) ? IMPORT_KEEP_GOING : 0;
	if ((flags & IMPORT_DRY_RUN) && json_is_true(json_object_get(call->parameters, "goesOn")))
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
