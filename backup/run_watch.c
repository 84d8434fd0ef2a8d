/* SPDX-License-Identifier: ISC */
/* Runs a gate as a child, watches it until it ends, and records the run. Part of the login shell. */
#include "backup/run_watch.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "account/name.h"
#include "backup/login_end.h"
#include "backup/report.h"
#include "confine/cleanup.h"

#define LOG_PIPE_SIZE (1 << 20) /* of sftp-server's: more than it says in LOG_REST_MS, as a rule */
#define LOG_REST_MS 100
#define HEARTBEAT_MS 10000 /* how much of a session that is cut off may be unknown */
#define PASS_ON_MS 2000    /* for a reader of our standard error who is slow */
#define READS_AT_ONCE 66   /* all that a pipe holds, and its end; then there are other things to do */

struct watch {
	struct run *run;
	pid_t pid;
	int errors, pidfd, signals, spool;
	struct run_files files;
	struct run_end end;
	const char *connection;
	const char *(*ended)(void), *why;
	bool counted; /* `begin` is known */
	struct run_bytes begin;
	struct timespec start;
	char line[SFTP_LOG_LINE_MAX + 1]; /* of standard error, not complete yet */
	size_t length;
	uint64_t rest_until; /* its log is read then */
	uint64_t pass_until; /* so long the reader of ours is waited for */
};

/* Milliseconds since the start. */
static uint64_t elapsed(const struct watch *watch)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return (uint64_t)((now.tv_sec - watch->start.tv_sec) * 1000 + (now.tv_nsec - watch->start.tv_nsec) / 1000000);
}

/* Once its client is gone, a connection may report less than before, or nothing: a count never falls. */
static void count_raise(uint64_t *count, uint64_t begin, uint64_t now)
{
	if (now >= begin && (*count == RUN_UNKNOWN || now - begin > *count))
		*count = now - begin;
}

/* The gate has read the client's words, and we have not. True: this was not known. */
static bool heed(struct watch *watch)
{
	const struct run_files *files = &watch->files;
	struct run *run = watch->run;
	const bool new = (files->kind != 0 && run->kind != files->kind) ||
			 (files->tool[0] != '\0' && strcmp(files->tool, run->tool) != 0);

	if (files->kind != 0)
		run->kind = files->kind;
	if (files->tool[0] != '\0') {
		memset(run->tool, 0, sizeof(run->tool));
		memcpy(run->tool, files->tool, strlen(files->tool));
	}
	return new;
}

/* The run as it is now. */
static void measure(struct watch *watch)
{
	struct run *run = watch->run;
	struct run_bytes bytes;

	run->duration_ms = elapsed(watch);
	if (watch->files.count.any) {
		run->files = watch->files.count.files;
		run->deleted = watch->files.count.deleted;
	}
	if (watch->counted && run_connection_bytes(watch->connection, &bytes)) {
		count_raise(&run->bytes_in, watch->begin.in, bytes.in);
		count_raise(&run->bytes_out, watch->begin.out, bytes.out);
	}
}

static void pass_on(const struct watch *watch, const char *bytes, size_t count);

/* The client's user sees none of sftp-server's log, but what is ours. */
static bool line_is_log(struct watch *watch)
{
	static const char ours[] = "subuid: ";

	if (!watch->files.sftp || strncmp(watch->line, ours, sizeof(ours) - 1) == 0)
		return false;
	sftp_log_line(&watch->files.sftp_log, watch->line);
	return true;
}

static void line_end(struct watch *watch)
{
	watch->line[watch->length] = '\0';
	if (watch->length > 0 && !line_is_log(watch)) {
		if (watch->files.sftp) {
			pass_on(watch, watch->line, watch->length);
			pass_on(watch, "\n", 1);
		}
		memset(watch->run->error, 0, sizeof(watch->run->error));
		text_escape(watch->line, watch->run->error, sizeof(watch->run->error));
	}
	watch->length = 0;
}

static void line_take(struct watch *watch, const char *bytes, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (bytes[i] == '\n' || bytes[i] == '\r')
			line_end(watch);
		else if (bytes[i] != '\0' && watch->length < SFTP_LOG_LINE_MAX)
			watch->line[watch->length++] = bytes[i];
	}
}

/*
 * To the reader of our standard error; a missing reader is no reason to stop, nor is one who does not read: a client
 * that could hold us up would hold up what ends its run (heartbeat()). Bytes for which there is no room are lost. The
 * descriptor may block, so no more is written at once than has room for certain when poll(2) says that there is any.
 */
static void pass_on(const struct watch *watch, const char *bytes, size_t count)
{
	while (count > 0) {
		struct pollfd ready = { .fd = STDERR_FILENO, .events = POLLOUT };
		const uint64_t now = elapsed(watch);
		int n = poll(&ready, 1, now < watch->pass_until ? (int)(watch->pass_until - now) : 0);
		ssize_t wrote;

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return;
		wrote = write(STDERR_FILENO, bytes, count < PIPE_BUF ? count : PIPE_BUF);
		if (wrote > 0) {
			bytes += wrote;
			count -= (size_t)wrote;
		} else if (errno != EINTR && errno != EAGAIN) {
			return;
		}
	}
}

/* False: nothing more will come. */
static bool errors_take(struct watch *watch)
{
	char bytes[16384];
	unsigned reads = 0;
	ssize_t got;

	watch->pass_until = elapsed(watch) + PASS_ON_MS;
	do {
		if (reads++ == READS_AT_ONCE)
			return true;
		got = read(watch->errors, bytes, sizeof(bytes));
		if (got > 0) {
			if (!watch->files.sftp)
				pass_on(watch, bytes, (size_t)got);
			line_take(watch, bytes, (size_t)got);
		}
	} while (got > 0 || (got < 0 && errno == EINTR));
	return got < 0 && errno == EAGAIN;
}

static void signal_take(const struct watch *watch)
{
	struct signalfd_siginfo info;

	if (read(watch->signals, &info, sizeof(info)) == (ssize_t)sizeof(info))
		syscall(SYS_pidfd_send_signal, watch->pidfd, (int)info.ssi_signo, NULL, 0);
}

static int child_spawn(const char *program, char *const *argv, char *const *environment, int errors, int report,
		       const sigset_t *mask, pid_t *pid)
{
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attributes;
	int r;

	if (posix_spawn_file_actions_init(&files) != 0 || posix_spawnattr_init(&attributes) != 0)
		return -ENOMEM;
	r = posix_spawn_file_actions_adddup2(&files, errors, STDERR_FILENO);
	if (r == 0) /* after that: it may stand where errors stands */
		r = posix_spawn_file_actions_adddup2(&files, report, REPORT_SOCKET);
	if (r == 0)
		r = posix_spawnattr_setsigmask(&attributes, mask);
	if (r == 0)
		r = posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP);
	if (r == 0)
		r = posix_spawn(pid, program, &files, &attributes, argv, environment);
	posix_spawn_file_actions_destroy(&files);
	posix_spawnattr_destroy(&attributes);
	return -r;
}

/* Only the child may see the client's end of data and give its own. */
static void data_leave(void)
{
	cleanup_fd int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(null, STDOUT_FILENO) < 0) {
		close(STDIN_FILENO);
		close(STDOUT_FILENO);
	}
}

/* While it goes on. */
static void heartbeat(struct watch *watch, uint64_t now)
{
	measure(watch);
	run_spool_write(&watch->spool, watch->run);
	login_end_watch();
	if (watch->why == NULL && watch->ended != NULL && (watch->why = watch->ended()) != NULL)
		run_end_gone(&watch->end, now);
}

/* The time at which there is something to do, whatever happens before. */
static uint64_t due(const struct watch *watch, uint64_t now, uint64_t next)
{
	const uint64_t files = watch->files.rest_until, errors = watch->rest_until, end = run_end_due(&watch->end);

	if (now < files && files < next)
		next = files;
	if (now < errors && errors < next)
		next = errors;
	if (end < next)
		next = end < now ? now : end;
	return next;
}

/* A log is read now and then: to wake up for each line would cost more than all the rest. */
static void errors_rest(struct watch *watch, uint64_t now)
{
	if (watch->rest_until == 0)
		fcntl(watch->errors, F_SETPIPE_SZ, LOG_PIPE_SIZE);
	watch->rest_until = now + LOG_REST_MS;
}

static void watch_until_end(struct watch *watch)
{
	struct pollfd polled[] = { { .fd = watch->pidfd, .events = POLLIN },
				   { .fd = watch->signals, .events = POLLIN },
				   { .fd = watch->errors, .events = POLLIN },
				   { .events = POLLIN },
				   { .fd = STDERR_FILENO } }; /* its end, which poll(2) reports unasked */
	uint64_t next = HEARTBEAT_MS;
	int errors = watch->errors;

	for (;;) {
		const uint64_t now = elapsed(watch);
		int n;

		if (now >= next) {
			heartbeat(watch, now);
			next = now + HEARTBEAT_MS;
			continue;
		}
		run_end_step(&watch->end, now);
		polled[2].fd = now < watch->rest_until ? -1 : errors;
		polled[3].fd = run_files_wait(&watch->files, now);
		n = poll(polled, 5, (int)(due(watch, now, next) - now));
		if (n < 0 && errno != EINTR)
			return;
		if (n <= 0)
			continue;
		if (polled[4].revents != 0) {
			run_end_gone(&watch->end, now);
			polled[4].fd = -1;
		}
		if (polled[3].revents != 0) { /* before what the tool says */
			run_files_take(&watch->files, now);
			if (heed(watch))
				heartbeat(watch, now);
		}
		if (polled[2].revents != 0 && !errors_take(watch))
			errors = -1;
		if (watch->files.sftp && polled[2].revents != 0)
			errors_rest(watch, now);
		if (polled[1].revents != 0)
			signal_take(watch);
		if (polled[0].revents != 0)
			return;
	}
}

/* One that ended well may have looked only; or its client has gone half-way, which its tool takes for the end. */
static void judge(struct watch *watch)
{
	switch (run_files_added(&watch->files)) {
	case RUN_ADDED_NOTHING:
		watch->run->kind = RUN_READ;
		break;
	case RUN_ADDED_PART:
		watch->run->status = RUN_UNFINISHED;
		break;
	case RUN_ADDED:
		break;
	}
}

/* A tool that SIGPIPE ends wrote to a client that was gone. */
static uint32_t ended_as(int status)
{
	if (WIFEXITED(status))
		return (uint32_t)WEXITSTATUS(status);
	return WTERMSIG(status) == SIGPIPE ? RUN_UNFINISHED : RUN_SIGNAL + (uint32_t)WTERMSIG(status);
}

static void record_end(struct watch *watch, int status)
{
	struct run *run = watch->run;

	run_files_take(&watch->files, 0);
	errors_take(watch);
	line_end(watch);
	if (watch->why != NULL)
		text_escape(watch->why, run->error, sizeof(run->error));
	run_files_end(&watch->files, run);
	measure(watch);
	run->status = ended_as(status);
	heed(watch);
	if (run->kind == RUN_BACKUP && run->status == 0)
		judge(watch);
	run_record(&watch->spool, run);
}

int run_watch(const char *program, char *const *argv, char *const *environment, const char *home,
	      const char *(*ended)(void), struct run *run, int *status)
{
	struct watch watch = { .run = run,
			       .ended = ended,
			       .connection = getenv("SSH_CONNECTION"),
			       .spool = -1,
			       .files = { .socket = -1, .log = -1, .home = home } };
	sigset_t caught, before;
	const bool terminal = isatty(STDERR_FILENO) == 1; /* of an isolated shell: its own, for all it says */
	int errors[2], report[2], r;

	sigemptyset(&caught);
	sigaddset(&caught, SIGTERM);
	sigaddset(&caught, SIGHUP);
	sigaddset(&caught, SIGINT);
	if (sigprocmask(SIG_BLOCK, &caught, &before) < 0 || pipe2(errors, O_CLOEXEC) < 0 ||
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, report) < 0)
		return -errno;
	clock_gettime(CLOCK_BOOTTIME, &watch.start);
	r = child_spawn(program, argv, environment, terminal ? STDERR_FILENO : errors[1], report[1], &before,
			&watch.pid);
	close(errors[1]);
	close(report[1]);
	watch.end.group = watch.pid;
	watch.errors = errors[0];
	watch.files.socket = report[0];
	if (r < 0)
		return r;
	/* From here on this runs in parallel with the child: its cost delays nobody. */
	data_leave();
	signal(SIGPIPE, SIG_IGN);
	watch.pidfd = (int)syscall(SYS_pidfd_open, watch.pid, 0);
	watch.signals = signalfd(-1, &caught, SFD_CLOEXEC | SFD_NONBLOCK);
	fcntl(watch.errors, F_SETFL, O_NONBLOCK);
	watch.counted = run_connection_bytes(watch.connection, &watch.begin);
	run_spool_write(&watch.spool, run);
	if (watch.pidfd >= 0)
		watch_until_end(&watch);
	while (waitpid(watch.pid, status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	run_end_leftover(&watch.end);
	record_end(&watch, *status);
	return 0;
}
