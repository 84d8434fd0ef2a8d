/* SPDX-License-Identifier: ISC */
/* Whether there is something new in a repository. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backup/run_added.h"

static char home[] = "/tmp/test_run_added.XXXXXX";

static const char *at(const char *name)
{
	static char path[256];

	snprintf(path, sizeof(path), "%s/%s", home, name);
	return path;
}

/* A file whose change is later than all before: the clock of a file system ticks now and then. */
static void make(const char *name)
{
	static struct timespec newest;
	struct stat st;
	int fd;

	do {
		unlink(at(name));
		fd = open(at(name), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
		assert_true(fd >= 0);
		assert_int_equal(fstat(fd, &st), 0);
		close(fd);
	} while (st.st_ctim.tv_sec == newest.tv_sec && st.st_ctim.tv_nsec == newest.tv_nsec);
	newest = st.st_ctim;
}

static int set_up(void **state)
{
	(void)state;
	return mkdtemp(home) == NULL || mkdir(at("a"), 0700) != 0 || mkdir(at("a/repository"), 0700) != 0 ||
	       mkdir(at("a/repository/snapshots"), 0700) != 0 || mkdir(at("a/repository/locks"), 0700) != 0;
}

static int tear_down(void **state)
{
	char command[300];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf %s", home);
	return system(command);
}

static void only_what_matches_and_is_new_counts(void **state)
{
	struct run_trace trace = { 0 };

	(void)state;
	make("a/repository/snapshots/1");
	make("a/repository/index.1");
	run_trace_begin(&trace, home, "snapshots/*");
	assert_false(run_trace_more(&trace, home));
	make("a/repository/locks/1");
	make("a/repository/snapshots/.temporary");
	make("a/repository/index.2");
	assert_false(run_trace_more(&trace, home));
	make("a/repository/snapshots/2");
	assert_true(run_trace_more(&trace, home));
	assert_int_equal(unlink(at("a/repository/snapshots/2")), 0);
	assert_false(run_trace_more(&trace, home));
	trace = (struct run_trace){ 0 };
	run_trace_begin(&trace, home, "index.*");
	assert_false(run_trace_more(&trace, home));
	make("a/repository/index.3");
	assert_true(run_trace_more(&trace, home));
}

static void the_first_of_all_is_new(void **state)
{
	struct run_trace trace = { 0 };

	(void)state;
	run_trace_begin(&trace, home, "snapshots/*.new");
	assert_false(run_trace_more(&trace, home));
	make("a/repository/snapshots/1.new");
	assert_true(run_trace_more(&trace, home));
}

static void no_pattern_sees_nothing(void **state)
{
	struct run_trace trace = { 0 };

	(void)state;
	assert_false(run_trace_more(&trace, home));
}

static void no_link_is_followed(void **state)
{
	struct run_trace trace = { 0 };

	(void)state;
	assert_int_equal(mkdir(at("outside"), 0700), 0);
	assert_int_equal(mkdir(at("inside"), 0700), 0);
	assert_int_equal(symlink("../outside", at("inside/snapshots")), 0);
	run_trace_begin(&trace, at("inside"), "snapshots/*");
	make("outside/1");
	assert_false(run_trace_more(&trace, at("inside")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_what_matches_and_is_new_counts),
		cmocka_unit_test(the_first_of_all_is_new),
		cmocka_unit_test(no_pattern_sees_nothing),
		cmocka_unit_test(no_link_is_followed),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
