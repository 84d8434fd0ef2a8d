/* SPDX-License-Identifier: ISC */
/*
 * The record of a run, whatever the client said, wrote to standard error and did to its connection: the daemon takes
 * it. run_watch.c without its child: standard error comes out of a pipe, the connection's counts and the spool are
 * the fuzzer's.
 *
 * Input: a key's command, SSH_CONNECTION and the client's command, each ended by 0xff; numbers; then standard error.
 */
#include "tests/fuzz/fuzz.h"

#include <poll.h>
#include <unistd.h>

static ssize_t passed_on(int fd, const void *bytes, size_t count);
static int ready_at_once(void);

#define write(fd, bytes, count) passed_on(fd, bytes, count)
#define poll(polled, count, timeout) ready_at_once()
#include "backup/login_command.h"
#include "backup/run_watch.c"
#undef write
#undef poll

#define ERRORS_MAX 16384

static struct {
	struct run_bytes now[3]; /* what the kernel says, one after the other */
	unsigned asked, gone;    /* bit n: the n-th time it says nothing */
	char passed[ERRORS_MAX];
	size_t passed_length;
	unsigned writes;
	struct run spooled;
} host;

/* In pieces, and not at once. */
static ssize_t passed_on(int fd, const void *bytes, size_t count)
{
	size_t part = host.writes % 7 == 3 ? 1 : count;

	must(fd == STDERR_FILENO && count > 0);
	if (host.writes++ % 5 == 1) {
		errno = host.writes % 2 == 0 ? EINTR : EAGAIN;
		return -1;
	}
	must(part <= sizeof(host.passed) - host.passed_length);
	memcpy(host.passed + host.passed_length, bytes, part);
	host.passed_length += part;
	return (ssize_t)part;
}

static int ready_at_once(void)
{
	return 1;
}

bool run_connection_bytes(const char *ssh_connection, struct run_bytes *bytes)
{
	unsigned number = host.asked++;

	must(number < 3);
	if (ssh_connection == NULL || (host.gone & 1u << number) != 0)
		return false;
	*bytes = host.now[number];
	return true;
}

int run_spool_write(int *fd, const struct run *run)
{
	must(*fd == -1);
	host.spooled = *run;
	return 0;
}

int run_files_wait(const struct run_files *files, uint64_t now)
{
	(void)files, (void)now;
	return -1;
}

void run_files_take(struct run_files *files, uint64_t now)
{
	(void)files, (void)now;
}

void run_files_end(struct run_files *files, struct run *run)
{
	run->files = files->count.any ? files->count.files : RUN_UNKNOWN;
}

enum run_added run_files_added(const struct run_files *files)
{
	(void)files;
	return RUN_ADDED;
}

/* The last line that says something, read at once: without NULs, cut, escaped. */
static void last_line(const char *bytes, size_t length, char *error)
{
	char line[SFTP_LOG_LINE_MAX + 1];
	size_t end = length, start, used = 0;

	error[0] = '\0';
	while (used == 0 && end > 0) {
		for (start = end; start > 0 && bytes[start - 1] != '\n' && bytes[start - 1] != '\r'; start--)
			;
		for (size_t i = start; i < end; i++)
			if (bytes[i] != '\0' && used < SFTP_LOG_LINE_MAX)
				line[used++] = bytes[i];
		end = start > 0 ? start - 1 : 0;
	}
	line[used] = '\0';
	if (used > 0)
		text_escape(line, error, RUN_ERROR_MAX + 1);
}

static void check_bytes(uint64_t counted, uint64_t begin, const uint64_t now[2], const bool said[2])
{
	uint64_t least = 0;

	if (counted == RUN_UNKNOWN) {
		for (int i = 0; i < 2; i++)
			must(!said[i] || now[i] < begin);
		return;
	}
	for (int i = 0; i < 2; i++)
		if (said[i] && now[i] >= begin && now[i] - begin > least)
			least = now[i] - begin;
	must(counted == least);
}

static void check_counts(const struct run *run, const struct watch *watch)
{
	const uint64_t in[] = { host.now[1].in, host.now[2].in }, out[] = { host.now[1].out, host.now[2].out };
	const bool said[] = { watch->counted && (host.gone & 2) == 0, watch->counted && (host.gone & 4) == 0 };

	check_bytes(run->bytes_in, watch->begin.in, in, said);
	check_bytes(run->bytes_out, watch->begin.out, out, said);
}

/* A heartbeat between the two halves of standard error, then the end. */
static void watch_through(struct watch *watch, int pipe_end, const char *errors, size_t length, int status)
{
	size_t half = length / 2;

	must(half == 0 || (write)(pipe_end, errors, half) == (ssize_t)half);
	errors_take(watch);
	measure(watch);
	must(length == half || (write)(pipe_end, errors + half, length - half) == (ssize_t)(length - half));
	record_end(watch, status);
}

static void watch_run(struct run *run, const char *connection, const char *errors, size_t length, int status)
{
	struct watch watch = { .run = run, .connection = connection, .spool = -1 };
	char error[RUN_ERROR_MAX + 1];
	struct run taken;
	int ends[2];

	must(pipe2(ends, O_CLOEXEC | O_NONBLOCK) == 0);
	watch.errors = ends[0];
	clock_gettime(CLOCK_BOOTTIME, &watch.start);
	watch.counted = run_connection_bytes(connection, &watch.begin);
	watch_through(&watch, ends[1], errors, length, status);
	close(ends[0]);
	close(ends[1]);

	must(run_read(&host.spooled, sizeof(host.spooled), &taken) == 0);
	must(host.passed_length == length && memcmp(host.passed, errors, length) == 0);
	last_line(errors, length, error);
	must(strcmp(taken.error, error) == 0);
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGPIPE)
		must(taken.status == RUN_UNFINISHED);
	else
		must(taken.status ==
		     (WIFEXITED(status) ? (uint32_t)WEXITSTATUS(status) : 256u + (uint32_t)WTERMSIG(status)));
	check_counts(&taken, &watch);
}

static void numbers_take(struct input *input, int *status)
{
	for (int i = 0; i < 3; i++)
		host.now[i] = (struct run_bytes){ take_number(input, 8) >> 1, take_number(input, 4) };
	host.gone = take_byte(input);
	*status = take_byte(input) << 8; /* WIFEXITED */
	if (take_byte(input) % 2 == 1)
		*status = 1 + (*status >> 8) % 64; /* WIFSIGNALED */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input input = { data, size };
	char *key = take_text(&input), *connection = take_text(&input), *original = take_text(&input), *errors;
	struct login_command command;
	struct run run;
	int status;

	memset(&host, 0, sizeof(host));
	numbers_take(&input, &status);
	errors = take_copy(input.at, input.left);
	/* login.c: a key that only forwards runs nothing */
	if (login_command_parse(key, &command) == 0 && (command.role != ROLE_NONE || command.tools[0] != '\0') &&
	    input.left <= ERRORS_MAX) {
		if (connection[0] != '\0')
			setenv("SSH_CONNECTION", connection, 1);
		else
			unsetenv("SSH_CONNECTION");
		run_describe(&command, original, &run);
		watch_run(&run, getenv("SSH_CONNECTION"), errors, input.left, status);
	}
	free(key);
	free(connection);
	free(original);
	free(errors);
	return 0;
}
