/* SPDX-License-Identifier: ISC */
/* Lowers the resource limits of a session. Run by the gate and by tools, as the account, before the client's command.
 */
#include "confine/limits.h"

#include <errno.h>
#include <stddef.h>
#include <sys/resource.h>
#include <sys/sysinfo.h>

#define MEMORY_LEAST (1u << 30) /* if the host does not say, or has less: no program starts without memory */

/* In the table: the caller's value, at most what the host has. */
#define OF_CALLER RLIM_INFINITY

/*
 * The same for rsync, in all its roles, and for the tools: only the system call filters tell them apart.
 *
 * NPROC counts threads, those of other sessions of the uid too: two processes of rsync, one each of sshd and the
 * login shell make room for more than a hundred sessions at once. DATA and not AS: memory that is written to
 * counts, not the addresses that Go, and the loader for libraries, reserve. With a list of files larger than the
 * host's memory the kernel would kill some process; with the limit, the run whose list it is ends with an error.
 * Limits for all processes of an account together are left to control groups. There is no CPU and no FSIZE: a backup
 * takes as much time and space as it needs.
 */
static const struct {
	__rlimit_resource_t resource;
	rlim_t most;
} limits[] = {
	{ RLIMIT_NOFILE, 1024 },
	{ RLIMIT_NPROC, LIMIT_PROCESSES },
	{ RLIMIT_DATA, OF_CALLER },
};

static rlim_t host_memory(void)
{
	struct sysinfo host;
	rlim_t bytes;

	if (sysinfo(&host) != 0)
		return MEMORY_LEAST;
	bytes = (rlim_t)host.totalram * host.mem_unit;
	return bytes < MEMORY_LEAST ? MEMORY_LEAST : bytes;
}

static int lower(__rlimit_resource_t resource, rlim_t most)
{
	struct rlimit limit;

	if (getrlimit(resource, &limit) != 0)
		return -errno;
	if (limit.rlim_max > most)
		limit.rlim_max = most;
	if (limit.rlim_cur > limit.rlim_max)
		limit.rlim_cur = limit.rlim_max;
	return setrlimit(resource, &limit) != 0 ? -errno : 0;
}

int limits_confine(uint64_t memory)
{
	const rlim_t host = host_memory();
	int r = 0;

	for (size_t i = 0; r == 0 && i < sizeof(limits) / sizeof(limits[0]); i++)
		r = lower(limits[i].resource, limits[i].most != OF_CALLER ? limits[i].most :
					      memory < host               ? memory :
									    host);
	return r;
}
