/* SPDX-License-Identifier: ISC */
/* Tells whose processes are, by the index. Run by children of the broker that look at all of them. */
#include "subuidd/life/whose.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "confine/cleanup.h"

static struct index_reader reader = INDEX_READER(INDEX_PATH);

int whose_account(uint32_t id, struct index_account *account)
{
	struct id_range range;
	int r = index_account_by_uid(&reader, id, account);

	if (r == -ENOENT)
		r = index_range_by_id(&reader, id, &range) ?:
			    range.account_uid == 0         ? -ENOENT :
							     index_account_by_uid(&reader, range.account_uid, account);
	return r;
}

/* Only owners can have themselves mapped beside the account. The kernel shows ids as this process knows them. */
bool whose_owner_runs(int proc, const struct session *session, uint32_t owner_uid)
{
	char path[32];
	cleanup_file FILE *file = NULL;
	char line[64], *at;
	int fd;

	snprintf(path, sizeof(path), "%s/uid_map", session->pid);
	fd = openat(proc, path, O_RDONLY | O_CLOEXEC);
	file = fd < 0 ? NULL : fdopen(fd, "r");
	if (file == NULL && fd >= 0)
		close(fd);
	while (file != NULL && fgets(line, sizeof(line), file) != NULL) { /* inside, outside, count */
		unsigned long outside, count;

		strtoul(line, &at, 10);
		outside = strtoul(at, &at, 10);
		count = strtoul(at, NULL, 10);
		if (count != UINT32_MAX && owner_uid >= outside && owner_uid - outside < count)
			return true;
	}
	return false;
}

int whose_bounds(const struct index_account *account, struct account_bounds *bounds)
{
	return index_bounds(&reader, account, bounds);
}
