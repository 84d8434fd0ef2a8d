/* SPDX-License-Identifier: ISC */
/*
 * Ends a run that has no client any more. rsync notices its client only when it has something to send, which inside a
 * hole of 8 TiB may be days away. sshd closes its end of our standard error when the connection or the channel is gone,
 * and not before. A gate and all that it starts is one process group: the system call filters let no process leave it.
 */
#include <signal.h>
#include <stdint.h>
#include <time.h>
#include <unistd.h>

#include <sys/wait.h>

#include "backup/run_watch.h"

#define BY_ITSELF_MS 2000 /* it finishes writing, and keeps a partial file */
#define POLITE_MS 2000    /* after SIGTERM */
#define LEFTOVER_MS 1000  /* children of a process that has ended well */

uint64_t run_end_due(const struct run_end *end)
{
	switch (end->stage) {
	case RUN_END_GONE:
		return end->gone + BY_ITSELF_MS;
	case RUN_END_ASKED:
		return end->gone + BY_ITSELF_MS + POLITE_MS;
	default:
		return UINT64_MAX;
	}
}

void run_end_gone(struct run_end *end, uint64_t now)
{
	if (end->stage != RUN_END_NONE)
		return;
	end->stage = RUN_END_GONE;
	end->gone = now;
}

void run_end_step(struct run_end *end, uint64_t now)
{
	if (now < run_end_due(end))
		return;
	kill(-end->group, end->stage == RUN_END_GONE ? SIGTERM : SIGKILL);
	end->stage = end->stage == RUN_END_GONE ? RUN_END_ASKED : RUN_END_KILLED;
}

void run_end_leftover(const struct run_end *end)
{
	const struct timespec pause = { .tv_nsec = 10000000 };

	for (int i = 0; i < LEFTOVER_MS / 10; i++) {
		if (kill(-end->group, 0) != 0)
			return;
		nanosleep(&pause, NULL);
	}
	kill(-end->group, SIGKILL);
}

int run_end_like(int status)
{
	sigset_t none;

	if (WIFEXITED(status))
		return WEXITSTATUS(status);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(WTERMSIG(status), SIG_DFL);
	raise(WTERMSIG(status));
	return 128 + WTERMSIG(status);
}
