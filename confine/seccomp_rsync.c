/* SPDX-License-Identifier: ISC */
/*
 * The filters of `rsync --server`: of a receiver, of one that reads no file, of a sender. Part of make-filters, which
 * is run when subuidd is built; what is decided here holds for a process that its peer may have taken over.
 */
#include "confine/seccomp_rules.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

/* clang-format off */

/*
 * rsync --server, from its execve(2) on: the dynamic loader and libc's start, the three
 * processes of a receiver, files by name, descriptor, ACL and xattr. Every call here
 * can also be made by an rsync that has been taken over by its peer: Landlock says
 * which files it then reaches.
 */
static const int allowed[] = {
	/* data */
	SCMP_SYS(read), SCMP_SYS(write), SCMP_SYS(readv), SCMP_SYS(writev), SCMP_SYS(pread64), SCMP_SYS(pwrite64),
	SCMP_SYS(lseek), SCMP_SYS(_llseek), SCMP_SYS(poll), SCMP_SYS(ppoll), SCMP_SYS(select), SCMP_SYS(_newselect),
	SCMP_SYS(pselect6), SCMP_SYS(copy_file_range), SCMP_SYS(fadvise64), SCMP_SYS(sendfile),
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
 * that has been taken over changes no mode, owner, date or attribute anywhere, DIR included. Nor does it make
 * others wait for the disk: who writes nothing has nothing to flush. */
static const int changing[] = {
	SCMP_SYS(fsync), SCMP_SYS(fdatasync),
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
static const int refused[] = {
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
} modes[] = {
	{ SCMP_SYS(open), 2, false }, { SCMP_SYS(openat), 3, false }, { SCMP_SYS(creat), 1, false },
	{ SCMP_SYS(chmod), 1, true }, { SCMP_SYS(fchmod), 1, true },  { SCMP_SYS(fchmodat), 2, true },
};

static const int mknods[] = { SCMP_SYS(mknod), SCMP_SYS(mknodat) };

/*
 * fcntl(2) without the commands that make it send signals, watch directories, or lock: readers would hold up
 * writers, which ask for locks in the same places (backup/gate_lock.c).
 */
static const int own_fcntl[] = { F_DUPFD, F_DUPFD_CLOEXEC, F_GETFD, F_SETFD, F_GETFL, F_SETFL };

/* ioctl(2): is it a terminal, how much is there to read, close on exec. No TIOCSTI, no file system flags. */
static const unsigned long ioctls[] = { TCGETS, FIONREAD, FIONBIO, FIOCLEX };

/* clang-format on */

const struct calls rsync_allowed = CALLS(allowed), rsync_changing = CALLS(changing), rsync_refused = CALLS(refused);

/* mknod(2) makes regular files too (rsync --fake-super does); those alone, without setid bits. */
static int rule_mknod(scmp_filter_ctx filter, int call, unsigned argument, bool fifo)
{
	static const uint64_t kinds[] = { S_IFCHR, S_IFBLK, S_IFSOCK, S_IFIFO };
	const size_t refuse = sizeof(kinds) / sizeof(kinds[0]) - (fifo ? 1 : 0);
	int r = rule_masked(filter, SCMP_ACT_ALLOW, call, argument, S_IFMT | SETID, S_IFREG);

	if (r == 0)
		r = rule_masked(filter, SCMP_ACT_ALLOW, call, argument, S_IFMT | SETID, 0);
	if (r == 0 && fifo)
		r = rule_masked(filter, SCMP_ACT_ALLOW, call, argument, S_IFMT | SETID, S_IFIFO);
	for (size_t i = 0; r == 0 && i < refuse; i++)
		r = rule_masked(filter, SCMP_ACT_ERRNO(EPERM), call, argument, S_IFMT, kinds[i]);
	return r;
}

/* (flags & mask) == value, answered by EPERM with a setuid or setgid bit in the mode, which is the argument after. */
static int rule_open_mode(scmp_filter_ctx filter, int call, unsigned flags, uint64_t mask, uint64_t value)
{
	static const struct {
		uint32_t action;
		uint64_t mask, value;
	} answers[] = {
		{ SCMP_ACT_ALLOW, SETID, 0 },
		{ SCMP_ACT_ERRNO(EPERM), S_ISUID, S_ISUID },
		{ SCMP_ACT_ERRNO(EPERM), SETID, S_ISGID },
	};
	int r = 0;

	for (size_t i = 0; r == 0 && i < sizeof(answers) / sizeof(answers[0]); i++) {
		const struct scmp_arg_cmp compare[] = {
			{ .arg = flags, .op = SCMP_CMP_MASKED_EQ, .datum_a = mask, .datum_b = value },
			{ .arg = flags + 1,
			  .op = SCMP_CMP_MASKED_EQ,
			  .datum_a = answers[i].mask,
			  .datum_b = answers[i].value },
		};

		r = seccomp_rule_add_array(filter, answers[i].action, call, 2, compare);
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

static int mode_conditions(scmp_filter_ctx filter, bool receiver, bool blind, bool fifo)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < sizeof(modes) / sizeof(modes[0]); i++)
		if (blind && (modes[i].call == SCMP_SYS(open) || modes[i].call == SCMP_SYS(openat)))
			r = rule_open_blind(filter, modes[i].call, modes[i].argument - 1);
		else if (modes[i].changing && !receiver)
			r = seccomp_rule_add_array(filter, SCMP_ACT_ERRNO(EPERM), modes[i].call, 0, NULL);
		else
			r = rule_without(filter, modes[i].call, modes[i].argument, SETID);
	if (!receiver)
		return r < 0 ? r : rule_all(filter, SCMP_ACT_ERRNO(EPERM), (struct calls)CALLS(mknods));
	if (r == 0)
		r = rule_mknod(filter, SCMP_SYS(mknod), 1, fifo);
	return r < 0 ? r : rule_mknod(filter, SCMP_SYS(mknodat), 2, fifo);
}

int rsync_mode_conditions(scmp_filter_ctx filter, bool receiver, bool blind)
{
	return mode_conditions(filter, receiver, blind, false);
}

int rsync_mode_conditions_fifo(scmp_filter_ctx filter)
{
	return mode_conditions(filter, true, false, true);
}

int rsync_own_conditions(scmp_filter_ctx filter)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < sizeof(own_fcntl) / sizeof(own_fcntl[0]); i++)
		r = rule_equal(filter, SCMP_SYS(fcntl), 1, (uint64_t)own_fcntl[i]);
	if (r == 0)
		r = rule_without(filter, SCMP_SYS(clone), CLONE_FLAGS, NAMESPACES);
	if (r == 0) /* between its own processes; it is not a way out */
		r = rule_equal(filter, SCMP_SYS(socketpair), 0, AF_UNIX);
	if (r == 0) /* its own limits, to read */
		r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(prlimit64), 2, SCMP_A0(SCMP_CMP_EQ, 0, 0),
				     SCMP_A2(SCMP_CMP_EQ, 0, 0));
	return r;
}

int fill_rsync(scmp_filter_ctx filter, enum program program)
{
	bool receiver = program != SENDER;
	int r = rule_all(filter, SCMP_ACT_ALLOW, rsync_allowed);

	if (r == 0)
		r = rule_all(filter, receiver ? SCMP_ACT_ALLOW : SCMP_ACT_ERRNO(EPERM), rsync_changing);
	if (r == 0)
		r = rule_all(filter, SCMP_ACT_ERRNO(EPERM), rsync_refused);
	if (r == 0)
		r = rsync_mode_conditions(filter, receiver, program == BLIND);
	for (size_t i = 0; r == 0 && i < sizeof(ioctls) / sizeof(ioctls[0]); i++)
		r = rule_equal(filter, SCMP_SYS(ioctl), 1, ioctls[i]);
	return r < 0 ? r : rsync_own_conditions(filter);
}
