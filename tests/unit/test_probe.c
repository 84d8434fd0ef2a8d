/* SPDX-License-Identifier: ISC */
/* Which commands are probes, and that their answer is the shell's. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "backup/probe.h"

/* The same command, asked of the shell that people mean. */
static void shell(const char *command, char out[PROBE_ANSWER_MAX + 2])
{
	FILE *pipe;
	size_t n;

	setenv("PROBED", command, 1);
	pipe = popen("exec sh -c \"$PROBED\"", "r");
	assert_non_null(pipe);
	n = fread(out, 1, PROBE_ANSWER_MAX + 1, pipe);
	out[n] = '\0';
	assert_int_equal(pclose(pipe), 0);
}

static void a_probe_gets_the_answer_of_a_shell(void **state)
{
	static const char *const probes[] = { "true",
					      "/bin/true",
					      " true ",
					      ":",
					      "exit",
					      "exit 0",
					      "exit 0 ",
					      "echo",
					      "echo ",
					      "echo ok",
					      "echo  are you\tthere",
					      "echo 'up and running' \"a b\"c",
					      "echo '' x",
					      "echo a=b 50%" };
	char ours[PROBE_ANSWER_MAX + 1], theirs[PROBE_ANSWER_MAX + 2];

	(void)state;
	for (size_t i = 0; i < sizeof(probes) / sizeof(probes[0]); i++) {
		assert_true(probe_is(probes[i]));
		assert_true(probe_answer(probes[i], ours));
		shell(probes[i], theirs);
		assert_string_equal(ours, theirs);
	}
}

static void what_a_shell_would_do_more_for_is_none(void **state)
{
	static const char *const others[] = {
		"",           " ",         "false",      "exit 1",        "exit0",        "exit 0 0",      "true x",
		"truex",      "echoes x",  "echo $HOME", "echo `id`",     "echo ok; id",  "echo ok && id", "echo ok|sh",
		"echo ok >x", "echo *",    "echo ~",     "echo {a,b}",    "echo 'x",      "echo \"x",      "echo -n x",
		"echo -e x",  "echo a\\n", "echo a\nid", "echo #x",       "echo '$(id)'", "echo \"$x\"",   "echo !x",
		"echo (x)",   "echo\\ x",  "test -d x",  "rsync --server"
	};
	char answer[PROBE_ANSWER_MAX + 1] = "untouched", echo[2 * PROBE_ANSWER_MAX] = "echo ";

	(void)state;
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		assert_false(probe_is(others[i]));
		assert_false(probe_answer(others[i], answer));
	}
	memset(echo + 5, 'x', PROBE_ANSWER_MAX);
	assert_false(probe_answer(echo, answer));
	assert_string_equal(answer, "untouched");
	echo[5 + PROBE_ANSWER_MAX - 1] = '\0';
	assert_true(probe_answer(echo, answer));
	assert_int_equal(strlen(answer), PROBE_ANSWER_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_probe_gets_the_answer_of_a_shell),
		cmocka_unit_test(what_a_shell_would_do_more_for_is_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
