/* SPDX-License-Identifier: ISC */
/* One row of an import, as an untrusted peer wrote it: a message for the broker, or what is wrong with it. Pure. */
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
	{"limit", IMPORT_LIMIT},     {"tombstone", IMPORT_TOMBSTONE}, {"run", IMPORT_RUN},
};

const char *worker_import_kind(uint32_t kind)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (kinds[i].kind == kind)
			return kinds[i].name;
	return "unknown";
}

/* A member that nobody reads would be something that is silently not imported. */
static int members_known(json_t *object, const char *const *known, size_t count, struct failure_text *failure)
{
	const char *name;
	json_t *value;

	json_object_foreach(object, name, value)
	{
		bool found = false;

		for (size_t i = 0; i < count; i++)
			found = found || strcmp(name, known[i]) == 0;
		if (!found)
			return field_invalid(failure, name, "not a member of a row", "");
	}
	return 0;
}

static int row_members_known(json_t *row, struct failure_text *failure)
{
	static const char *const known[] = {"line",  "kind",  "owner",	  "label",   "uid",   "first",
					    "count", "quota", "expires",  "comment", "locked", "created",
					    "key",   "keys",  "accounts", "ranges",  "adopt", "ownerUid", "alarm",
					    "alarmSince", "told", "lastRun", "lastStatus", "lastGood", "id", "lastUsed",
					    "accountUid", "run", "view", "files"};

	return members_known(row, known, sizeof(known) / sizeof(known[0]), failure);
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
		{"id", &import->key_id},     {"accountUid", &import->account_uid},
		{"lastStatus", &import->last_status},
	};
	const struct {
		const char *name;
		int64_t *value;
	} times[] = {
		{"created", &import->created},	{"lastRun", &import->last_run},	  {"lastGood", &import->last_good},
		{"lastUsed", &import->used},	{"alarmSince", &import->alarm_since},
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
	for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
		r = field_integer(row, times[i].name, 0, (json_int_t)DATE_DAY_MAX * SECONDS_PER_DAY, &number, failure);
		if (r < 0)
			return r;
		if (r > 0)
			*times[i].value = number;
	}
	return 0;
}

static int facts_of(json_t *row, struct request_import *import, struct failure_text *failure)
{
	uint32_t locked = 0, adopt = 0;
	json_int_t alarm = 0;
	int r = worker_parse_facts(row, &import->facts, failure);

	if (r == 0)
		r = field_flag(row, "locked", &locked, failure);
	if (r == 0)
		r = field_flag(row, "adopt", &adopt, failure);
	if (field_member(row, "locked") != NULL)
		import->facts.set |= SET_LOCKED;
	import->account_flags = locked ? ACCOUNT_LOCKED : 0;
	import->flags |= adopt ? IMPORT_ADOPT : 0;
	if (r == 0)
		r = field_flag(row, "told", &import->told, failure);
	if (r == 0)
		r = field_integer(row, "alarm", 0, INT32_MAX, &alarm, failure);
	import->facts.set |= r > 0 ? SET_ALARM : 0;
	import->alarm = (uint64_t)alarm;
	return r < 0 ? r : 0;
}

/* ---- a run ---- */

static int run_kind_of(json_t *object, uint32_t *kind, struct failure_text *failure)
{
	static const char *const names[RUN_KIND_MAX_] = {[RUN_BACKUP] = "backup", [RUN_READ] = "read", [RUN_PROBE] = "probe"};
	const char *text = NULL;
	int r = field_text(object, "kind", &text, failure);

	for (uint32_t i = RUN_BACKUP; r > 0 && i < RUN_KIND_MAX_; i++)
		if (strcmp(names[i], text) == 0) {
			*kind = i;
			return 0;
		}
	return r < 0 ? r : field_invalid(failure, "run.kind", "not backup, read or probe", "");
}

static int run_numbers_of(json_t *object, struct run *run, struct failure_text *failure)
{
	json_int_t started = 0, duration = 0, counts[3] = {-1, -1, -1}, status = -1, key = 0;
	int r = field_integer(object, "started", 0, INT64_MAX, &started, failure);

	r = r < 0 ? r : field_integer(object, "durationMs", 0, INT64_MAX, &duration, failure);
	r = r < 0 ? r : field_integer(object, "bytesIn", 0, INT64_MAX, &counts[0], failure);
	r = r < 0 ? r : field_integer(object, "bytesOut", 0, INT64_MAX, &counts[1], failure);
	r = r < 0 ? r : field_integer(object, "files", 0, INT64_MAX, &counts[2], failure);
	r = r < 0 ? r : field_integer(object, "status", 0, RUN_UNFINISHED, &status, failure);
	r = r < 0 ? r : field_integer(object, "keyId", 0, UINT32_MAX, &key, failure);
	run->started = started;
	run->duration_ms = (uint64_t)duration;
	run->bytes_in = (uint64_t)counts[0]; /* -1: RUN_UNKNOWN */
	run->bytes_out = (uint64_t)counts[1];
	run->files = (uint64_t)counts[2];
	run->status = (uint32_t)status;
	run->key_id = (uint32_t)key;
	return r < 0 ? r : 0;
}

static int run_texts_of(json_t *object, struct run *run, struct failure_text *failure)
{
	const struct {
		const char *name;
		char *out;
		size_t most;
	} texts[] = {
		{"tool", run->tool, RUN_TOOL_MAX},
		{"address", run->address, RUN_ADDRESS_MAX},
		{"fingerprint", run->fingerprint, FINGERPRINT_MAX},
		{"error", run->error, RUN_ERROR_MAX},
	};
	int r = 0;

	for (size_t i = 0; r == 0 && i < sizeof(texts) / sizeof(texts[0]); i++)
		r = name_of(object, texts[i].name, texts[i].out, texts[i].most, failure);
	return r;
}

static int run_members_known(json_t *object, struct failure_text *failure)
{
	static const char *const known[] = {"started",	   "durationMs", "tool",    "kind",	"status", "keyId",
					    "fingerprint", "address",	 "bytesIn", "bytesOut", "files",  "error"};

	return members_known(object, known, sizeof(known) / sizeof(known[0]), failure);
}

/* As type Run, without what only this host can say of it. */
static int run_of(json_t *row, struct run *out, struct failure_text *failure)
{
	json_t *object = field_member(row, "run");
	struct run run = {.magic = RUN_MAGIC}, checked;
	int r;

	if (!json_is_object(object))
		return field_invalid(failure, "run", object == NULL ? "missing" : "not an object", "");
	r = run_members_known(object, failure);
	if (r == 0)
		r = run_kind_of(object, &run.kind, failure);
	if (r == 0)
		r = run_numbers_of(object, &run, failure);
	if (r == 0)
		r = run_texts_of(object, &run, failure);
	if (r < 0)
		return r;
	if (run_read(&run, sizeof(run), &checked) < 0)
		return field_invalid(failure, "run", "not one that this program records", "");
	*out = checked;
	return 0;
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
	r = row_members_known(row, failure);
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
	if (r == 0 && import->kind == IMPORT_RUN)
		r = run_of(row, &import->run, failure);
	else if (r == 0 && field_member(row, "run") != NULL)
		r = field_invalid(failure, "run", "of a row of another kind", "");
	if (r < 0)
		return r;
	r = field_key(row, &import->key, failure);
	if (r == 0 && import->kind == IMPORT_KEY)
		return field_invalid(failure, "key", "missing", "give a public key");
	return r < 0 ? r : 0;
}
