/* SPDX-License-Identifier: ISC */
/* Landlock and the system call filters, each in a child; no root. The rsync filter is tried whole in
 * tests/e2e/test_gate.py. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "confine/landlock.h"
#include "confine/seccomp.h"

/* Exit status of the act in a child; 128 + signal when it was killed. */
static int in_child(int (*act)(void))
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
		_exit(act());
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

static char directory[] = "/tmp/test_confine.XXXXXX";

static int errno_of(int result)
{
	if (result >= 0)
		close(result);
	return result >= 0 ? 0 : errno;
}

static int confined(enum landlock_access access)
{
	const struct landlock_rule rules[] = {
		{ .path = directory, .fd = -1, .access = access },
		{ .path = "/dev/null", .fd = -1, .access = LANDLOCK_DEVICE },
		{ .path = "/no/such/path", .fd = -1, .access = LANDLOCK_READ, .optional = 1 },
		LANDLOCK_END,
	};

	return chdir(directory) != 0 ? -errno : landlock_confine(rules);
}

static int read_write(void)
{
	if (confined(LANDLOCK_READ_WRITE) < 0)
		return 1;
	if (errno_of(open("new", O_WRONLY | O_CREAT, 0600)) != 0 || mkdir("d", 0700) != 0 || symlink("x", "l") != 0 ||
	    rename("new", "d/new") != 0 || truncate("d/new", 3) != 0 || unlink("d/new") != 0 || rmdir("d") != 0)
		return 2;
	unlink("l");
	if (mkfifo("f", 0600) == 0 || mknod("s", S_IFSOCK | 0600, 0) == 0)
		return 3;
	if (errno_of(open("/etc/passwd", O_RDONLY)) != EACCES || errno_of(open("/tmp", O_RDONLY)) != EACCES)
		return 4;
	if (errno_of(open("/dev/null", O_RDWR)) != 0 || errno_of(open("/dev/zero", O_RDONLY)) != EACCES)
		return 5;
	return execl("/bin/true", "true", (char *)NULL) == 0 || errno != EACCES ? 6 : 0;
}

static int read_only(void)
{
	if (confined(LANDLOCK_READ) < 0)
		return 1;
	if (errno_of(open("kept", O_RDONLY)) != 0 || errno_of(open(".", O_RDONLY)) != 0)
		return 2;
	if (errno_of(open("kept", O_WRONLY)) != EACCES || errno_of(open("new", O_WRONLY | O_CREAT, 0600)) != EACCES ||
	    mkdir("d", 0700) == 0 || unlink("kept") == 0 || (landlock_abi() >= 3 && truncate("kept", 0) == 0))
		return 3;
	return 0;
}

static int missing_path(void)
{
	const struct landlock_rule rules[] = {
		{ .path = "/no/such/path", .fd = -1, .access = LANDLOCK_READ },
		LANDLOCK_END,
	};

	return landlock_confine(rules) == -ENOENT ? 0 : 1;
}

static void landlock_allows_its_rules_and_nothing_else(void **state)
{
	(void)state;
	assert_int_equal(in_child(read_write), 0);
	assert_int_equal(in_child(read_only), 0);
	assert_int_equal(in_child(missing_path), 0);
}

static void what_each_abi_lacks_is_said(void **state)
{
	(void)state;
	assert_non_null(strstr(landlock_missing(0), "everything"));
	assert_non_null(strstr(landlock_missing(1), "rename"));
	assert_non_null(strstr(landlock_missing(2), "truncation"));
	assert_null(strstr(landlock_missing(3), "truncation"));
	assert_string_equal(landlock_missing(7), "pathname sockets");
	assert_string_equal(landlock_missing(9), "");
	assert_string_equal(landlock_missing(1000), "");
}

/* ---- the worker's filter ---------------------------------------------------------------- */

static int worker_ordinary(void)
{
	char byte = 'x';
	int pair[2];
	char *memory;

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0 || seccomp_confine(SECCOMP_WORKER) != 0)
		return 1;
	memory = malloc(4 << 20);
	if (memory == NULL || send(pair[0], &byte, 1, MSG_NOSIGNAL) != 1 || recv(pair[1], &byte, 1, 0) != 1)
		return 2;
	memory = realloc(memory, 8 << 20);
	free(memory);
	if (getrandom(&byte, 1, GRND_NONBLOCK) != 1 || fprintf(stderr, "%s", "") < 0 || close(pair[0]) != 0)
		return 3;
	return 0;
}

static pid_t parent; /* asked for before: getppid(2) is forbidden as well */

#define WORKER_ACT(name, act)                                                                                          \
	static int name(void)                                                                                          \
	{                                                                                                              \
		if (seccomp_confine(SECCOMP_WORKER) != 0)                                                              \
			return 1;                                                                                      \
		act;                                                                                                   \
		return 2;                                                                                              \
	}

WORKER_ACT(worker_open, open("/etc/passwd", O_RDONLY))
WORKER_ACT(worker_socket, socket(AF_UNIX, SOCK_STREAM, 0))
WORKER_ACT(worker_fork, fork())
WORKER_ACT(worker_exec, execl("/bin/true", "true", (char *)NULL))
WORKER_ACT(worker_kill, kill(parent, 0))
WORKER_ACT(worker_tgkill, syscall(SYS_tgkill, parent, parent, 0))
WORKER_ACT(worker_code, syscall(SYS_mmap, NULL, 4096, 7, 0x22, -1, 0))
WORKER_ACT(worker_stat, syscall(SYS_newfstatat, AT_FDCWD, "/etc", NULL, 0))
WORKER_ACT(worker_map_file, syscall(SYS_mmap, NULL, 4096, 1, 2, 0, 0))

/* Without a way to signal itself, it is at its end all the same. */
static int worker_abort(void)
{
	if (seccomp_confine(SECCOMP_WORKER) != 0)
		return 1;
	abort();
}

static void worker_does_its_work_and_dies_of_anything_else(void **state)
{
	(void)state;
	assert_int_equal(in_child(worker_ordinary), 0);
	assert_int_equal(in_child(worker_open), 128 + SIGSYS);
	assert_int_equal(in_child(worker_socket), 128 + SIGSYS);
	assert_int_equal(in_child(worker_fork), 128 + SIGSYS);
	assert_int_equal(in_child(worker_exec), 128 + SIGSYS);
	parent = getpid();
	assert_int_equal(in_child(worker_kill), 128 + SIGSYS);
	assert_int_equal(syscall(SYS_tgkill, parent, parent, 0), 0); /* the control */
	assert_int_equal(in_child(worker_tgkill), 128 + SIGSYS);
	assert_int_equal(in_child(worker_abort), 128 + SIGSYS);
	assert_int_equal(in_child(worker_code), 128 + SIGSYS);
	assert_int_equal(in_child(worker_stat), 128 + SIGSYS);
	assert_int_equal(in_child(worker_map_file), 128 + SIGSYS);
}

/* ---- the filter of rsync ---------------------------------------------------------------- */

static int rsync_modes(void)
{
	int fd;

	if (chdir(directory) != 0 || seccomp_confine(SECCOMP_RSYNC) != 0)
		return 1;
	fd = open("mode", O_RDWR | O_CREAT, 0600);
	if (fd < 0 || fchmod(fd, 01755) != 0 || chmod("mode", 0777) != 0)
		return 2;
	for (int bits = 02000; bits <= 06000; bits += 02000) {
		if (fchmod(fd, (mode_t)bits) == 0 || errno != EPERM || chmod("mode", (mode_t)bits | 0755) == 0 ||
		    errno != EPERM)
			return 3;
		if (open("made", O_WRONLY | O_CREAT, bits) >= 0 || errno != EPERM)
			return 4;
	}
	if (mkdir("setgid", 02755) != 0 || rmdir("setgid") != 0) /* the kernel drops the bit */
		return 5;
	if (mknod("regular", S_IFREG | 0600, 0) != 0 || unlink("regular") != 0 || mkfifo("fifo", 0600) == 0)
		return 6;
	return unlink("mode");
}

static int rsync_refuses(void)
{
	if (seccomp_confine(SECCOMP_RSYNC) != 0)
		return 1;
	if (socket(AF_UNIX, SOCK_STREAM, 0) >= 0 || errno != EPERM)
		return 2;
	if (syscall(SYS_clone3, NULL, 0) >= 0 || errno != ENOSYS) /* libc takes clone then */
		return 3;
	if (syscall(SYS_openat2, AT_FDCWD, "/", NULL, 0) >= 0 || errno != ENOSYS)
		return 4;
	if (syscall(1000000) >= 0 || errno != ENOSYS)
		return 5;
	return fork() == 0 ? _exit(0), 0 : 0;
}

static void rsync_sets_no_setid_bit_and_opens_no_socket(void **state)
{
	(void)state;
	assert_int_equal(in_child(rsync_modes), 0);
	assert_int_equal(in_child(rsync_refuses), 0);
}

/* ---- calls that a host may refuse anyhow ------------------------------------------------- */

#ifndef SYS_fchmodat2
#define SYS_fchmodat2 452
#endif
#ifdef __x86_64__
#define SYS_X32 0x40000000L
#define INT80 (-1L) /* no number: the entry point of i386 */
#endif
#define FILTERS (SECCOMP_WORKER + 1)
#define KILLED (128 + SIGSYS)

/*
 * tests/e2e/evil_rsync.c makes these with arguments that would work, and a host that refuses them by itself hides
 * there what the filter says (KERNEL_REFUSES_ANYHOW of tests/e2e/test_gate.py; the names are the same). Here the
 * arguments are such that the call itself answers whoever makes it, before it asks who that is.
 */
static const struct attempt {
	const char *name;
	long call, arguments[5];
	int itself;         /* the errno that only the call gives, 0 for a success */
	int filter;         /* what the filters of rsync and the tools answer; the worker's kills */
	const char *sysctl; /* not 0: the administrator lets the call itself say EPERM */
} attempts[] = {
	{ "io_uring", SYS_io_uring_setup, { 1, 0 }, EFAULT, EPERM, "/proc/sys/kernel/io_uring_disabled" },
	{ "io_uring", SYS_io_uring_enter, { -2 }, EBADF, EPERM, NULL },
	{ "io_uring", SYS_io_uring_register, { -2 }, EBADF, EPERM, NULL },
	{ "keyctl", SYS_keyctl, { -1 }, EOPNOTSUPP, EPERM, NULL },
	{ "keyctl", SYS_add_key, { 0 }, EFAULT, EPERM, NULL },
	{ "keyctl", SYS_request_key, { 0 }, EFAULT, EPERM, NULL },
	{ "bpf", SYS_bpf, { -1, 0, 0 }, EINVAL, EPERM, "/proc/sys/kernel/unprivileged_bpf_disabled" },
	/* UFFD_USER_MODE_ONLY, which everybody may, and a flag that there is not */
	{ "userfaultfd", SYS_userfaultfd, { 0x40000001 }, EINVAL, EPERM, NULL },
#ifdef SYS_mknod
	{ "mknod-char", SYS_mknod, { 0, S_IFCHR | 0600, 0x103 }, EFAULT, EPERM, NULL },
#endif
	{ "mknod-char", SYS_mknodat, { AT_FDCWD, 0, S_IFCHR | 0600, 0x103 }, EFAULT, EPERM, NULL },
	{ "fchmodat2-setuid", SYS_fchmodat2, { -1, (long)(uintptr_t) "x", 04755 }, EBADF, ENOSYS, NULL },
	{ "tiocsti", SYS_ioctl, { -1, TIOCSTI, (long)(uintptr_t) "x" }, EBADF, ENOSYS, NULL },
	{ "inet6", SYS_socket, { AF_INET6, 0x100 }, EINVAL, EPERM, NULL }, /* no such type */
#ifdef __x86_64__
	{ "x32", SYS_X32 + SYS_getpid, { 0 }, 0, KILLED, NULL },
	{ "int80", INT80, { 0 }, 0, KILLED, NULL },
#endif
};

static const struct attempt *attempt;
static int attempt_filter; /* FILTERS: none */

static long attempt_call(void)
{
	const long *arguments = attempt->arguments;

#ifdef __x86_64__
	if (attempt->call == INT80) {
		long result = 20; /* getpid(2) of i386 */

		__asm__ volatile("int $0x80" : "+a"(result) : : "memory", "r8", "r9", "r10", "r11");
		return result;
	}
#endif
	return syscall(attempt->call, arguments[0], arguments[1], arguments[2], arguments[3], arguments[4]);
}

static int attempted(void)
{
	/* a fault is an answer here: cmocka's handler would make a failure of it */
	if (signal(SIGSEGV, SIG_DFL) == SIG_ERR)
		return 126;
	if (attempt_filter < FILTERS && seccomp_confine((enum seccomp_program)attempt_filter) != 0)
		return 127;
	return attempt_call() >= 0 ? 0 : errno;
}

static bool switched(const char *sysctl)
{
	int fd = sysctl == NULL ? -1 : open(sysctl, O_RDONLY);
	char digit = '0';

	if (fd >= 0 && read(fd, &digit, 1) != 1)
		digit = '0';
	if (fd >= 0)
		close(fd);
	return digit != '0';
}

/* The control: without a filter the call answers for itself. True unless this host says what the filter would. */
static bool told_apart(int answer)
{
	if (answer == ENOSYS || (answer == EPERM && switched(attempt->sysctl)))
		return attempt->filter != answer;
	if (answer != attempt->itself)
		fail_msg("%s, call %ld: %d without a filter, not %d", attempt->name, attempt->call, answer,
			 attempt->itself);
	return true;
}

/* A shell is told of other families than its own what a host without these would say. */
static int expected_of(int filter)
{
	const bool socket = attempt->call == SYS_socket;

	if (filter == SECCOMP_WORKER)
		return KILLED;
	if (socket && filter == SECCOMP_SHELL)
		return EAFNOSUPPORT;
	return socket && (filter == SECCOMP_SHELL_NET || filter == SECCOMP_SHELL_NET_ASKS) ? ENOSYS : attempt->filter;
}

static void calls_that_a_host_may_refuse_anyhow_are_refused_by_each_filter(void **state)
{
	(void)state;
	for (attempt = attempts; attempt < attempts + sizeof(attempts) / sizeof(attempts[0]); attempt++) {
		bool differs;
		int itself;

		attempt_filter = FILTERS;
		itself = in_child(attempted);
		if (strcmp(attempt->name, "int80") == 0 && itself == 128 + SIGSEGV)
			continue; /* a kernel built or booted without that entry: it asks no filter either */
		differs = told_apart(itself);
		for (attempt_filter = 0; attempt_filter < FILTERS; attempt_filter++) {
			int expected = expected_of(attempt_filter);
			int answer = in_child(attempted);

			if (differs)
				assert_int_not_equal(itself, expected);
			if (answer != expected)
				fail_msg("%s, call %ld: %d by filter %d, not %d", attempt->name, attempt->call, answer,
					 attempt_filter, expected);
		}
	}
}

#ifdef __x86_64__
#define I386_IOCTL 54
#define X32_IOCTL 514

static long ioctl_i386(unsigned long request)
{
	long result = I386_IOCTL;

	__asm__ volatile("int $0x80"
			 : "+a"(result)
			 : "b"(-1), "c"(request), "d"(0)
			 : "memory", "r8", "r9", "r10", "r11");
	return -(int)result;
}
#endif

/* Nothing is open at -1: whatever the filter lets pass is EBADF. */
static int types(void)
{
	static const unsigned long typing[] = { TIOCSTI, 0x541c /* TIOCLINUX */, TIOCSTI | 1UL << 32 };

	if (seccomp_confine(SECCOMP_GUEST) < 0)
		return 1;
	for (size_t i = 0; i < sizeof(typing) / sizeof(typing[0]); i++) {
		if (syscall(SYS_ioctl, -1, typing[i], 0) != -1 || errno != EPERM)
			return 2;
#ifdef __x86_64__
		if (syscall(SYS_X32 + X32_IOCTL, -1, typing[i], 0) != -1 || errno != EPERM)
			return 3;
#endif
	}
	return syscall(SYS_ioctl, -1, TCGETS, 0) == -1 && errno == EBADF ? 0 : 4;
}

static int types_by_the_older_entry(void)
{
#ifdef __x86_64__
	const long itself = ioctl_i386(TIOCSTI);

	if (itself != EBADF || seccomp_confine(SECCOMP_GUEST) < 0)
		return 1;
	return ioctl_i386(TIOCSTI) == EPERM && ioctl_i386(TCGETS) == EBADF ? 0 : 2;
#else
	return 0;
#endif
}

static void who_runs_on_anothers_terminal_types_nothing_by_any_entry(void **state)
{
	int older = in_child(types_by_the_older_entry);

	(void)state;
	assert_int_equal(in_child(types), 0);
	if (older != 128 + SIGSEGV) /* a kernel without that entry */
		assert_int_equal(older, 0);
}

static int setup(void **state)
{
	char path[64];
	int fd;

	(void)state;
	if (mkdtemp(directory) == NULL)
		return -1;
	snprintf(path, sizeof(path), "%s/kept", directory);
	fd = open(path, O_WRONLY | O_CREAT, 0600);
	return fd < 0 ? -1 : close(fd);
}

static int teardown(void **state)
{
	char path[64];

	(void)state;
	snprintf(path, sizeof(path), "%s/kept", directory);
	return unlink(path) != 0 || rmdir(directory) != 0 ? -1 : 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(landlock_allows_its_rules_and_nothing_else),
		cmocka_unit_test(what_each_abi_lacks_is_said),
		cmocka_unit_test(worker_does_its_work_and_dies_of_anything_else),
		cmocka_unit_test(rsync_sets_no_setid_bit_and_opens_no_socket),
		cmocka_unit_test(calls_that_a_host_may_refuse_anyhow_are_refused_by_each_filter),
		cmocka_unit_test(who_runs_on_anothers_terminal_types_nothing_by_any_entry),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
