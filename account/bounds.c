/* SPDX-License-Identifier: ISC */
/* Resolves the bounds of an account. Pure; run by the broker, the login shell and in guests. */
#include "account/bounds.h"

uint64_t bound_most(const struct bounds *host, const struct bounds *owner, enum bound bound)
{
	return owner->of[bound] != 0 ? owner->of[bound] : host->of[bound];
}

void bounds_resolve(const struct bounds *host, const struct bounds *owner, const struct bounds *account,
		    struct bounds *effective, enum bound_source source[BOUNDS])
{
	for (unsigned i = 0; i < BOUNDS; i++) {
		const uint64_t most = bound_most(host, owner, i), own = account->of[i];
		const bool taken = own != 0 && (most == 0 || own <= most);

		effective->of[i] = taken ? own : most;
		if (source != NULL)
			source[i] = taken ? BOUND_OF_ACCOUNT : owner->of[i] != 0 ? BOUND_OF_OWNER : BOUND_OF_HOST;
	}
}

uint64_t bounds_process_memory(uint64_t process, const struct bounds *owner, const struct bounds *account,
			       const struct bounds *effective)
{
	const uint64_t memory = effective->of[BOUND_MEMORY];

	if (owner->of[BOUND_MEMORY] != 0)
		return memory;
	if (account->of[BOUND_MEMORY] == 0)
		return 0;
	return process != 0 && process < memory ? process : memory;
}

bool bounds_none(const struct bounds *bounds)
{
	for (unsigned i = 0; i < BOUNDS; i++)
		if (bounds->of[i] != 0)
			return false;
	return true;
}

uint64_t bounds_tasks(const struct bounds *effective)
{
	const uint64_t sessions = effective->of[BOUND_SESSIONS];

	return sessions != 0 ? effective->of[BOUND_PROCESSES] + BOUND_OWN_PROCESSES * sessions : 0;
}
