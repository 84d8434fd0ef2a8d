/* SPDX-License-Identifier: ISC */
/*
 * Finds out whether a run adds anything, as far as the gate has said how to see that, and counts its files. rsync's log
 * is read ten times a second and not at each line: waking up for each file would cost more than all the rest. The size
 * of the pipe bounds the work that a session can cause its login shell.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "account/role.h"
#include "backup/report.h"
#include "backup/run_watch.h"
#include "confine/cleanup.h"

#define PIPE_SIZE (1 << 20) /* some 35,000 lines: rsync writes fewer in REST_MS, and never waits */
#define REST_MS 100
#define SHORT_REST_MS 5 /* fewer with a pipe of the default size, if the uid has many */

/* A log that cannot be answered, or did not come, is none: the gate does without. */
static void log_take(struct run_files *files, int log)
{
	if (log < 0 || files->log >= 0 || !report_answer(files->socket)) {
		if (log >= 0)
			close(log);
		close(steal_fd(&files->socket));
		return;
	}
	files->log = log;
	files->rest = fcntl(files->log, F_SETPIPE_SZ, PIPE_SIZE) < 0 ? SHORT_REST_MS : REST_MS;
}

static void report_take(struct run_files *files, const struct report *report)
{
	switch (report->kind) {
	case REPORT_FILES:
		log_take(files, report->fd);
		return;
	case REPORT_REFUSED:
		files->kind = RUN_REFUSED;
		break;
	case REPORT_READS:
		files->kind = RUN_READ;
		break;
	case REPORT_WRITES:
		files->kind = RUN_BACKUP;
		break;
	case REPORT_TOOL:
		if (tool_name_valid(report->text, strlen(report->text))) /* a record with another one would be none */
			snprintf(files->tool, sizeof(files->tool), "%.*s", RUN_TOOL_MAX, report->text);
		break;
	case REPORT_ADDS:
		run_trace_begin(&files->adds, files->home, report->text);
		break;
	case REPORT_BEGINS:
		run_trace_begin(&files->begins, files->home, report->text);
		break;
	case REPORT_TIDIES:
		run_trace_begin(&files->tidies, files->home, report->text);
		break;
	case REPORT_SFTP:
		files->sftp = true;
		break;
	}
	if (report->fd >= 0)
		close(report->fd);
}

/* All that the gate has said by now. Its end is the beginning of the tool. */
static void reports_take(struct run_files *files)
{
	struct report report;
	int r = 0;

	while (files->socket >= 0 && (r = report_receive(files->socket, &report)) == 0)
		report_take(files, &report);
	if (files->socket >= 0 && r != -EAGAIN)
		close(steal_fd(&files->socket));
}

static void log_read(struct run_files *files)
{
	char bytes[16384];
	ssize_t got;

	for (size_t taken = 0; taken < PIPE_SIZE; taken += (size_t)got) {
		got = read(files->log, bytes, sizeof(bytes));
		if (got <= 0) /* no data, or no writer: not yet, or no longer */
			return;
		file_count_take(&files->count, bytes, (size_t)got);
	}
}

int run_files_wait(const struct run_files *files, uint64_t now)
{
	if (files->log < 0)
		return files->socket;
	return now < files->rest_until ? -1 : files->log;
}

void run_files_take(struct run_files *files, uint64_t now)
{
	reports_take(files);
	if (files->log >= 0)
		log_read(files);
	files->rest_until = now + files->rest;
}

void run_files_end(struct run_files *files, struct run *run)
{
	run_files_take(files, 0);
	if (files->socket >= 0)
		close(steal_fd(&files->socket));
	if (files->log >= 0)
		close(steal_fd(&files->log));
	run->deleted = files->count.any ? files->count.deleted : RUN_UNKNOWN;
	run->files = files->sftp ? files->sftp_log.files : files->count.any ? files->count.files : RUN_UNKNOWN;
}

/* Without a way to see it, a run is believed to have added something. */
enum run_added run_files_added(const struct run_files *files)
{
	if (files->sftp)
		return files->sftp_log.cut              ? RUN_ADDED_PART :
		       sftp_log_added(&files->sftp_log) ? RUN_ADDED :
							  RUN_ADDED_NOTHING;
	if (files->adds.pattern[0] == '\0' || run_trace_more(&files->adds, files->home))
		return RUN_ADDED;
	return run_trace_more(&files->begins, files->home) && !run_trace_more(&files->tidies, files->home) ?
		       RUN_ADDED_PART :
		       RUN_ADDED_NOTHING;
}
