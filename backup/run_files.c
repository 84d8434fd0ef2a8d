/* SPDX-License-Identifier: ISC */
/*
 * The count of files of a run. The log is read ten times a second and not at each line: waking up for each file
 * would cost more than all the rest. The size of the pipe bounds the work that a session can cause its login shell.
 */
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "backup/run_watch.h"
#include "confine/cleanup.h"

#define PIPE_SIZE (1 << 20) /* some 35,000 lines: rsync writes fewer in REST_MS, and never waits */
#define REST_MS 100
#define SHORT_REST_MS 5     /* with a pipe as it comes, where the uid has many */

static void log_receive(struct run_files *files)
{
	files->log = file_count_receive(files->socket);
	/* one is all that comes; closed without an answer, when it did not, it tells the gate to do without */
	if (files->log >= 0 && send(files->socket, "", 1, MSG_NOSIGNAL) != 1)
		close(steal_fd(&files->log));
	close(steal_fd(&files->socket));
	if (files->log < 0)
		return;
	files->rest = fcntl(files->log, F_SETPIPE_SZ, PIPE_SIZE) < 0 ? SHORT_REST_MS : REST_MS;
}

static void log_read(struct run_files *files)
{
	char bytes[16384];
	ssize_t got;

	for (size_t taken = 0; taken < PIPE_SIZE; taken += (size_t)got) {
		got = read(files->log, bytes, sizeof(bytes));
		if (got <= 0) /* nothing, or no writer: not yet, or not any more */
			return;
		file_count_take(&files->count, bytes, (size_t)got);
	}
}

int run_files_wait(const struct run_files *files, uint64_t now)
{
	if (files->socket >= 0)
		return files->socket;
	return now < files->rest_until ? -1 : files->log;
}

void run_files_take(struct run_files *files, uint64_t now)
{
	if (files->socket >= 0)
		log_receive(files);
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
	run->files = files->count.any ? files->count.files : RUN_UNKNOWN;
}
