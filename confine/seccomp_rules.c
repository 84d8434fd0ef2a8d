/* SPDX-License-Identifier: ISC */
/*
 * System call filters: run when subuidd is built, it writes them as C (libseccomp
 * needs longer to make one than the gate may take to start).
 *
 * Allow-lists: a call that is not named here does not happen. Three kinds of "no": ENOSYS
 * (rsync: anything not named, so that libraries take their older way, also for calls
 * that are younger than this file), EPERM (rsync: calls that are named below because
 * of what they would do), kill (worker: anything).
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <seccomp.h>
#include <linux/filter.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "confine/cleanup.h"

#define SETID (S_ISUID | S_ISGID)
#define NAMESPACES                                                                                      \
	(CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | \
	 CLONE_NEWNET)
#ifdef __s390x__
#define CLONE_FLAGS 1 /* argument number */
#else
#define CLONE_FLAGS 0
#endif

/*
 * rsync --server, from its execve(2) on: the dynamic loader and libc's start, the three
 * processes of a receiver, files by name, descriptor, ACL and xattr. Every call here
 * can also be made by an rsync that has been taken over by its peer: Landlock says
 * which files it then reaches.
 */
static const int rsync_allowed[] = {
	/* data */
	SCMP_SYS(read), SCMP_SYS(write), SCMP_SYS(readv), SCMP_SYS(writev), SCMP_SYS(pread64), SCMP_SYS(pwrite64),
	SCMP_SYS(lseek), SCMP_SYS(_llseek), SCMP_SYS(poll), SCMP_SYS(ppoll), SCMP_SYS(select), SCMP_SYS(_newselect),
	SCMP_SYS(pselect6), SCMP_SYS(copy_file_range), SCMP_SYS(fadvise64), SCMP_SYS(sendfile),
	SCMP_SYS(fsync), SCMP_SYS(fdatasync),
	/* names */
	SCMP_SYS(close), SCMP_SYS(close_range), SCMP_SYS(dup), SCMP_SYS(dup2), SCMP_SYS(dup3), SCMP_SYS(pipe),
	SCMP_SYS(pipe2), SCMP_SYS(access), SCMP_SYS(faccessat), SCMP_SYS(faccessat2), SCMP_SYS(stat),
	SCMP_SYS(lstat),
	SCMP_SYS(fstat), SCMP_SYS(stat64), SCMP_SYS(lstat64), SCMP_SYS(fstat64), SCMP_SYS(newfstatat),
	SCMP_SYS(fstatat64), SCMP_SYS(statx), SCMP_SYS(statfs), SCMP_SYS(statfs64), SCMP_SYS(fstatfs),
	SCMP_SYS(fstatfs64), SCMP_SYS(readlink), SCMP_SYS(readlinkat), SCMP_SYS(getdents), SCMP_SYS(getdents64),
	SCMP_SYS(getcwd), SCMP_SYS(chdir), SCMP_SYS(fchdir), SCMP_SYS(umask),
	/* removing, of a source that has been sent too (--remove-source-files); where, Landlock says */
	SCMP_SYS(unlink), SCMP_SYS(unlinkat), SCMP_SYS(rmdir),
	/* metadata */
	SCMP_SYS(getxattr), SCMP_SYS(lgetxattr), SCMP_SYS(fgetxattr), SCMP_SYS(listxattr), SCMP_SYS(llistxattr),
	SCMP_SYS(flistxattr),
	/* memory, threads of libraries */
	SCMP_SYS(brk), SCMP_SYS(mmap), SCMP_SYS(mmap2), SCMP_SYS(munmap), SCMP_SYS(mremap), SCMP_SYS(mprotect),
	SCMP_SYS(madvise), SCMP_SYS(futex), SCMP_SYS(futex_time64), SCMP_SYS(set_robust_list),
	SCMP_SYS(get_robust_list), SCMP_SYS(rseq), SCMP_SYS(membarrier), SCMP_SYS(set_tid_address),
	SCMP_SYS(arch_prctl), SCMP_SYS(set_thread_area), SCMP_SYS(set_tls), SCMP_SYS(sched_yield),
	SCMP_SYS(sched_getaffinity), SCMP_SYS(getcpu), SCMP_SYS(getrandom), SCMP_SYS(uname), SCMP_SYS(sysinfo),
	SCMP_SYS(riscv_flush_icache), SCMP_SYS(cacheflush),
	/* processes, signals, time; Landlock decides whom a signal reaches (ABI 6) */
	SCMP_SYS(execve), SCMP_SYS(fork), SCMP_SYS(vfork), SCMP_SYS(wait4), SCMP_SYS(waitid), SCMP_SYS(exit),
	SCMP_SYS(exit_group), SCMP_SYS(kill), SCMP_SYS(tgkill), SCMP_SYS(getpid), SCMP_SYS(getppid),
	SCMP_SYS(gettid), SCMP_SYS(getpgrp), SCMP_SYS(getpgid), SCMP_SYS(getuid), SCMP_SYS(geteuid),
	SCMP_SYS(getgid), SCMP_SYS(getegid), SCMP_SYS(getuid32), SCMP_SYS(geteuid32), SCMP_SYS(getgid32),
	SCMP_SYS(getegid32), SCMP_SYS(getresuid), SCMP_SYS(getresgid), SCMP_SYS(getgroups), SCMP_SYS(getgroups32),
	SCMP_SYS(getrlimit), SCMP_SYS(ugetrlimit), SCMP_SYS(getrusage), SCMP_SYS(times), SCMP_SYS(rt_sigaction),
	SCMP_SYS(sigaction), SCMP_SYS(rt_sigprocmask), SCMP_SYS(sigprocmask), SCMP_SYS(rt_sigreturn),
	SCMP_SYS(sigreturn), SCMP_SYS(rt_sigsuspend), SCMP_SYS(rt_sigpending), SCMP_SYS(rt_sigtimedwait),
	SCMP_SYS(sigaltstack), SCMP_SYS(restart_syscall), SCMP_SYS(pause), SCMP_SYS(alarm), SCMP_SYS(setitimer),
	SCMP_SYS(getitimer), SCMP_SYS(nanosleep), SCMP_SYS(clock_nanosleep), SCMP_SYS(clock_nanosleep_time64),
	SCMP_SYS(clock_gettime), SCMP_SYS(clock_gettime64), SCMP_SYS(clock_getres), SCMP_SYS(gettimeofday),
	SCMP_SYS(time),
	/* questions about the socket that may be its standard input */
	SCMP_SYS(getsockopt), SCMP_SYS(getsockname), SCMP_SYS(getpeername), SCMP_SYS(shutdown),
};

/* A receiver alone. Refused (EPERM) to a sender, since Landlock does not restrict metadata: a sender
 * that has been taken over changes no mode, owner, date or attribute anywhere, DIR included. */
static const int rsync_changing[] = {
	SCMP_SYS(fallocate), SCMP_SYS(ftruncate), SCMP_SYS(ftruncate64),
	SCMP_SYS(rename), SCMP_SYS(renameat), SCMP_SYS(renameat2), SCMP_SYS(link), SCMP_SYS(linkat),
	SCMP_SYS(symlink), SCMP_SYS(symlinkat),
	/* the kernel takes no setuid or setgid bit from mkdir(2), so its mode is not looked at */
	SCMP_SYS(mkdir), SCMP_SYS(mkdirat),
	SCMP_SYS(chown), SCMP_SYS(lchown), SCMP_SYS(fchown), SCMP_SYS(fchownat), SCMP_SYS(chown32),
	SCMP_SYS(lchown32), SCMP_SYS(fchown32), SCMP_SYS(utime), SCMP_SYS(utimes), SCMP_SYS(futimesat),
	SCMP_SYS(utimensat), SCMP_SYS(utimensat_time64), SCMP_SYS(setxattr), SCMP_SYS(lsetxattr),
	SCMP_SYS(fsetxattr), SCMP_SYS(removexattr), SCMP_SYS(lremovexattr), SCMP_SYS(fremovexattr),
};

/*
 * Named, so that the answer is EPERM and the reason stands here.
 * No network and no way to a daemon by a socket (Landlock of ABI < 9 lets a pathname
 * socket be connected to); no fifos, devices and sockets as files; no namespaces,
 * which would hand out new powers; no looking into or writing to other processes;
 * no interface that works around this filter (io_uring) or has a long record of kernel bugs.
 */
static const int rsync_refused[] = {
	SCMP_SYS(socket), SCMP_SYS(connect), SCMP_SYS(bind), SCMP_SYS(listen), SCMP_SYS(accept), SCMP_SYS(accept4),
	SCMP_SYS(sendto), SCMP_SYS(sendmsg), SCMP_SYS(sendmmsg), SCMP_SYS(recvfrom), SCMP_SYS(recvmsg),
	SCMP_SYS(recvmmsg), SCMP_SYS(setsockopt), SCMP_SYS(socketcall),
	SCMP_SYS(unshare), SCMP_SYS(setns), SCMP_SYS(mount), SCMP_SYS(umount), SCMP_SYS(umount2),
	SCMP_SYS(pivot_root), SCMP_SYS(chroot), SCMP_SYS(open_tree), SCMP_SYS(move_mount), SCMP_SYS(fsopen),
	SCMP_SYS(fsconfig), SCMP_SYS(fsmount), SCMP_SYS(fspick), SCMP_SYS(mount_setattr),
	SCMP_SYS(ptrace), SCMP_SYS(process_vm_readv), SCMP_SYS(process_vm_writev), SCMP_SYS(kcmp),
	SCMP_SYS(pidfd_open), SCMP_SYS(pidfd_getfd), SCMP_SYS(pidfd_send_signal), SCMP_SYS(process_madvise),
	SCMP_SYS(io_uring_setup), SCMP_SYS(io_uring_enter), SCMP_SYS(io_uring_register),
	SCMP_SYS(bpf), SCMP_SYS(perf_event_open), SCMP_SYS(userfaultfd), SCMP_SYS(keyctl), SCMP_SYS(add_key),
	SCMP_SYS(request_key), SCMP_SYS(personality), SCMP_SYS(prctl), SCMP_SYS(seccomp), SCMP_SYS(quotactl),
	SCMP_SYS(setrlimit), SCMP_SYS(open_by_handle_at), SCMP_SYS(name_to_handle_at), SCMP_SYS(fanotify_init),
	SCMP_SYS(inotify_init), SCMP_SYS(inotify_init1), SCMP_SYS(memfd_create), SCMP_SYS(memfd_secret),
	SCMP_SYS(execveat), SCMP_SYS(shmget), SCMP_SYS(shmat), SCMP_SYS(msgget), SCMP_SYS(semget),
	SCMP_SYS(mq_open), SCMP_SYS(truncate), SCMP_SYS(truncate64), SCMP_SYS(swapon), SCMP_SYS(reboot),
	SCMP_SYS(init_module), SCMP_SYS(finit_module), SCMP_SYS(kexec_load), SCMP_SYS(acct), SCMP_SYS(syslog),
	SCMP_SYS(setsid), SCMP_SYS(vhangup), SCMP_SYS(ioperm), SCMP_SYS(iopl), SCMP_SYS(modify_ldt),
};

/* Left to "anything else" (ENOSYS) on purpose, since what they would do lies in memory,
 * where no filter can look: clone3 (namespaces), openat2 and fchmodat2 (modes). libc and
 * rsync take clone, openat and fchmodat instead. */

/* Calls with a mode, and in which argument: never with a setuid or setgid bit. */
static const struct {
	int call;
	unsigned argument;
	bool changing; /* as above */
} rsync_modes[] = {
	{ SCMP_SYS(open), 2, false }, { SCMP_SYS(openat), 3, false }, { SCMP_SYS(creat), 1, false },
	{ SCMP_SYS(chmod), 1, true }, { SCMP_SYS(fchmod), 1, true },  { SCMP_SYS(fchmodat), 2, true },
};

static const int rsync_mknod[] = { SCMP_SYS(mknod), SCMP_SYS(mknodat) };

/*
 * fcntl(2) without the commands that make it send signals, watch directories, or lock: readers would hold up
 * writers, which ask for locks in the same places (backup/gate_lock.c).
 */
static const int rsync_fcntl[] = { F_DUPFD, F_DUPFD_CLOEXEC, F_GETFD, F_SETFD, F_GETFL, F_SETFL };

/* For a tool that may change existing files. */
static const int tool_fcntl[] = { F_GETLK, F_SETLK, F_SETLKW };
static const int tool_locking[] = { SCMP_SYS(flock) };

/* ioctl(2): is it a terminal, how much is there to read, close on exec. No TIOCSTI, no file system flags. */
static const unsigned long rsync_ioctl[] = { TCGETS, FIONREAD, FIONBIO, FIOCLEX };

/*
 * Other tools (sftp-server, borg, rclone): the calls that rsync may make, and those that the run times of Python
 * and Go cannot do without. setuid modes, sockets, namespaces and the rest of rsync_refused stay out.
 */
static const int tool_allowed[] = {
	SCMP_SYS(epoll_create), SCMP_SYS(epoll_create1), SCMP_SYS(epoll_ctl), SCMP_SYS(epoll_wait),
	SCMP_SYS(epoll_pwait), SCMP_SYS(epoll_pwait2), SCMP_SYS(eventfd2), SCMP_SYS(mincore), SCMP_SYS(msync),
	SCMP_SYS(sync_file_range), SCMP_SYS(sync_file_range2), SCMP_SYS(readahead),
	SCMP_SYS(preadv), SCMP_SYS(pwritev), SCMP_SYS(syncfs), SCMP_SYS(getpriority), SCMP_SYS(getsid),
};

/* Of rsync_allowed: it is refused where nothing may be removed. */
static const int tool_removing[] = { SCMP_SYS(unlink), SCMP_SYS(unlinkat), SCMP_SYS(rmdir) };

/* From rsync_changing: calls that make something new and cannot change existing files. Of the calls by descriptor,
 * those that need one open for writing, which only a new file has. Calls for mode and dates need none and are left
 * out, so that both stay as they are when a file is made. */
static const int tool_making[] = {
	SCMP_SYS(mkdir), SCMP_SYS(mkdirat), SCMP_SYS(fallocate), SCMP_SYS(ftruncate), SCMP_SYS(ftruncate64),
};

/* Of rsync_refused: sftp has a request for it (sshfs sends it). Where, the private root, Landlock (ABI 3) and
 * the uid say. For a tool that may change existing files; prctl(2), the first, for all tools. */
static const int tool_not_refused[] = { SCMP_SYS(prctl), SCMP_SYS(truncate), SCMP_SYS(truncate64) };

static const int tool_modes[] = {
	SCMP_SYS(creat), SCMP_SYS(chmod), SCMP_SYS(fchmod), SCMP_SYS(fchmodat), SCMP_SYS(mknod), SCMP_SYS(mknodat),
};

/* Python asks for close-on-exec by ioctl(2). */
static const unsigned long tool_ioctl[] = { TCGETS, FIONREAD, FIONBIO, FIOCLEX, FIONCLEX, TIOCGWINSZ };

/*
 * The worker: an untrusted peer's bytes are parsed here. It has its two sockets and
 * memory; it opens nothing, starts nothing, signals nobody.
 */
static const int worker_allowed[] = {
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

static int allow_all(scmp_filter_ctx filter, uint32_t action, const int *calls, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		int r = seccomp_rule_add_array(filter, action, calls[i], 0, NULL);

		if (r < 0)
			return r;
	}
	return 0;
}

/* Allows the call when (argument & mask) == value. */
static int rule_masked(scmp_filter_ctx filter, uint32_t action, int call, unsigned argument, uint64_t mask,
		       uint64_t value)
{
	const struct scmp_arg_cmp compare = {
		.arg = argument, .op = SCMP_CMP_MASKED_EQ, .datum_a = mask, .datum_b = value
	};

	return seccomp_rule_add_array(filter, action, call, 1, &compare);
}

static int rule_equal(scmp_filter_ctx filter, uint32_t action, int call, unsigned argument, uint64_t value)
{
	/* 32 bits: the kernel's own view of these arguments */
	return rule_masked(filter, action, call, argument, UINT32_MAX, value & UINT32_MAX);
}

/* Allowed without the bits of `mask`, EPERM with any of them. */
static int rule_without(scmp_filter_ctx filter, int call, unsigned argument, uint64_t mask)
{
	int r = rule_masked(filter, SCMP_ACT_ALLOW, call, argument, mask, 0);

	for (uint64_t bit = 1; r == 0 && bit <= mask; bit <<= 1)
		if ((mask & bit) != 0)
			r = rule_masked(filter, SCMP_ACT_ERRNO(EPERM), call, argument, bit, bit);
	return r;
}

/* mknod(2) makes regular files too (rsync --fake-super does); those alone, without setid bits. */
static int rule_mknod(scmp_filter_ctx filter, int call, unsigned argument)
{
	static const uint64_t kinds[] = { S_IFCHR, S_IFBLK, S_IFIFO, S_IFSOCK };
	int r = rule_masked(filter, SCMP_ACT_ALLOW, call, argument, S_IFMT | SETID, S_IFREG);

	if (r == 0)
		r = rule_masked(filter, SCMP_ACT_ALLOW, call, argument, S_IFMT | SETID, 0);
	for (size_t i = 0; r == 0 && i < sizeof(kinds) / sizeof(kinds[0]); i++)
		r = rule_masked(filter, SCMP_ACT_ERRNO(EPERM), call, argument, S_IFMT, kinds[i]);
	return r;
}

/* (flags & mask) == value, answered by EPERM with a setuid or setgid bit in the mode, which is the argument after. */
static int rule_open_mode(scmp_filter_ctx filter, int call, unsigned flags, uint64_t mask, uint64_t value)
{
	static const struct {
		uint32_t action;
		uint64_t mask, value;
	} modes[] = {
		{ SCMP_ACT_ALLOW, SETID, 0 },
		{ SCMP_ACT_ERRNO(EPERM), S_ISUID, S_ISUID },
		{ SCMP_ACT_ERRNO(EPERM), SETID, S_ISGID },
	};
	int r = 0;

	for (size_t i = 0; r == 0 && i < sizeof(modes) / sizeof(modes[0]); i++) {
		const struct scmp_arg_cmp compare[] = {
			{ .arg = flags, .op = SCMP_CMP_MASKED_EQ, .datum_a = mask, .datum_b = value },
			{ .arg = flags + 1, .op = SCMP_CMP_MASKED_EQ, .datum_a = modes[i].mask, .datum_b = modes[i].value },
		};

		r = seccomp_rule_add_array(filter, modes[i].action, call, 2, compare);
	}
	return r;
}

/*
 * A receiver that reads no file: it opens files to write, new ones (mkstemp(3)) to read too, and directories. It
 * would read the files whose blocks its peer claims are there already, whether they were asked for or not, and it
 * does so without O_CLOEXEC; with it, the dynamic loader opens libraries, and rsync what it changes modes of.
 */
static int rule_open_blind(scmp_filter_ctx filter, int call, unsigned flags)
{
	const uint64_t make = O_CREAT | O_EXCL, look = O_DIRECTORY | O_CLOEXEC | O_PATH;
	const struct {
		uint64_t mask, value;
		uint32_t action;
	} rules[] = {
		{ O_ACCMODE | O_CREAT | look, O_RDONLY, SCMP_ACT_ERRNO(EACCES) },
		{ O_ACCMODE | O_CREAT | O_DIRECTORY, O_DIRECTORY, SCMP_ACT_ALLOW },
		{ O_ACCMODE | O_CREAT | O_CLOEXEC, O_CLOEXEC, SCMP_ACT_ALLOW },
		{ O_ACCMODE | O_CREAT | O_PATH, O_PATH, SCMP_ACT_ALLOW },
		{ O_ACCMODE | O_CREAT, O_CREAT, SCMP_ACT_ERRNO(EACCES) },
		{ O_ACCMODE | make, O_RDWR, SCMP_ACT_ERRNO(EACCES) },
		{ O_ACCMODE | make, O_RDWR | O_CREAT, SCMP_ACT_ERRNO(EACCES) },
		{ O_ACCMODE | make, O_RDWR | O_EXCL, SCMP_ACT_ERRNO(EACCES) },
	};
	int r = rule_open_mode(filter, call, flags, O_ACCMODE, O_WRONLY);

	if (r == 0)
		r = rule_open_mode(filter, call, flags, O_ACCMODE | make, O_RDWR | make);
	for (size_t i = 0; r == 0 && i < sizeof(rules) / sizeof(rules[0]); i++)
		r = rule_masked(filter, rules[i].action, call, flags, rules[i].mask, rules[i].value);
	return r;
}

static int rsync_mode_conditions(scmp_filter_ctx filter, bool receiver, bool blind)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < sizeof(rsync_modes) / sizeof(rsync_modes[0]); i++)
		if (blind && (rsync_modes[i].call == SCMP_SYS(open) || rsync_modes[i].call == SCMP_SYS(openat)))
			r = rule_open_blind(filter, rsync_modes[i].call, rsync_modes[i].argument - 1);
		else if (rsync_modes[i].changing && !receiver)
			r = seccomp_rule_add_array(filter, SCMP_ACT_ERRNO(EPERM), rsync_modes[i].call, 0, NULL);
		else
			r = rule_without(filter, rsync_modes[i].call, rsync_modes[i].argument, SETID);
	if (!receiver)
		return r < 0 ? r : allow_all(filter, SCMP_ACT_ERRNO(EPERM), rsync_mknod,
					     sizeof(rsync_mknod) / sizeof(rsync_mknod[0]));
	if (r == 0)
		r = rule_mknod(filter, SCMP_SYS(mknod), 1);
	return r < 0 ? r : rule_mknod(filter, SCMP_SYS(mknodat), 2);
}

static int rsync_conditions(scmp_filter_ctx filter, bool receiver, bool blind)
{
	int r = rsync_mode_conditions(filter, receiver, blind);

	for (size_t i = 0; r == 0 && i < sizeof(rsync_fcntl) / sizeof(rsync_fcntl[0]); i++)
		r = rule_equal(filter, SCMP_ACT_ALLOW, SCMP_SYS(fcntl), 1, (uint64_t)rsync_fcntl[i]);
	for (size_t i = 0; r == 0 && i < sizeof(rsync_ioctl) / sizeof(rsync_ioctl[0]); i++)
		r = rule_equal(filter, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1, rsync_ioctl[i]);
	if (r == 0)
		r = rule_without(filter, SCMP_SYS(clone), CLONE_FLAGS, NAMESPACES);
	if (r == 0) /* between rsync's own processes; it is not a way out */
		r = rule_equal(filter, SCMP_ACT_ALLOW, SCMP_SYS(socketpair), 0, AF_UNIX);
	if (r == 0) /* its own limits, to read */
		r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(prlimit64), 2, SCMP_A0(SCMP_CMP_EQ, 0, 0),
				     SCMP_A2(SCMP_CMP_EQ, 0, 0));
	return r;
}

static int fill_rsync(scmp_filter_ctx filter, bool receiver, bool blind)
{
	int r = allow_all(filter, SCMP_ACT_ALLOW, rsync_allowed, sizeof(rsync_allowed) / sizeof(rsync_allowed[0]));

	if (r == 0)
		r = allow_all(filter, receiver ? SCMP_ACT_ALLOW : SCMP_ACT_ERRNO(EPERM), rsync_changing,
			      sizeof(rsync_changing) / sizeof(rsync_changing[0]));
	if (r == 0)
		r = allow_all(filter, SCMP_ACT_ERRNO(EPERM), rsync_refused,
			      sizeof(rsync_refused) / sizeof(rsync_refused[0]));
	return r < 0 ? r : rsync_conditions(filter, receiver, blind);
}

static bool listed(const int *calls, size_t count, int call)
{
	for (size_t i = 0; i < count; i++)
		if (calls[i] == call)
			return true;
	return false;
}

#define COUNT(list) (sizeof(list) / sizeof((list)[0]))

/* The list but for what is in `except`. */
static int allow_but(scmp_filter_ctx filter, uint32_t action, const int *calls, size_t count, const int *except,
		     size_t except_count)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < count; i++)
		if (!listed(except, except_count, calls[i]))
			r = seccomp_rule_add_array(filter, action, calls[i], 0, NULL);
	return r;
}

/* An existing file is opened to be read and not cut, or it is a new one. */
static int rule_open_new(scmp_filter_ctx filter, int call, unsigned flags)
{
	int r = rule_masked(filter, SCMP_ACT_ALLOW, call, flags, O_ACCMODE | O_TRUNC | O_CREAT, O_RDONLY);
	const struct scmp_arg_cmp made[] = {
		{ .arg = flags, .op = SCMP_CMP_MASKED_EQ, .datum_a = O_CREAT | O_EXCL, .datum_b = O_CREAT | O_EXCL },
		{ .arg = flags + 1, .op = SCMP_CMP_MASKED_EQ, .datum_a = SETID, .datum_b = 0 },
	};

	return r < 0 ? r : seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, call, 2, made);
}

static int tool_new_files_conditions(scmp_filter_ctx filter)
{
	int r = rule_open_new(filter, SCMP_SYS(open), 1);

	if (r == 0)
		r = rule_open_new(filter, SCMP_SYS(openat), 2);
	return r < 0 ? r : allow_all(filter, SCMP_ACT_ERRNO(EPERM), tool_modes, COUNT(tool_modes));
}

/* Of prctl(2): its name, and to be as undumpable as it is already (sftp-server insists). */
static int tool_prctl(scmp_filter_ctx filter)
{
	int r = rule_equal(filter, SCMP_ACT_ALLOW, SCMP_SYS(prctl), 0, PR_SET_NAME);

	if (r == 0)
		r = rule_equal(filter, SCMP_ACT_ALLOW, SCMP_SYS(prctl), 0, PR_GET_DUMPABLE);
	return r < 0 ? r : seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(prctl), 2,
					    SCMP_A0(SCMP_CMP_EQ, PR_SET_DUMPABLE, 0), SCMP_A1(SCMP_CMP_EQ, 0, 0));
}

static int tool_conditions(scmp_filter_ctx filter, bool changes)
{
	int r = tool_prctl(filter);

	for (size_t i = 0; r == 0 && changes && i < COUNT(tool_fcntl); i++)
		r = rule_equal(filter, SCMP_ACT_ALLOW, SCMP_SYS(fcntl), 1, (uint64_t)tool_fcntl[i]);
	if (r == 0)
		r = allow_all(filter, changes ? SCMP_ACT_ALLOW : SCMP_ACT_ERRNO(EPERM), tool_locking,
			      COUNT(tool_locking));
	for (size_t i = 0; r == 0 && i < COUNT(rsync_fcntl); i++)
		r = rule_equal(filter, SCMP_ACT_ALLOW, SCMP_SYS(fcntl), 1, (uint64_t)rsync_fcntl[i]);
	for (size_t i = 0; r == 0 && i < COUNT(tool_ioctl); i++)
		r = rule_equal(filter, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1, tool_ioctl[i]);
	if (r == 0)
		r = rule_without(filter, SCMP_SYS(clone), CLONE_FLAGS, NAMESPACES);
	if (r == 0)
		r = rule_equal(filter, SCMP_ACT_ALLOW, SCMP_SYS(socketpair), 0, AF_UNIX);
	if (r == 0)
		r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(prlimit64), 2, SCMP_A0(SCMP_CMP_EQ, 0, 0),
				     SCMP_A2(SCMP_CMP_EQ, 0, 0));
	return r;
}

enum program { RECEIVER, BLIND, SENDER, TOOL, TOOL_READER, TOOL_NEW_FILES, WORKER };

static int fill_tool(scmp_filter_ctx filter, enum program program)
{
	size_t removing = program == TOOL ? 0 : COUNT(tool_removing);
	size_t not_refused = program == TOOL ? COUNT(tool_not_refused) : 1;
	size_t making = program == TOOL_NEW_FILES ? COUNT(tool_making) : 0;
	uint32_t changing = program == TOOL ? SCMP_ACT_ALLOW : SCMP_ACT_ERRNO(EPERM);
	int r = allow_but(filter, SCMP_ACT_ALLOW, rsync_allowed, COUNT(rsync_allowed), tool_removing, removing);

	if (r == 0)
		r = allow_all(filter, SCMP_ACT_ALLOW, tool_allowed, COUNT(tool_allowed));
	if (r == 0)
		r = allow_all(filter, SCMP_ACT_ERRNO(EPERM), tool_removing, removing);
	if (r == 0)
		r = allow_but(filter, changing, rsync_changing, COUNT(rsync_changing), tool_making, making);
	for (size_t i = 0; r == 0 && i < making; i++)
		r = seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, tool_making[i], 0, NULL);
	if (r == 0)
		r = allow_but(filter, SCMP_ACT_ERRNO(EPERM), rsync_refused, COUNT(rsync_refused), tool_not_refused,
			      not_refused);
	for (size_t i = 1; r == 0 && i < not_refused; i++)
		r = seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, tool_not_refused[i], 0, NULL);
	if (r == 0)
		r = program == TOOL_NEW_FILES ? tool_new_files_conditions(filter)
					      : rsync_mode_conditions(filter, program == TOOL, false);
	return r < 0 ? r : tool_conditions(filter, program == TOOL);
}

static int fill_worker(scmp_filter_ctx filter)
{
	int r = allow_all(filter, SCMP_ACT_ALLOW, worker_allowed,
			  sizeof(worker_allowed) / sizeof(worker_allowed[0]));

	/* memory of its own: neither files nor anything that can be executed */
	for (int i = 0; r == 0 && i < 2; i++)
		r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, i == 0 ? SCMP_SYS(mmap) : SCMP_SYS(mmap2), 2,
				     SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0),
				     SCMP_A3(SCMP_CMP_MASKED_EQ, MAP_ANONYMOUS, MAP_ANONYMOUS));
	if (r == 0)
		r = rule_masked(filter, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 2, PROT_EXEC, 0);
	/* stdio asks for the size of what it writes to, by descriptor */
	if (r == 0)
		r = rule_masked(filter, SCMP_ACT_ALLOW, SCMP_SYS(newfstatat), 3, AT_EMPTY_PATH, AT_EMPTY_PATH);
	for (size_t i = 0; r == 0 && i < 4; i++) {
		static const int commands[] = { F_GETFD, F_SETFD, F_GETFL, F_SETFL };

		r = rule_equal(filter, SCMP_ACT_ALLOW, SCMP_SYS(fcntl), 1, (uint64_t)commands[i]);
	}
	return r;
}

static int make_filter(scmp_filter_ctx filter, enum program program, FILE *bpf)
{
	/* x32, i386 and other entry points of a foreign architecture */
	int r = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);

	if (r == 0) /* a binary tree: the calls with conditions are looked up each time */
		r = seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	if (r == 0)
		r = program == WORKER	? fill_worker(filter)
		    : program >= TOOL	? fill_tool(filter, program)
					: fill_rsync(filter, program != SENDER, program == BLIND);
	return r < 0 ? r : seccomp_export_bpf(filter, fileno(bpf));
}

static int write_filter(const char *name, enum program program)
{
	scmp_filter_ctx filter = seccomp_init(program == WORKER ? SCMP_ACT_KILL_PROCESS : SCMP_ACT_ERRNO(ENOSYS));
	cleanup_file FILE *bpf = tmpfile();
	struct sock_filter line;
	size_t count = 0;
	int r;

	if (filter == NULL || bpf == NULL)
		return -ENOMEM;
	r = make_filter(filter, program, bpf);
	seccomp_release(filter);
	if (r < 0)
		return r;
	rewind(bpf);
	printf("const struct sock_filter %s[] = {\n", name);
	while (fread(&line, sizeof(line), 1, bpf) == 1) {
		printf("\t{ 0x%04x, %u, %u, 0x%08x },\n", line.code, line.jt, line.jf, line.k);
		count++;
	}
	printf("};\nconst unsigned short %s_count = %zu;\n", name, count);
	return count == 0 || count > BPF_MAXINSNS || ferror(bpf) ? -EIO : 0;
}

int main(void)
{
	int r;

	fputs("#include \"confine/seccomp_filters.h\"\n", stdout);
	r = write_filter("seccomp_filter_rsync", RECEIVER);
	if (r == 0)
		r = write_filter("seccomp_filter_rsync_blind", BLIND);
	if (r == 0)
		r = write_filter("seccomp_filter_rsync_sender", SENDER);
	if (r == 0)
		r = write_filter("seccomp_filter_tool", TOOL);
	if (r == 0)
		r = write_filter("seccomp_filter_tool_reader", TOOL_READER);
	if (r == 0)
		r = write_filter("seccomp_filter_tool_new_files", TOOL_NEW_FILES);
	if (r == 0)
		r = write_filter("seccomp_filter_worker", WORKER);
	if (r == 0 && fflush(stdout) == 0)
		return EXIT_SUCCESS;
	fprintf(stderr, "seccomp_rules: %s\n", strerror(-r));
	return EXIT_FAILURE;
}
