/* SPDX-License-Identifier: ISC */
/* Asks the libsubid plug-in that was configured before ours whether it has given ids out. Run by the broker. */
#include "subuidd/ids/probe_chain.h"

#include "subid/chain.h"

#define SPREAD 17
#define SPREAD_MAX 8193
#define STEP 4096 /* ids between two questions, of a range that is not larger than SPREAD_MAX of them */

static int id_taken(const struct subid_chain *chain, uint32_t id, enum subid_type type)
{
	uid_t *uids = NULL;
	int count = 0, r = subid_chain_answer(chain->find(id, type, &uids, &count));

	if (r == 1)
		subid_chain_free(chain, uids);
	return r == 1 ? count > 0 : r;
}

int probe_chain_taken(uint32_t first, uint32_t last, struct id_block *holder)
{
	unsigned questions = (last - first) / STEP + 2;
	subid_chain_cleanup struct subid_chain chain = { 0 };
	int r = subid_chain_open(&chain);

	if (r != 1)
		return r;
	r = 0;
	questions = questions < SPREAD ? SPREAD : questions > SPREAD_MAX ? SPREAD_MAX : questions;
	for (unsigned i = 0; r == 0 && i < (first == last ? 1 : questions); i++) {
		uint32_t id = first + (uint32_t)((uint64_t)(last - first) * i / (questions - 1));

		r = id_taken(&chain, id, ID_TYPE_UID);
		if (r == 0)
			r = id_taken(&chain, id, ID_TYPE_GID);
		if (r == 1)
			*holder = (struct id_block){ id, id };
	}
	return r;
}
