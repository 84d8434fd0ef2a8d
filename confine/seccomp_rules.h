/* SPDX-License-Identifier: ISC */
/*
 * Inside of make-filters, which writes the system call filters when subuidd is built: the rules that several filters
 * share. Only confine/seccomp_*.c of that program include it. Results are libseccomp's: 0 or negative errno.
 */
#ifndef CONFINE_SECCOMP_RULES_H
#define CONFINE_SECCOMP_RULES_H

#include <linux/sched.h>
#include <seccomp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#define SETID (S_ISUID | S_ISGID)
/* What clone(2) may not be asked for. */
#define NAMESPACES                                                                                                     \
	(CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET)
#ifdef __s390x__
#define CLONE_FLAGS 1 /* argument number */
#else
#define CLONE_FLAGS 0
#endif

struct calls {
	const int *call; /* SCMP_SYS() */
	size_t count;
};
/* clang-format off */
#define CALLS(list) { list, sizeof(list) / sizeof((list)[0]) }
/* clang-format on */

enum program {
	RECEIVER,
	BLIND,
	SENDER,
	TOOL,
	TOOL_READER,
	TOOL_NEW_FILES,
	SHELL,
	SHELL_NET,
	SHELL_NET_ASKS,
	WORKER,
	USERDB,
	KEEPER,
	THROTTLE,
	CONNECTOR,
	GUEST
};

/* seccomp_rule.c: this action for each of the calls. */
int rule_all(scmp_filter_ctx filter, uint32_t action, struct calls calls);
/* All but those in `except`. */
int rule_all_but(scmp_filter_ctx filter, uint32_t action, struct calls calls, struct calls except);
/* When (argument & mask) == value. */
int rule_masked(scmp_filter_ctx filter, uint32_t action, int call, unsigned argument, uint64_t mask, uint64_t value);
/* Allowed when the low 32 bits of the argument are `value`: the kernel's own view of such arguments. */
int rule_equal(scmp_filter_ctx filter, int call, unsigned argument, uint64_t value);
/* Allowed without the bits of `mask`, EPERM with any of them. */
int rule_without(scmp_filter_ctx filter, int call, unsigned argument, uint64_t mask);

/* seccomp_rsync.c: what rsync may do, of which tools have most. */
extern const struct calls rsync_allowed, rsync_changing, rsync_refused;
/* Modes without setuid and setgid bits, where files may be made at all. */
int rsync_mode_conditions(scmp_filter_ctx filter, bool receiver, bool blind);
/* The same for a shell, which makes fifos too. */
int rsync_mode_conditions_fifo(scmp_filter_ctx filter);
/* Descriptors and processes of its own. */
int rsync_own_conditions(scmp_filter_ctx filter);

int fill_rsync(scmp_filter_ctx filter, enum program program);
int fill_tool(scmp_filter_ctx filter, enum program program);
int fill_shell(scmp_filter_ctx filter, enum program program);
int fill_worker(scmp_filter_ctx filter);
int fill_userdb(scmp_filter_ctx filter);
int fill_keeper(scmp_filter_ctx filter);
int fill_throttle(scmp_filter_ctx filter);
int fill_connector(scmp_filter_ctx filter);
int fill_guest(scmp_filter_ctx filter);

#endif
