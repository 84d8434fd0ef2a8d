/* SPDX-License-Identifier: ISC */
/* Pure, except for the heap. */
#include <errno.h>
#include <stdlib.h>

#include "account/id.h"
#include "confine/grow.h"
#include "subid/guest/guest.h"

#define PIECES_MAX (1u << 29) /* the ABI counts in int */

/* Ids that nobody ever gets, whichever source grants them: inside 0..2^32-2. */
static const struct id_block special[] = { { 0, 0 }, { 65534, 65535 } };

bool subid_request_valid(uint64_t first, uint64_t count)
{
	if (!id_range_valid(first, count))
		return false;
	for (size_t i = 0; i < sizeof(special) / sizeof(special[0]); i++)
		if (id_blocks_overlap((struct id_block){ (uint32_t)first, (uint32_t)(first + count - 1) }, special[i]))
			return false;
	return true;
}

static int append(struct subid_pieces *pieces, uint64_t first, uint64_t last)
{
	struct subid_range *at;

	if (first > last)
		return 0;
	at = pieces->count == PIECES_MAX ? NULL : array_grow(pieces->at, pieces->count, &pieces->room, sizeof(*at));
	if (at == NULL)
		return -ENOMEM;
	pieces->at = at;
	pieces->at[pieces->count++] =
		(struct subid_range){ .start = (unsigned long)first, .count = (unsigned long)(last - first + 1) };
	return 0;
}

int subid_pieces_add(struct subid_pieces *pieces, uint64_t first, uint64_t last)
{
	if (last > UINT32_MAX - 1u)
		last = UINT32_MAX - 1u;
	for (size_t i = 0; i < sizeof(special) / sizeof(special[0]); i++) {
		int rc;

		if (first > special[i].last || last < special[i].first)
			continue;
		rc = first < special[i].first ? append(pieces, first, special[i].first - 1u) : 0;
		if (rc < 0)
			return rc;
		first = (uint64_t)special[i].last + 1;
	}
	return append(pieces, first, last);
}

static int compare(const void *a, const void *b)
{
	const struct subid_range *x = a, *y = b;

	return x->start < y->start ? -1 : x->start > y->start;
}

void subid_pieces_join(struct subid_pieces *pieces)
{
	size_t n = 0;

	if (pieces->count == 0)
		return;
	qsort(pieces->at, pieces->count, sizeof(pieces->at[0]), compare);
	for (size_t i = 1; i < pieces->count; i++) {
		struct subid_range *present = &pieces->at[n], next = pieces->at[i];
		uint64_t end = (uint64_t)present->start + present->count;
		uint64_t next_end = (uint64_t)next.start + next.count;

		if (next.start > end)
			pieces->at[++n] = next;
		else if (next_end > end)
			present->count = (unsigned long)(next_end - present->start);
	}
	pieces->count = n + 1;
}

void subid_pieces_free(struct subid_pieces *pieces)
{
	free(pieces->at);
	*pieces = (struct subid_pieces){ 0 };
}

int subid_owners_add(struct subid_owners *owners, uint32_t uid)
{
	uid_t *at;

	for (size_t i = 0; i < owners->count; i++)
		if (owners->at[i] == uid)
			return 0;
	at = owners->count == PIECES_MAX ? NULL : array_grow(owners->at, owners->count, &owners->room, sizeof(*at));
	if (at == NULL)
		return -ENOMEM;
	owners->at = at;
	owners->at[owners->count++] = uid;
	return 0;
}
