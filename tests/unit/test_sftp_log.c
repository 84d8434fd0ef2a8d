/* SPDX-License-Identifier: ISC */
/* What sftp-server's log says of a session. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "backup/sftp_log.h"

static struct sftp_log logged(const char *const *lines)
{
	struct sftp_log log = { 0 };

	for (; *lines != NULL; lines++)
		sftp_log_line(&log, *lines);
	return log;
}
#define LOGGED(...) logged((const char *const[]){ __VA_ARGS__, NULL })

#define SESSION "session opened for local user w from [127.0.0.1]"
#define PUT(name) "open \"" name "\" flags WRITE,CREATE,TRUNCATE mode 0644", "close \"" name "\" bytes read 0 written 7"

static void to_look_and_to_fetch_adds_nothing(void **state)
{
	struct sftp_log log = LOGGED(SESSION, "opendir \"/\"", "closedir \"/\"", "open \"/a\" flags READ mode 0666",
				     "close \"/a\" bytes read 4096 written 0", "sent status No such file");

	(void)state;
	assert_false(sftp_log_added(&log));
	assert_int_equal(log.files, 1);
}

static void an_upload_adds(void **state)
{
	struct sftp_log log = LOGGED(SESSION, PUT("/a"));

	(void)state;
	assert_true(sftp_log_added(&log));
	assert_int_equal(log.files, 1);
	assert_false(log.cut);
	log = LOGGED(PUT("/a \" bytes read 5 written 0"));
	assert_true(sftp_log_added(&log));
	log = LOGGED(PUT("/a.part"), "posix-rename old \"/a.part\" new \"/a\"");
	assert_true(sftp_log_added(&log));
	log = LOGGED(PUT("/a"), "remove name \"/b\"");
	assert_true(sftp_log_added(&log));
}

static void what_is_taken_away_again_is_not_added(void **state)
{
	struct sftp_log log =
		LOGGED(PUT("/locks/1"), PUT("/locks/2"), "remove name \"/locks/1\"", "remove name \"/locks/2\"");

	(void)state;
	assert_false(sftp_log_added(&log));
	log = LOGGED(PUT("/t"), "rename old \"/t\" new \"/l \" new \"x\"", "remove name \"/l \" new \"x\"");
	/* which of the two it was renamed to is not to be seen: in doubt it is there */
	assert_true(sftp_log_added(&log));
	log = LOGGED(PUT("/t"), "rename old \"/t\" new \"/l\"", "remove name \"/l\"");
	assert_false(sftp_log_added(&log));
}

static void one_that_is_cut_off_is_told_apart(void **state)
{
	struct sftp_log log = LOGGED("forced close \"/a\" bytes read 0 written 32768");

	(void)state;
	assert_true(log.cut);
	log = LOGGED("forced close \"/a\" bytes read 32768 written 0");
	assert_false(log.cut);
	assert_false(sftp_log_added(&log));
	/* the name is so long that the line ends before the numbers: in doubt it was an upload */
	log = LOGGED(PUT("/a"), "forced close \"/a-name-of-a-thousand-bytes");
	assert_true(log.cut);
	log = LOGGED("forced close \"/a-name-of-a-thousand-bytes\" bytes re");
	assert_true(log.cut);
}

static void many_are_many_whatever_goes_again(void **state)
{
	struct sftp_log log = { 0 };
	char line[64];

	(void)state;
	for (int i = 0; i <= SFTP_LOG_NAMES; i++) {
		snprintf(line, sizeof(line), "close \"/%d\" bytes read 0 written 1", i);
		sftp_log_line(&log, line);
	}
	for (int i = 0; i <= SFTP_LOG_NAMES; i++) {
		snprintf(line, sizeof(line), "remove name \"/%d\"", i);
		sftp_log_line(&log, line);
	}
	assert_true(sftp_log_added(&log));
	assert_int_equal(log.files, SFTP_LOG_NAMES + 1);
}

static void a_line_that_was_cut_is_doubt(void **state)
{
	struct sftp_log log = LOGGED("close \"/a-name-of-a-thousand-bytes");

	(void)state;
	assert_true(sftp_log_added(&log));
	assert_false(log.cut); /* it is complete, whatever its name is */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(to_look_and_to_fetch_adds_nothing),
		cmocka_unit_test(an_upload_adds),
		cmocka_unit_test(what_is_taken_away_again_is_not_added),
		cmocka_unit_test(one_that_is_cut_off_is_told_apart),
		cmocka_unit_test(many_are_many_whatever_goes_again),
		cmocka_unit_test(a_line_that_was_cut_is_doubt),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
