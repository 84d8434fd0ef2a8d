/* SPDX-License-Identifier: ISC */
/* Gives up ways to more privilege and closes descriptors. Run early by the daemon's processes and the gates. */
#include "confine/harden.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

int process_harden(void)
{
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)
		return -errno;
	if (setrlimit(RLIMIT_CORE, &(struct rlimit){ 0, 0 }) != 0)
		return -errno;
	return 0;
}

int process_bind(pid_t parent)
{
	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0)
		return -errno;
	return getppid() == parent ? 0 : -ESRCH;
}

int process_bind_apart(int parent)
{
	struct pollfd ended = { .fd = parent, .events = POLLIN };

	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0)
		return -errno;
	return poll(&ended, 1, 0) == 0 ? 0 : -ESRCH;
}

int process_bound(int resource, rlim_t memory, rlim_t descriptors)
{
	const struct {
		int resource;
		rlim_t most;
	} bounds[] = { { resource, memory }, { RLIMIT_NOFILE, descriptors }, { RLIMIT_FSIZE, 0 },
		       { RLIMIT_NPROC, 0 },  { RLIMIT_MEMLOCK, 0 },          { RLIMIT_MSGQUEUE, 0 } };

	if (signal(SIGXFSZ, SIG_IGN) == SIG_ERR || signal(SIGPIPE, SIG_IGN) == SIG_ERR)
		return -errno;
	for (size_t i = 0; i < sizeof(bounds) / sizeof(bounds[0]); i++)
		if (setrlimit(bounds[i].resource, &(struct rlimit){ bounds[i].most, bounds[i].most }) != 0)
			return -errno;
	return 0;
}

static int close_span(unsigned first, unsigned last)
{
	if (first > last)
		return 0;
	return syscall(SYS_close_range, first, last, 0) == 0 ? 0 : -errno;
}

int descriptors_close_from(int first)
{
	if (first < 0)
		return -EINVAL;
	return close_span((unsigned)first, ~0u);
}

int descriptors_first_only(int count)
{
	struct stat st;

	for (int fd = 0; fd < count; fd++) {
		if (fstat(fd, &st) != 0)
			return -errno;
		if (S_ISDIR(st.st_mode))
			return -EISDIR;
	}
	return descriptors_close_from(count);
}

int descriptors_keep(const int *keep)
{
	unsigned next = 0;

	/* a list that is not sorted is a mistake: nothing is closed */
	for (const int *fd = keep; *fd >= 0; fd++)
		if (fd > keep && *fd < fd[-1])
			return -EINVAL;
	for (const int *fd = keep; *fd >= 0; fd++) {
		unsigned kept = (unsigned)*fd;
		int r = kept > next ? close_span(next, kept - 1) : 0;

		if (r < 0)
			return r;
		next = kept + 1;
	}
	return close_span(next, ~0u);
}
