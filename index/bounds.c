/* SPDX-License-Identifier: ISC */
/* The bounds of an account. Pure. */
#include "index/bounds.h"

#include "confine/limits.h"

#define OWN_PROCESSES 4u /* of a session, which are not its commands': those of sshd and the login shell */

struct index_bounds index_bounds(const struct index_host *host)
{
	const struct index_sessions *sessions = &host->sessions;

	return (struct index_bounds){
		.memory = (uint64_t)host->account_memory * SESSION_MEMORY_MIB << 20,
		.cpu_weight = sessions->cpu_weight,
		.processes = sessions->per_account == 0 ? 0 : LIMIT_PROCESSES + OWN_PROCESSES * sessions->per_account,
	};
}
