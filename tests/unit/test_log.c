/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "subuidd/base/log.h"

/* Runs act in a child whose standard error is a pipe; its text and its end. */
static int said(void (*act)(void), char *text, size_t size)
{
	int ends[2], status;
	size_t used = 0;
	ssize_t n;
	pid_t child;

	assert_int_equal(pipe(ends), 0);
	child = fork();
	if (child == 0) {
		setrlimit(RLIMIT_CORE, &(struct rlimit){ 0, 0 });
		signal(SIGABRT, SIG_DFL);
		dup2(ends[1], STDERR_FILENO);
		close(ends[0]);
		act();
		_exit(0);
	}
	close(ends[1]);
	while ((n = read(ends[0], text + used, size - 1 - used)) > 0)
		used += (size_t)n;
	text[used] = '\0';
	close(ends[0]);
	assert_int_equal(waitpid(child, &status, 0), child);
	return status;
}

static void say_lines(void)
{
	errno = ENOENT;
	log_open("test", false);
	log_info("plain %d", 7);
	if (errno != ENOENT)
		_exit(1);
	log_warn("%s", "a\nforged: line\x1b[2J");
	log_error("%s", "x");
}

static void say_fatal(void)
{
	fatal("no %s", "way");
}

static void say_bug(void)
{
	bug("impossible");
}

static void say_long(void)
{
	char text[10000];

	memset(text, '\n', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	log_info("%s", text);
}

/* A shell's redirection leaves JOURNAL_STREAM behind: it names another file than ours. */
static void say_with_foreign_stream(void)
{
	setenv("JOURNAL_STREAM", "1:1", 1);
	log_open("test", false);
	log_info("here");
	setenv("JOURNAL_STREAM", "junk", 1);
	log_open("test", false);
	log_info("here too");
}

static void no_name_makes_a_line_of_its_own(void **state)
{
	char text[4096];

	(void)state;
	assert_int_equal(said(say_lines, text, sizeof(text)), 0);
	assert_string_equal(text, "test: plain 7\n"
				  "test: warning: a\\x0aforged: line\\x1b[2J\n"
				  "test: error: x\n");
}

static void fatal_ends_with_1_and_bug_aborts(void **state)
{
	char text[256];
	int status;

	(void)state;
	status = said(say_fatal, text, sizeof(text));
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 1);
	assert_string_equal(text, "subuidd: fatal: no way\n");
	status = said(say_bug, text, sizeof(text));
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
	assert_string_equal(text, "subuidd: bug: impossible\n");
}

static void a_long_line_is_cut_and_stays_one(void **state)
{
	char text[8192];

	(void)state;
	assert_int_equal(said(say_long, text, sizeof(text)), 0);
	assert_true(strlen(text) < 4096);
	assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
}

static void another_stream_is_not_the_journal(void **state)
{
	char text[256];

	(void)state;
	assert_int_equal(said(say_with_foreign_stream, text, sizeof(text)), 0);
	assert_string_equal(text, "test: here\ntest: here too\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_name_makes_a_line_of_its_own),
		cmocka_unit_test(fatal_ends_with_1_and_bug_aborts),
		cmocka_unit_test(a_long_line_is_cut_and_stays_one),
		cmocka_unit_test(another_stream_is_not_the_journal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
