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
					    "key",   "keys",  "accounts", "ranges",  "adopt", "ownerUid", "alarm"};
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
	json_int_t alarm = 0;
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
	if (r == 0)
		r = field_integer(row, "alarm", 0, INT32_MAX, &alarm, failure);
	import->set |= r > 0 ? SET_ALARM : 0;
	import->alarm = (uint64_t)alarm;
	return r < 0 ? r : 0;
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
