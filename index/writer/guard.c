/* SPDX-License-Identifier: ISC */
/*
 * A disk that fails under the index (the file system has shut down) must not end the daemon in the middle of a lock: it
 * could not end the sessions any more.
 */
#include "index/writer/guard.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stddef.h>

static sigjmp_buf way_back;
static volatile sig_atomic_t guarding;

static void on_bus_error(int signal_number)
{
	if (guarding) {
		guarding = 0;
		siglongjmp(way_back, 1);
	}
	signal(signal_number, SIG_DFL); /* and once more, like any other fault */
}

int index_guarded(int (*act)(void *data), void *data)
{
	const struct sigaction catch = { .sa_handler = on_bus_error, .sa_flags = SA_NODEFER };
	int r;

	if (sigaction(SIGBUS, &catch, NULL) < 0)
		return -errno;
	if (sigsetjmp(way_back, 0) != 0)
		return -EIO;
	guarding = 1;
	r = act(data);
	guarding = 0;
	return r;
}
