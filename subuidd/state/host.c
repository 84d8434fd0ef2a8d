/* SPDX-License-Identifier: ISC */
/* This host's knowledge of ids besides its store: see host.h. Run by the state program (root). */
#include "subuidd/state/host.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "account/id.h"
#include "confine/grow.h"
#include "index/index.h"
#include "home/walk.h"
#include "index/writer/peek.h"
#include "subuidd/state/save.h"

static int seen_add(struct host *host, const struct seen *seen)
{
	struct seen *rows = array_grow(host->rows, host->count, &host->room, sizeof(*rows));

	if (rows == NULL)
		return -ENOMEM;
	host->rows = rows;
	host->rows[host->count++] = *seen;
	return 0;
}

void host_free(struct host *host)
{
	free(host->rows);
	*host = (struct host){ .count = 0 };
}

/* ---- the index */

static void text_copy(char *to, size_t size, const char *from)
{
	size_t length = strnlen(from, size - 1);

	memcpy(to, from, length);
	to[length] = '\0';
}

static int index_accounts(struct host *host, struct index_reader *reader)
{
	struct index_account account;
	uint64_t cursor = 0;
	int r;

	while ((r = index_account_next(reader, &cursor, &account)) == 0) {
		struct seen seen = { .where = SEEN_INDEX };

		seen.ids = (struct id_range){
			.first = account.uid, .count = 1, .owner_uid = account.owner_uid, .account_uid = account.uid
		};
		text_copy(seen.ids.owner, sizeof(seen.ids.owner), account.owner);
		text_copy(seen.ids.label, sizeof(seen.ids.label), account.label);
		r = seen_add(host, &seen);
		if (r < 0)
			return r;
	}
	return r == -ENOENT ? 0 : r;
}

static int index_ranges(struct host *host, struct index_reader *reader)
{
	struct seen seen = { .where = SEEN_INDEX };
	uint64_t cursor = 0;
	int r;

	while ((r = index_range_next(reader, &cursor, &seen.ids)) == 0) {
		r = seen_add(host, &seen);
		if (r < 0)
			return r;
	}
	return r == -ENOENT ? 0 : r;
}

/* An unreadable index tells nothing; the daemon rebuilds it. */
static void index_look(const struct place *place, struct host *host)
{
	static const char *const names[] = { "index", "keys" };
	static struct index_reader reader = INDEX_READER(INDEX_PATH);
	int r = index_accounts(host, &reader);

	if (r == 0)
		r = index_ranges(host, &reader);
	if (r < 0 && r != -ENXIO)
		snprintf(host->unreadable, sizeof(host->unreadable), "%s: %s", INDEX_PATH, strerror(-r));
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct index_peek peek = { .generation = 0 };

		if (index_peek(place->state_fd, names[i], &peek) == 0 && peek.generation > host->generation)
			host->generation = peek.generation;
	}
}

/* ---- the homes */

static int disk_visit(void *data, const struct disk_entry *entry)
{
	static const int wheres[] = { [DISK_ACCOUNT] = SEEN_HOME,
				      [DISK_REMOVED] = SEEN_ASIDE,
				      [DISK_MAKING] = SEEN_MAKING,
				      [DISK_OWNER_EMPTY] = -1,
				      [DISK_OTHER] = -1 };
	struct seen seen = { .data = entry->data };

	if (wheres[entry->kind] < 0 || id_special(entry->uid))
		return 0;
	seen.where = (enum seen_where)wheres[entry->kind];
	seen.ids = (struct id_range){
		.first = entry->uid, .count = 1, .owner_uid = entry->owner_uid, .account_uid = entry->uid
	};
	text_copy(seen.ids.owner, sizeof(seen.ids.owner), entry->owner);
	text_copy(seen.ids.label, sizeof(seen.ids.label), entry->label);
	return seen_add(data, &seen);
}

static int homes_look(const struct place *place, struct host *host)
{
	struct homes homes = { .fd = place->homes_fd, .alone = -1 };

	return place->homes_fd < 0 ? 0 : home_walk(&homes, disk_visit, host);
}

int host_look(const struct place *place, struct host *host, char *why, size_t size)
{
	int r;

	*host = (struct host){ .count = 0 };
	index_look(place, host);
	host->mark_error = state_high_water(place->state_fd, place->homes_fd, &host->mark, &host->mark_files);
	if (host->mark.generation > host->generation)
		host->generation = host->mark.generation;
	r = homes_look(place, host);
	if (r < 0) {
		snprintf(why, size, "%s: %s", place->settings.homes, strerror(-r));
		host_free(host);
	}
	return r;
}

/* ---- the present store */

static int store_blocks_add(struct host *host, struct store *store, bool tombstones)
{
	struct id_range rows[64];
	uint32_t after = 0;
	int n, r = 0;

	while (r == 0 && (n = tombstones ? store_tombstone_list(store, after, rows, 64) :
					   store_range_list(store, NULL, after, rows, 64)) != 0) {
		if (n < 0)
			return n;
		for (int i = 0; r == 0 && i < n; i++)
			r = seen_add(host, &(struct seen){ .ids = rows[i], .where = SEEN_STORE });
		after = rows[n - 1].first;
	}
	return r;
}

static int store_accounts_add(struct host *host, struct store *store)
{
	struct account rows[64];
	uint32_t after = 0;
	int n, r = 0;

	while (r == 0 && (n = store_account_list(store, NULL, after, rows, 64)) != 0) {
		if (n < 0)
			return n;
		for (int i = 0; r == 0 && i < n; i++) {
			struct seen seen = { .where = SEEN_STORE };

			seen.ids = (struct id_range){ .first = rows[i].uid,
						      .count = 1,
						      .owner_uid = rows[i].owner_uid,
						      .account_uid = rows[i].uid };
			text_copy(seen.ids.owner, sizeof(seen.ids.owner), rows[i].owner);
			text_copy(seen.ids.label, sizeof(seen.ids.label), rows[i].label);
			r = seen_add(host, &seen);
		}
		after = rows[n - 1].uid;
	}
	return r;
}

int host_store_add(struct host *host, struct store *store)
{
	int r = store_accounts_add(host, store);

	r = r ?: store_blocks_add(host, store, false);
	return r ?: store_blocks_add(host, store, true);
}

/* ---- words */

const char *seen_place(const struct place *place, const struct seen *seen, char *out, size_t size)
{
	const char *homes = place->settings.homes;

	switch (seen->where) {
	case SEEN_INDEX:
		snprintf(out, size, "the index");
		break;
	case SEEN_HOME:
		snprintf(out, size, "%s/%s/%s", homes, seen->ids.owner, seen->ids.label);
		break;
	case SEEN_ASIDE:
		snprintf(out, size, "%s/.removed/%u", homes, seen->ids.first);
		break;
	case SEEN_MAKING:
		snprintf(out, size, "%s/.making/%u", homes, seen->ids.first);
		break;
	case SEEN_STORE:
		snprintf(out, size, "the present store");
		break;
	}
	return out;
}

const char *seen_name(const struct place *place, const struct id_range *ids, char *out, size_t size)
{
	char name[ACCOUNT_NAME_MAX + 1];

	if (ids->label[0] == '\0' || name_join(ids->owner, place->settings.separator, ids->label, name) < 0)
		snprintf(name, sizeof(name), "%s", ids->owner);
	if (ids->count > 1)
		snprintf(out, size, "the range %u-%u of %s", ids->first, ids->first + (ids->count - 1),
			 name[0] != '\0' ? name : "nobody");
	else if (name[0] != '\0')
		snprintf(out, size, "%s (uid %u)", name, ids->first);
	else
		snprintf(out, size, "uid %u", ids->first);
	return out;
}

/* ---- tombstones and marks */

static int tombstone_add(struct store *store, const struct id_range *ids, bool foreign, uint32_t first, uint32_t last,
			 int64_t now, uint64_t *added)
{
	struct id_range row = *ids;
	int r;

	row.first = first;
	row.count = last - first + 1;
	row.created = now;
	r = foreign ? store_id_foreign(store, row.first, row.count, now) : store_tombstone_insert(store, &row);
	if (r == 0)
		*added += row.count;
	return r;
}

/* The part of the block that nobody has. */
static int cover(struct store *store, const struct id_range *ids, bool foreign, int64_t now, uint64_t *added)
{
	uint32_t last = ids->first + (ids->count - 1);
	struct id_range holder;
	enum id_kind kind;
	int r;

	/* Downwards from the highest block that somebody has. */
	while ((r = store_id_holder(store, ids->first, last, &holder, &kind)) == 0) {
		uint32_t end = holder.first + (holder.count - 1);

		if (end < last)
			r = tombstone_add(store, ids, foreign, end + 1, last, now, added);
		if (r < 0 || holder.first <= ids->first)
			return r;
		last = holder.first - 1;
	}
	return r == -ENOENT ? tombstone_add(store, ids, foreign, ids->first, last, now, added) : r;
}

/* First the ids for which the store knows an owner, then those on the disk, then those that the store has seen
 * others hold. */
static int turn_of(const struct seen *seen)
{
	return seen->where != SEEN_STORE ? 1 : seen->ids.owner[0] != '\0' ? 0 : 2;
}

int host_cover(const struct host *host, struct store *store, int64_t now, uint64_t *added)
{
	int r = 0;

	for (int turn = 0; turn < 3; turn++)
		for (size_t i = 0; r == 0 && i < host->count; i++)
			if (turn_of(&host->rows[i]) == turn)
				r = cover(store, &host->rows[i].ids, turn == 2, now, added);
	return r;
}

static void mark_raise(uint32_t marks[HIGH_WATER_REGIONS], const struct id_range *ids)
{
	uint32_t last = ids->first + (ids->count - 1);

	for (uint32_t region = ids->first >> HIGH_WATER_REGION_BITS; region <= last >> HIGH_WATER_REGION_BITS;
	     region++) {
		uint32_t end = region << HIGH_WATER_REGION_BITS | ((1u << HIGH_WATER_REGION_BITS) - 1);
		uint32_t id = last < end ? last : end;

		if (id > marks[region])
			marks[region] = id;
	}
}

int host_marks(const struct host *host, struct store *store, uint32_t marks[HIGH_WATER_REGIONS])
{
	struct high_water all = { .store = 0 };
	int r = store_marks(store, all.marks);

	if (r < 0)
		return r;
	high_water_merge(&all, 0, host->mark.marks);
	for (size_t i = 0; i < host->count; i++)
		if (host->rows[i].where != SEEN_STORE || host->rows[i].ids.owner[0] != '\0') /* not what others hold */
			mark_raise(all.marks, &host->rows[i].ids);
	memcpy(marks, all.marks, sizeof(all.marks));
	return 0;
}

uint64_t host_identity(const struct host *host, uint64_t present, uint64_t otherwise)
{
	return host->mark.store != 0 ? host->mark.store : present != 0 ? present : otherwise;
}

/* ---- a store that knows less */

static int behind(const struct place *place, const struct host *host, struct store *view, char *why, size_t size)
{
	struct id_range holder;
	enum id_kind kind;
	char name[256];

	if (host->mark.store != 0 && host->mark.store != store_identity(view)) {
		snprintf(why, size, "the store is another one than this host had");
		return 1;
	}
	if (host->generation > store_generation(view)) {
		snprintf(why, size,
			 "the store is older than what was published: generation %llu, and this host has seen %llu",
			 (unsigned long long)store_generation(view), (unsigned long long)host->generation);
		return 1;
	}
	for (size_t i = 0; i < host->count; i++) {
		const struct seen *seen = &host->rows[i];
		int r = store_id_holder(view, seen->ids.first, seen->ids.first, &holder, &kind);

		if (r == 0)
			continue;
		snprintf(why, size, "the store does not know %s", seen_name(place, &seen->ids, name, sizeof(name)));
		return r == -ENOENT ? 1 : r;
	}
	return 0;
}

int host_behind(const struct place *place, char *why, size_t size)
{
	__attribute__((cleanup(store_closep))) struct store *view = NULL;
	struct host host;
	int r = store_view(STATE_DB_PATH, &view);

	if (r < 0) {
		snprintf(why, size, STATE_DB_PATH ": %s", strerror(-r));
		return r;
	}
	r = host_look(place, &host, why, size);
	if (r < 0)
		return r;
	r = behind(place, &host, view, why, size);
	host_free(&host);
	return r;
}
