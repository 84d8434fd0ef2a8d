/* SPDX-License-Identifier: ISC */
/*
 * Local users in memory: who is found there is whom the C library finds, and what is not plain is left to it. The files
 * and nsswitch.conf are the test's, in a directory of its own; `one` is a source that is a function of this program.
 */
#include <errno.h>
#include <grp.h>
#include <nss.h>
#include <pwd.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <cmocka.h>

#include "subuidd/ids/local.h"

#define PUBLIC __attribute__((visibility("default")))

static unsigned asked_one, asked_libc;
static enum nss_status one_says;

enum nss_status PUBLIC _nss_one_getpwuid_r(uid_t uid, struct passwd *user, char *buffer, size_t size, int *errnop);
enum nss_status PUBLIC _nss_one_getgrgid_r(gid_t gid, struct group *group, char *buffer, size_t size, int *errnop);

enum nss_status _nss_one_getpwuid_r(uid_t uid, struct passwd *user, char *buffer, size_t size, int *errnop)
{
	(void)size, (void)errnop;
	asked_one++;
	strcpy(buffer, "ones");
	*user = (struct passwd){ .pw_name = buffer, .pw_uid = uid };
	return one_says;
}

enum nss_status _nss_one_getgrgid_r(gid_t gid, struct group *group, char *buffer, size_t size, int *errnop)
{
	(void)gid, (void)group, (void)buffer, (void)size, (void)errnop;
	asked_one++;
	return NSS_STATUS_NOTFOUND;
}

int __wrap_getpwuid_r(uid_t uid, struct passwd *user, char *buffer, size_t size, struct passwd **ret);

/* The C library's way, which reads the file. */
int __wrap_getpwuid_r(uid_t uid, struct passwd *user, char *buffer, size_t size, struct passwd **ret)
{
	(void)size;
	asked_libc++;
	strcpy(buffer, "libcs");
	*user = (struct passwd){ .pw_name = buffer, .pw_uid = uid };
	*ret = user;
	return 0;
}

static void put(const char *name, const char *text)
{
	char path[4096];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", SYSCONFDIR, name);
	file = fopen(path, "w");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static const char sound[] = "root:x:0:0:root:/root:/bin/sh\nalice:x:1000:100:A,B:/home/alice:/bin/bash\n"
			    "alice:x:1001:100::/elsewhere:/bin/sh\n\nbob:x:1002:101::/home/bob:";

static struct local local;

static int start(void **state)
{
	(void)state;
	put("nsswitch.conf", "passwd: files one\ngroup: files one\n");
	put("passwd", sound);
	put("group", "root:x:0:\nusers:x:100:alice,bob\n");
	one_says = NSS_STATUS_SUCCESS;
	asked_one = asked_libc = 0;
	local_free(&local);
	local_refresh(&local);
	return 0;
}

static void who_is_there_is_found_by_name(void **state)
{
	entry_cleanup struct host_entry entry = { 0 };

	(void)state;
	assert_int_equal(local_user(&local, "alice", &entry), 0);
	assert_int_equal(entry.user.pw_uid, 1000); /* the first line counts */
	assert_int_equal(entry.user.pw_gid, 100);
	assert_string_equal(entry.user.pw_dir, "/home/alice");
	assert_string_equal(entry.user.pw_shell, "/bin/bash");
	assert_int_equal(local_user(&local, "bob", &entry), 0);
	assert_string_equal(entry.user.pw_dir, "/home/bob");
	assert_string_equal(entry.user.pw_shell, "");
	assert_int_equal(local_user(&local, "carol", &entry), -ENOENT);
	assert_int_equal(local_user(&local, "alic", &entry), -ENOENT);
	assert_int_equal(local_user(&local, "", &entry), -ENOENT);
	assert_int_equal(asked_one + asked_libc, 0);
}

static void an_id_of_the_file_is_the_librarys_to_answer(void **state)
{
	entry_cleanup struct host_entry entry = { 0 };

	(void)state;
	assert_int_equal(local_user_of(&local, 1001, &entry), 0);
	assert_string_equal(entry.user.pw_name, "libcs");
	assert_int_equal(asked_one, 0);
}

static void an_id_that_is_not_in_it_is_the_next_sources(void **state)
{
	entry_cleanup struct host_entry entry = { 0 };

	(void)state;
	assert_int_equal(local_user_of(&local, 5000, &entry), 0);
	assert_string_equal(entry.user.pw_name, "ones");
	one_says = NSS_STATUS_NOTFOUND;
	assert_int_equal(local_user_of(&local, 5000, &entry), -ENOENT);
	assert_int_equal(local_group_of(&local, 5000, &entry), -ENOENT);
	assert_int_equal(asked_one, 3);
	assert_int_equal(asked_libc, 0);
	one_says = NSS_STATUS_UNAVAIL; /* doubt: as it always was asked */
	assert_int_equal(local_user_of(&local, 5000, &entry), 0);
	assert_string_equal(entry.user.pw_name, "libcs");
}

/* Each would be read otherwise by the C library, or says that the file does not come first. */
static void what_is_not_plain_is_not_known(void **state)
{
	static const char *const files[] = {
		" alice:x:1:1::/:/bin/sh\n",  "+\n",
		"-alice:x:1:1::/:/bin/sh\n",  "# a comment\n",
		"alice:x:1:1::/\n",           "alice\n",
		"alice:x:one:1::/:/bin/sh\n", "alice:x::1::/:/bin/sh\n",
		"a:x:1:1::/:/bin/sh:more\n",  "a:x:4294967295:1::/:/bin/sh\n",
		":x:1:1::/:/bin/sh\n",
	};
	static const char *const lines[] = { "passwd: one files\n", "passwd: files [SUCCESS=continue] one\n",
					     "passwd: files [NOTFOUND=return] one\n", "passwd: compat\n",
					     "passwd: files one [SUCCESS=continue]\n" };
	entry_cleanup struct host_entry entry = { 0 };
	char text[1024];

	(void)state;
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		snprintf(text, sizeof(text), "%s%s\n", files[i], sound);
		put("passwd", text);
		local_refresh(&local);
		if (local_user(&local, "bob", &entry) != -ENOENT)
			fail_msg("%s", files[i]);
	}
	put("passwd", sound);
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		put("nsswitch.conf", lines[i]);
		local_refresh(&local);
		if (local_user(&local, "bob", &entry) != -ENOENT)
			fail_msg("%s", lines[i]);
		assert_int_equal(local_user_of(&local, 5000, &entry), 0);
		assert_string_equal(entry.user.pw_name, "libcs");
	}
	put("nsswitch.conf", "passwd: files one\n");
	local_refresh(&local);
	assert_int_equal(local_user(&local, "bob", &entry), 0);
}

static void a_change_is_seen(void **state)
{
	entry_cleanup struct host_entry entry = { 0 };

	(void)state;
	put("passwd", "root:x:0:0:root:/root:/bin/sh\ncarol:x:1003:100::/home/carol:/bin/sh\n");
	local_refresh(&local);
	assert_int_equal(local_user(&local, "carol", &entry), 0);
	assert_int_equal(local_user(&local, "alice", &entry), -ENOENT);
	assert_int_equal(local_user_of(&local, 1000, &entry), 0);
	assert_string_equal(entry.user.pw_name, "ones");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(who_is_there_is_found_by_name, start),
		cmocka_unit_test_setup(an_id_of_the_file_is_the_librarys_to_answer, start),
		cmocka_unit_test_setup(an_id_that_is_not_in_it_is_the_next_sources, start),
		cmocka_unit_test_setup(what_is_not_plain_is_not_known, start),
		cmocka_unit_test_setup(a_change_is_seen, start),
	};

	if (mkdir(SYSCONFDIR, 0755) < 0 && errno != EEXIST)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
