/* SPDX-License-Identifier: ISC */
/* Calls of Import: some rows at a time, and the report on the outcome of each line. */
#include "cli/import.h"

#include <string.h>
#include <time.h>

#include "account/name.h"

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

/* An account that another call is changing at this moment (one that was interrupted, say) is tried again. */
#define TRIES 50
static const struct timespec before_again = { .tv_nsec = 200000000 };

struct answers {
	struct import_batch *batch;
	const json_t *rows; /* that were sent */
	bool patient;       /* a busy daemon is tried again */
	json_t *again;      /* lines without an outcome, as members */
	bool busy;          /* because one of them could not be tried */
	unsigned long line; /* the lines that the answers are about */
	bool any, failed, made, open;
};

static void line_name(unsigned long line, char name[24])
{
	snprintf(name, 24, "%lu", line);
}

static void line_end(struct answers *answers)
{
	struct import_counts *counts = &answers->batch->counts;
	char name[24];

	line_name(answers->line, name);
	if (!answers->any || answers->failed)
		return;
	if (answers->open)
		json_object_set_new(answers->again, name, json_true());
	else if (answers->made)
		counts->made++;
	else
		counts->present++;
}

static void line_begin(struct answers *answers, unsigned long line)
{
	if (answers->any && line == answers->line)
		return;
	line_end(answers);
	answers->line = line;
	answers->any = true;
	answers->failed = answers->made = answers->open = false;
}

/* ---- homes and links ---- */

/* The row of the account that this line makes. */
static const json_t *account_of_line(const json_t *rows, unsigned long line)
{
	const json_t *row;
	size_t i;

	json_array_foreach(rows, i, row) {
		if ((unsigned long)json_number(row, "line") == line && strcmp(json_text(row, "kind"), "account") == 0)
			return row;
	}
	return NULL;
}

static const char *home_words(const char *home)
{
	return strcmp(home, "taken-up") == 0     ? "its home is there: taken up" :
	       strcmp(home, "brought-back") == 0 ? "its data was set aside: brought back" :
						   "home made";
}

/* In a dry run for every account; otherwise for those of which something existed. */
static void disk_say(const struct answers *answers, const json_t *result)
{
	const struct import_batch *batch = answers->batch;
	const char *home = json_text(result, "home"), *link = json_text(result, "link");
	bool there = strcmp(home, "made") != 0 || strcmp(link, "made") != 0;
	const json_t *row = account_of_line(answers->rows, answers->line);
	char name[OWNER_MAX + LABEL_MAX + 2];

	if (row == NULL || (!common.dry_run && !there))
		return;
	snprintf(name, sizeof(name), "%s %s", json_text(row, "owner"), json_text(row, "label"));
	if (batch->report != NULL && there) {
		json_t *entry = json_pack("{s:I, s:s, s:s, s:s}", "line", (json_int_t)answers->line, "account", name,
					  "home", home, "link", link);

		json_dumpf(entry, batch->report, JSON_COMPACT);
		fputc('\n', batch->report);
		json_decref(entry);
	}
	if (!batch->quiet)
		printf("line %lu: %s: %s; link %s\n", answers->line, name, home_words(home),
		       strcmp(link, "there") == 0 ? "is there already" : "made");
}

static int take(json_t *reply, void *data)
{
	struct answers *answers = data;
	const json_t *result = json_object_get(reply, "result");
	const char *outcome = json_text(result, "outcome"), *error = json_text(result, "error");
	struct failure_text failure;

	if (result == NULL)
		return 0; /* the last reply */
	line_begin(answers, (unsigned long)json_number(result, "line"));
	answers->made = answers->made || strcmp(outcome, "made") == 0;
	answers->open = answers->open || strcmp(outcome, "not-tried") == 0;
	if (json_text(result, "home")[0] != '\0') {
		answers->batch->counts.taken_up += strcmp(json_text(result, "home"), "made") != 0;
		disk_say(answers, result);
	}
	if (strcmp(outcome, "failed") != 0)
		return 0;
	if (answers->patient && strcmp(error, "Busy") == 0) {
		answers->busy = answers->open = true;
		return 0;
	}
	failure_set(&failure, FAILURE_FAILED, json_text(result, "what"), json_text(result, "why"),
		    json_text(result, "todo"));
	if (!answers->failed)
		import_batch_fail(answers->batch, answers->line, error, &failure);
	answers->failed = true;
	return 0;
}

/* The rows of these lines alone. */
static json_t *rows_of(const json_t *rows, const json_t *lines)
{
	json_t *some = json_array(), *row;
	char name[24];
	size_t i;

	json_array_foreach(rows, i, row) {
		line_name((unsigned long)json_number(row, "line"), name);
		if (json_object_get(lines, name) != NULL)
			json_array_append(some, row);
	}
	return some;
}

/* One call. *rows becomes the rows to try again; empty: none. */
static int send(struct import_batch *batch, json_t **rows, bool patient)
{
	struct answers answers = { .batch = batch, .rows = *rows, .patient = patient, .again = json_object() };
	json_t *parameters = json_pack("{s:O, s:b, s:b, s:b}", "rows", *rows, "dryRun", common.dry_run, "keepGoing",
				       batch->keep_going, "goesOn", batch->goes_on ? 1 : 0),
	       *left;
	int status = call_each_reply("Import", parameters, take, &answers);

	line_end(&answers);
	left = status == STATUS_DONE && answers.busy && !batch->stopped ? rows_of(*rows, answers.again) : json_array();
	json_decref(*rows);
	json_decref(answers.again);
	*rows = left;
	return status;
}

static int flush(struct import_batch *batch, bool last)
{
	json_t *rows = batch->rows;
	int status = STATUS_DONE;

	/* an import that fits one call needs no copy of the store */
	batch->goes_on = common.dry_run && (batch->goes_on || !last);
	batch->rows = NULL;
	batch->bytes = 0;
	for (int tries = TRIES; status == STATUS_DONE && json_array_size(rows) > 0; tries--) {
		if (tries < TRIES)
			nanosleep(&before_again, NULL);
		status = send(batch, &rows, tries > 1);
	}
	json_decref(rows);
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

/* A line goes whole into one call if it fits. */
int import_batch_add(struct import_batch *batch, json_t *rows)
{
	size_t bytes = json_dumpb(rows, NULL, 0, JSON_COMPACT), i;
	int status = STATUS_DONE;
	json_t *row;

	if (json_array_size(batch->rows) + json_array_size(rows) > IMPORT_BATCH || batch->bytes + bytes > BYTES_MAX)
		status = import_batch_flush(batch);
	json_array_foreach(rows, i, row) {
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
