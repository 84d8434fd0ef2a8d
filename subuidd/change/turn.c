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

/* The holder, as a line may name them. */
struct named {
	uint64_t names[2];
};

static int holder_named(const struct call *call, const struct id_range *range, struct named *named)
{
	char name[ACCOUNT_NAME_MAX + 1], number[16];
	int r = 0, length = snprintf(number, sizeof(number), "%u",
				     range->account_uid != 0 ? range->account_uid : range->owner_uid);

	if (range->label[0] != '\0')
		r = name_join(range->owner, call->broker->settings.separator, range->label, name);
	else
		memcpy(name, range->owner, strlen(range->owner) + 1);
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

/* How many lines of others the file has for the holder: all, and before the one of these ids. 0 or negative errno. */
static int lines_count(struct store *store, const struct subid_list *list, const struct named *named, uint32_t first,
		       unsigned *all, unsigned *before)
{
	const struct subid_named *at[FILES];
	size_t counts[FILES];
	uint32_t line = UINT32_MAX;

	for (int i = 0; i < 2; i++) {
		counts[i] = subid_named_of(list, named->names[i], &at[i]);
		for (size_t k = 0; k < counts[i]; k++)
			if (at[i][k].ids.first == first && at[i][k].line < line)
				line = at[i][k].line;
	}
	*all = *before = 0;
	for (int i = 0; i < 2; i++)
		for (size_t k = 0; k < counts[i]; k++) {
			int r = at[i][k].ids.first == first ? 1 : is_ours(store, &at[i][k].ids);

			if (r < 0)
				return r;
			*all += r == 0;
			*before += r == 0 && at[i][k].line < line;
		}
	return 0;
}

static uint16_t bounded(unsigned count)
{
	return count < UINT16_MAX ? (uint16_t)count : UINT16_MAX;
}

int range_turn(const struct call *call, bool adopted, struct id_range *range)
{
	const struct host_probe *host = &call->broker->host;
	const struct subid_list *lists[FILES] = { &host->subuid.list, &host->subgid.list };
	unsigned all[FILES], before[FILES];
	struct named named;
	int r = holder_named(call, range, &named);

	for (int i = 0; r == 0 && i < FILES; i++) {
		r = lines_count(call->store, lists[i], &named, range->first, &all[i], &before[i]);
		if (r == 0)
			range->behind[i] = bounded(adopted ? before[i] : all[i]);
	}
	if (r < 0)
		return r;
	return adopted && range->account_uid == 0 ?
		       store_range_make_way(call->store, range->owner, before[0], &range->place) :
		       store_range_place(call->store, range->owner, range->account_uid, &range->place);
}
