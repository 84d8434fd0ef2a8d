/* SPDX-License-Identifier: ISC */
/* Lowers the resource limits of a session. Run by the gate and by tools, as the account, before the client's command.
 */
#include "confine/limits.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/sysinfo.h>

#define MEMORY_LEAST (1u << 30) /* if the host does not say, or has less: no program starts without memory */

/*
 * The same for rsync, in all its roles, and for the tools, but for AS.
 *
 * NPROC counts threads, those of other sessions of the uid too: two processes of rsync, one each of sshd and the
 * login shell make room for more than a hundred sessions at once. DATA: memory that can be written to counts, not the
 * addresses that Go, and the loader for libraries, reserve. With a list of files larger than the host's memory the
 * kernel would kill some process; with the limit, the run whose list it is ends with an error. A program that was taken
 * over gets around DATA (shared memory, a stack, memory that it has written to and then made read-only), but not
 * around AS: rsync, which reserves nothing, has that as well.
 * Limits for all processes of an account together are left to control groups. There is no CPU: a backup takes as much
 * time as it needs.
 */

static rlim_t host_memory(void)
{
	struct sysinfo host;
	rlim_t bytes;

	if (sysinfo(&host) != 0)
		return MEMORY_LEAST;
	bytes = (rlim_t)host.totalram * host.mem_unit;
	return bytes < MEMORY_LEAST ? MEMORY_LEAST : bytes;
}

int limit_lower(int resource, rlim_t most)
{
	struct rlimit limit;

	if (getrlimit((__rlimit_resource_t)resource, &limit) != 0)
		return -errno;
	if (limit.rlim_max > most)
		limit.rlim_max = most;
	if (limit.rlim_cur > limit.rlim_max)
		limit.rlim_cur = limit.rlim_max;
	return setrlimit((__rlimit_resource_t)resource, &limit) != 0 ? -errno : 0;
}

int limits_confine(const struct limits *limits)
{
	const rlim_t host = host_memory();
	const rlim_t memory = limits->memory_bound != 0 ? limits->memory_bound : limits->memory;
	const rlim_t most = memory < host ? memory : host;
	const struct {
		int resource;
		rlim_t value;
	} all[] = {
		{ RLIMIT_NOFILE, limits->files != 0 ? limits->files : LIMIT_FILES },
		{ RLIMIT_NPROC, limits->processes != 0 ? limits->processes : LIMIT_PROCESSES },
		{ RLIMIT_DATA, most },
		{ RLIMIT_AS, limits->addresses ? most + LIMIT_CODE : RLIM_INFINITY },
		{ RLIMIT_FSIZE, limits->file_size != 0 ? limits->file_size : RLIM_INFINITY },
	};
	int r = 0;

	for (size_t i = 0; r == 0 && i < sizeof(all) / sizeof(all[0]); i++)
		r = limit_lower(all[i].resource, all[i].value);
	return r;
}

bool limits_option(const char *word, struct limits *limits)
{
	const struct {
		const char *name;
		uint64_t *value;
	} all[] = {
		{ "-processes=", &limits->processes },
		{ "-open-files=", &limits->files },
		{ "-file-size=", &limits->file_size },
		{ "-memory-bound=", &limits->memory_bound },
	};

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		const char *digits = word + strlen(all[i].name);
		char *end;

		if (strncmp(word, all[i].name, strlen(all[i].name)) != 0)
			continue;
		if (*digits < '1' || *digits > '9')
			return false;
		errno = 0;
		*all[i].value = strtoull(digits, &end, 10);
		return errno == 0 && *end == '\0';
	}
	return false;
}
