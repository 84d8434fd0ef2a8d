/* SPDX-License-Identifier: ISC */
/*
 * The proof of a large store, beside the service. First a child walks along the homes: until its result is known, no id
 * is given out (evidence_holds()), because only the homes betray a store that was restored together with index and
 * marks. Then another child reads the store, which is frozen for it. Run by the broker (root); nothing is changed.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "index/index.h"
#include "confine/child.h"
#include "confine/cleanup.h"
#include "subuidd/broker.h"
#include "subuidd/base/child.h"
#include "subuidd/life/evidence.h"
#include "subuidd/life/evidence_internal.h"
#include "subuidd/base/log.h"
#include "subuidd/life/frozen.h"
#include "subuidd/door/operation.h"

#define STORE_PATH STATE_DIR "/state.db"
#define WALK_SECONDS 3600u   /* a million accounts take half a minute */
#define PROOF_SECONDS 3600u  /* the same; a disk that hangs is not waited for: the log grows */
#define STRANGERS_KEPT 65536 /* then the walk ends */

/* A child, and the memory for its findings. */
struct beside {
	struct broker *broker;
	int memory;
};

static void beside_free(struct beside *beside)
{
	if (beside->memory >= 0)
		close(beside->memory);
	free(beside);
}

static int beside_start(struct broker *broker, int (*run)(const void *), unsigned seconds, child_done done)
{
	struct beside *beside = calloc(1, sizeof(*beside));
	const struct child_job child = { .run = run, .argument = beside };
	int pidfd = -1, r = 0;
	pid_t pid;

	if (beside == NULL)
		return -ENOMEM;
	*beside = (struct beside){ broker, memfd_create("evidence", MFD_CLOEXEC) };
	if (beside->memory < 0)
		r = -errno;
	if (r == 0)
		r = child_start(&child, &pid, &pidfd);
	if (r >= 0)
		r = child_watch(broker->event, pidfd, seconds, done, beside);
	if (r < 0)
		beside_free(beside);
	return r < 0 ? r : 0;
}

static void refuse(struct broker *broker, const struct findings *findings)
{
	findings_say(findings, broker->refused_store, sizeof(broker->refused_store));
	broker->stopping = true;
	sd_event_exit(broker->event, 0);
}

/* ---- the store ---- */

struct proof {
	struct findings findings;
	int read; /* result of reading the store; 0 or -EUCLEAN: it could be read */
};

/* The child: the store as it was when it was frozen. */
static int prove(const void *argument)
{
	const struct beside *beside = argument;
	__attribute__((cleanup(store_closep))) struct store *view = NULL;
	struct proof proof = { .read = store_view(STORE_PATH, &view) };
	char why[256];

	if (proof.read == -EUCLEAN)
		findings_add(&proof.findings, "it is damaged, SQLite cannot read it");
	if (proof.read == 0)
		proof.read = store_whole(view, &proof.findings, why, sizeof(why));
	return pwrite(beside->memory, &proof, sizeof(proof), 0) == (ssize_t)sizeof(proof) ? 0 : 1;
}

static void proved(void *data, int status)
{
	struct beside *beside = data;
	struct broker *broker = beside->broker;
	struct proof proof;

	frozen_end(broker);
	if (status != 0 || pread(beside->memory, &proof, sizeof(proof), 0) != (ssize_t)sizeof(proof))
		log_error("the store could not be proved: the process that does it ended with %d; subuid check "
			  "does it again",
			  status);
	else if (proof.findings.length > 0)
		refuse(broker, &proof.findings);
	else if (proof.read < 0)
		log_error("the store cannot be proved: %s", strerror(-proof.read));
	else
		log_info("the store is proved: it is whole");
	beside_free(beside);
}

static int proof_start(struct broker *broker)
{
	int r = frozen_begin(broker, NULL);

	if (r < 0)
		return r;
	r = beside_start(broker, prove, PROOF_SECONDS, proved);
	if (r < 0)
		frozen_end(broker);
	return r;
}

/* Not before the homes are compared, which calls wait for. */
static void proof_next(struct broker *broker)
{
	int r = broker->stopping ? 0 : proof_start(broker);

	if (r == -ENOSPC || r == -EDQUOT) /* otherwise nobody could lock anybody */
		log_warn("the store is not proved, the disk is full; when there is room, subuid check proves it");
	else if (r < 0)
		log_error("the store is not proved: %s; subuid check does it", strerror(-r));
}

/* ---- the homes ---- */

/* The child's result: this, followed by everything that the store does not know. */
struct walked {
	int result; /* of the walk */
	uint32_t count;
};

struct walker {
	struct index_reader index;
	struct walked walked;
	FILE *list;
};

/* Goes by the index, which was built from the store. It has no tombstones: the broker looks those up. */
static int on_entry(void *data, const struct disk_entry *entry)
{
	struct walker *walker = data;
	struct index_account account;

	if ((entry->kind != DISK_ACCOUNT && entry->kind != DISK_REMOVED) || entry->uid == 0 ||
	    index_account_by_uid(&walker->index, entry->uid, &account) == 0)
		return 0;
	if (fwrite(entry, sizeof(*entry), 1, walker->list) != 1)
		return -EIO;
	return ++walker->walked.count == STRANGERS_KEPT;
}

static int walk(const void *argument)
{
	const struct beside *beside = argument;
	static struct walker walker;
	int r;

	walker = (struct walker){ .index = INDEX_READER(INDEX_PATH), .list = fdopen(dup(beside->memory), "w") };
	if (walker.list == NULL || fseek(walker.list, sizeof(walker.walked), SEEK_SET) != 0)
		return 1;
	r = home_walk_names(&beside->broker->homes, on_entry, &walker);
	walker.walked.result = r < 0 ? r : 0;
	if (fflush(walker.list) != 0 ||
	    pwrite(beside->memory, &walker.walked, sizeof(walker.walked), 0) != (ssize_t)sizeof(walker.walked))
		return 1;
	return 0;
}

/* The account has this name, or had it: it may have been renamed while the homes were listed, or move there still. */
static int named_so(struct store *store, const struct account *account, const struct disk_entry *entry)
{
	struct former_name former;
	int r;

	if (strcmp(account->owner, entry->owner) == 0 && strcmp(account->label, entry->label) == 0)
		return 1;
	r = store_former_of(store, entry->owner, entry->label, account->uid, &former);
	return r == -ENOENT ? 0 : r < 0 ? r : 1;
}

/* 1: the uid has a row; if an import made it meanwhile, it must be the row of this very account. */
static int entry_has_row(struct store *store, const struct disk_entry *entry)
{
	struct account account;
	struct id_range holder;
	enum id_kind kind;
	int r = entry_known(store, entry);

	if (r <= 0 || entry->kind != DISK_ACCOUNT)
		return r; /* data that is set aside keeps its uid from being chosen (change/row_account.c) */
	r = store_account_by_uid(store, entry->uid, &account);
	if (r == 0)
		return named_so(store, &account, entry);
	if (r == -ENOENT)
		r = store_id_holder(store, entry->uid, entry->uid, &holder, &kind);
	return r < 0 ? r : strcmp(holder.owner, entry->owner) == 0 && strcmp(holder.label, entry->label) == 0;
}

static int strangers_read(struct broker *broker, int memory, uint32_t count, struct strangers *strangers)
{
	struct disk_entry entry;
	off_t at = sizeof(struct walked);

	for (uint32_t i = 0; i < count; i++, at += (off_t)sizeof(entry)) {
		int r = pread(memory, &entry, sizeof(entry), at) == (ssize_t)sizeof(entry) ?
				entry_has_row(broker->store, &entry) :
				-EIO;

		if (r < 0)
			return r;
		if (r == 0)
			strangers_add(strangers, &entry);
	}
	return 0;
}

/* Names the findings even if not everything could be read. */
static void homes_hear(struct broker *broker, int memory, const struct walked *walked)
{
	struct findings findings = { .length = 0 };
	struct strangers strangers = { .count = 0 };
	int r = strangers_read(broker, memory, walked->count, &strangers);

	homes_unread(broker->homes.path, walked->result < 0 ? walked->result : r);
	strangers_say(&strangers, broker->homes.path, &findings);
	if (findings.length > 0)
		refuse(broker, &findings);
	else if (walked->result == 0 && r == 0)
		log_info("the homes are compared: every one has its row");
}

/* Calls that waited go on, oldest first, or are told that they cannot. */
static void held_release(struct broker *broker)
{
	struct call *call;

	do {
		call = NULL;
		for (struct call *at = broker->calls; at != NULL; at = at->next)
			if (at->held != NULL)
				call = at;
		if (call != NULL) {
			void (*go)(struct call *) = call->held;

			call->held = NULL;
			go(call);
		}
	} while (call != NULL);
}

static void homes_walked(void *data, int status)
{
	struct beside *beside = data;
	struct broker *broker = beside->broker;
	struct walked walked = { .result = -EIO };

	if (status == 0 && pread(beside->memory, &walked, sizeof(walked), 0) != (ssize_t)sizeof(walked))
		walked = (struct walked){ .result = -EIO };
	if (status < 0)
		walked.result = status;
	homes_hear(broker, beside->memory, &walked);
	beside_free(beside);
	broker->homes_unheard = false;
	if (broker->stopping)
		return;
	held_release(broker);
	proof_next(broker);
}

bool evidence_holds(struct call *call, void (*go)(struct call *call))
{
	if (!call->broker->homes_unheard)
		return false;
	call->held = go;
	return true;
}

int evidence_beside(struct broker *broker)
{
	int r;

	if (!broker->unproved)
		return 0;
	r = beside_start(broker, walk, WALK_SECONDS, homes_walked);
	broker->homes_unheard = r == 0;
	return r;
}
