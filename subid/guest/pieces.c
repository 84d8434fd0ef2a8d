/* SPDX-License-Identifier: ISC */
/* Pure, except for the heap. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

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

/* Sorted ones: those that meet, or overlap, as one. */
static size_t join_sorted(struct subid_range *at, size_t count)
{
	size_t n = 0;

	for (size_t i = 1; i < count; i++) {
		struct subid_range *present = &at[n], next = at[i];
		uint64_t end = (uint64_t)present->start + present->count;
		uint64_t next_end = (uint64_t)next.start + next.count;

		if (next.start > end)
			at[++n] = next;
		else if (next_end > end)
			present->count = (unsigned long)(next_end - present->start);
	}
	return n + 1;
}

static bool overlap(const struct subid_range *sorted, size_t count)
{
	for (size_t i = 1; i < count; i++)
		if (sorted[i].start < sorted[i - 1].start + sorted[i - 1].count)
			return true;
	return false;
}

/* In their own order: neighbours that meet. */
static size_t join_kept(struct subid_range *at, size_t count)
{
	size_t n = 0;

	for (size_t i = 1; i < count; i++)
		if (at[i].start == at[n].start + at[n].count)
			at[n].count += at[i].count;
		else
			at[++n] = at[i];
	return n + 1;
}

int subid_pieces_join(struct subid_pieces *pieces)
{
	struct subid_range *sorted;

	if (pieces->count == 0)
		return 0;
	sorted = reallocarray(NULL, pieces->count, sizeof(*sorted));
	if (sorted == NULL)
		return -ENOMEM;
	memcpy(sorted, pieces->at, pieces->count * sizeof(*sorted));
	qsort(sorted, pieces->count, sizeof(*sorted), compare);
	if (overlap(sorted, pieces->count)) {
		free(pieces->at);
		pieces->at = sorted;
		pieces->room = pieces->count;
		pieces->count = join_sorted(pieces->at, pieces->count);
		return 0;
	}
	free(sorted);
	pieces->count = join_kept(pieces->at, pieces->count);
	return 0;
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
