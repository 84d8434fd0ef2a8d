/* SPDX-License-Identifier: ISC */
/* The facts that an index file has about itself, from whichever boot, host or generation: evidence for the store. Run
 * by the broker at its start and the state program (root); nothing is changed. */
#ifndef SUBUIDD_INDEX_PEEK_H
#define SUBUIDD_INDEX_PEEK_H

#include <stdbool.h>
#include <stdint.h>

struct index_peek {
	uint64_t generation; /* of the store's last change that it shows */
	bool accounts;       /* it has at least one */
};

/* The file NAME in the directory. 0; -ENOENT: it does not exist; -EUCLEAN: it is damaged, and tells nothing;
 * -EPERM: it is not ours, or others can write it; or another negative errno. */
int index_peek(int dirfd, const char *name, struct index_peek *ret);

#endif
