/* SPDX-License-Identifier: ISC */
/* What the plug-in that was configured before ours adds to the answer (subid/chain.h). */
#include <errno.h>

#include "subid/guest/guest.h"

static int chain_open(struct subid_chain *chain)
{
	int rc = subid_chain_open(chain);

	return rc == 1 && chain->has_range == shadow_subid_has_range ? -ELOOP : rc; /* ourselves by another name */
}

int subid_chain_holds(const char *owner, uint64_t first, uint64_t count, enum subid_type type, bool *holds)
{
	subid_chain_cleanup struct subid_chain chain = { 0 };
	bool answer = false;
	int rc = chain_open(&chain);

	if (rc != 1)
		return rc;
	rc = subid_chain_answer(chain.has_range(owner, (unsigned long)first, (unsigned long)count, type, &answer));
	if (rc == 1)
		*holds = answer;
	return rc;
}

static int ranges_take(const struct subid_range *ranges, int count, struct subid_pieces *pieces)
{
	int rc = 0;

	if (count < 0 || (count > 0 && ranges == NULL))
		return -EIO;
	for (int i = 0; rc == 0 && i < count; i++) {
		uint64_t first = ranges[i].start, n = ranges[i].count;

		if (n > 0 && first < UINT32_MAX && n <= UINT32_MAX - first)
			rc = subid_pieces_add(pieces, first, first + n - 1);
	}
	return rc;
}

int subid_chain_list(const char *owner, enum subid_type type, struct subid_pieces *pieces)
{
	subid_chain_cleanup struct subid_chain chain = { 0 };
	struct subid_range *ranges = NULL;
	int count = 0, taken, rc = chain_open(&chain);

	if (rc != 1)
		return rc;
	rc = subid_chain_answer(chain.list(owner, type, &ranges, &count));
	if (rc != 1)
		return rc;
	taken = ranges_take(ranges, count, pieces);
	subid_chain_free(&chain, ranges);
	return taken < 0 ? taken : 1;
}

static int uids_take(const uid_t *uids, int count, struct subid_owners *owners)
{
	int rc = 0;

	if (count < 0 || (count > 0 && uids == NULL))
		return -EIO;
	for (int i = 0; rc == 0 && i < count; i++)
		rc = subid_owners_add(owners, uids[i]);
	return rc;
}

int subid_chain_owners(uint32_t id, enum subid_type type, struct subid_owners *owners)
{
	subid_chain_cleanup struct subid_chain chain = { 0 };
	uid_t *uids = NULL;
	int count = 0, taken, rc = chain_open(&chain);

	if (rc != 1)
		return rc;
	rc = subid_chain_answer(chain.find(id, type, &uids, &count));
	if (rc != 1)
		return rc;
	taken = uids_take(uids, count, owners);
	subid_chain_free(&chain, uids);
	return taken < 0 ? taken : 1;
}
