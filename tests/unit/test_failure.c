/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "account/failure.h"
#include "account/role.h"

static void every_failure_has_its_name_and_exit_status(void **state)
{
	static const struct {
		enum failure failure;
		const char *name;
		int status;
	} rows[] = {
		{ FAILURE_FAILED, "Failed", 1 },
		{ FAILURE_INVALID, "Invalid", 2 },
		{ FAILURE_NOT_FOUND, "NotFound", 3 },
		{ FAILURE_EXISTS, "Exists", 4 },
		{ FAILURE_CONFLICT, "Conflict", 4 },
		{ FAILURE_NOT_PERMITTED, "NotPermitted", 5 },
		{ FAILURE_LIMIT_REACHED, "LimitReached", 6 },
		{ FAILURE_POOL_EXHAUSTED, "PoolExhausted", 6 },
		{ FAILURE_BUSY, "Busy", 1 },
	};

	(void)state;
	assert_int_equal(sizeof(rows) / sizeof(rows[0]), FAILURE_MAX_ - 1);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_string_equal(failure_name(rows[i].failure), rows[i].name);
		assert_int_equal(failure_from_name(rows[i].name), rows[i].failure);
		assert_int_equal(failure_exit_status(rows[i].failure), rows[i].status);
	}
	assert_null(failure_name(FAILURE_NONE));
	assert_null(failure_name(FAILURE_MAX_));
	assert_null(failure_name((enum failure) - 1));
	assert_int_equal(failure_exit_status(FAILURE_NONE), 0);
	assert_int_equal(failure_exit_status(FAILURE_MAX_), 1);
	assert_int_equal(failure_from_name("Nonsense"), FAILURE_FAILED);
	assert_int_equal(failure_from_name(""), FAILURE_FAILED);
}

static void text_is_escaped_cut_and_padded(void **state)
{
	struct failure_text text;
	char expected[FAILURE_TEXT_MAX + 1], longer[2 * FAILURE_TEXT_MAX];

	(void)state;
	memset(&text, 'x', sizeof(text));
	memset(longer, 'a', sizeof(longer));
	longer[sizeof(longer) - 1] = '\0';
	assert_int_equal(failure_set(&text, FAILURE_EXISTS, "alice\nroot: all is well", longer, NULL), FAILURE_EXISTS);
	assert_int_equal(text.failure, FAILURE_EXISTS);
	assert_string_equal(text.what, "alice\\x0aroot: all is well");
	memset(expected, 'a', FAILURE_TEXT_MAX);
	expected[FAILURE_TEXT_MAX] = '\0';
	assert_string_equal(text.why, expected);
	memset(expected, 0, sizeof(expected));
	assert_memory_equal(text.todo, expected, sizeof(text.todo));
	memcpy(expected, text.what, strlen(text.what));
	assert_memory_equal(text.what, expected, sizeof(text.what));
}

static void roles_and_options_by_name(void **state)
{
	static const char *const roles[] = { "push", "pull", "sync", "blind" };
	static const char *const options[] = { "no-delete",   "no-overwrite", "no-fake-super",
					       "append-only", "read-only",    "tty" };
	struct roles all = { 0 };
	uint32_t bit = 0, seen = 0;

	(void)state;
	for (size_t i = 0; i < 6; i++) {
		if (i < 4) {
			assert_int_equal(roles_parse(roles[i], &all), 0);
			assert_string_equal(role_name(all.role), roles[i]);
		}
		assert_int_equal(key_option_parse(options[i], &bit), 0);
		assert_string_equal(key_option_name(bit), options[i]);
		seen |= bit;
	}
	assert_int_equal(seen, KEY_OPTIONS_END - 1);
	bit = 0;
	all.role = ROLE_SYNC;
	assert_int_equal(roles_parse("Push", &all), -EINVAL);
	assert_int_equal(roles_parse("", &all), -EINVAL);
	assert_int_equal(key_option_parse("no-del", &bit), -EINVAL);
	assert_int_equal(all.role, ROLE_SYNC);
	assert_int_equal(bit, 0);
	assert_null(role_name((enum role)0));
	assert_null(key_option_name(0));
	assert_null(key_option_name(KEY_NO_DELETE | KEY_NO_OVERWRITE));
	assert_null(key_option_name(1u << 31));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_failure_has_its_name_and_exit_status),
		cmocka_unit_test(text_is_escaped_cut_and_padded),
		cmocka_unit_test(roles_and_options_by_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
