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

/* ---- calls ---- */

struct answers {
	struct import_batch *batch;
	unsigned long line; /* that the answers are about */
	bool any, failed, made;
};

static void line_end(struct answers *answers)
{
	struct import_counts *counts = &answers->batch->counts;

	if (!answers->any || answers->failed)
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

static int flush(struct import_batch *batch, bool last)
{
	struct answers answers = {.batch = batch};
	json_t *parameters;
	int status;

	if (json_array_size(batch->rows) == 0)
		return STATUS_DONE;
	/* what fits one call needs no copy of the store to go on in */
	batch->goes_on = batch->dry_run && (batch->goes_on || !last);
	parameters = json_pack("{s:o, s:b, s:b, s:b}", "rows", batch->rows, "dryRun", batch->dry_run, "keepGoing",
			       batch->keep_going, "goesOn", batch->goes_on ? 1 : 0);
	batch->rows = NULL;
	batch->bytes = 0;
	status = call_each_reply("Import", parameters, take, &answers);
	line_end(&answers);
	return status;
}

int import_batch_flush(struct import_batch *batch)
{
	return flush(batch, false);
}

int import_batch_end(struct import_batch *batch)
{
	return flush(batch, true);
}

static int row_add(struct import_batch *batch, json_t *row)
{
	size_t bytes = json_dumpb(row, NULL, 0, JSON_COMPACT) + 1;
	int status = STATUS_DONE;

	if (json_array_size(batch->rows) >= IMPORT_BATCH || batch->bytes + bytes > BYTES_MAX)
		status = import_batch_flush(batch);
	if (batch->rows == NULL)
		batch->rows = json_array();
	json_array_append(batch->rows, row);
	batch->bytes += bytes;
	return status;
}

/* A line goes whole into one call where it fits one. */
int import_batch_add(struct import_batch *batch, json_t *rows)
{
	size_t bytes = json_dumpb(rows, NULL, 0, JSON_COMPACT), i;
	int status = STATUS_DONE;
	json_t *row;

	if (json_array_size(batch->rows) + json_array_size(rows) > IMPORT_BATCH || batch->bytes + bytes > BYTES_MAX)
		status = import_batch_flush(batch);
	json_array_foreach(rows, i, row)
	{
		if (status != STATUS_DONE || batch->stopped)
			break;
		status = row_add(batch, row);
	}
	json_decref(rows);
	return status;
}

void import_batch_free(struct import_batch *batch)
{
	json_decref(batch->rows);
}
