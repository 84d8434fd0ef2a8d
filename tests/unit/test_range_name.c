/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "account/range_name.h"

static struct id_range range_of(const char *owner, const char *label)
{
	struct id_range range = { .first = 1073741824u, .count = 65536 };

	snprintf(range.owner, sizeof(range.owner), "%s", owner);
	snprintf(range.label, sizeof(range.label), "%s", label);
	return range;
}

static void a_name_says_whose_and_which(void **state)
{
	struct id_range own = range_of("alice", ""), given = range_of("alice", "web1");
	char name[RANGE_NAME_MAX + 1], comment[RANGE_COMMENT_MAX + 1];

	(void)state;
	range_name_format(&own, '+', 1073742824u, name);
	assert_string_equal(name, "alice+_1073742824");
	range_name_format(&given, '+', 1073742824u, name);
	assert_string_equal(name, "alice+_web1_1073742824");
	range_comment_format(&given, '+', 1073742824u, comment);
	assert_string_equal(comment, "Subordinate id 1000 of alice+web1");
	range_comment_format(&own, '+', 1073741824u, comment);
	assert_string_equal(comment, "Subordinate id 0 of alice");
}

static void the_longest_name_fits(void **state)
{
	struct id_range range = range_of("owner678901234567890123456789012", "label67890123456789012345678901");
	char name[RANGE_NAME_MAX + 1], comment[RANGE_COMMENT_MAX + 1];
	uint32_t id = 0;

	(void)state;
	assert_int_equal(strlen(range.owner), OWNER_MAX);
	assert_int_equal(strlen(range.label), LABEL_MAX);
	range_name_format(&range, '.', 4294967294u, name);
	assert_int_equal(strlen(name), RANGE_NAME_MAX);
	assert_int_equal(range_name_parse(name, &id), 0);
	assert_int_equal(id, 4294967294u);
	range.first = 1;
	range_comment_format(&range, '.', 4294967294u, comment);
	assert_true(strlen(comment) <= RANGE_COMMENT_MAX);
}

static void no_account_can_have_such_a_name(void **state)
{
	static const char *const labels[] = { "_1073742824", "_web1_1073742824", "_", "_a" };

	(void)state;
	for (size_t i = 0; i < sizeof(labels) / sizeof(labels[0]); i++)
		assert_false(label_valid(labels[i]));
}

static void what_is_no_number_is_refused(void **state)
{
	static const char *const names[] = {
		"",           "_",         "_1",        "alice+_",           "alice+_01",
		"alice+_-1",  "alice+_ 1", "alice+_1 ", "alice+_4294967295", "alice+_99999999999",
		"alice+web1", "alice+_1_", "a+_1x"
	};
	char longest[RANGE_NAME_MAX + 3];
	uint32_t id = 7;

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (range_name_parse(names[i], &id) != -EINVAL)
			fail_msg("%s is taken for a name", names[i]);
	memset(longest, 'a', sizeof(longest));
	memcpy(longest + sizeof(longest) - 3, "_1", 3);
	assert_int_equal(range_name_parse(longest, &id), -EINVAL);
	assert_int_equal(id, 7);
	assert_int_equal(range_name_parse(longest + 1, &id), -EINVAL);
	assert_int_equal(range_name_parse(longest + 2, &id), 0);
	assert_int_equal(id, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_name_says_whose_and_which),
		cmocka_unit_test(the_longest_name_fits),
		cmocka_unit_test(no_account_can_have_such_a_name),
		cmocka_unit_test(what_is_no_number_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
