/* SPDX-License-Identifier: ISC */
/* The rules of sessions: what the settings may say, and the file that guests read. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "index/session_rules.h"

static struct session_rules rules;

static int parse(const char *text)
{
	char copy[2 * SESSION_RULES_MAX];

	snprintf(copy, sizeof(copy), "%s", text);
	return session_rules_parse(copy, &rules);
}

static void what_is_written_is_read(void **state)
{
	char text[SESSION_RULES_MAX];

	(void)state;
	assert_true(session_rules_format(true, 7, SESSION_HIDE_DEFAULT, "/srv/shared ro,  /a/b rw", text) > 0);
	assert_int_equal(parse(text), 0);
	assert_true(rules.private);
	assert_int_equal(rules.tmp_mib, 7);
	assert_int_equal(rules.hide_count, 7);
	assert_string_equal(rules.hide[6], "/var/spool/cron");
	assert_int_equal(rules.bind_count, 2);
	assert_string_equal(rules.bind[0].path, "/srv/shared");
	assert_false(rules.bind[0].writable);
	assert_string_equal(rules.bind[1].path, "/a/b");
	assert_true(rules.bind[1].writable);
	assert_true(session_rules_format(false, 1, "", "", text) > 0);
	assert_int_equal(parse(text), 0);
	assert_false(rules.private);
	assert_int_equal(rules.hide_count + rules.bind_count, 0);
}

static void lists_are_plain_paths_and_not_too_many(void **state)
{
	static const char *const hide[] = { "/",      "home",  "/home/",  "/a/../b", "/a b",
					    "/a/./b", "/a//b", "/home /", "/a\n/b" };
	static const char *const bind[] = {
		"/a", "/a ro rw", "/a r", "ro", "/a ro,", ",", "/ ro", "/a ro /b rw", "a ro"
	};
	char many[SESSION_LIST_MAX] = "";

	(void)state;
	for (size_t i = 0; i < sizeof(hide) / sizeof(hide[0]); i++)
		assert_int_equal(session_hide_parse(hide[i], &rules), -EINVAL);
	for (size_t i = 0; i < sizeof(bind) / sizeof(bind[0]); i++)
		assert_int_equal(session_bind_parse(bind[i], &rules), -EINVAL);
	for (unsigned i = 0; i < SESSION_PATHS_MAX; i++)
		strcat(many, "/a ");
	assert_int_equal(session_hide_parse(many, &rules), 0);
	strcat(many, "/a");
	assert_int_equal(session_hide_parse(many, &rules), -EINVAL);
}

static void a_file_is_understood_whole_or_not_at_all(void **state)
{
	static const char good[] = "subuidd sessions 1\nprivate yes\ntmp 1\nhide /a\nbind \n";
	static const char *const bad[] = {
		"",
		"subuidd sessions 1",
		"subuidd sessions 2\nprivate yes\ntmp 1\nhide /a\nbind \n",
		"subuidd sessions 1\nprivate maybe\ntmp 1\nhide /a\nbind \n",
		"subuidd sessions 1\nprivate yes\ntmp 0\nhide /a\nbind \n",
		"subuidd sessions 1\nprivate yes\ntmp 01\nhide /a\nbind \n",
		"subuidd sessions 1\nprivate yes\ntmp 1\nhide /a\nbind",
		"subuidd sessions 1\nprivate yes\ntmp 1\nhide /a\nbind \nmore\n",
		"subuidd sessions 1\nprivate yes\ntmp 1\nbind \nhide /a\n",
	};

	(void)state;
	assert_int_equal(parse(good), 0);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(parse(bad[i]), -EINVAL);
}

static void a_file_is_believed_if_nobody_else_wrote_it(void **state)
{
	char path[] = "/tmp/session-rules-XXXXXX";
	int fd = mkstemp(path);

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "subuidd sessions 1\nprivate no\ntmp 1\nhide \nbind \n", 48), 48);
	assert_int_equal(session_rules_read(path, getuid(), &rules), 0);
	assert_false(rules.private);
	assert_int_equal(session_rules_read(path, getuid() + 1, &rules), -EPERM);
	assert_int_equal(fchmod(fd, 0620), 0);
	assert_int_equal(session_rules_read(path, getuid(), &rules), -EPERM);
	assert_int_equal(fchmod(fd, 0600), 0);
	assert_int_equal(ftruncate(fd, SESSION_RULES_MAX + 1), 0);
	assert_int_equal(session_rules_read(path, getuid(), &rules), -EINVAL);
	close(fd);
	unlink(path);
	assert_int_equal(session_rules_read(path, getuid(), &rules), 0);
	assert_true(rules.private);
	assert_int_equal(rules.hide_count, 7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_written_is_read),
		cmocka_unit_test(lists_are_plain_paths_and_not_too_many),
		cmocka_unit_test(a_file_is_understood_whole_or_not_at_all),
		cmocka_unit_test(a_file_is_believed_if_nobody_else_wrote_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
