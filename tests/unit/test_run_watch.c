/* SPDX-License-Identifier: ISC */
/* The record of a run: what the daemon has to take. run_watch.c itself, with counts and a spool of the test's own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "backup/run_watch.c"

static struct run_bytes said;
static bool says;

bool run_connection_bytes(const char *ssh_connection, struct run_bytes *bytes)
{
	(void)ssh_connection;
	if (says)
		*bytes = said;
	return says;
}

int run_spool_open(const struct run *run)
{
	(void)run;
	return -1;
}

void run_spool_write(int fd, const struct run *run)
{
	(void)fd, (void)run;
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
	clock_gettime(CLOCK_BOOTTIME, &watch->start);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_connection_that_is_gone_takes_no_count_back),
		cmocka_unit_test(the_tool_that_is_named_is_recorded_alone),
		cmocka_unit_test(what_is_no_address_costs_no_record),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
