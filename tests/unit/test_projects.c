/* SPDX-License-Identifier: ISC */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "subuidd/ids/projects.h"

static void named(const char *text, bool expected)
{
	assert_int_equal(projects_name(text, strlen(text), 2100000007), expected);
}

static void a_number_is_found_in_either_file(void **state)
{
	(void)state;
	named("2100000007:/srv/data\n", true);
	named("# of the host\n42:/srv\n2100000007:/srv/data", true);
	named("data:2100000007\n", true);
	named("data:42\nmore:2100000007\n", true);
	named("", false);
	named("\n\n:\n", false);
	named("#2100000007:/srv\n", false);
	named("# 1:2\n21000000070:/srv\n", false);
	named("12100000007:/srv\n210000000:7\n", false);
	named("data:2100000007x\n2100000007\n", false);
	named("data:4294967296\ndata:99999999999999999999\n", false);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(a_number_is_found_in_either_file) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
