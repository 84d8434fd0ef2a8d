/* SPDX-License-Identifier: ISC */
/*
 * Checks that owners are still the same users. With a local user for each line, one look-up each would read
 * /etc/passwd once for every owner: a hundred thousand of them took a quarter of an hour. So the file is read once,
 * if nsswitch.conf asks it first, and the look-up (account/passwd.h) is for users that are not in it. Run by
 * children of the broker (root).
 */
#include "subid/owners.h"

#include <errno.h>
#include <pwd.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "account/passwd.h"
#include "account/source.h"
#include "confine/cleanup.h"
#include "confine/clock.h"
#include "confine/grow.h"

#define ENTRY_BYTES 65536
#define DOUBT_SECONDS 10 /* spent on answers that do not come; after that, all the rest are in doubt */

/* One name, and its claims: those from `first` on. */
struct owner {
	const char *name;
	size_t first, count;
	enum stand known; /* STAND_YES: uid is */
	bool asked;
	uid_t uid;
};

int subid_claims_add(struct subid_claims *claims, const struct subid_claim *claim)
{
	struct subid_claim *list = array_grow(claims->list, claims->count, &claims->room, sizeof(*list));

	if (list == NULL)
		return -ENOMEM;
	claims->list = list;
	claims->list[claims->count++] = *claim;
	return 0;
}

void subid_claims_free(struct subid_claims *claims)
{
	free(claims->list);
	*claims = (struct subid_claims){ 0 };
}

static int compare(const void *a, const void *b)
{
	const struct subid_claim *x = a, *y = b;
	int order = strcmp(x->range.owner, y->range.owner);

	return order != 0 ? order : (x->range.first > y->range.first) - (x->range.first < y->range.first);
}

static size_t owners_of(const struct subid_claims *claims, struct owner *owners)
{
	size_t n = 0;

	for (size_t i = 0; i < claims->count; i++) {
		const char *name = claims->list[i].range.owner;

		if (n == 0 || strcmp(owners[n - 1].name, name) != 0)
			owners[n++] = (struct owner){ .name = name, .first = i };
		owners[n - 1].count++;
	}
	return n;
}

static int compare_name(const void *name, const void *owner)
{
	return strcmp(name, ((const struct owner *)owner)->name);
}

/* Of two entries of one name the first counts, as in every look-up. Anything that ends this early leaves the rest
 * to ask(). */
static void ask_local(struct owner *owners, size_t count)
{
	cleanup_file FILE *file = fopen(SYSCONFDIR "/passwd", "re");
	cleanup_free char *buffer = malloc(ENTRY_BYTES);
	struct passwd entry, *found = NULL;

	while (file != NULL && buffer != NULL && fgetpwent_r(file, &entry, buffer, ENTRY_BYTES, &found) == 0) {
		struct owner *owner = bsearch(found->pw_name, owners, count, sizeof(*owners), compare_name);

		if (owner == NULL || owner->asked)
			continue;
		owner->asked = true;
		owner->known = STAND_YES;
		owner->uid = found->pw_uid;
	}
}

static void ask(struct owner *owner, struct host_entry *entry)
{
	int r = user_find(owner->name, entry);

	owner->asked = true;
	owner->known = r == 0 ? STAND_YES : r == -ENOENT ? STAND_NO : STAND_DOUBT;
	if (r == 0)
		owner->uid = entry->user.pw_uid;
}

static void ask_all(struct owner *owners, size_t count)
{
	entry_cleanup struct host_entry entry = { 0 };
	int64_t lost = 0;

	for (size_t i = 0; i < count; i++) {
		int64_t begun = clock_ms();

		if (owners[i].asked)
			continue;
		if (lost > DOUBT_SECONDS * 1000)
			owners[i].known = STAND_DOUBT;
		else
			ask(&owners[i], &entry);
		if (owners[i].known == STAND_DOUBT)
			lost += clock_ms() - begun;
	}
}

int subid_claims_ask(struct subid_claims *claims)
{
	cleanup_free struct owner *owners = calloc(claims->count + 1, sizeof(*owners));
	size_t count;

	if (owners == NULL)
		return -ENOMEM;
	if (claims->count > 0)
		qsort(claims->list, claims->count, sizeof(*claims->list), compare);
	count = owners_of(claims, owners);
	if (count > 0 && source_files_first("passwd"))
		ask_local(owners, count);
	ask_all(owners, count);
	for (size_t i = 0; i < count; i++)
		for (size_t k = owners[i].first; k < owners[i].first + owners[i].count; k++) {
			struct subid_claim *claim = &claims->list[k];

			claim->stand = owners[i].known == STAND_YES && owners[i].uid != claim->range.owner_uid ?
					       STAND_NO :
					       owners[i].known;
		}
	return 0;
}
