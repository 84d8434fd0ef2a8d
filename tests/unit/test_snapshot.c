// SPDX-License-Identifier: ISC
/* The names of snapshots, and the paths that lie in them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "account/snapshot.h"

#define NAME "2026-11-28T20:15:00Z"

static void a_name_is_a_time_that_exists(void **state)
{
	static const char *const right[] = { NAME, NAME "/", NAME "/etc", "2028-02-29T00:00:00Z",
					     "2000-02-29T23:59:59Z" };
	static const char *const wrong[] = { "",
					     "2026-11-28",
					     NAME "x",
					     " " NAME,
					     "2026-13-28T20:15:00Z",
					     "2026-00-28T20:15:00Z",
					     "2026-11-31T20:15:00Z",
					     "2026-11-00T20:15:00Z",
					     "2026-02-29T20:15:00Z",
					     "2100-02-29T20:15:00Z",
					     "2026-11-28T24:15:00Z",
					     "2026-11-28T20:60:00Z",
					     "2026-11-28T20:15:60Z",
					     "2026-11-28t20:15:00Z",
					     "2026-11-28T20:15:00+",
					     "2026-1\xb1-28T20:15:00Z",
					     "../../../../../../.." };

	(void)state;
	for (size_t i = 0; i < sizeof(right) / sizeof(right[0]); i++)
		assert_true(snapshot_name_begins(right[i]));
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_false(snapshot_name_begins(wrong[i]));
}

static void a_path_lies_in_them_or_not(void **state)
{
	static const struct {
		const char *path, *rest, *rest_own; /* rest_own: where the home has such a directory of its own */
	} cases[] = {
		{ ".snapshots", "", NULL },
		{ ".snapshots/", "", NULL },
		{ "/.snapshots//", "", NULL },
		{ "./.snapshots/x", "x", NULL },
		{ ".snapshots/" NAME "/etc/passwd", NAME "/etc/passwd", NAME "/etc/passwd" },
		{ ".snapshots//" NAME, NAME, NAME },
		{ ".snapshots/2026*/etc", "2026*/etc", NULL },
		{ ".snapshots/1/snapshot", "1/snapshot", NULL },
		{ ".snapshotsx", NULL, NULL },
		{ ".snapshot", NULL, NULL },
		{ "etc/.snapshots/" NAME, NULL, NULL },
		{ "", NULL, NULL },
		{ "/", NULL, NULL },
		{ ".", NULL, NULL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		for (int own = 0; own < 2; own++) {
			const char *rest = snapshot_path(cases[i].path, own == 1);
			const char *wanted = own == 1 ? cases[i].rest_own : cases[i].rest;

			if (wanted == NULL)
				assert_null(rest);
			else
				assert_string_equal(rest, wanted);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_name_is_a_time_that_exists),
		cmocka_unit_test(a_path_lies_in_them_or_not),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
