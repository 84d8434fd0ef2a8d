/* SPDX-License-Identifier: ISC */
/* Index and homes against the database of a saved state, for the state program: see compare.h. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "subuidd/state/compare.h"
#include "store/state.h"

#define BATCH 64
#define NAME_SIZE 256
#define PLACE_SIZE 256

/* The account, or range, that has the first of these ids in a store: 0, -ENOENT (nobody; *kind 0), or negative
 * errno. */
static int holder_of(struct store *store, uint32_t first, enum id_kind *kind, struct id_range *holder)
{
	struct account account;
	int r = store_id_holder(store, first, first, holder, kind);

	if (r == 0 && *kind == ID_ACCOUNT) {
		r = store_account_by_uid(store, holder->first, &account);
		memcpy(holder->owner, account.owner, sizeof(holder->owner));
		memcpy(holder->label, account.label, sizeof(holder->label));
	} else if (r == 0 && *kind == ID_RANGE) {
		r = store_range_get(store, holder->first, holder);
	}
	return r;
}

static bool known_here(const struct comparison *c, uint32_t first)
{
	struct id_range holder;
	enum id_kind kind;

	return c->present != NULL && store_id_holder(c->present, first, first, &holder, &kind) == 0;
}

/* Its holder here is, or was, another one than in the file. */
static void in_the_way(const struct comparison *c, const struct seen *seen, const struct id_range *holder)
{
	char names[2][NAME_SIZE], where[PLACE_SIZE];

	report_add(c->report, REPORT_CONFLICT, "%s is in %s; in the file the id belongs to %s",
		   seen_name(c->place, &seen->ids, names[0], NAME_SIZE),
		   seen_place(c->place, seen, where, sizeof(where)), seen_name(c->place, holder, names[1], NAME_SIZE));
}

/* Not one of the ids of the file. The present store's knowledge of it was reported already. */
static void unknown(const struct comparison *c, const struct seen *seen)
{
	char name[NAME_SIZE], where[PLACE_SIZE];
	bool account = seen->where == SEEN_INDEX || seen->where == SEEN_HOME;

	seen_name(c->place, &seen->ids, name, sizeof(name));
	seen_place(c->place, seen, where, sizeof(where));
	report_add(c->report, account && !known_here(c, seen->ids.first) ? REPORT_NEWER : REPORT_NOTE,
		   seen->where == SEEN_INDEX ?
			   "%s is not in the file, and in %s: the id is not given out again" :
			   "%s is not in the file, but %s exists: it stays, and the id is not given out again",
		   name, where);
}

static int one_seen(const struct comparison *c, const struct seen *seen)
{
	struct id_range holder;
	enum id_kind kind = 0;
	char name[NAME_SIZE], where[PLACE_SIZE];
	int r = holder_of(c->file, seen->ids.first, &kind, &holder);

	if (r == -ENOENT && kind == 0) {
		unknown(c, seen);
		return 0;
	}
	if (r < 0)
		return r;
	if (kind == ID_TOMBSTONE || kind == ID_FOREIGN) {
		if (seen->where == SEEN_INDEX && !known_here(c, seen->ids.first))
			report_add(c->report, REPORT_NEWER, "%s is in the index, and was removed in the file",
				   seen_name(c->place, &seen->ids, name, sizeof(name)));
	} else if (seen->ids.owner[0] != '\0' &&
		   (strcmp(seen->ids.owner, holder.owner) != 0 || strcmp(seen->ids.label, holder.label) != 0)) {
		in_the_way(c, seen, &holder);
	} else if (seen->where == SEEN_ASIDE) {
		report_add(c->report, REPORT_NOTE, "the data of %s is set aside here: it stays in %s",
			   seen_name(c->place, &holder, name, sizeof(name)),
			   seen_place(c->place, seen, where, sizeof(where)));
	}
	return 0;
}

/* ---- accounts without a home */

static int by_id(const void *a, const void *b)
{
	uint32_t one = *(const uint32_t *)a, other = *(const uint32_t *)b;

	return one < other ? -1 : one > other;
}

struct homeless {
	const uint32_t *homes;
	size_t count;
	uint64_t without;
	bool tell;
};

static int homeless_batch(const struct comparison *c, struct homeless *h, const struct account *rows, int n)
{
	for (int i = 0; i < n; i++) {
		struct id_range ids = { .first = rows[i].uid, .count = 1 };
		char name[NAME_SIZE];

		if (rows[i].state != ACCOUNT_ACTIVE ||
		    bsearch(&rows[i].uid, h->homes, h->count, sizeof(*h->homes), by_id) != NULL)
			continue;
		h->without++;
		memcpy(ids.owner, rows[i].owner, sizeof(ids.owner));
		memcpy(ids.label, rows[i].label, sizeof(ids.label));
		if (h->tell)
			report_add(c->report, REPORT_NOTE, "%s of the file has no home in %s",
				   seen_name(c->place, &ids, name, sizeof(name)), c->place->settings.homes);
	}
	return 0;
}

static int homeless(const struct comparison *c, struct homeless *h)
{
	struct account rows[BATCH];
	uint32_t after = 0;
	int n;

	while ((n = store_account_list(c->file, NULL, after, rows, BATCH)) > 0) {
		homeless_batch(c, h, rows, n);
		after = rows[n - 1].uid;
	}
	return n;
}

int compare_host(const struct comparison *c)
{
	struct homeless h = { .count = 0 };
	uint32_t *homes = calloc(c->host->count + 1, sizeof(*homes));
	int r = homes == NULL ? -ENOMEM : 0;

	for (size_t i = 0; r == 0 && i < c->host->count; i++) {
		r = one_seen(c, &c->host->rows[i]);
		if (c->host->rows[i].where == SEEN_HOME)
			homes[h.count++] = c->host->rows[i].ids.first;
	}
	if (r == 0 && h.count > 0)
		qsort(homes, h.count, sizeof(*homes), by_id);
	h.homes = homes;
	h.tell = h.count > 0;
	if (r == 0)
		r = homeless(c, &h);
	if (r == 0 && !h.tell && h.without > 0)
		report_add(c->report, REPORT_NOTE,
			   "none of the %llu accounts of the file has a home in %s yet: copy the homes",
			   (unsigned long long)h.without, c->place->settings.homes);
	free(homes);
	return r;
}
