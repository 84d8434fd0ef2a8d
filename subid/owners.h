/* SPDX-License-Identifier: ISC */
/*
 * The owners of ids by the index, and whether each is still the same user. A line of /etc/subuid has only a name: a
 * user who got the name since must not find another user's ids there. Run by the writer of these files and by
 * `check` (children of the broker, root).
 */
#ifndef SUBID_OWNERS_H
#define SUBID_OWNERS_H

#include <stdbool.h>
#include <stddef.h>

#include "account/account.h"

enum stand {
	STAND_NO,    /* the name belongs to nobody, or to another uid: certain */
	STAND_YES,   /* the name has the uid */
	STAND_DOUBT, /* the user database does not answer: existing lines stay, and none is added */
};

struct subid_claim {
	struct id_range range; /* owner, owner_uid, label, first and count */
	enum stand stand;      /* after subid_claims_ask() */
	const char *line;      /* of a file, that says it; NULL: of the index */
	size_t length;
};

struct subid_claims {
	struct subid_claim *list;
	size_t count, room;
};

/* 0 or -ENOMEM. */
int subid_claims_add(struct subid_claims *claims, const struct subid_claim *claim);

/* Asks about each owner once; those of the local file in one pass. Sorts by owner. 0 or -ENOMEM. */
int subid_claims_ask(struct subid_claims *claims);

void subid_claims_free(struct subid_claims *claims);

#endif
