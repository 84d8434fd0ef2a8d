/* SPDX-License-Identifier: ISC */
/* Counts connections by user; see shares.h. */
#include "subuidd/door/shares.h"

#include <stdlib.h>

static bool is_contained(const struct caller *caller)
{
	return caller->contained != CONTAINED_NOT;
}

static bool share_is(const struct share *share, const struct caller *caller)
{
	bool together = !caller->root && !caller->ordinary;

	if (share->together != together)
		return false;
	return together || (share->uid == caller->uid && share->contained == is_contained(caller));
}

static struct share *share_find(const struct shares *shares, const struct caller *caller)
{
	struct share *share = shares->first;

	while (share != NULL && !share_is(share, caller))
		share = share->next;
	return share;
}

struct share *share_take(struct shares *shares, const struct caller *caller)
{
	struct share *share = share_find(shares, caller);

	if (share == NULL) {
		share = calloc(1, sizeof(*share));
		if (share == NULL)
			return NULL;
		share->uid = caller->uid;
		share->together = !caller->root && !caller->ordinary;
		share->contained = is_contained(caller);
		share->next = shares->first;
		shares->first = share;
	}
	share->held++;
	shares->held++;
	return share;
}

void share_drop(struct shares *shares, struct share *share)
{
	shares->held--;
	if (--share->held > 0)
		return;
	for (struct share **at = &shares->first; *at != NULL; at = &(*at)->next)
		if (*at == share) {
			*at = share->next;
			break;
		}
	free(share);
}

unsigned share_held(const struct shares *shares, const struct caller *caller)
{
	const struct share *share = share_find(shares, caller);

	return share == NULL ? 0 : share->held;
}

unsigned share_held_uid(const struct shares *shares, const struct caller *caller)
{
	for (const struct share *share = shares->first; share != NULL; share = share->next)
		if (!share->together && share->uid == caller->uid && share->contained == is_contained(caller))
			return share->held;
	return 0;
}

bool share_yields(const struct share *from, unsigned mine, bool quiet)
{
	if (!from->together && from->uid == 0 && !from->contained)
		return false; /* root's: the user who puts things right is never put out */
	return from->held > mine + 1 || (mine == 0 && quiet);
}
