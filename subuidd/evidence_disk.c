/* SPDX-License-Identifier: ISC */
/*
 * The proof that reads everything: each home has a row, and the store is whole in itself. In the broker when that
 * is soon done, else in a child beside the service, on a store that is frozen for it. Root; nothing is changed.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "account/name.h"
#include "confine/child.h"
#include "confine/cleanup.h"
#include "subuidd/broker.h"
#include "subuidd/child.h"
#include "subuidd/evidence.h"
#include "subuidd/evidence_internal.h"
#include "subuidd/log.h"
#include "subuidd/op/frozen.h"
#include "subuidd/trouble.h"

#define STORE_PATH STATE_DIR "/state.db"
#define PROOF_SECONDS                                                                                              \
	3600u /* a million accounts take half a minute; a disk that hangs is not waited for: the log grows */

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
		int n = removed ? snprintf(names + length, sizeof(names) - length, "%s.removed/%u",
					   i > 0 ? ", " : "", entry->uid)
				: snprintf(names + length, sizeof(names) - length, "%s%s/%s (uid %u)",
					   i > 0 ? ", " : "", entry->owner, entry->label, entry->uid);

		length += n > 0 && (size_t)n < sizeof(names) - length ? (size_t)n : 0;
	}
	if (strangers->count > STRANGERS_NAMED)
		snprintf(more, sizeof(more), " and more");
	if (strangers->count > 0)
		findings_add(findings, "below %s are homes that it knows nothing of: %s%s", homes, names, more);
}

int entry_known(struct store *store, const struct disk_entry *entry)
{
	struct id_range holder;
	enum id_kind kind;
	int r;

	if ((entry->kind != DISK_ACCOUNT && entry->kind != DISK_REMOVED) || entry->uid == 0)
		return 1; /* nobody's data by its form; `check` names it */
	r = store_id_holder(store, entry->uid, entry->uid, &holder, &kind);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	return kind == ID_ACCOUNT || kind == ID_TOMBSTONE;
}

struct search {
	struct store *store;
	struct strangers strangers;
	FILE *list; /* of all strangers, for the broker; NULL: it is here */
};

static int on_entry(void *data, const struct disk_entry *entry)
{
	struct search *search = data;
	int r = entry_known(search->store, entry);

	if (r != 0)
		return r < 0 ? r : 0;
	strangers_add(&search->strangers, entry);
	if (search->list == NULL)
		return search->strangers.count > STRANGERS_NAMED;
	if (fwrite(entry, sizeof(*entry), 1, search->list) != 1)
		return -EIO;
	return search->strangers.count == STRANGERS_KEPT;
}

/* 0 or negative errno: then nobody knows what lies there. */
static int homes_search(const struct homes *homes, struct search *search)
{
	int r = home_walk_names(homes, on_entry, search);

	return r < 0 ? r : 0;
}

/* A home that cannot be read is doubt: it is said, and no reason not to serve the others. */
static void homes_unread(const char *path, int error)
{
	if (error < 0)
		log_error("%s: what lies there cannot be compared with the store: %s", path, strerror(-error));
}

/* ---- the store in itself ---- */

static int store_whole(struct store *store, struct findings *findings, char *why, size_t size)
{
	char fault[256] = "";
	int r = store_check(store, fault, sizeof(fault));

	if (r == -EUCLEAN)
		findings_add(findings, "it is damaged: %s", fault);
	else if (r < 0)
		trouble_say(why, size, STORE_PATH, r);
	return r;
}

int evidence_prove(const struct homes *homes, struct store *store, struct findings *findings, char *why,
		   size_t size)
{
	struct search search = {.store = store};
	int r = store_whole(store, findings, why, size);

	if (r < 0 && r != -EUCLEAN)
		return r;
	homes_unread(homes->path, homes_search(homes, &search));
	strangers_say(&search.strangers, homes->path, findings);
	return findings->length > 0 ? -EUCLEAN : 0;
}

/* ---- beside the service ---- */

/* What the child leaves: this, and then all strangers. */
struct proof {
	struct findings findings; /* of the store alone */
	int walked;		  /* what the walk said */
	int read;		  /* what reading the store said; 0 or -EUCLEAN: it could be read */
};

struct beside {
	struct broker *broker;
	int memory;
};

static int proof_leave(const struct beside *beside, const struct proof *proof, FILE *list)
{
	return fflush(list) == 0 && pwrite(beside->memory, proof, sizeof(*proof), 0) == (ssize_t)sizeof(*proof) ? 0
														: 1;
}

/* The child: everything as it was when the store was frozen. */
static int prove(const void *argument)
{
	const struct beside *beside = argument;
	cleanup_file FILE *list = fdopen(dup(beside->memory), "w");
	__attribute__((cleanup(store_closep))) struct store *view = NULL;
	struct proof proof = {.read = store_view(STORE_PATH, &view)};
	struct search search = {.list = list};
	char why[256];

	if (list == NULL || fseek(list, sizeof(proof), SEEK_SET) != 0)
		return 1;
	if (proof.read == -EUCLEAN)
		findings_add(&proof.findings, "it is damaged, SQLite cannot read it");
	if (proof.read == 0) {
		search.store = view;
		proof.walked = homes_search(&beside->broker->homes, &search);
		proof.read = store_whole(view, &proof.findings, why, sizeof(why));
	}
	return proof_leave(beside, &proof, list);
}

/* 1: the uid, which had no row when the store was frozen, has one now, and that is this very account's. One that was given
 * meanwhile to another account is what should never have happened; it is no row of this home. */
static int entry_made(struct store *store, const struct disk_entry *entry)
{
	struct account account;
	struct id_range holder;
	enum id_kind kind;
	int r = entry_known(store, entry);

	if (r <= 0 || entry->kind != DISK_ACCOUNT)
		return r; /* what is set aside keeps its uid from being chosen (op/disk.c) */
	r = store_account_by_uid(store, entry->uid, &account);
	if (r == 0)
		return strcmp(account.owner, entry->owner) == 0 && strcmp(account.label, entry->label) == 0;
	if (r == -ENOENT)
		r = store_id_holder(store, entry->uid, entry->uid, &holder, &kind);
	return r < 0 ? r : strcmp(holder.owner, entry->owner) == 0 && strcmp(holder.label, entry->label) == 0;
}

/* Those that the store still knows nothing of: what was made meanwhile has its row by now. */
static int strangers_read(struct broker *broker, int memory, struct strangers *strangers)
{
	struct disk_entry entry;
	off_t at = sizeof(struct proof);

	for (; pread(memory, &entry, sizeof(entry), at) == (ssize_t)sizeof(entry); at += (off_t)sizeof(entry)) {
		int r = entry_made(broker->store, &entry);

		if (r < 0)
			return r;
		if (r == 0)
			strangers_add(strangers, &entry);
	}
	return 0;
}

static void refuse(struct broker *broker, const struct findings *findings)
{
	findings_say(findings, broker->refused_store, sizeof(broker->refused_store));
	broker->stopping = true;
	sd_event_exit(broker->event, 0);
}

static void proof_hear(struct broker *broker, int memory, const struct proof *proof)
{
	struct findings findings = proof->findings;
	struct strangers strangers = {.count = 0};
	int r = strangers_read(broker, memory, &strangers);

	if (proof->read < 0 && proof->read != -EUCLEAN)
		log_error("the store cannot be proved: %s", strerror(-proof->read));
	homes_unread(broker->homes.path, proof->walked < 0 ? proof->walked : r);
	strangers_say(&strangers, broker->homes.path, &findings);
	if (findings.length > 0)
		refuse(broker, &findings);
	else if (proof->read == 0 && proof->walked == 0)
		log_info("the store is proved: it is whole, and every home has its row");
}

static void beside_done(void *data, int status)
{
	struct beside *beside = data;
	struct broker *broker = beside->broker;
	cleanup_fd int memory = beside->memory;
	cleanup_free struct proof *proof = calloc(1, sizeof(*proof));

	free(beside);
	frozen_end(broker);
	if (proof == NULL || status != 0 || pread(memory, proof, sizeof(*proof), 0) != (ssize_t)sizeof(*proof))
		log_error("the store could not be proved: the process that does it ended with %d; subuid check "
			  "does it again",
			  status);
	else
		proof_hear(broker, memory, proof);
}

static int beside_begin(struct broker *broker, struct beside *beside)
{
	const struct child_job child = { .run = prove, .argument = beside };
	int pidfd = -1, r = frozen_begin(broker, NULL);
	pid_t pid;

	if (r < 0)
		return r;
	r = child_start(&child, &pid, &pidfd);
	if (r == 0)
		r = child_watch(broker->event, pidfd, PROOF_SECONDS, beside_done, beside);
	if (r < 0)
		frozen_end(broker);
	return r;
}

int evidence_beside(struct broker *broker)
{
	struct beside *beside;
	int r;

	if (!broker->unproved)
		return 0;
	beside = calloc(1, sizeof(*beside));
	if (beside == NULL)
		return -ENOMEM;
	beside->broker = broker;
	beside->memory = memfd_create("evidence", MFD_CLOEXEC);
	r = beside->memory < 0 ? -errno : beside_begin(broker, beside);
	if (r < 0) {
		if (beside->memory >= 0)
			close(beside->memory);
		free(beside);
	}
	if (r != -ENOSPC && r != -EDQUOT)
		return r;
	/* or nobody could lock anybody */
	log_warn("the store is not proved, the disk is full; when there is room, subuid check proves it");
	return 0;
}
