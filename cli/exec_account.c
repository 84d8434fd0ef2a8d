/* SPDX-License-Identifier: ISC */
/* Finds the account's owner and ids, and enters a namespace with these. Runs with the caller's own
 * rights. */
#include "cli/exec_account.h"

#include <unistd.h>

#include "account/failure.h"
#include "cli/exec.h"
#include "cli/lookup.h"
#include "cli/subuid.h"
#include "confine/cleanup.h"

/* The account's uid and ranges under their own numbers: ids look inside as they are on disk. */
static int maps_make(const struct exec_account *exec, struct id_map maps[EXEC_MAPS_MAX], size_t *count)
{
	cleanup_free struct id_range *ranges = NULL;
	size_t ranges_count = 0, n = 0;
	int status = lookup_ranges(exec->account.owner_uid, exec->account.uid, &ranges, &ranges_count);

	if (status != STATUS_DONE)
		return status;
	maps[n++] = (struct id_map){ exec->account.uid, exec->account.uid, 1 };
	for (size_t i = 0; i < ranges_count; i++) {
		struct id_map *last = &maps[n - 1];

		if (last->outside + last->count == ranges[i].first) {
			last->count += ranges[i].count;
		} else if (n == EXEC_MAPS_MAX - 1) {
			complain(exec->account.name, "has more ranges than the kernel maps at once", "");
			return STATUS_FAILED;
		} else {
			maps[n++] = (struct id_map){ ranges[i].first, ranges[i].first, ranges[i].count };
		}
	}
	*count = n;
	return STATUS_DONE;
}

static int enter_beside(const struct exec_account *exec)
{
	const uint32_t own[] = { getuid(), getgid() };
	struct id_map maps[EXEC_MAPS_MAX];
	size_t count = 0;
	int status = maps_make(exec, maps, &count);

	return status == STATUS_DONE ? exec_namespace_beside(own, maps, count) : status;
}

int exec_account_find(const char *name, bool root, struct exec_account *entered)
{
	int status = lookup_account(name, &entered->account, &entered->host);

	if (status == STATUS_DONE && entered->account.owner_uid != getuid() && !(root && getuid() == 0)) {
		complain(entered->account.name, "not yours",
			 root ? "only its owner and root can do this" : "only its owner can do this");
		status = failure_exit_status(FAILURE_NOT_PERMITTED);
	}
	if (status == STATUS_DONE && !root && (entered->account.flags & ACCOUNT_FROZEN) != 0) {
		complain(entered->account.name, "it is frozen, so nothing runs as it",
			 "subuid thaw takes that back; subuid ls and copy read its files");
		status = failure_exit_status(FAILURE_CONFLICT);
	}
	return status;
}

int exec_account_enter(const char *name, bool root, struct exec_account *entered)
{
	int status = exec_account_find(name, root, entered);

	if (status != STATUS_DONE)
		return status;
	if (getuid() == 0 || !daemon_answers())
		return enter_beside(entered);
	return exec_namespace(entered->account.owner, entered->account.label, false);
}

int exec_account_home(const struct exec_account *entered, char *home, size_t size)
{
	return index_home(&entered->host, &entered->account, home, size);
}
