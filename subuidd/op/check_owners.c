/* SPDX-License-Identifier: ISC */
/*
 * Owners who have no account any more, since they removed it or since it is somebody else's: a link may have been left
 * in their home. Run by the broker.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "confine/cleanup.h"
#include "subuidd/op/check_step.h"

#define ROWS 256 /* looked at for their owners in one step */

/* An owner who had an account and has none: checks for leftover links. */
static int owner_add(struct call *call, struct check_job *job, const char *owner, uint32_t uid)
{
	struct check_owner *row = &job->owners[job->owners_count];
	uint32_t accounts = 0;
	int r;

	for (int i = 0; i < job->owners_count; i++)
		if (strcmp(job->owners[i].name, owner) == 0 && job->owners[i].uid == uid)
			return 0;
	r = store_account_count(call->store, owner, &accounts);
	if (r < 0 || accounts > 0)
		return r;
	snprintf(row->name, sizeof(row->name), "%s", owner);
	row->uid = uid;
	job->owners_count++;
	return 0;
}

int check_removed_owners(struct call *call, struct check_job *job, uint32_t after, uint32_t *last)
{
	cleanup_free struct id_range *rows = calloc(ROWS, sizeof(*rows));
	int n = rows == NULL ? -ENOMEM : store_tombstone_list(call->store, after, rows, ROWS);
	int r = 0, i;

	for (i = 0; r >= 0 && i < n && job->owners_count < CHECK_FEW; i++) {
		*last = rows[i].first;
		if (rows[i].count == 1 && rows[i].owner[0] != '\0' && rows[i].label[0] != '\0')
			r = owner_add(call, job, rows[i].owner, rows[i].owner_uid);
	}
	return r < 0 ? r : n < 0 ? n : i;
}

int check_former_owners(struct call *call, struct check_job *job, uint32_t after, uint32_t *last)
{
	cleanup_free struct former_name *rows = calloc(ROWS, sizeof(*rows));
	int n = rows == NULL ? -ENOMEM : store_former_list(call->store, after, rows, ROWS);
	int r = 0, i;

	for (i = 0; r >= 0 && i < n && rows[i].seq <= UINT32_MAX && job->owners_count < CHECK_FEW; i++) {
		*last = (uint32_t)rows[i].seq;
		if (rows[i].moving == 0) /* else it is still being looked after */
			r = owner_add(call, job, rows[i].owner, rows[i].owner_uid);
	}
	return r < 0 ? r : n < 0 ? n : i;
}
