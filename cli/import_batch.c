/* SPDX-License-Identifier: ISC */
#include "cli/import.h"

#include <string.h>

#include "cli/print.h"
#include "cli/subuid.h"

#define BYTES_MAX (48u * 1024u) /* of one call; a message may have 64 KiB */

void import_batch_fail(struct import_batch *batch, unsigned long line, const char *error,
		       const struct failure_text *failure)
{
	char what[FAILURE_TEXT_MAX + 64];

	batch->counts.failed++;
	if (batch->status == STATUS_DONE)
		batch->status = failure_exit_status(failure_from_name(error));
	if (batch->status == STATUS_DONE)
		batch->status = STATUS_FAILED;
	batch->stopped = batch->stopped || !batch->keep_going;
	if (batch->report != NULL) {
		json_t *entry = json_pack("{s:I, s:s, s:s, s:s, s:s}", "line", (json_int_t)line, "error", error, "what",
					  failure->what, "why", failure->why, "todo", failure->todo);

		json_dumpf(entry, batch->report, JSON_COMPACT);
		fputc('\n', batch->report);
		json_decref(entry);
		if (batch->keep_going)
			return;
	}
	snprintf(what, sizeof(what), "%s:%lu: %s", batch->name, line, failure->what);
	complain(what, failure->why, failure->todo);
}

/* ---- a dry run, in which nothing is there that rows before would have made ---- */

static char *account_name(const json_t *row, char *out, size_t size)
{
	snprintf(out, size, "%s/%s", json_text(row, "owner"), json_text(row, "label"));
	return out;
}

/* A row about an account that would be there by now: it cannot be asked about. */
static bool builds_upon_made(const struct import_batch *batch, const json_t *row)
{
	const char *kind = json_text(row, "kind");
	char name[256];

	if (!batch->dry_run || (strcmp(kind, "key") != 0 && strcmp(kind, "range") != 0))
		return false;
	return json_object_get(batch->made, account_name(row, name, sizeof(name))) != NULL;
}

/* The limits that this owner would have by now go along with each call: as line 0, which is not counted. */
static void limits_along(struct import_batch *batch, const json_t *row)
{
	json_t *limit = batch->dry_run ? json_object_get(batch->limits, json_text(row, "owner")) : NULL;
	json_t *copy, *there;
	size_t i;

	if (limit == NULL)
		return;
	json_array_foreach(batch->rows, i, there) if (json_integer_value(json_object_get(there, "line")) == 0 &&
						      strcmp(json_text(there, "owner"), json_text(row, "owner")) == 0)
		return;
	copy = json_copy(limit);
	json_object_set_new(copy, "line", json_integer(0));
	json_array_append_new(batch->rows, copy);
}

static void dry_run_remember(struct import_batch *batch, json_t *row)
{
	char name[256];

	if (!batch->dry_run)
		return;
	if (batch->made == NULL) {
		batch->made = json_object();
		batch->limits = json_object();
	}
	if (strcmp(json_text(row, "kind"), "account") == 0)
		json_object_set_new(batch->made, account_name(row, name, sizeof(name)), json_true());
	if (strcmp(json_text(row, "kind"), "limit") == 0)
		json_object_set(batch->limits, json_text(row, "owner"), row);
}

/* ---- calls ---- */

struct answers {
	struct import_batch *batch;
	unsigned long line; /* that the answers are about */
	bool any, failed, made;
};

static void line_end(struct answers *answers)
{
	struct import_counts *counts = &answers->batch->counts;

	if (!answers->any || answers->failed || answers->line == 0)
		return;
	if (answers->made)
		counts->made++;
	else
		counts->present++;
}

static int take(json_t *reply, void *data)
{
	struct answers *answers = data;
	const json_t *result = json_object_get(reply, "result");
	const char *outcome = json_text(result, "outcome");
	unsigned long line = (unsigned long)json_number(result, "line");
	struct failure_text failure;

	if (result == NULL)
		return 0; /* the last reply */
	if (strcmp(outcome, "not-tried") == 0 && line != answers->line) {
		line_end(answers);
		*answers = (struct answers){.batch = answers->batch, .line = line};
		return 0;
	}
	if (!answers->any || line != answers->line) {
		line_end(answers);
		*answers = (struct answers){.batch = answers->batch, .line = line, .any = true};
	}
	answers->made = answers->made || strcmp(outcome, "made") == 0;
	if (strcmp(outcome, "failed") != 0)
		return 0;
	failure_set(&failure, FAILURE_FAILED, json_text(result, "what"), json_text(result, "why"),
		    json_text(result, "todo"));
	if (!answers->failed)
		import_batch_fail(answers->batch, line, json_text(result, "error"), &failure);
	answers->failed = true;
	return 0;
}

int import_batch_flush(struct import_batch *batch)
{
	struct answers answers = {.batch = batch};
	json_t *parameters;
	int status;

	if (json_array_size(batch->rows) == 0)
		return STATUS_DONE;
	parameters = json_pack("{s:o, s:b, s:b}", "rows", batch->rows, "dryRun", batch->dry_run, "keepGoing",
			       batch->keep_going);
	batch->rows = NULL;
	batch->bytes = 0;
	status = call_each_reply("Import", parameters, take, &answers);
	line_end(&answers);
	return status;
}

static int row_add(struct import_batch *batch, json_t *row)
{
	size_t bytes = json_dumpb(row, NULL, 0, JSON_COMPACT) + 1;
	int status = STATUS_DONE;

	if (json_array_size(batch->rows) >= IMPORT_BATCH - 1 || batch->bytes + bytes > BYTES_MAX)
		status = import_batch_flush(batch);
	if (batch->rows == NULL)
		batch->rows = json_array();
	limits_along(batch, row);
	json_array_append(batch->rows, row);
	batch->bytes += bytes;
	return status;
}

/* A line goes whole into one call where it fits one. */
int import_batch_add(struct import_batch *batch, json_t *rows)
{
	size_t bytes = json_dumpb(rows, NULL, 0, JSON_COMPACT), sent = 0, i;
	int status = STATUS_DONE;
	json_t *row;

	if (json_array_size(batch->rows) + json_array_size(rows) > IMPORT_BATCH - 1 || batch->bytes + bytes > BYTES_MAX)
		status = import_batch_flush(batch);
	json_array_foreach(rows, i, row)
	{
		if (status != STATUS_DONE || batch->stopped)
			break;
		if (builds_upon_made(batch, row))
			continue;
		status = row_add(batch, row);
		sent++;
	}
	if (sent == 0 && json_array_size(rows) > 0 && status == STATUS_DONE && !batch->stopped)
		batch->counts.made++;
	json_array_foreach(rows, i, row) dry_run_remember(batch, row);
	json_decref(rows);
	return status;
}

void import_batch_free(struct import_batch *batch)
{
	json_decref(batch->rows);
	json_decref(batch->made);
	json_decref(batch->limits);
}
