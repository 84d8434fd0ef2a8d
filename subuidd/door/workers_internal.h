/* SPDX-License-Identifier: ISC */
/* Between workers.c (which worker serves whom) and worker_channel.c (what one worker may say) only. */
#ifndef SUBUIDD_WORKERS_INTERNAL_H
#define SUBUIDD_WORKERS_INTERNAL_H

#include "subuidd/call/call.h"
#include "subuidd/door/workers.h"

#define START_SECONDS 10u /* to seal itself */
#define IDLE_FACTOR 10u   /* the worker keeps the deadline; this is for a worker that does not */

enum worker_state { WORKER_STARTING, WORKER_READY, WORKER_SERVING, WORKER_GONE };

struct worker {
	struct worker *next;
	struct broker *broker;
	enum worker_state state;
	int fd, pidfd;
	pid_t pid; /* no other process has it before it is waited for, which worker_end() begins */
	sd_event_source *io, *timer;
	struct caller caller; /* while serving */
	struct share *share;  /* the same */
	uint64_t heard;       /* when its peer last asked, or connected: CLOCK_MONOTONIC, microseconds */
	struct call *call;    /* the one request that is under way */
};

struct connection { /* that waits for a worker */
	struct connection *next;
	int fd;
	struct caller caller;
	struct share *share;
};

struct workers {
	struct worker_image image;
	struct worker *list;
	struct connection *waiting, **waiting_end;
	struct shares shares;
	sd_event_source *respawn;
	unsigned failures; /* in a row */
};

/* Forks one; it will say when it is ready. 0 or negative errno. */
int worker_start(struct broker *broker);

/* Hands the connection over; closes our copy in every case. 0: the worker holds the share. Or negative errno. */
int worker_give(struct worker *worker, int connection, const struct caller *caller, struct share *share);

/* It ended before it was useful: the next attempts come slower. */
void worker_failed(struct worker *worker, const char *what);

/* Kills it, if it is still there. The struct lives until the process is reaped, because code in the middle of using it
 * may still look. */
void worker_end(struct worker *worker);

/* Gives waiting connections to ready workers, and starts as many as are wanting. */
void workers_turn(struct broker *broker);

#endif
