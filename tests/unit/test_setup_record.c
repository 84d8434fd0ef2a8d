/* SPDX-License-Identifier: ISC */
/* The record of what setup did: read from a file, it never makes --undo do what setup did not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "setup/record.c"

static const char *text;
static unsigned complaints;

int file_load(const char *path, struct setup_file *file)
{
	assert_string_equal(path, SETUP_RECORD);
	*file = (struct setup_file){ .text = strdup(text), .exists = true };
	return 0;
}

int setup_fail(const char *what, const char *why, const char *todo)
{
	(void)what, (void)why, (void)todo;
	complaints++;
	return -1;
}

int setup_fail_errno(const char *what, int error, const char *todo)
{
	(void)error;
	return setup_fail(what, "", todo);
}

bool pam_file_known(const char *path)
{
	return strcmp(path, PAM_DIR "/sshd") == 0;
}

static int never(void)
{
	fail_msg("nothing is taken back here");
	return -1;
}

int group_revert(struct setup *setup, const json_t *deed)
{
	(void)setup, (void)deed;
	return never();
}
int user_revert(struct setup *setup, const json_t *deed)
{
	(void)setup, (void)deed;
	return never();
}
int file_revert(struct setup *setup, const json_t *deed)
{
	(void)setup, (void)deed;
	return never();
}
int directory_revert(struct setup *setup, const json_t *deed)
{
	(void)setup, (void)deed;
	return never();
}
int units_revert(struct setup *setup, const json_t *deed)
{
	(void)setup, (void)deed;
	return never();
}
int pass_revert(struct setup *setup, const json_t *deed)
{
	(void)setup, (void)deed;
	return never();
}
int file_store(const char *path, const char *out, const struct setup_file *old, mode_t mode)
{
	(void)path, (void)out, (void)old, (void)mode;
	return never();
}
int file_unlink(const char *path)
{
	(void)path;
	return never();
}
int file_tidy(const char *path)
{
	(void)path;
	return never();
}
const char *file_why(int error)
{
	(void)error;
	return "";
}
void setup_file_done(struct setup_file *file)
{
	free(file->text);
}

static int load(const char *deeds)
{
	char *record = NULL;
	struct setup setup = { 0 };
	int r;

	assert_true(asprintf(&record, "{\"version\": 1, \"deeds\": [%s]}", deeds) > 0);
	text = record;
	r = record_load(&setup);
	assert_true((setup.deeds == NULL) == (r < 0));
	json_decref(setup.deeds);
	free(record);
	return r;
}

#define FILE_DEED(name, edit, number)                                                                                  \
	"{\"kind\": \"file\", \"name\": \"" name "\", \"edit\": \"" edit "\", \"existed\": true, \"number\": " number  \
	"}"

#define PASS_DEED(name, id, owner) "{\"kind\": \"pass\", \"name\": \"" name "\", \"id\": " id ", \"owner\": " owner "}"

static void what_setup_does_is_read(void **state)
{
	(void)state;
	assert_int_equal(load(""), 0);
	assert_int_equal(
		load("{\"kind\": \"group\", \"name\": \"subuids\"}, {\"kind\": \"user\", \"name\": \"subuidd\"},"
		     "{\"kind\": \"directory\", \"name\": \"/srv/subuid\"},"
		     "{\"kind\": \"units\", \"name\": \"subuidd.service\"}"),
		0);
	assert_int_equal(
		load(FILE_DEED("/etc/nsswitch.conf", "nsswitch", "0") "," FILE_DEED("/etc/pam.d/sshd", "pam", "1")), 0);
	assert_int_equal(load(FILE_DEED("/etc/ssh/sshd_config.d/50-subuidd.conf", "whole", "7")), 0);
	assert_int_equal(load(FILE_DEED("/etc/lxc/lxc-usernet", "lines", "8")), 0);
	assert_int_equal(load(PASS_DEED("/home/alice", "1073741824", "1000")), 0);
}

static void nothing_else_is(void **state)
{
	static const char *const bad[] = {
		"{\"kind\": \"user\", \"name\": \"root\"}",
		"{\"kind\": \"user\", \"name\": \"--remove\"}",
		"{\"kind\": \"group\", \"name\": \"sudo\"}",
		"{\"kind\": \"directory\", \"name\": \"/home/alice\"}",
		"{\"kind\": \"directory\", \"name\": \"nowhere\"}", /* has no slash, which was taken for granted */
		"{\"kind\": \"units\", \"name\": \"ssh.service\"}",
		"{\"kind\": \"command\", \"name\": \"subuids\"}",
		"{\"kind\": \"group\"}",
		"{\"name\": \"subuids\"}",
		"7",
		FILE_DEED("/etc/shadow", "whole", "0"),
		FILE_DEED("/etc/nsswitch.conf", "whole", "0"),
		FILE_DEED("/etc/pam.d/../shadow", "pam", "0"),
		FILE_DEED("/etc/pam.dx/sshd", "pam", "0"),
		FILE_DEED("/etc/nsswitch.conf", "nsswitch", "-1"),
		FILE_DEED("/etc/nsswitch.conf", "nsswitch", "9223372036854775807"), /* the next number would overflow */
		FILE_DEED("/etc/nsswitch.conf", "nsswitch", "\"0\""),
		FILE_DEED("/etc/passwd", "lines", "0"),
		PASS_DEED("home/alice", "1073741824", "1000"),
		PASS_DEED("/home/alice", "0", "1000"),
		PASS_DEED("/home/alice", "4294967295", "1000"),
		PASS_DEED("/root", "1073741824", "0"),
		"{\"kind\": \"pass\", \"name\": \"/home/alice\"}",
		/* the one would be given the other's text */
		FILE_DEED("/etc/nsswitch.conf", "nsswitch", "3") "," FILE_DEED("/etc/pam.d/sshd", "pam", "3"),
		"{\"kind\": \"file\", \"name\": \"/etc/nsswitch.conf\", \"edit\": \"nsswitch\", \"number\": 0}",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		complaints = 0;
		if (load(bad[i]) == 0)
			fail_msg("%s is taken", bad[i]);
		assert_int_equal(complaints, 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_setup_does_is_read),
		cmocka_unit_test(nothing_else_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
