/* SPDX-License-Identifier: ISC */
/*
 * The filter of the worker, where an untrusted peer's bytes are parsed. It has its two sockets and memory; it opens
 * nothing, starts nothing, signals nobody: anything else kills it. Part of make-filters, which is run when subuidd is
 * built.
 */
#include "confine/seccomp_rules.h"

#include <fcntl.h>
#include <linux/seccomp.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

/* clang-format off */

static const int allowed[] = {
	SCMP_SYS(read), SCMP_SYS(write), SCMP_SYS(readv), SCMP_SYS(writev), SCMP_SYS(recvfrom), SCMP_SYS(recvmsg),
	SCMP_SYS(sendto), SCMP_SYS(sendmsg), SCMP_SYS(recv), SCMP_SYS(send), SCMP_SYS(shutdown), SCMP_SYS(poll),
	SCMP_SYS(ppoll), SCMP_SYS(ppoll_time64), SCMP_SYS(close), SCMP_SYS(fstat), SCMP_SYS(fstat64),
	SCMP_SYS(lseek), SCMP_SYS(brk), SCMP_SYS(munmap), SCMP_SYS(mremap), SCMP_SYS(madvise), SCMP_SYS(futex),
	SCMP_SYS(futex_time64), SCMP_SYS(exit), SCMP_SYS(exit_group), SCMP_SYS(rt_sigreturn), SCMP_SYS(sigreturn),
	SCMP_SYS(rt_sigprocmask), SCMP_SYS(sigaltstack), SCMP_SYS(restart_syscall), SCMP_SYS(getrandom),
	SCMP_SYS(clock_gettime), SCMP_SYS(clock_gettime64), SCMP_SYS(gettimeofday), SCMP_SYS(time),
	SCMP_SYS(getpid), SCMP_SYS(gettid),
	/* Not tgkill(2), with which a worker could end the others, who have its uid: its own pid is not known when
	 * this filter is made. abort(3) ends it all the same, by SIGSYS. */
};

/* The user database, beside these: it accepts connections, and opens the index to read it. */
static const int userdb_allowed[] = {
	SCMP_SYS(accept4), SCMP_SYS(getsockopt), SCMP_SYS(lstat), SCMP_SYS(lstat64), SCMP_SYS(newfstatat),
	SCMP_SYS(fstatat64), SCMP_SYS(statx),
};

/* The process beside a tool that only makes new files: it has a socket, and what comes over it. */
static const int keeper_allowed[] = {
	SCMP_SYS(recvmsg), SCMP_SYS(sendto), SCMP_SYS(send), SCMP_SYS(close), SCMP_SYS(fstat), SCMP_SYS(fstat64),
	SCMP_SYS(exit_group), SCMP_SYS(rt_sigreturn), SCMP_SYS(sigreturn), SCMP_SYS(restart_syscall),
	SCMP_SYS(fgetxattr), SCMP_SYS(fsetxattr), SCMP_SYS(fremovexattr), SCMP_SYS(time), SCMP_SYS(gettimeofday),
	SCMP_SYS(clock_gettime), SCMP_SYS(clock_gettime64),
};

/* The process between sshd and a run with a bandwidth: it moves bytes that it does not see. */
static const int throttle_allowed[] = {
	SCMP_SYS(splice), SCMP_SYS(poll), SCMP_SYS(ppoll), SCMP_SYS(ppoll_time64), SCMP_SYS(shutdown), SCMP_SYS(close),
	SCMP_SYS(exit_group), SCMP_SYS(rt_sigreturn), SCMP_SYS(sigreturn), SCMP_SYS(restart_syscall),
	SCMP_SYS(clock_gettime), SCMP_SYS(clock_gettime64),
};

/* The first process of a shell that asks: it is told of calls, does one of them in a child, and ends the others. */
static const int connector_allowed[] = {
	SCMP_SYS(poll), SCMP_SYS(ppoll), SCMP_SYS(ppoll_time64), SCMP_SYS(read), SCMP_SYS(close), SCMP_SYS(connect),
	SCMP_SYS(process_vm_readv), SCMP_SYS(pidfd_open), SCMP_SYS(pidfd_getfd), SCMP_SYS(getsockopt), SCMP_SYS(wait4),
	SCMP_SYS(waitid), SCMP_SYS(kill), SCMP_SYS(fork), SCMP_SYS(set_robust_list), SCMP_SYS(rseq), SCMP_SYS(gettid),
	SCMP_SYS(getpid), SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigreturn), SCMP_SYS(sigreturn),
	SCMP_SYS(restart_syscall), SCMP_SYS(exit), SCMP_SYS(exit_group),
};

/* clang-format on */

/* Memory of this kind (MAP_*), and nothing in it that can be executed. */
static int rule_memory(scmp_filter_ctx filter, uint64_t kind)
{
	int r = 0;

	for (int i = 0; r == 0 && i < 2; i++)
		r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, i == 0 ? SCMP_SYS(mmap) : SCMP_SYS(mmap2), 2,
				     SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0),
				     SCMP_A3(SCMP_CMP_MASKED_EQ, kind, kind));
	return r < 0 ? r : rule_masked(filter, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 2, PROT_EXEC, 0);
}

static int rule_descriptor_flags(scmp_filter_ctx filter)
{
	static const int commands[] = { F_GETFD, F_SETFD, F_GETFL, F_SETFL };
	int r = 0;

	for (size_t i = 0; r == 0 && i < sizeof(commands) / sizeof(commands[0]); i++)
		r = rule_equal(filter, SCMP_SYS(fcntl), 1, (uint64_t)commands[i]);
	return r;
}

/* Files are opened only to be read; Landlock says which. */
int fill_userdb(scmp_filter_ctx filter)
{
	const uint64_t mask = O_ACCMODE | O_CREAT | O_TRUNC;
	int r = rule_all(filter, SCMP_ACT_ALLOW, (struct calls)CALLS(allowed));

	if (r == 0)
		r = rule_all(filter, SCMP_ACT_ALLOW, (struct calls)CALLS(userdb_allowed));
	if (r == 0)
		r = rule_memory(filter, MAP_ANONYMOUS);
	if (r == 0)
		r = rule_memory(filter, MAP_SHARED);
	if (r == 0)
		r = rule_descriptor_flags(filter);
	if (r == 0)
		r = rule_masked(filter, SCMP_ACT_ALLOW, SCMP_SYS(open), 1, mask, O_RDONLY);
	return r < 0 ? r : rule_masked(filter, SCMP_ACT_ALLOW, SCMP_SYS(openat), 2, mask, O_RDONLY);
}

/* Dates of a descriptor's own file alone (no path), and modes without setuid and setgid bits. */
int fill_keeper(scmp_filter_ctx filter)
{
	static const int dates[] = { SCMP_SYS(utimensat), SCMP_SYS(utimensat_time64) };
	int r = rule_all(filter, SCMP_ACT_ALLOW, (struct calls)CALLS(keeper_allowed));

	for (size_t i = 0; r == 0 && i < sizeof(dates) / sizeof(dates[0]); i++)
		r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, dates[i], 1, SCMP_A1(SCMP_CMP_EQ, 0, 0));
	if (r == 0)
		r = rule_masked(filter, SCMP_ACT_ALLOW, SCMP_SYS(fchmod), 1, SETID, 0);
	if (r == 0)
		r = rule_masked(filter, SCMP_ACT_ALLOW, SCMP_SYS(newfstatat), 3, AT_EMPTY_PATH, AT_EMPTY_PATH);
	return r < 0 ? r : rule_equal(filter, SCMP_SYS(fcntl), 1, F_GETFL);
}

int fill_throttle(scmp_filter_ctx filter)
{
	return rule_all(filter, SCMP_ACT_ALLOW, (struct calls)CALLS(throttle_allowed));
}

int fill_connector(scmp_filter_ctx filter)
{
	static const unsigned long questions[] = { SECCOMP_IOCTL_NOTIF_RECV, SECCOMP_IOCTL_NOTIF_SEND,
						   SECCOMP_IOCTL_NOTIF_ID_VALID };
	const uint64_t mask = O_ACCMODE | O_CREAT | O_TRUNC;
	int r = rule_all(filter, SCMP_ACT_ALLOW, (struct calls)CALLS(connector_allowed));

	for (size_t i = 0; r == 0 && i < sizeof(questions) / sizeof(questions[0]); i++)
		r = rule_equal(filter, SCMP_SYS(ioctl), 1, questions[i]);
	if (r == 0) /* a process, neither a thread nor one in namespaces of its own */
		r = rule_masked(filter, SCMP_ACT_ALLOW, SCMP_SYS(clone), CLONE_FLAGS, NAMESPACES | CLONE_VM, 0);
	return r < 0 ? r : rule_masked(filter, SCMP_ACT_ALLOW, SCMP_SYS(openat), 2, mask, O_RDONLY);
}

int fill_worker(scmp_filter_ctx filter)
{
	int r = rule_all(filter, SCMP_ACT_ALLOW, (struct calls)CALLS(allowed));

	if (r == 0) /* of its own: no files */
		r = rule_memory(filter, MAP_ANONYMOUS);
	/* stdio asks for the size of what it writes to, by descriptor */
	if (r == 0)
		r = rule_masked(filter, SCMP_ACT_ALLOW, SCMP_SYS(newfstatat), 3, AT_EMPTY_PATH, AT_EMPTY_PATH);
	return r < 0 ? r : rule_descriptor_flags(filter);
}
