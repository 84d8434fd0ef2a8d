/* SPDX-License-Identifier: ISC */
/*
 * The record of a run: what the daemon has to take; and what a client that does not read cannot hold up. run_watch.c
 * itself, with counts, a spool and a clock of the test's own.
 */
#include "tests/unit/stderr_fixture.h"

#include <poll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>

static int own_clock(clockid_t id, struct timespec *now);
static int own_poll(struct pollfd *polled, nfds_t count, int timeout);

#define clock_gettime(id, now) own_clock(id, now)
#define poll(polled, count, timeout) own_poll(polled, count, timeout)
#include "backup/login_command.h"
#include "backup/run_watch.c"
#undef clock_gettime
#undef poll

static struct {
	uint64_t now;  /* milliseconds */
	bool reads;    /* whoever is waited for reads what there is, meanwhile */
	size_t unread; /* how much they have not */
	unsigned waits;
} reader;

static int own_clock(clockid_t id, struct timespec *now)
{
	(void)id;
	*now = (struct timespec){ .tv_sec = (time_t)(reader.now / 1000),
				  .tv_nsec = (long)(reader.now % 1000) * 1000000 };
	return 0;
}

/* The wait for a reader of standard error alone: time passes on our clock. Every other one is as it is. */
static int own_poll(struct pollfd *polled, nfds_t count, int timeout)
{
	char end[2];
	int n;

	if (count > 1)
		return poll(polled, count, timeout);
	assert_int_equal(polled[0].fd, STDERR_FILENO);
	assert_in_range(timeout, 0, PASS_ON_MS); /* never for ever */
	n = poll(polled, 1, 0);
	if (n != 0)
		return n;
	reader.waits++;
	if (reader.reads)
		reader.unread += stderr_read(end, sizeof(end));
	else
		reader.now += (uint64_t)timeout;
	return reader.reads ? poll(polled, 1, 0) : 0;
}

static struct run_bytes said;
static bool says;

bool run_connection_bytes(const char *ssh_connection, struct run_bytes *bytes)
{
	(void)ssh_connection;
	if (says)
		*bytes = said;
	return says;
}

int run_spool_write(int *fd, const struct run *run)
{
	(void)fd, (void)run;
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
	(void)files, (void)run;
}

enum run_added run_files_added(const struct run_files *files)
{
	(void)files;
	return RUN_ADDED;
}

static struct run run;

static struct watch a_watch(void)
{
	static const char text[] = "push key=7 fp=SHA256:abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQ";
	struct login_command command;

	assert_int_equal(login_command_parse(text, &command), 0);
	run_describe(&command, "rsync --server . x", &run);
	return (struct watch){ .run = &run, .counted = true, .begin = { 3000, 5000 } };
}

static void measured(struct watch *watch, bool answered, uint64_t in, uint64_t out)
{
	struct run taken;

	says = answered;
	said = (struct run_bytes){ in, out };
	own_clock(CLOCK_BOOTTIME, &watch->start);
	measure(watch);
	assert_int_equal(run_read(watch->run, sizeof(*watch->run), &taken), 0);
}

/* The client has hung up first: what the kernel still tells of the connection is less than at the beginning. */
static void a_connection_that_is_gone_takes_no_count_back(void **state)
{
	struct watch watch = a_watch();

	(void)state;
	measured(&watch, true, 0, 0);
	assert_true(run.bytes_in == RUN_UNKNOWN && run.bytes_out == RUN_UNKNOWN);
	measured(&watch, true, 13000, 5100);
	assert_int_equal(run.bytes_in, 10000);
	assert_int_equal(run.bytes_out, 100);
	measured(&watch, true, 0, 0);
	assert_int_equal(run.bytes_in, 10000);
	assert_int_equal(run.bytes_out, 100);
	measured(&watch, true, 4000, 5001);
	assert_int_equal(run.bytes_in, 10000);
	assert_int_equal(run.bytes_out, 100);
	measured(&watch, false, 1, 1);
	assert_int_equal(run.bytes_in, 10000);
	measured(&watch, true, 13001, 5100);
	assert_int_equal(run.bytes_in, 10001);
}

/* A key for several tools: the record names the one that was asked for, and nothing of another stands behind it. */
static void the_tool_that_is_named_is_recorded_alone(void **state)
{
	static const char text[] = "restic,borg,sftp key=7 fp=SHA256:abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQ";
	static const struct {
		const char *original, *tool;
	} cases[] = { { "borg serve", "borg" },
		      { "/usr/bin/restic x", "restic" },
		      { "/usr/lib/openssh/sftp-server", "sftp" },
		      { "what", "restic" },
		      { "true", "rsync" } };
	struct login_command command;
	struct run taken;

	(void)state;
	assert_int_equal(login_command_parse(text, &command), 0);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		run_describe(&command, cases[i].original, &run);
		assert_string_equal(run.tool, cases[i].tool);
		assert_int_equal(run_read(&run, sizeof(run), &taken), 0);
	}
}

static void what_is_no_address_costs_no_record(void **state)
{
	static const struct {
		const char *connection, *address;
	} cases[] = { { "192.0.2.7 50022 192.0.2.1 22", "192.0.2.7" },
		      { "fe80::1%eth0 1 fe80::2%eth0 22", "fe80::1%eth0" },
		      { "UNKNOWN 65535 UNKNOWN 65535", "UNKNOWN" },
		      { "192\001 1 2 3", "" },
		      { "/run/socket 1 2 3", "" },
		      { "", "" } };
	struct run taken;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		setenv("SSH_CONNECTION", cases[i].connection, 1);
		a_watch();
		assert_string_equal(run.address, cases[i].address);
		assert_int_equal(run_read(&run, sizeof(run), &taken), 0);
	}
	unsetenv("SSH_CONNECTION");
}

#define LINES 3000u
static const char line[] = "a line of a tool\n";

/* A tool that has said many lines, and has ended. */
static struct watch a_talkative_tool(void)
{
	struct watch watch = a_watch();
	int ends[2];

	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	assert_true(fcntl(ends[1], F_SETPIPE_SZ, 1 << 20) >= (int)(LINES * (sizeof(line) - 1)));
	for (unsigned i = 0; i < LINES; i++)
		assert_int_equal(write(ends[1], line, sizeof(line) - 1), sizeof(line) - 1);
	close(ends[1]);
	assert_int_equal(fcntl(ends[0], F_SETFL, O_NONBLOCK), 0);
	watch.errors = ends[0];
	own_clock(CLOCK_BOOTTIME, &watch.start);
	return watch;
}

/* Neither at all, nor any more. */
static void a_reader_who_does_not_read_is_waited_for_once(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2 * STDERR_KINDS; i++) {
		struct watch watch = a_talkative_tool();
		const uint64_t before = reader.now;

		stderr_begin(i / 2);
		if (i % 2 == 1)
			stderr_make_room();
		assert_false(errors_take(&watch));
		stderr_end();
		close(watch.errors);
		assert_int_equal(reader.now - before, PASS_ON_MS); /* not for each line, nor for each piece */
		assert_int_equal(strncmp(run.error, line, sizeof(line) - 2), 0); /* it is recorded all the same */
	}
}

/* The control: nothing is lost on one who is slow. */
static void a_reader_who_is_slow_gets_everything(void **state)
{
	char end[sizeof(line)];

	(void)state;
	for (enum stderr_kind kind = 0; kind < STDERR_KINDS; kind++) {
		struct watch watch = a_talkative_tool();
		size_t filled;

		stderr_begin(kind);
		filled = stderr_read(end, sizeof(end));
		stderr_fill();
		reader.reads = true;
		reader.unread = reader.waits = 0;
		assert_false(errors_take(&watch));
		reader.reads = false;
		reader.unread += stderr_read(end, sizeof(end));
		stderr_end();
		close(watch.errors);
		assert_true(reader.waits > 0);
		assert_int_equal(reader.unread, filled + LINES * (sizeof(line) - 1));
		assert_string_equal(end, line);
	}
}

static void a_tool_that_never_stops_talking_gives_way(void **state)
{
	struct watch watch = a_watch();

	(void)state;
	watch.files.sftp = true;
	watch.errors = open("/dev/zero", O_RDONLY | O_CLOEXEC);
	assert_true(watch.errors >= 0);
	alarm(HANG_SECONDS);
	assert_true(errors_take(&watch)); /* returns at all, and there may be more */
	alarm(0);
	close(watch.errors);
}

static const char *over(void)
{
	return "over its limit";
}

/* Talks without end, and its client reads none of it: run_watch() as a whole. Returns 0 if the run was ended. */
static int run_of_a_client_that_does_not_read(void)
{
	char shell[] = "sh", option[] = "-c", script[] = "while :; do echo a line of a tool; done >&2";
	char *const argv[] = { shell, option, script, NULL }, *const environment[] = { NULL };
	int status = 0;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	a_watch();
	if (run_watch("/bin/sh", argv, environment, "/", over, &run, &status) != 0)
		return 2;
	if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGTERM || run.status != RUN_SIGNAL + SIGTERM)
		return 3;
	return strcmp(run.error, over()) == 0 ? 0 : 4;
}

static void a_run_is_ended_although_its_client_does_not_read(void **state)
{
	(void)state;
	for (enum stderr_kind kind = 0; kind < STDERR_KINDS; kind++) {
		int status;
		pid_t pid;

		stderr_begin(kind);
		pid = fork(); /* run_watch() gives up the descriptors of data, which are the test's */
		if (pid == 0)
			_exit(run_of_a_client_that_does_not_read());
		assert_true(pid > 0);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		stderr_end();
		assert_true(WIFEXITED(status));
		assert_int_equal(WEXITSTATUS(status), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_connection_that_is_gone_takes_no_count_back),
		cmocka_unit_test(the_tool_that_is_named_is_recorded_alone),
		cmocka_unit_test(what_is_no_address_costs_no_record),
		cmocka_unit_test_teardown(a_reader_who_does_not_read_is_waited_for_once, stderr_teardown),
		cmocka_unit_test_teardown(a_reader_who_is_slow_gets_everything, stderr_teardown),
		cmocka_unit_test(a_tool_that_never_stops_talking_gives_way),
		cmocka_unit_test_teardown(a_run_is_ended_although_its_client_does_not_read, stderr_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
