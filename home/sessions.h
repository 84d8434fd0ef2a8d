/* SPDX-License-Identifier: ISC */
/*
 * Everything that runs as an account: every process that has its uid, or an id of its ranges, as real, effective,
 * saved or file system uid, in whichever of its threads. A file of the account with mode 6755, run by its owner, makes
 * a process that has only the effective uid. A process whose real and saved uid are root's does not count: it is a
 * server of the host (sshd, NFS) that acts for the account for a moment.
 */
#ifndef SUBUIDD_HOME_SESSIONS_H
#define SUBUIDD_HOME_SESSIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "account/account.h"

struct session_ids {
	uint32_t uid;
	const struct id_range *ranges;
	size_t count;
};

/* Exit status of the child. From SESSIONS_FAILED on: that, and an errno. Anything between: it never got to run. */
enum sessions_ended { SESSIONS_NONE = 0, SESSIONS_LEFT = 1, SESSIONS_FAILED = 128 };
/* From the result of child_watch(): 0, -EBUSY if some are left, or another negative errno. */
int sessions_ended(int status);

/* Starts the child that ends them: each is asked to (SIGTERM), has as many seconds of grace as are given for that, and
 * is killed then. It looks twice, and goes on for SESSIONS_SECONDS more at most while there are some. Processes killed
 * by cgroup (groups.h) and by kill(-1) go at once, forking or not; the rest by pidfd, one by one. *pid and *pidfd
 * (close-on-exec), -EINVAL for a uid that cannot be a sub-account's, or another negative errno. */
#define SESSIONS_SECONDS 6
#define SESSIONS_GRACE_MAX 60u
struct sessions_ending {
	const struct session_ids *ids;
	unsigned grace;  /* seconds, up to SESSIONS_GRACE_MAX; 0: nobody is asked */
	int cgroups;     /* O_PATH of their file system, -1: by its path */
	uint32_t *count; /* how many there were at first, if the parent shares that memory; NULL: nobody wants to know
			  */
};
int sessions_end_start(const struct sessions_ending *how, pid_t *pid, int *pidfd);

/* freeze.c: starts the child that stops them, or lets them go on. The same otherwise: their groups are frozen as such,
 * and what is not in one is stopped by SIGSTOP, until two looks find none that runs. */
enum sessions_freeze {
	FREEZE,       /* those that stand already are noted, and stay so when the others go on */
	FREEZE_AGAIN, /* of an account that is frozen */
	THAW,
};
int sessions_freeze_start(const struct session_ids *ids, enum sessions_freeze how, int cgroups, pid_t *pid, int *pidfd);
/* The file system above: `handed` if that is one, or else *own, opened by its path (-1: there is none), which the
 * caller closes. */
int sessions_cgroups(int handed, int *own);
/* For children: keeps this descriptor (as *kept, or -1) and no other. */
int sessions_keep_cgroups(int cgroups, int *kept);
/* ... runs rounds until two of them have found none: each returns how many it has found, or negative errno. The exit
 * status. */
int sessions_rounds(int (*run)(void *data), void *data);

/* "PID (NAME)" of one process other than the caller. 1, 0 or negative errno. */
int sessions_name(uint32_t uid, char *text, size_t size);

/* session_find.c: calls for each that lives, with its directory in `proc`; the sum of what the calls say, or the first
 * negative errno. */
struct session {
	char pid[16];
	uint32_t real; /* uid */
	char state;    /* 'R', 'S', 'D', 'T', ... */
	char name[17];
};
typedef int (*session_visitor)(void *data, int proc, const struct session *session);
int sessions_find(const struct session_ids *ids, pid_t except, session_visitor visit, void *data);
/* The same for the newest ones, a few times over: a process that keeps forking and ending has a new number before a
 * walk through /proc gets to it. */
int sessions_chase(const struct session_ids *ids, session_visitor visit, void *data);
/* The same for one number: false if it is not, or no longer, one of them. */
bool session_still(const struct session_ids *ids, int proc, struct session *session);
/* sessions.c: signals it, if it is still one of them (then *session is updated). 1; 0: it is gone; or negative
 * errno. */
int session_signal_one(const struct session_ids *ids, int proc, struct session *session, int signal);
/* Signals those that have it as real or saved uid, in one call. The result does not say whether there were any: a
 * process that has ended but was not waited for counts there. 0 or negative errno. */
int sessions_signal_uid(uint32_t uid, int signal);
/* Of all of its threads, since a debugger stops each of them for itself: 'R' if one runs, 'D' if one waits in the
 * kernel and none runs, else as it was seen. */
char session_state(int proc, const struct session *session);
/* freeze.c: true if it does not run: it is stopped, or in a frozen group, or waits in the kernel, where a signal is
 * before its next step. */
bool session_stands(const struct session_ids *ids, int cgroups, int proc, const struct session *session);
/* Never an id of the host itself. */
bool session_id(const struct session_ids *ids, uint32_t id);

#endif
