/* SPDX-License-Identifier: ISC */
/* subuid import: reads the file, sends its rows, and reports the outcome. */
#include "cli/subuid.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "cli/import.h"
#include "cli/print.h"

#define BAR 30
#define STATUS_INTERRUPTED 130 /* as a shell reports SIGINT */

/* Waits for the call that is under way, so that the report says what was made. */
static volatile sig_atomic_t interrupted;

static void interrupt(int signal)
{
	(void)signal;
	interrupted = 1;
}

/* The second one ends it at once. */
static void interrupt_wait(void)
{
	const struct sigaction action = { .sa_handler = interrupt, .sa_flags = (int)SA_RESETHAND };
	struct sigaction before;

	if (sigaction(SIGINT, NULL, &before) == 0 && before.sa_handler != SIG_IGN)
		sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
}

struct progress {
	bool shown;
	double total; /* bytes, 0: unknown */
	struct timespec began, last;
};

static double seconds_between(const struct timespec *a, const struct timespec *b)
{
	return (double)(b->tv_sec - a->tv_sec) + (double)(b->tv_nsec - a->tv_nsec) / 1e9;
}

static void progress_begin(struct progress *progress, FILE *file)
{
	struct stat st;

	progress->shown = isatty(STDERR_FILENO) && !common.json;
	clock_gettime(CLOCK_MONOTONIC, &progress->began);
	progress->last = progress->began;
	if (fstat(fileno(file), &st) == 0 && S_ISREG(st.st_mode))
		progress->total = (double)st.st_size;
}

static void progress_show(struct progress *progress, FILE *file, const struct import_counts *counts)
{
	static const char bar[BAR + 1] = "##############################";
	struct timespec now;
	double done, elapsed, share;

	if (!progress->shown)
		return;
	clock_gettime(CLOCK_MONOTONIC, &now);
	if (seconds_between(&progress->last, &now) < 0.1)
		return;
	progress->last = now;
	elapsed = seconds_between(&progress->began, &now);
	done = (double)ftello(file);
	share = progress->total > 0 && done > 0 ? done / progress->total : 0;
	if (share > 1)
		share = 1;
	if (share > 0)
		fprintf(stderr, "\r[%-*.*s] %3.0f %%  ", BAR, (int)(share * BAR), bar, share * 100);
	else
		fputc('\r', stderr);
	fprintf(stderr, "%lu lines, %.0f/s", counts->lines, (double)counts->lines / elapsed);
	if (share > 0)
		fprintf(stderr, ", %.0f s to go", elapsed / share - elapsed);
	fputs("\033[K", stderr);
}

static void progress_end(const struct progress *progress)
{
	if (progress->shown)
		fputs("\r\033[K", stderr);
}

/* One line of the file. 1 to go on, 0 at the end, < 0: -1 - status. */
static int import_line(struct import_text *text, struct import_batch *batch)
{
	struct failure_text failure = { 0 };
	json_t *object = NULL, *rows;
	int status, r = import_text_next(text, &object, &failure);

	if (r == 0 || (r == -EIO && interrupted))
		return 0;
	if (r == -EIO) {
		complain(batch->name, "cannot be read", "");
		return -1 - STATUS_FAILED;
	}
	batch->counts.lines++;
	if (r == -EBADMSG) {
		import_batch_fail(batch, text->line, "Invalid", &failure);
		return -1 - STATUS_USAGE;
	}
	rows = json_array();
	if (r == 1)
		r = import_rows(object, text->line, rows, &failure);
	json_decref(object);
	if (r < 0) {
		json_decref(rows);
		/* everything before it in the file is made first, so that the line number says how far the import
		 * came */
		status = import_batch_flush(batch);
		if (status != STATUS_DONE)
			return -1 - status;
		if (!batch->stopped)
			import_batch_fail(batch, text->line, "Invalid", &failure);
		return 1;
	}
	if (json_array_size(rows) == 0 && !text->csv) /* a header */
		batch->counts.lines--;
	status = import_batch_add(batch, rows);
	return status == STATUS_DONE ? 1 : -1 - status;
}

static int import_file(FILE *file, struct import_batch *batch)
{
	struct import_text text = { .file = file };
	struct progress progress = { 0 };
	int r = 0, status = STATUS_DONE;

	progress_begin(&progress, file);
	while (!interrupted && (r = import_line(&text, batch)) == 1 && !batch->stopped)
		progress_show(&progress, file, &batch->counts);
	progress_end(&progress);
	if (r < 0)
		status = -1 - r;
	if (status == STATUS_DONE && !batch->stopped && !interrupted)
		status = import_batch_end(batch);
	import_text_free(&text);
	return status;
}

static int print_counts(const struct import_batch *batch)
{
	const struct import_counts *counts = &batch->counts;

	if (common.json) {
		json_t *whole = json_pack("{s:I, s:I, s:I, s:I, s:b, s:o*}", "lines", (json_int_t)counts->lines, "made",
					  (json_int_t)counts->made, "present", (json_int_t)counts->present, "failed",
					  (json_int_t)counts->failed, "dryRun", (int)common.dry_run, "takenUp",
					  counts->taken_up == 0 ? NULL : json_integer((json_int_t)counts->taken_up));
		int status = print_json(whole);

		json_decref(whole);
		return status;
	}
	printf("%s%lu", common.dry_run ? "would be made " : "made ", counts->made);
	if (counts->taken_up > 0)
		printf(" (%lu with the home that is there)", counts->taken_up);
	printf(", there already %lu, failed %lu\n", counts->present, counts->failed);
	return STATUS_DONE;
}

/* -1 - status to end with. */
static int parse(int argc, char **argv, struct import_batch *batch, const char **report)
{
	int c, status = STATUS_DONE;

	while ((c = option_next("import", argc, argv, &status)) > 0) {
		batch->keep_going |= c == 'k';
		if (c == 'r')
			*report = optarg;
	}
	return c < 0 ? -1 - status : STATUS_DONE;
}

static FILE *opened(const char *name, const char *mode)
{
	FILE *file = fopen(name, mode);
	const char *why = strerrordesc_np(errno);

	if (file == NULL)
		complain(name, why != NULL ? why : "cannot be opened", "");
	return file;
}

int command_import(int argc, char **argv)
{
	struct import_batch batch = { 0 };
	const char *report = NULL;
	FILE *file;
	int status = parse(argc, argv, &batch, &report);

	if (status < 0)
		return -1 - status;
	batch.quiet = common.json;
	batch.name = strcmp(argv[optind], "-") == 0 ? "standard input" : argv[optind];
	file = strcmp(argv[optind], "-") == 0 ? stdin : opened(argv[optind], "re");
	if (file == NULL)
		return STATUS_FAILED;
	if (report != NULL && (batch.report = opened(report, "we")) == NULL)
		return STATUS_FAILED;
	interrupt_wait();
	status = import_file(file, &batch);
	if (status == STATUS_DONE)
		status = batch.status;
	if (interrupted && status == STATUS_DONE)
		status = STATUS_INTERRUPTED;
	print_counts(&batch);
	if (!common.dry_run && (interrupted || status == STATUS_UNREACHABLE))
		complain(batch.name, interrupted ? "interrupted" : "not read to its end",
			 "import it once more: existing things are skipped");
	if (batch.report != NULL && fclose(batch.report) != 0) {
		complain(report, "cannot be written", "");
		status = status == STATUS_DONE ? STATUS_FAILED : status;
	}
	if (file != stdin)
		fclose(file);
	import_batch_free(&batch);
	return status;
}
