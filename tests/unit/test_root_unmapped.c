/* SPDX-License-Identifier: ISC */
/* Whose the files are that seem to be nobody's: confine/root_unmapped.h, and confine/trusted.h by it. */
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "confine/trusted.h"

#define SKIPPED 77

static bool maps_root(const char *text)
{
	struct uid_map_scan whole = { 0 };
	size_t size = strlen(text);

	uid_map_scan(&whole, text, size);
	for (size_t cut = 1; cut < size; cut++) { /* wherever a read ends */
		struct uid_map_scan parts = { 0 };

		uid_map_scan(&parts, text, cut);
		uid_map_scan(&parts, text + cut, size - cut);
		assert_int_equal(parts.maps_root, whole.maps_root);
	}
	return whole.maps_root;
}

static void a_map_says_whether_root_has_a_number(void **state)
{
	(void)state;
	assert_true(maps_root("         0          0 4294967295\n"));
	assert_true(maps_root("         0       1000          1\n         1          0          1\n"));
	assert_true(maps_root("      5000          0         10\n         0     100000       5000\n"));
	assert_false(maps_root(""));
	assert_false(maps_root("         0       1000          1\n         1 1073741824      65536\n"));
	assert_false(maps_root("         0         10          1\n"));
	assert_false(maps_root("         0 1000000000          1\n"));
}

/* Files that others may write, and what is no file, are nobody's anywhere. */
static bool trusted(mode_t mode, uid_t uid)
{
	struct stat st = { .st_mode = mode, .st_uid = uid };

	return file_trusted_inside(&st, 0);
}

/* A number that the kernel shows for unmapped users, the file of a real user of that number, and root's. */
static void in_the_initial_namespace_nobody_is_nobody(void **state)
{
	(void)state;
	if (root_unmapped())
		skip();
	assert_true(uid_overflows(65534));
	assert_false(uid_overflows(6553));
	assert_false(trusted(S_IFREG | 0644, 65534));
	assert_true(trusted(S_IFREG | 0644, 0));
}

static void write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		_exit(2);
	close(fd);
}

static int in_a_namespace(uid_t uid)
{
	char map[32];

	if (unshare(CLONE_NEWUSER) != 0)
		return SKIPPED;
	/* no map yet: the host's root has no number */
	if (!root_unmapped() || !trusted(S_IFREG | 0644, 65534) || trusted(S_IFREG | 0664, 65534) ||
	    trusted(S_IFDIR | 0755, 65534) || trusted(S_IFREG | 0644, 65533))
		return 1;
	snprintf(map, sizeof(map), "0 %u 1\n", uid);
	write_text("/proc/self/uid_map", map);
	/* who is root here is root; nobody is the host's, unless the host's root has a number */
	return trusted(S_IFREG | 0644, 0) && trusted(S_IFREG | 0644, 65534) == (uid != 0) ? 0 : 1;
}

static void inside_a_namespace_nobody_is_root_unless_root_is_mapped(void **state)
{
	uid_t uid = geteuid();
	pid_t pid;
	int status;

	(void)state;
	if (root_unmapped())
		skip();
	pid = fork();
	if (pid == 0)
		_exit(in_a_namespace(uid));
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFEXITED(status) && WEXITSTATUS(status) == SKIPPED)
		skip();
	assert_int_equal(status, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_map_says_whether_root_has_a_number),
		cmocka_unit_test(in_the_initial_namespace_nobody_is_nobody),
		cmocka_unit_test(inside_a_namespace_nobody_is_root_unless_root_is_mapped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
