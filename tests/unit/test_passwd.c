/* SPDX-License-Identifier: ISC */
/*
 * The look-up: nsswitch.conf is the test's, in a directory of its own (tests/tests.mk), and so are the sources `one`,
 * `two` and `three`, which are functions of this program, and what libc says (--wrap).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <nss.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "account/passwd.h"
#include "account/source.h"

#define PUBLIC __attribute__((visibility("default")))

/* ---- the world outside */

struct reply {
	enum nss_status status;
	int error;
	size_t need;
};

static struct reply libc_says, says[3], files_say;
static unsigned asked[3];
static char order[16];

static int entry_fill(struct passwd *user, char *buffer, const char *name, uid_t uid)
{
	strcpy(buffer, name);
	*user = (struct passwd){ .pw_name = buffer,
				 .pw_uid = uid,
				 .pw_gid = uid,
				 .pw_passwd = buffer,
				 .pw_dir = buffer,
				 .pw_gecos = buffer,
				 .pw_shell = buffer };
	return 0;
}

static int libc_answer(const char *name, uid_t uid, struct passwd *user, char *buffer, size_t size, struct passwd **ret)
{
	*ret = NULL;
	if (size < libc_says.need)
		return ERANGE;
	if (libc_says.status != NSS_STATUS_SUCCESS)
		return libc_says.error;
	entry_fill(user, buffer, name, uid);
	*ret = user;
	return 0;
}

int __wrap_getpwnam_r(const char *name, struct passwd *user, char *buffer, size_t size, struct passwd **ret);
int __wrap_getpwuid_r(uid_t uid, struct passwd *user, char *buffer, size_t size, struct passwd **ret);

int __wrap_getpwnam_r(const char *name, struct passwd *user, char *buffer, size_t size, struct passwd **ret)
{
	return libc_answer(name, 1000, user, buffer, size, ret);
}

int __wrap_getpwuid_r(uid_t uid, struct passwd *user, char *buffer, size_t size, struct passwd **ret)
{
	return libc_answer("alice", uid, user, buffer, size, ret);
}

static enum nss_status source_answer(unsigned n, const char *name, uid_t uid, struct passwd *user, char *buffer,
				     size_t size, int *errnop)
{
	char digit[2] = { (char)('1' + n), '\0' };

	asked[n]++;
	if (strlen(order) < sizeof(order) - 1)
		strcat(order, digit);
	*errnop = says[n].error;
	if (size < says[n].need) {
		*errnop = ERANGE;
		return NSS_STATUS_TRYAGAIN;
	}
	if (says[n].status == NSS_STATUS_SUCCESS)
		entry_fill(user, buffer, name, uid);
	return says[n].status;
}

#define NAMED(name_, n_)                                                                                               \
	PUBLIC enum nss_status _nss_##name_##_getpwnam_r(const char *, struct passwd *, char *, size_t, int *);        \
	PUBLIC enum nss_status _nss_##name_##_getpwnam_r(const char *name, struct passwd *user, char *buffer,          \
							 size_t size, int *errnop)                                     \
	{                                                                                                              \
		return source_answer(n_, name, 1000, user, buffer, size, errnop);                                      \
	}
NAMED(one, 0)
NAMED(two, 1)
NAMED(three, 2)

/* In the place of libc's own: knows root, where there is a file that knows anybody. */
PUBLIC enum nss_status _nss_files_getpwnam_r(const char *name, struct passwd *user, char *buffer, size_t size,
					     int *errnop);

PUBLIC enum nss_status _nss_files_getpwnam_r(const char *name, struct passwd *user, char *buffer, size_t size,
					     int *errnop)
{
	*errnop = files_say.error;
	if (files_say.status != NSS_STATUS_SUCCESS)
		return files_say.status;
	if (strcmp(name, "root") != 0)
		return NSS_STATUS_NOTFOUND;
	entry_fill(user, buffer, name, 0);
	return size == 0 ? NSS_STATUS_TRYAGAIN : NSS_STATUS_SUCCESS;
}

PUBLIC enum nss_status _nss_one_getpwuid_r(uid_t uid, struct passwd *user, char *buffer, size_t size, int *errnop);

PUBLIC enum nss_status _nss_one_getpwuid_r(uid_t uid, struct passwd *user, char *buffer, size_t size, int *errnop)
{
	return source_answer(0, "alice", uid, user, buffer, size, errnop);
}

/* ---- the file */

static void write_at(const char *path, const char *text)
{
	FILE *file = fopen(path, "we");

	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static void nsswitch(const char *text)
{
	write_at(SYSCONFDIR "/nsswitch.conf", text);
}

static int begin(void **state)
{
	(void)state;
	unlink(LIBDIR "/libnss_gone.so.2");
	unlink(SYSCONFDIR "/nsswitch.conf");
	for (unsigned i = 0; i < 3; i++)
		says[i] = (struct reply){ .status = NSS_STATUS_NOTFOUND, .error = ENOENT };
	libc_says = (struct reply){ .status = NSS_STATUS_NOTFOUND };
	memset(asked, 0, sizeof(asked));
	memset(order, 0, sizeof(order));
	files_say = (struct reply){ .status = NSS_STATUS_SUCCESS };
	nsswitch("passwd: one two three\n");
	return 0;
}

static int look(const char *name)
{
	entry_cleanup struct host_entry entry = { 0 };
	int r;

	memset(order, 0, sizeof(order));
	errno = EXDEV;
	r = user_find(name, &entry);
	if (r == 0)
		assert_string_equal(entry.user.pw_name, name);
	return r;
}

static bool is_doubt(int r)
{
	return r < 0 && r != -ENOENT;
}

/* ---- tests */

static void whoever_libc_finds_is_found(void **state)
{
	(void)state;
	libc_says = (struct reply){ .status = NSS_STATUS_SUCCESS };
	says[0] = (struct reply){ .status = NSS_STATUS_UNAVAIL, .error = EIO };
	assert_int_equal(look("alice"), 0);
	assert_string_equal(order, "");
}

static void nobody_is_nobody_when_every_source_says_so(void **state)
{
	static const int errors[] = { 0, ENOENT, ESRCH, EIO, ERANGE, EBADF, EPERM };

	(void)state;
	for (size_t i = 0; i < sizeof(errors) / sizeof(*errors); i++) {
		for (unsigned n = 0; n < 3; n++)
			says[n].error = errors[i];
		assert_int_equal(look("alice"), -ENOENT);
		assert_string_equal(order, "123");
	}
}

/* Every status with every error number, in every place: what libc makes of it (measured) and what it is. */
static void a_source_that_is_down_is_doubt_wherever_it_stands(void **state)
{
	static const enum nss_status statuses[] = { NSS_STATUS_UNAVAIL, NSS_STATUS_TRYAGAIN, NSS_STATUS_RETURN };
	int r;

	(void)state;
	for (unsigned n = 0; n < 3; n++) {
		for (size_t s = 0; s < sizeof(statuses) / sizeof(*statuses); s++) {
			for (int error = 0; error < 134; error++) {
				begin(NULL);
				if (statuses[s] == NSS_STATUS_TRYAGAIN && error == ERANGE)
					continue; /* more room, that is */
				says[n] = (struct reply){ .status = statuses[s], .error = error };
				libc_says.error = n == 2 ? error : 0;
				libc_says.status = NSS_STATUS_UNAVAIL;
				if (libc_says.error == ERANGE)
					libc_says.error = EINVAL;
				r = look("alice");
				assert_true(is_doubt(r));
				assert_true(r != -ENXIO && r != -ENAMETOOLONG && r != -ERANGE && r != -ESRCH);
			}
		}
	}
	libc_says.error = 0;
	says[2] = (struct reply){ .status = NSS_STATUS_UNAVAIL, .error = EMFILE };
	assert_int_equal(look("alice"), -EMFILE); /* those that help a person are kept */
}

static void a_file_without_root_is_one_that_was_cut_off(void **state)
{
	(void)state;
	nsswitch("passwd: files two\n");
	files_say.status = NSS_STATUS_NOTFOUND; /* of anybody */
	assert_int_equal(look("alice"), -EUCLEAN);
	files_say = (struct reply){ .status = NSS_STATUS_UNAVAIL, .error = EMFILE };
	assert_int_equal(look("alice"), -EMFILE);
	files_say.status = NSS_STATUS_SUCCESS; /* of root */
	assert_int_equal(look("alice"), -ENOENT);
	says[1].status = NSS_STATUS_SUCCESS;
	assert_int_equal(look("alice"), 0);
	nsswitch("passwd: one\n"); /* no file, no root in it */
	files_say.status = NSS_STATUS_NOTFOUND;
	assert_int_equal(look("alice"), -ENOENT);
}

static void what_a_source_finds_after_all_is_found(void **state)
{
	(void)state; /* a cache of "no" stood before it */
	says[1] = (struct reply){ .status = NSS_STATUS_SUCCESS };
	assert_int_equal(look("alice"), 0);
	assert_string_equal(order, "12");
}

static void actions_are_kept(void **state)
{
	static const struct {
		const char *line, *order;
	} lines[] = {
		{ "passwd: one [NOTFOUND=return] two three\n", "1" },
		{ "passwd: one [ notfound=RETURN ] two three\n", "1" },
		{ "passwd: one two [SUCCESS=continue NOTFOUND=return] three\n", "12" },
		{ "passwd: one [!SUCCESS=return] two three\n", "1" },
		{ "passwd: one [!UNAVAIL=return] two three\n", "1" },
		{ "passwd: one [!NOTFOUND=return] two three\n", "123" },
		{ "passwd: one [UNAVAIL=return TRYAGAIN=return] two three\n", "123" },
		{ "passwd: one [NOTFOUND=return] [NOTFOUND=continue] two\n", "12" },
		{ "passwd: one[NOTFOUND=return]two\n", "1" },
		{ "passwd:\tone\ttwo # three\n", "12" },
		{ "# passwd: three\n  passwd : two\n", "2" },
		{ "passwd: one\npasswd: two\n", "2" },
		{ "passwdx: one\nxpasswd: one\ngroup: one\npasswd: three", "3" },
		{ "passwd: one [NOTFOUND=return\n", "1" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++) {
		nsswitch(lines[i].line);
		assert_int_equal(look("alice"), -ENOENT);
		assert_string_equal(order, lines[i].order);
	}
}

static void a_file_that_says_nothing_sound_is_doubt(void **state)
{
	static char large[70000];

	(void)state;
	nsswitch("passwd:\n");
	assert_true(is_doubt(look("alice")));
	nsswitch("passwd: ../one\n");
	assert_true(is_doubt(look("alice")));
	nsswitch("passwd: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n");
	assert_true(is_doubt(look("alice")));
	memset(large, '#', sizeof(large) - 1);
	nsswitch(large);
	assert_true(is_doubt(look("alice")));
	unlink(SYSCONFDIR "/nsswitch.conf"); /* glibc's own: files */
	assert_int_equal(look("nobody-has-this-name"), -ENOENT);
	assert_int_equal(look("root"), 0);
}

static void a_module_that_is_not_installed_is_passed_over_and_one_that_does_not_load_is_not(void **state)
{
	(void)state;
	nsswitch("passwd: one gone two\n");
	assert_int_equal(look("alice"), -ENOENT);
	assert_string_equal(order, "12");
	write_at(LIBDIR "/libnss_gone.so.2", "no library");
	assert_int_equal(look("alice"), -ELIBACC);
	says[0] = (struct reply){ .status = NSS_STATUS_SUCCESS };
	assert_int_equal(look("alice"), 0);
}

static void without_a_descriptor_there_is_no_no(void **state)
{
	struct rlimit before, none;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	none = before;
	none.rlim_cur = 3;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	assert_int_equal(look("alice"), -EMFILE);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	assert_int_equal(look("alice"), -ENOENT);
}

static void room_grows_and_has_an_end(void **state)
{
	(void)state;
	libc_says.need = says[1].need = 300000;
	assert_int_equal(look("alice"), -ENOENT);
	says[1].status = NSS_STATUS_SUCCESS;
	assert_int_equal(look("alice"), 0);
	libc_says.need = SIZE_MAX;
	assert_int_equal(look("alice"), -ENOBUFS);
	libc_says.need = 0;
	says[1].need = SIZE_MAX;
	assert_int_equal(look("alice"), -ENOBUFS);
}

static void one_entry_serves_many_questions(void **state)
{
	entry_cleanup struct host_entry entry = { 0 };

	(void)state;
	nsswitch("passwd: one\n");
	for (uid_t uid = 1; uid < 100; uid++) {
		says[0].status = uid % 2 == 0 ? NSS_STATUS_SUCCESS : NSS_STATUS_NOTFOUND;
		assert_int_equal(user_find_uid(uid, &entry), uid % 2 == 0 ? 0 : -ENOENT);
		if (uid % 2 == 0)
			assert_int_equal(entry.user.pw_uid, uid);
	}
	says[0] = (struct reply){ .status = NSS_STATUS_UNAVAIL, .error = ESRCH };
	assert_int_equal(user_find_uid(7, &entry), -EAGAIN);
}

static void groups_and_shadow_are_asked_in_the_same_way(void **state)
{
	entry_cleanup struct host_entry entry = { 0 };

	(void)state;
	nsswitch("group: files\nshadow: files\n");
	assert_int_equal(group_find("root", &entry), 0);
	assert_int_equal(entry.group.gr_gid, 0);
	assert_int_equal(group_find_gid(0, &entry), 0);
	assert_int_equal(group_find("nobody-has-this-name", &entry), -ENOENT);
	nsswitch("group: files ../no\n");
	assert_true(is_doubt(group_find("nobody-has-this-name", &entry)));
}

static void whether_the_files_are_first(void **state)
{
	static const struct {
		const char *text;
		bool first;
	} lines[] = {
		{ "passwd: files one\n", true },   { "passwd: one files\n", false },
		{ "passwd: compat\n", false },     { "passwd: files [SUCCESS=continue] one\n", false },
		{ "group: one\n", true },          { "passwd: files [NOTFOUND=return] one\n", true },
		{ "passwd: filesystem\n", false }, { "passwd:\n", false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++) {
		nsswitch(lines[i].text);
		assert_int_equal(source_files_first("passwd"), lines[i].first);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(whoever_libc_finds_is_found, begin),
		cmocka_unit_test_setup(nobody_is_nobody_when_every_source_says_so, begin),
		cmocka_unit_test_setup(a_source_that_is_down_is_doubt_wherever_it_stands, begin),
		cmocka_unit_test_setup(a_file_without_root_is_one_that_was_cut_off, begin),
		cmocka_unit_test_setup(what_a_source_finds_after_all_is_found, begin),
		cmocka_unit_test_setup(actions_are_kept, begin),
		cmocka_unit_test_setup(a_file_that_says_nothing_sound_is_doubt, begin),
		cmocka_unit_test_setup(a_module_that_is_not_installed_is_passed_over_and_one_that_does_not_load_is_not,
				       begin),
		cmocka_unit_test_setup(without_a_descriptor_there_is_no_no, begin),
		cmocka_unit_test_setup(room_grows_and_has_an_end, begin),
		cmocka_unit_test_setup(one_entry_serves_many_questions, begin),
		cmocka_unit_test_setup(groups_and_shadow_are_asked_in_the_same_way, begin),
		cmocka_unit_test_setup(whether_the_files_are_first, begin),
	};

	mkdir(SYSCONFDIR, 0755);
	mkdir(LIBDIR, 0755);
	return cmocka_run_group_tests_name("passwd", tests, NULL, NULL);
}
