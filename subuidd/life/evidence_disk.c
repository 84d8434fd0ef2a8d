/* SPDX-License-Identifier: ISC */
/*
 * The proof that reads everything: each home has a row, and the store is whole in itself. Run by the broker if that
 * does not take long, otherwise by evidence_beside.c. Root; nothing is changed.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "account/name.h"
#include "subuidd/broker.h"
#include "subuidd/life/evidence.h"
#include "subuidd/life/evidence_internal.h"
#include "subuidd/base/log.h"
#include "subuidd/base/trouble.h"

#define STORE_PATH STATE_DIR "/state.db"

/* ---- homes without rows ---- */

void strangers_add(struct strangers *strangers, const struct disk_entry *entry)
{
	if (strangers->count < STRANGERS_NAMED)
		strangers->named[strangers->count] = *entry;
	strangers->count++;
}

void strangers_say(const struct strangers *strangers, const char *homes, struct findings *findings)
{
	char names[STRANGERS_NAMED * (OWNER_MAX + LABEL_MAX + 32)] = "", more[32] = "";
	size_t length = 0;

	for (uint32_t i = 0; i < strangers->count && i < STRANGERS_NAMED; i++) {
		const struct disk_entry *entry = &strangers->named[i];
		bool removed = entry->kind == DISK_REMOVED;
		int n = removed ? snprintf(names + length, sizeof(names) - length, "%s.removed/%u", i > 0 ? ", " : "",
					   entry->uid) :
				  snprintf(names + length, sizeof(names) - length, "%s%s/%s (uid %u)",
					   i > 0 ? ", " : "", entry->owner, entry->label, entry->uid);

		length += n > 0 && (size_t)n < sizeof(names) - length ? (size_t)n : 0;
	}
	if (strangers->count > STRANGERS_NAMED)
		snprintf(more, sizeof(more), " and more");
	if (strangers->count > 0)
		findings_add(findings, "below %s are homes that it does not know: %s%s", homes, names, more);
}

int entry_known(struct store *store, const struct disk_entry *entry)
{
	struct id_range holder;
	enum id_kind kind;
	int r;

	if ((entry->kind != DISK_ACCOUNT && entry->kind != DISK_REMOVED) || entry->uid == 0)
		return 1; /* by its form not user data; `check` names it */
	r = store_id_holder(store, entry->uid, entry->uid, &holder, &kind);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	return kind == ID_ACCOUNT || kind == ID_TOMBSTONE;
}

struct search {
	struct store *store;
	struct strangers strangers;
};

static int on_entry(void *data, const struct disk_entry *entry)
{
	struct search *search = data;
	int r = entry_known(search->store, entry);

	if (r != 0)
		return r < 0 ? r : 0;
	strangers_add(&search->strangers, entry);
	return search->strangers.count > STRANGERS_NAMED;
}

/* 0 or negative errno: then it is unknown what is there. */
static int homes_search(const struct homes *homes, struct search *search)
{
	int r = home_walk_names(homes, on_entry, search);

	return r < 0 ? r : 0;
}

void homes_unread(const char *path, int error)
{
	if (error < 0)
		log_error("%s: the homes there cannot be compared with the store: %s", path, strerror(-error));
}

/* ---- the store in itself ---- */

int store_whole(struct store *store, struct findings *findings, char *why, size_t size)
{
	char fault[256] = "";
	int r = store_check(store, fault, sizeof(fault));

	if (r == -EUCLEAN)
		findings_add(findings, "it is damaged: %s", fault);
	else if (r < 0)
		trouble_say(why, size, STORE_PATH, r);
	return r;
}

int evidence_prove(const struct homes *homes, struct store *store, struct findings *findings, char *why, size_t size)
{
	struct search search = { .store = store };
	int r = store_whole(store, findings, why, size);

	if (r < 0 && r != -EUCLEAN)
		return r;
	homes_unread(homes->path, homes_search(homes, &search));
	strangers_say(&search.strangers, homes->path, findings);
	return findings->length > 0 ? -EUCLEAN : 0;
}
