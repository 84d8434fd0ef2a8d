/* SPDX-License-Identifier: ISC */
/*
 * The filters of a shell and of all that it starts. Part of make-filters, which is run when subuidd is built. A person
 * decides what runs behind them: they take away what a program of an account has no use for and what the kernel was
 * most often broken into by; files, processes and names are kept apart by namespaces and Landlock.
 */
#include "confine/seccomp_rules.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/sched.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#ifndef MSG_FASTOPEN
#define MSG_FASTOPEN 0x20000000
#endif
#define SOCKET_KIND 0xf /* of the type, whose other bits are flags */
#define FAMILIES 64     /* more than there are */
#define PERSONALITY_ASK 0xffffffffu

/* clang-format off */

/* Beside what rsync and tools may do: job control, terminals, event loops, pipes; resources of one's own. */
static const int allowed[] = {
	SCMP_SYS(epoll_create), SCMP_SYS(epoll_create1), SCMP_SYS(epoll_ctl), SCMP_SYS(epoll_wait),
	SCMP_SYS(epoll_pwait), SCMP_SYS(epoll_pwait2), SCMP_SYS(eventfd), SCMP_SYS(eventfd2), SCMP_SYS(signalfd),
	SCMP_SYS(signalfd4), SCMP_SYS(timerfd_create), SCMP_SYS(timerfd_settime), SCMP_SYS(timerfd_gettime),
	SCMP_SYS(inotify_init), SCMP_SYS(inotify_init1), SCMP_SYS(inotify_add_watch), SCMP_SYS(inotify_rm_watch),
	SCMP_SYS(memfd_create), SCMP_SYS(mincore), SCMP_SYS(msync), SCMP_SYS(mlock), SCMP_SYS(mlock2),
	SCMP_SYS(munlock), SCMP_SYS(mlockall), SCMP_SYS(munlockall),
	SCMP_SYS(sync), SCMP_SYS(syncfs), SCMP_SYS(sync_file_range), SCMP_SYS(sync_file_range2), SCMP_SYS(readahead),
	SCMP_SYS(preadv), SCMP_SYS(pwritev), SCMP_SYS(preadv2), SCMP_SYS(pwritev2), SCMP_SYS(splice), SCMP_SYS(tee),
	SCMP_SYS(vmsplice), SCMP_SYS(truncate), SCMP_SYS(truncate64), SCMP_SYS(flock), SCMP_SYS(execveat),
	SCMP_SYS(setsid), SCMP_SYS(getsid), SCMP_SYS(setpgid), SCMP_SYS(tkill), SCMP_SYS(rt_sigqueueinfo),
	SCMP_SYS(rt_tgsigqueueinfo), SCMP_SYS(pidfd_open), SCMP_SYS(pidfd_send_signal), SCMP_SYS(prctl),
	SCMP_SYS(seccomp), SCMP_SYS(landlock_create_ruleset), SCMP_SYS(landlock_add_rule),
	SCMP_SYS(landlock_restrict_self), SCMP_SYS(getpriority), SCMP_SYS(setpriority), SCMP_SYS(ioprio_get),
	SCMP_SYS(ioprio_set), SCMP_SYS(sched_setaffinity), SCMP_SYS(sched_getparam), SCMP_SYS(sched_getscheduler),
	SCMP_SYS(sched_setscheduler), SCMP_SYS(sched_get_priority_max), SCMP_SYS(sched_get_priority_min),
	SCMP_SYS(setrlimit), SCMP_SYS(capget), SCMP_SYS(capset),
	SCMP_SYS(setuid), SCMP_SYS(setgid), SCMP_SYS(setreuid), SCMP_SYS(setregid), SCMP_SYS(setresuid),
	SCMP_SYS(setresgid), SCMP_SYS(setfsuid), SCMP_SYS(setfsgid), SCMP_SYS(setgroups),
	SCMP_SYS(timer_create), SCMP_SYS(timer_settime), SCMP_SYS(timer_gettime), SCMP_SYS(timer_delete),
	SCMP_SYS(timer_getoverrun),
};

/* Of rsync_refused, what is allowed above or under conditions below. */
static const int not_refused[] = {
	SCMP_SYS(inotify_init), SCMP_SYS(inotify_init1), SCMP_SYS(memfd_create), SCMP_SYS(truncate),
	SCMP_SYS(truncate64), SCMP_SYS(execveat), SCMP_SYS(setsid), SCMP_SYS(pidfd_open),
	SCMP_SYS(pidfd_send_signal), SCMP_SYS(prctl), SCMP_SYS(seccomp), SCMP_SYS(setrlimit), SCMP_SYS(personality),
	SCMP_SYS(socket), SCMP_SYS(connect), SCMP_SYS(bind), SCMP_SYS(listen), SCMP_SYS(accept), SCMP_SYS(accept4),
	SCMP_SYS(sendto), SCMP_SYS(sendmsg), SCMP_SYS(sendmmsg), SCMP_SYS(recvfrom), SCMP_SYS(recvmsg),
	SCMP_SYS(recvmmsg), SCMP_SYS(setsockopt),
};

/* Whatever the sockets are. */
static const int talking[] = {
	SCMP_SYS(recvfrom), SCMP_SYS(recvmsg), SCMP_SYS(recvmmsg), SCMP_SYS(setsockopt),
};

/* Landlock does not refuse listen(2) on a TCP socket that has no address yet. */
static const int serving[] = { SCMP_SYS(bind), SCMP_SYS(listen), SCMP_SYS(accept), SCMP_SYS(accept4) };

static const int locks[] = {
	F_GETLK, F_SETLK, F_SETLKW, F_OFD_GETLK, F_OFD_SETLK, F_OFD_SETLKW, F_SETPIPE_SZ, F_GETPIPE_SZ, F_ADD_SEALS,
	F_GET_SEALS,
};

/* Terminals, sizes, reflinks. Neither TIOCSTI, which types for another, nor TIOCLINUX. */
static const unsigned long ioctls[] = {
	TCGETS, TCSETS, TCSETSW, TCSETSF, TCSBRK, TCSBRKP, TCXONC, TCFLSH, TIOCGWINSZ, TIOCSWINSZ, TIOCGPGRP, TIOCSPGRP,
	TIOCGSID, TIOCSCTTY, TIOCNOTTY, TIOCGPTN, TIOCSPTLCK, TIOCGPTPEER, TIOCPKT, TIOCOUTQ, TIOCEXCL, TIOCNXCL,
	FIONREAD, FIONBIO, FIOCLEX, FIONCLEX, FICLONE, FICLONERANGE,
};

/* clang-format on */

/* Where data is sent, and the argument with the flags: TCP Fast Open connects without connect(2), and Landlock. */
static const struct {
	int call;
	unsigned flags;
} sending[] = { { SCMP_SYS(sendto), 3 }, { SCMP_SYS(sendmsg), 2 }, { SCMP_SYS(sendmmsg), 3 } };

static int socket_tcp(scmp_filter_ctx filter, uint32_t family)
{
	static const uint32_t protocols[] = { IPPROTO_IP,
					      IPPROTO_TCP }; /* not MPTCP, of which Landlock knows nothing */
	int r = 0;

	for (size_t i = 0; r == 0 && i < sizeof(protocols) / sizeof(protocols[0]); i++) {
		const struct scmp_arg_cmp compare[] = {
			{ .arg = 0, .op = SCMP_CMP_MASKED_EQ, .datum_a = UINT32_MAX, .datum_b = family },
			{ .arg = 1, .op = SCMP_CMP_MASKED_EQ, .datum_a = SOCKET_KIND, .datum_b = SOCK_STREAM },
			{ .arg = 2, .op = SCMP_CMP_MASKED_EQ, .datum_a = UINT32_MAX, .datum_b = protocols[i] },
		};

		r = seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, SCMP_SYS(socket), 3, compare);
	}
	return r;
}

/* As on a kernel that was built without them: programs know this answer, and go on. */
static int families_refuse(scmp_filter_ctx filter, bool net)
{
	int r = 0;

	for (uint32_t family = 0; r == 0 && family < FAMILIES; family++)
		if (net ? family != AF_INET && family != AF_INET6 : family != AF_UNIX)
			r = rule_masked(filter, SCMP_ACT_ERRNO(EAFNOSUPPORT), SCMP_SYS(socket), 0, UINT32_MAX, family);
	return r;
}

static int sockets(scmp_filter_ctx filter, bool net, bool asks)
{
	int r = rule_all(filter, SCMP_ACT_ALLOW, (struct calls)CALLS(talking));

	if (r == 0)
		r = seccomp_rule_add(filter, asks ? SCMP_ACT_NOTIFY : SCMP_ACT_ALLOW, SCMP_SYS(connect), 0);
	if (r == 0)
		r = rule_all(filter, net ? SCMP_ACT_ERRNO(EPERM) : SCMP_ACT_ALLOW, (struct calls)CALLS(serving));
	for (size_t i = 0; r == 0 && i < sizeof(sending) / sizeof(sending[0]); i++)
		r = rule_without(filter, sending[i].call, sending[i].flags, MSG_FASTOPEN);
	if (r == 0)
		r = families_refuse(filter, net);
	if (r == 0 && !net)
		r = rule_equal(filter, SCMP_SYS(socket), 0, AF_UNIX);
	if (r == 0 && net)
		r = socket_tcp(filter, AF_INET);
	return r == 0 && net ? socket_tcp(filter, AF_INET6) : r;
}

static int conditions(scmp_filter_ctx filter)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < sizeof(locks) / sizeof(locks[0]); i++)
		r = rule_equal(filter, SCMP_SYS(fcntl), 1, (uint64_t)locks[i]);
	for (size_t i = 0; r == 0 && i < sizeof(ioctls) / sizeof(ioctls[0]); i++)
		r = rule_equal(filter, SCMP_SYS(ioctl), 1, ioctls[i]);
	if (r == 0) /* its own limits, which it can but lower */
		r = rule_equal(filter, SCMP_SYS(prlimit64), 0, 0);
	if (r == 0)
		r = rule_equal(filter, SCMP_SYS(personality), 0, 0);
	if (r == 0)
		r = rule_equal(filter, SCMP_SYS(personality), 0, PERSONALITY_ASK);
	return r < 0 ? r : rsync_own_conditions(filter);
}

/* Programs of 32 bits are nothing new here, and must not be a way around it. */
static int architectures_add(scmp_filter_ctx filter)
{
#if defined(__x86_64__)
	static const uint32_t others[] = { SCMP_ARCH_X86, SCMP_ARCH_X32 };
#elif defined(__aarch64__)
	static const uint32_t others[] = { SCMP_ARCH_ARM };
#else
	static const uint32_t others[] = { SCMP_ARCH_NATIVE };
#endif
	int r = 0;

	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		r = seccomp_arch_add(filter, others[i]);
		if (r < 0 && r != -EEXIST)
			return r;
	}
	return 0;
}

/* A command that runs as the account on the terminal of its owner: what it typed there, the owner's shell would read.
 */
int fill_guest(scmp_filter_ctx filter)
{
	static const unsigned long typing[] = { TIOCSTI, TIOCLINUX };
	int r = architectures_add(filter);

	for (size_t i = 0; r == 0 && i < sizeof(typing) / sizeof(typing[0]); i++)
		r = rule_masked(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(ioctl), 1, UINT32_MAX, typing[i]);
	return r;
}

int fill_shell(scmp_filter_ctx filter, enum program program)
{
	const struct calls granted = CALLS(not_refused);
	int r = rule_all(filter, SCMP_ACT_ALLOW, rsync_allowed);

	if (r == 0)
		r = rule_all(filter, SCMP_ACT_ALLOW, rsync_changing);
	if (r == 0)
		r = rule_all(filter, SCMP_ACT_ALLOW, (struct calls)CALLS(allowed));
	if (r == 0)
		r = rule_all_but(filter, SCMP_ACT_ERRNO(EPERM), rsync_refused, granted);
	if (r == 0)
		r = rsync_mode_conditions_fifo(filter);
	if (r == 0)
		r = sockets(filter, program != SHELL, program == SHELL_NET_ASKS);
	return r < 0 ? r : conditions(filter);
}
