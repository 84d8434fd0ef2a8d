/* SPDX-License-Identifier: ISC */
/* One row of an import, as an untrusted peer wrote it: a message for the broker, or what is wrong with it. Pure. */
#include "worker/import.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "worker/field.h"
#include "worker/record_json.h"

static bool given(const struct record *record, const char *name)
{
	const struct field *field = record_find(record, name);

	return field != NULL && (field->use & FIELD_GIVEN) != 0;
}

/* A key and a run are objects of their own: their members are not the row's. */
static bool row_has(const char *name)
{
	if (strcmp(name, "key") == 0 || strcmp(name, "run") == 0)
		return true;
	for (const struct wire_part *part = wire_message(OP_IMPORT)->request; part->record != NULL; part++)
		if (part->record != &key_record && part->record != &run_record && given(part->record, name))
			return true;
	return false;
}

/* A member that nobody reads would be something that is silently not imported. */
static int row_members_known(json_t *row, struct failure_text *failure)
{
	const char *name;
	json_t *value;

	json_object_foreach(row, name, value)
		if (!row_has(name))
			return field_invalid(failure, name, "not a member of a row", "");
	return 0;
}

static int run_members_known(json_t *object, struct failure_text *failure)
{
	const char *name;
	json_t *value;

	json_object_foreach(object, name, value)
		if (!given(&run_record, name))
			return field_invalid(failure, name, "not a member of a run", "");
	return 0;
}

/* As type Run, without what only this host can say of it. */
static int run_of(json_t *row, struct run *out, struct failure_text *failure)
{
	json_t *object = field_member(row, "run");
	struct run run = { .magic = RUN_MAGIC,
			   .bytes_in = RUN_UNKNOWN,
			   .bytes_out = RUN_UNKNOWN,
			   .files = RUN_UNKNOWN,
			   .deleted = RUN_UNKNOWN };
	struct run checked;
	uint32_t set = 0;
	int r;

	if (!json_is_object(object))
		return field_invalid(failure, "run", object == NULL ? "missing" : "not an object", "");
	r = run_members_known(object, failure);
	if (r == 0)
		r = record_parse(&run_record, object, &run, &set, failure);
	if (r < 0)
		return r;
	if (run_read(&run, sizeof(run), &checked) < 0)
		return field_invalid(failure, "run", "not one that this program records", "");
	*out = checked;
	return 0;
}

static int objects_of(json_t *row, struct request_import *import, struct failure_text *failure)
{
	if (import->kind == IMPORT_KEY && field_member(row, "key") == NULL)
		return field_invalid(failure, "key", "missing", "give a public key");
	if (import->kind == IMPORT_RUN)
		return run_of(row, &import->run, failure);
	return field_member(row, "run") != NULL ? field_invalid(failure, "run", "of a row of another kind", "") : 0;
}

int worker_parse_import(json_t *row, struct request *request, struct failure_text *failure)
{
	int r;

	worker_request_begin(OP_IMPORT, request);
	if (!json_is_object(row))
		return field_invalid(failure, "rows", "not a list of objects", "");
	r = row_members_known(row, failure);
	if (r == 0)
		r = worker_parse_parts(row, request, failure);
	if (r < 0)
		return r;
	if (field_member(row, "locked") != NULL)
		request->import.set |= SET_LOCKED;
	return objects_of(row, &request->import, failure);
}
