/* SPDX-License-Identifier: ISC */
/*
 * What a session may take of the host, set before it begins: resource limits of this process, from which it comes, and
 * properties of its scope for systemd. Run in a process of root's, whatever service it is.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <security/pam_modules.h>

#include "account/bounds.h"
#include "confine/limits.h"
#include "pam/session.h"

static int lower(int resource, uint64_t most)
{
	return most == 0 ? 0 : limit_lower(resource, most);
}

/* Not the size of files for sshd: this process writes lastlog afterwards, whose entry of a high uid is far behind the
 * beginning. The gates set it. */
int session_limits(const pam_handle_t *pamh, const struct account_bounds *bounds)
{
	const uint64_t *of = bounds->of.of;
	int r = lower(RLIMIT_NPROC, of[BOUND_PROCESSES]);

	if (r == 0)
		r = lower(RLIMIT_NOFILE, of[BOUND_OPEN_FILES]);
	if (r == 0 && !from_sshd(pamh))
		r = lower(RLIMIT_FSIZE, of[BOUND_FILE_SIZE]);
	return r;
}

static void data_free(pam_handle_t *pamh, void *data, int status)
{
	(void)pamh, (void)status;
	free(data);
}

static void property(pam_handle_t *pamh, const char *name, uint64_t number, const char *unit)
{
	char *value;

	if (number == 0 || asprintf(&value, "%" PRIu64 "%s", number, unit) < 0)
		return;
	if (pam_set_data(pamh, name, value, data_free) != PAM_SUCCESS)
		free(value);
}

/* pam_systemd(8), coming after us, sets them on hosts with systemd. A service manager has no scope, only the account's
 * slice: logind of systemd 257 refuses it (EBUSY) when properties of one come along. */
void session_scope(pam_handle_t *pamh, const struct account_bounds *bounds, unsigned process_mib)
{
	const uint64_t *of = bounds->of.of;
	/* two commands at a time (MaxSessions) of two processes each, and sshd */
	const uint64_t usual = 4 * (uint64_t)process_mib + 64, said = (of[BOUND_MEMORY] + (1 << 20) - 1) >> 20;

	if (is_service_manager(pamh))
		return;
	property(pamh, "systemd.memory_max", bounds->process_memory != 0 ? said : usual, "M");
	property(pamh, "systemd.tasks_max", of[BOUND_PROCESSES] + BOUND_OWN_PROCESSES, "");
	property(pamh, "systemd.cpu_weight", of[BOUND_CPU_WEIGHT], "");
	property(pamh, "systemd.io_weight", of[BOUND_IO_WEIGHT], "");
}
