/* SPDX-License-Identifier: ISC */
/* Which numbers the ids of an account's ranges have in its containers. Asks the index, with the caller's rights. */
#include "cli/container.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli/lookup.h"
#include "cli/subuid.h"
#include "confine/cleanup.h"

static int by_number(const void *a, const void *b)
{
	const struct id_range *x = a, *y = b;

	return (x->first > y->first) - (x->first < y->first);
}

int container_maps(const struct id_range *ranges, size_t count, struct id_map maps[EXEC_MAPS_MAX])
{
	cleanup_free struct id_range *sorted = calloc(count + 1, sizeof(*sorted));
	uint32_t inside = 1;

	if (sorted == NULL)
		return -ENOMEM;
	if (count > EXEC_MAPS_MAX - 1)
		return -E2BIG;
	if (count > 0)
		memcpy(sorted, ranges, count * sizeof(*sorted));
	qsort(sorted, count, sizeof(*sorted), by_number);
	for (size_t i = 0; i < count; i++) {
		maps[i] = (struct id_map){ inside, sorted[i].first, sorted[i].count };
		inside += sorted[i].count;
	}
	return (int)count;
}

int64_t container_id(const struct container_ids *ids, uint32_t id)
{
	if (id == ids->uid)
		return 0;
	for (size_t i = 0; i < ids->count; i++)
		if (id >= ids->maps[i].outside && id - ids->maps[i].outside < ids->maps[i].count)
			return (int64_t)ids->maps[i].inside + (id - ids->maps[i].outside);
	return -1;
}

int container_ids_find(const char *name, struct container_ids *ids)
{
	cleanup_free struct id_range *ranges = NULL;
	struct index_account account;
	struct index_host host;
	size_t count = 0;
	int status = lookup_account(name, &account, &host), n;

	if (status == STATUS_DONE)
		status = lookup_ranges(account.owner_uid, account.uid, &ranges, &count);
	if (status != STATUS_DONE)
		return status;
	n = container_maps(ranges, count, ids->maps);
	if (n < 0) {
		complain(account.name, strerrordesc_np(-n), "");
		return STATUS_FAILED;
	}
	ids->uid = account.uid;
	ids->count = (size_t)n;
	return STATUS_DONE;
}
