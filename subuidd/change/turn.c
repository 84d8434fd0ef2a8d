/* SPDX-License-Identifier: ISC */
/*
 * The place of a new range among what is listed for its holder: behind all that the holder has by now, ranges and lines
 * of the files; so what a container maps stays where it was. An adopted one stays where its line stood. Run by the
 * broker.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "account/name.h"
#include "subid/held.h"
#include "subuidd/change/range.h"

#define FILES 2
#define BATCH 16
#define BEHIND_MOST (UINT16_MAX - 1) /* UINT16_MAX: not known yet */

/* The holder, as a line may name them. */
#define NAMES 2
struct named {
	uint64_t names[NAMES]; /* by name, and by the number in its place */
};

static int holder_named(char separator, const struct id_range *range, struct named *named)
{
	char name[ACCOUNT_NAME_MAX + 1], number[16];
	int length =
		snprintf(number, sizeof(number), "%u", range->account_uid != 0 ? range->account_uid : range->owner_uid);
	int r = name_of_holder(range->owner, separator, range->label, name);

	if (r == 0)
		*named = (struct named){ { subid_name_hash(name, strlen(name)),
					   subid_name_hash(number, (size_t)length) } };
	return r;
}

/* 1: the line says what is ours, and is listed as that; 0; or negative errno. */
static int is_ours(struct store *store, const struct id_block *ids)
{
	struct id_range holder;
	enum id_kind kind = ID_FOREIGN;
	int r = store_id_holder(store, ids->first, ids->first, &holder, &kind);

	if (r < 0)
		return r == -ENOENT ? 0 : r;
	return kind == ID_ACCOUNT || kind == ID_RANGE;
}

static bool has(const struct id_block *ids, uint32_t id)
{
	return ids->first <= id && id <= ids->last;
}

/* The holder's first line with this id; UINT32_MAX: none, as if it came last. */
static uint32_t line_of(const struct subid_list *list, const struct named *named, uint32_t id)
{
	const struct subid_named *at;
	uint32_t line = UINT32_MAX;

	for (int i = 0; i < NAMES; i++) {
		size_t count = subid_named_of(list, named->names[i], &at);

		for (size_t k = 0; k < count; k++)
			if (has(&at[k].ids, id) && at[k].line < line)
				line = at[k].line;
	}
	return line;
}

/* How many lines of others the file has for the holder: all, or, if it stood there, before the one with this id. 0 or
 * negative errno. */
static int lines_count(struct store *store, const struct subid_list *list, const struct named *named, uint32_t id,
		       bool stood, unsigned *count)
{
	const uint32_t end = stood ? line_of(list, named, id) : UINT32_MAX;
	const struct subid_named *at;

	for (int i = 0; i < NAMES; i++) {
		size_t lines = subid_named_of(list, named->names[i], &at);

		for (size_t k = 0; k < lines; k++) {
			int r = has(&at[k].ids, id) || at[k].line >= end ? 1 : is_ours(store, &at[k].ids);

			if (r < 0)
				return r;
			*count += r == 0;
		}
	}
	return 0;
}

/* Sets behind: all lines, or those before its own. 0 or negative errno. */
static int behind_set(const struct broker *broker, struct store *store, bool stood, struct id_range *range)
{
	const struct subid_list *lists[FILES] = { &broker->host.subuid.list, &broker->host.subgid.list };
	struct named named;
	int r = holder_named(broker->settings.separator, range, &named);

	for (int i = 0; r == 0 && i < FILES; i++) {
		unsigned count = 0;

		r = lines_count(store, lists[i], &named, range->first, stood, &count);
		if (r == 0)
			range->behind[i] = count < BEHIND_MOST ? (uint16_t)count : BEHIND_MOST;
	}
	return r;
}

int range_turn(const struct call *call, bool adopted, struct id_range *range)
{
	int r = behind_set(call->broker, call->store, adopted, range);

	if (r < 0)
		return r;
	return adopted && range->account_uid == 0 ?
		       store_range_make_way(call->store, range->owner, range->behind[0], &range->place) :
		       store_range_place(call->store, range->owner, range->account_uid, &range->place);
}

static int settle(struct broker *broker)
{
	struct id_range rows[BATCH];
	uint32_t after = 0;
	int n, r = 0;

	do {
		n = store_range_unsettled(broker->store, after, rows, BATCH);
		for (int i = 0; r == 0 && i < n; i++) {
			r = behind_set(broker, broker->store, true, &rows[i]);
			if (r == 0)
				r = store_range_settle(broker->store, &rows[i]);
			after = rows[i].first;
		}
	} while (n > 0 && r == 0);
	return n < 0 ? n : r;
}

int range_turns_settle(struct broker *broker)
{
	struct id_range any;
	int r = store_range_unsettled(broker->store, 0, &any, 1);

	if (r <= 0)
		return r;
	r = subid_file_refresh(&broker->host.subuid) ?: subid_file_refresh(&broker->host.subgid);
	if (r == 0)
		r = store_begin(broker->store);
	if (r < 0)
		return r;
	r = settle(broker);
	if (r == 0)
		return store_commit(broker->store);
	store_rollback(broker->store);
	return r;
}
