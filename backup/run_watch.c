/* SPDX-License-Identifier: ISC */
/* Runs a gate as a child, watches it until it ends, and records the run. Part of the login shell. */
#include "backup/run_watch.h"

#include <errno.h>
#include <fcntl.h>
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
#include "backup/login_command.h"
#include "confine/cleanup.h"

#define HEARTBEAT_MS 10000 /* how much of a session that is cut off may be unknown */

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
	char line[RUN_ERROR_MAX + 1]; /* of standard error, not complete yet */
	size_t length;
};

/* The one of the key's tools that the client's first word names, or the only one. */
static void tool_of(const struct login_command *command, const char *original, struct run *run)
{
	size_t word = strcspn(original, " \t"), base = word, length;
	const char *at = command->tools;

	if (strcmp(original, "true") == 0 || login_command_is_rsync(command, original)) {
		snprintf(run->tool, sizeof(run->tool), "%s", "rsync");
		return;
	}
	while (base > 0 && original[base - 1] != '/')
		base--;
	for (; *at != '\0'; at += length + (at[length] == ',')) {
		length = strcspn(at, ",");
		if (run->tool[0] != '\0' && (length > word - base || memmem(original + base, word - base, at, length) == NULL))
			continue;
		memset(run->tool, 0, sizeof(run->tool)); /* nothing of a longer name stays behind it */
		snprintf(run->tool, sizeof(run->tool), "%.*s", (int)length, at);
	}
}

/* Anything but an address is left out: a record with it would be refused. */
static void address_of(const char *connection, struct run *run)
{
	size_t length = strspn(connection, RUN_ADDRESS_SET);

	if (length <= RUN_ADDRESS_MAX && (connection[length] == ' ' || connection[length] == '\0'))
		memcpy(run->address, connection, length);
}

void run_describe(const struct login_command *command, const char *original, struct run *run)
{
	const char *connection = getenv("SSH_CONNECTION");
	bool reads = (command->options & KEY_READ_ONLY) != 0 || command->role == ROLE_PULL;

	*run = (struct run){ .magic = RUN_MAGIC, .kind = RUN_BACKUP, .key_id = command->key_id,
			     .bytes_in = RUN_UNKNOWN, .bytes_out = RUN_UNKNOWN, .files = RUN_UNKNOWN,
			     .status = RUN_UNFINISHED, .started = time(NULL) };
	tool_of(command, original, run);
	if (strcmp(original, "true") == 0)
		run->kind = RUN_PROBE;
	else if (reads || (strcmp(run->tool, "rsync") == 0 && login_command_looks(original)))
		run->kind = RUN_READ;
	memcpy(run->fingerprint, command->fingerprint, strlen(command->fingerprint));
	if (connection != NULL)
		address_of(connection, run);
}

/* Milliseconds since the start. */
static uint64_t elapsed(const struct watch *watch)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return (uint64_t)((now.tv_sec - watch->start.tv_sec) * 1000 + (now.tv_nsec - watch->start.tv_nsec) / 1000000);
}

/* A connection of which the client has gone may tell less than it did before, or nothing: a count never falls. */
static void count_raise(uint64_t *count, uint64_t begin, uint64_t now)
{
	if (now >= begin && (*count == RUN_UNKNOWN || now - begin > *count))
		*count = now - begin;
}

/* The run as it is by now. */
static void measure(struct watch *watch)
{
	struct run *run = watch->run;
	struct run_bytes bytes;

	run->duration_ms = elapsed(watch);
	if (watch->files.count.any)
		run->files = watch->files.count.files;
	if (watch->counted && run_connection_bytes(watch->connection, &bytes)) {
		count_raise(&run->bytes_in, watch->begin.in, bytes.in);
		count_raise(&run->bytes_out, watch->begin.out, bytes.out);
	}
}

static void line_end(struct watch *watch)
{
	watch->line[watch->length] = '\0';
	if (watch->length > 0) {
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
		else if (bytes[i] != '\0' && watch->length < RUN_ERROR_MAX)
			watch->line[watch->length++] = bytes[i];
	}
}

/* To the reader of our standard error; having none is no reason to stop. */
static void pass_on(const char *bytes, size_t count)
{
	while (count > 0) {
		struct pollfd ready = { .fd = STDERR_FILENO, .events = POLLOUT };
		ssize_t wrote = write(STDERR_FILENO, bytes, count);

		if (wrote > 0) {
			bytes += wrote;
			count -= (size_t)wrote;
		} else if (errno != EINTR && (errno != EAGAIN || poll(&ready, 1, -1) < 0)) {
			return;
		}
	}
}

/* False: nothing more will come. */
static bool errors_take(struct watch *watch)
{
	char bytes[4096];
	ssize_t got;

	do {
		got = read(watch->errors, bytes, sizeof(bytes));
		if (got > 0) {
			pass_on(bytes, (size_t)got);
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
		r = posix_spawn_file_actions_adddup2(&files, report, FILE_COUNT_SOCKET);
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

/* The client's end of data is the child's to see and to give. */
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
	run_spool_write(watch->spool, watch->run);
	if (watch->why == NULL && watch->ended != NULL && (watch->why = watch->ended()) != NULL)
		run_end_gone(&watch->end, now);
}

/* When there is something to do, whatever happens until then. */
static uint64_t due(const struct watch *watch, uint64_t now, uint64_t next)
{
	const uint64_t rest = watch->files.rest_until, end = run_end_due(&watch->end);

	if (now < rest && rest < next)
		next = rest;
	if (end < next)
		next = end < now ? now : end;
	return next;
}

static void watch_until_end(struct watch *watch)
{
	struct pollfd polled[] = { { .fd = watch->pidfd, .events = POLLIN },
				   { .fd = watch->signals, .events = POLLIN },
				   { .fd = watch->errors, .events = POLLIN },
				   { .events = POLLIN },
				   { .fd = STDERR_FILENO } }; /* its end, which comes without being asked for */
	uint64_t next = HEARTBEAT_MS;

	for (;;) {
		const uint64_t now = elapsed(watch);
		int n;

		if (now >= next) {
			heartbeat(watch, now);
			next = now + HEARTBEAT_MS;
			continue;
		}
		run_end_step(&watch->end, now);
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
		if (polled[3].revents != 0)
			run_files_take(&watch->files, now);
		if (polled[2].revents != 0 && !errors_take(watch))
			polled[2].fd = -1;
		if (polled[1].revents != 0)
			signal_take(watch);
		if (polled[0].revents != 0)
			return;
	}
}

static void record_end(struct watch *watch, int status)
{
	struct run *run = watch->run;

	errors_take(watch);
	line_end(watch);
	if (watch->why != NULL)
		text_escape(watch->why, run->error, sizeof(run->error));
	run_files_end(&watch->files, run);
	measure(watch);
	run->status = WIFEXITED(status) ? (uint32_t)WEXITSTATUS(status) : RUN_SIGNAL + (uint32_t)WTERMSIG(status);
	run_spool_write(watch->spool, run);
	if (watch->spool >= 0)
		close(watch->spool);
}

int run_watch(const char *program, char *const *argv, char *const *environment, const char *(*ended)(void),
	      struct run *run, int *status)
{
	struct watch watch = { .run = run, .ended = ended, .connection = getenv("SSH_CONNECTION"), .spool = -1,
			       .files = { .socket = -1, .log = -1 } };
	sigset_t caught, before;
	int errors[2], report[2], r;

	sigemptyset(&caught);
	sigaddset(&caught, SIGTERM);
	sigaddset(&caught, SIGHUP);
	sigaddset(&caught, SIGINT);
	if (sigprocmask(SIG_BLOCK, &caught, &before) < 0 || pipe2(errors, O_CLOEXEC) < 0 ||
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, report) < 0)
		return -errno;
	clock_gettime(CLOCK_BOOTTIME, &watch.start);
	r = child_spawn(program, argv, environment, errors[1], report[1], &before, &watch.pid);
	close(errors[1]);
	close(report[1]);
	watch.end.group = watch.pid;
	watch.errors = errors[0];
	watch.files.socket = report[0];
	if (r < 0)
		return r;
	/* From here on this runs beside the child: its cost delays nobody. */
	data_leave();
	signal(SIGPIPE, SIG_IGN);
	watch.pidfd = (int)syscall(SYS_pidfd_open, watch.pid, 0);
	watch.signals = signalfd(-1, &caught, SFD_CLOEXEC | SFD_NONBLOCK);
	fcntl(watch.errors, F_SETFL, O_NONBLOCK);
	watch.counted = run_connection_bytes(watch.connection, &watch.begin);
	watch.spool = run_spool_open(run);
	if (watch.pidfd >= 0)
		watch_until_end(&watch);
	while (waitpid(watch.pid, status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	run_end_leftover(&watch.end);
	record_end(&watch, *status);
	return 0;
}
