/* SPDX-License-Identifier: ISC */
/* What the login shell says, and to whom: login.c itself, without its main(). */
#include "tests/unit/stderr_fixture.h"

#define main login_main
int login_main(int argc, char **argv);
#include "backup/login.c"
#undef main

/* It says this to a run that it ends, too (grown_full()): the client must not be able to put that off. */
static void who_does_not_read_keeps_nothing_from_being_said(void **state)
{
	static const char text[] = "over its limit: 7";
	char heard[256];

	(void)state;
	for (enum stderr_kind kind = 0; kind < STDERR_KINDS; kind++) {
		stderr_begin(kind);
		said[0] = '\0';
		assert_int_equal(refuse_quietly("over its limit: %d", 7), REFUSED_HERE);
		assert_string_equal(said, text); /* for the log and the record it is known all the same */
		stderr_read(heard, sizeof(heard));
		assert_int_equal(strspn(heard, "-"), sizeof(heard) - 1);
		/* the control: whoever reads hears it */
		assert_int_equal(refuse_quietly("over its limit: %d", 7), REFUSED_HERE);
		stderr_read(heard, sizeof(heard));
		stderr_end();
		assert_string_equal(heard, "subuid: over its limit: 7\n");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(who_does_not_read_keeps_nothing_from_being_said, stderr_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
