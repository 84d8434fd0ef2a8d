/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "confine/path.h"

static char top[64];
static int top_fd;

static void make_file(int dirfd, const char *name, const char *text)
{
	int fd = openat(dirfd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

static int setup(void **state)
{
	(void)state;
	strcpy(top, "/tmp/test_path.XXXXXX");
	if (mkdtemp(top) == NULL)
		return -1;
	top_fd = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(mkdirat(top_fd, "a", 0755), 0);
	assert_int_equal(mkdirat(top_fd, "a/b", 0755), 0);
	make_file(top_fd, "a/b/file", "in");
	make_file(top_fd, "secret", "out");
	assert_int_equal(symlinkat("../secret", top_fd, "a/up"), 0);
	assert_int_equal(symlinkat("b", top_fd, "a/inside"), 0);
	assert_int_equal(symlinkat("/etc", top_fd, "a/absolute"), 0);
	assert_int_equal(mkfifoat(top_fd, "a/fifo", 0600), 0);
	return 0;
}

static int teardown(void **state)
{
	static const char *const files[] = { "a/b/file", "secret", "a/up", "a/inside", "a/absolute", "a/fifo" };

	(void)state;
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		unlinkat(top_fd, files[i], 0);
	unlinkat(top_fd, "a/new", AT_REMOVEDIR);
	unlinkat(top_fd, "a/b", AT_REMOVEDIR);
	unlinkat(top_fd, "a", AT_REMOVEDIR);
	close(top_fd);
	return rmdir(top);
}

static void beneath_opens_what_is_below(void **state)
{
	int fd, a = openat(top_fd, "a", O_PATH | O_DIRECTORY | O_CLOEXEC);

	(void)state;
	fd = path_open_beneath(a, "b/file", O_RDONLY, 0);
	assert_true(fd >= 0);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	close(fd);
	fd = path_open_beneath(a, "b/../b/file", O_RDONLY, 0);
	assert_true(fd >= 0);
	close(fd);
	close(a);
}

static void beneath_never_leaves(void **state)
{
	int a = openat(top_fd, "a", O_PATH | O_DIRECTORY | O_CLOEXEC);

	(void)state;
	/* the control: openat(2) does reach it */
	close(openat(a, "../secret", O_RDONLY | O_CLOEXEC));
	assert_int_equal(faccessat(a, "up", R_OK, 0), 0);

	assert_int_equal(path_open_beneath(a, "../secret", O_RDONLY, 0), -EXDEV);
	assert_int_equal(path_open_beneath(a, "b/../../secret", O_RDONLY, 0), -EXDEV);
	assert_int_equal(path_open_beneath(a, "/etc/passwd", O_RDONLY, 0), -EXDEV);
	assert_int_equal(path_open_beneath(a, "up", O_RDONLY, 0), -ELOOP);
	assert_int_equal(path_open_beneath(a, "inside", O_RDONLY, 0), -ELOOP);
	assert_int_equal(path_open_beneath(a, "inside/file", O_RDONLY, 0), -ELOOP);
	assert_int_equal(path_open_beneath(a, "absolute/passwd", O_RDONLY, 0), -ELOOP);
	assert_int_equal(path_open_beneath(a, "up", O_WRONLY | O_CREAT, 0600), -ELOOP);
	assert_int_equal(path_open_beneath(a, "none", O_RDONLY, 0), -ENOENT);
	close(a);
}

static void beneath_refuses_magic_links(void **state)
{
	int proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);

	(void)state;
	assert_true(proc >= 0);
	assert_true(path_open_beneath(proc, "self/root/etc", O_RDONLY, 0) < 0);
	close(proc);
}

static void trusted_follows_only_roots_links(void **state)
{
	char path[128];
	struct stat st;
	int fd;

	(void)state;
	if (lstat("/bin", &st) == 0 && S_ISLNK(st.st_mode)) {
		fd = path_open_trusted("/bin", O_RDONLY);
		assert_true(fd >= 0);
		close(fd);
	}
	fd = path_open_trusted("/usr/../usr//bin/.", O_RDONLY);
	assert_true(fd >= 0);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	close(fd);

	/* /tmp is everybody's: nothing below it is followed, but plain directories are entered */
	snprintf(path, sizeof(path), "%s/a/b", top);
	fd = path_open_trusted(path, O_RDONLY);
	assert_true(fd >= 0);
	close(fd);
	snprintf(path, sizeof(path), "%s/a/inside", top);
	assert_int_equal(path_open_trusted(path, O_RDONLY), -ELOOP);
	snprintf(path, sizeof(path), "%s/a/absolute", top);
	assert_int_equal(path_open_trusted(path, O_RDONLY), -ELOOP);
	snprintf(path, sizeof(path), "%s/a/../a", top);
	assert_int_equal(path_open_trusted(path, O_RDONLY), -ELOOP);
	snprintf(path, sizeof(path), "%s/secret", top);
	assert_int_equal(path_open_trusted(path, O_RDONLY), -ENOTDIR);
	snprintf(path, sizeof(path), "%s/a/fifo", top);
	assert_int_equal(path_open_trusted(path, O_RDONLY), -ENOTDIR);
	assert_int_equal(path_open_trusted("tmp", O_RDONLY), -EINVAL);
	assert_int_equal(path_open_trusted("/tmp/none", O_RDONLY), -ENOENT);
}

static void make_directory_refuses_all_but_a_directory_of_the_owner(void **state)
{
	int fd, a = openat(top_fd, "a", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	mode_t mask = umask(077);
	struct stat st;

	(void)state;
	fd = path_make_directory(a, "new", 0711, geteuid());
	umask(mask);
	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0711);
	assert_int_equal(fchmod(fd, 0750), 0);
	close(fd);
	fd = path_make_directory(a, "new", 0711, geteuid());
	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0750);
	close(fd);

	assert_int_equal(path_make_directory(a, "new", 0711, geteuid() + 1), -EPERM);
	assert_int_equal(path_make_directory(a, "inside", 0700, geteuid()), -ENOTDIR);
	assert_int_equal(path_make_directory(a, "absolute", 0700, 0), -ENOTDIR);
	assert_int_equal(path_make_directory(a, "up", 0700, geteuid()), -ENOTDIR);
	assert_int_equal(path_make_directory(a, "fifo", 0700, geteuid()), -ENOTDIR);
	assert_int_equal(path_make_directory(a, "b/c", 0700, geteuid()), -EINVAL);
	assert_int_equal(path_make_directory(a, "..", 0700, geteuid()), -EINVAL);
	assert_int_equal(path_make_directory(a, "", 0700, geteuid()), -EINVAL);
	close(a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(beneath_opens_what_is_below, setup, teardown),
		cmocka_unit_test_setup_teardown(beneath_never_leaves, setup, teardown),
		cmocka_unit_test(beneath_refuses_magic_links),
		cmocka_unit_test_setup_teardown(trusted_follows_only_roots_links, setup, teardown),
		cmocka_unit_test_setup_teardown(make_directory_refuses_all_but_a_directory_of_the_owner, setup,
						teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
