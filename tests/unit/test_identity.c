/* SPDX-License-Identifier: ISC */
/* Becoming somebody else, for good. Every case in a child of its own. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <linux/securebits.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "confine/harden.h"
#include "confine/identity.h"
#include "tests/unit/home_fixture.h"

#define UID 2100777011u
#define OTHER_UID 2100777012u

static int in_child(int (*run)(void))
{
	int status;
	pid_t pid = fork();

	if (pid == 0)
		_exit(run());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int child_cannot_come_back(void)
{
	const gid_t groups[] = { 5000, 50 };
	gid_t have[4];

	if (identity_become(UID, UID, groups, 2) != 0)
		return 1;
	if (setuid(0) == 0 || seteuid(0) == 0 || setgid(0) == 0 || setegid(0) == 0 || setgroups(0, NULL) == 0)
		return 2;
	setfsuid(0);
	if ((uid_t)setfsuid((uid_t)-1) != UID || open("/etc/shadow", O_RDONLY) >= 0)
		return 3;
	if (getgroups(4, have) != 2 || have[0] != 50 || have[1] != 5000)
		return 4;
	if (prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) != 0)
		return 5;
	for (int c = 0; prctl(PR_CAPBSET_READ, c, 0, 0, 0) >= 0; c++)
		if (prctl(PR_CAPBSET_READ, c, 0, 0, 0) != 0)
			return 6;
	return 0;
}

/* A filter, as of a container, that lets nobody ask what is in the bounding set. */
static int bounding_set_hide(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_prctl, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[0])),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, PR_CAPBSET_READ, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { sizeof(code) / sizeof(code[0]), code };

	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

static int child_whose_bounding_set_is_hidden_fails(void)
{
	if (bounding_set_hide() != 0)
		return 1;
	return identity_become(UID, UID, NULL, 0) == -EPERM && getuid() == 0 ? 0 : 2;
}

static int child_drops_groups(void)
{
	gid_t have[4];

	if (setgroups(2, (gid_t[]){ 4, 27 }) != 0 || identity_become(UID, UID, NULL, 0) != 0)
		return 1;
	return getgroups(4, have) == 0 ? 0 : 2;
}

static int child_refuses_root(void)
{
	if (identity_become(0, UID, NULL, 0) != -EINVAL || identity_become(UID, 0, NULL, 0) != -EINVAL ||
	    identity_become((uid_t)-1, UID, NULL, 0) != -EINVAL || identity_become(UID, (gid_t)-1, NULL, 0) != -EINVAL)
		return 1;
	if (identity_become(UID, UID, &(gid_t){ 0 }, 1) != -EINVAL)
		return 2;
	return getuid() == 0 ? 0 : 3;
}

static int child_without_the_right_fails(void)
{
	if (identity_become(UID, UID, NULL, 0) != 0)
		return 1;
	return identity_become(OTHER_UID, OTHER_UID, NULL, 0) < 0 && getuid() == UID ? 0 : 2;
}

static int child_keeps_a_few(void)
{
	const int keep[] = { CAP_CHOWN, CAP_SETUID, CAP_SETGID, -1 };
	int status;

	if (capabilities_keep(keep) != 0)
		return 1;
	if (prctl(PR_CAPBSET_READ, CAP_SYS_ADMIN, 0, 0, 0) != 0 || prctl(PR_CAPBSET_READ, CAP_CHOWN, 0, 0, 0) != 1)
		return 2;
	if (prctl(PR_SET_SECUREBITS, 0, 0, 0, 0) == 0 || prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) == 0)
		return 3;
	/* uid 0 gets nothing by an exec */
	status = system("grep -q '^CapEff:.0*$' /proc/self/status");
	if (status != 0)
		return 4;
	/* and children can still become others, for good */
	if (identity_become(UID, UID, NULL, 0) != 0)
		return 5;
	return setuid(0) == 0 ? 6 : 0;
}

static int child_closes_descriptors(void)
{
	int fd = fcntl(2, F_DUPFD, 100), other = fcntl(2, F_DUPFD, 200);
	const int keep[] = { 0, 1, 2, 100, -1 }, wrong[] = { 5, 3, -1 };

	if (fd != 100 || other != 200 || descriptors_keep(wrong) != -EINVAL)
		return 1;
	if (descriptors_keep(keep) != 0 || fcntl(100, F_GETFD) < 0 || fcntl(200, F_GETFD) >= 0)
		return 2;
	if (descriptors_close_from(3) != 0 || fcntl(100, F_GETFD) >= 0 || fcntl(2, F_GETFD) < 0)
		return 3;
	return 0;
}

static int child_hardens(void)
{
	struct rlimit limit;

	if (process_harden() != 0 || prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1)
		return 1;
	return getrlimit(RLIMIT_CORE, &limit) == 0 && limit.rlim_max == 0 && prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 0 ?
		       0 :
		       2;
}

static void who_became_somebody_cannot_come_back(void **state)
{
	(void)state;
	assert_int_equal(in_child(child_cannot_come_back), 0);
	assert_int_equal(in_child(child_whose_bounding_set_is_hidden_fails), 0);
	assert_int_equal(in_child(child_drops_groups), 0);
	assert_int_equal(in_child(child_refuses_root), 0);
	assert_int_equal(in_child(child_without_the_right_fails), 0);
}

static void capabilities_are_kept_by_the_list_alone(void **state)
{
	(void)state;
	assert_int_equal(in_child(child_keeps_a_few), 0);
}

static void descriptors_are_closed_but_for_the_list(void **state)
{
	(void)state;
	assert_int_equal(in_child(child_closes_descriptors), 0);
	assert_int_equal(in_child(child_hardens), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_became_somebody_cannot_come_back),
		cmocka_unit_test(capabilities_are_kept_by_the_list_alone),
		cmocka_unit_test(descriptors_are_closed_but_for_the_list),
	};

	/* a child that did not come up would be waited for */
	alarm(60);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
