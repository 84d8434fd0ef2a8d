/* SPDX-License-Identifier: ISC */
/* Locks and removed keys that the store does not have yet. Run by the broker. */
#include "subuidd/life/urgent.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "confine/cleanup.h"
#include "confine/path.h"
#include "subuidd/life/lifecycle.h"
#include "subuidd/call/maintain.h"
#include "subuidd/base/log.h"
#include "subuidd/publish/publish.h"
#include "store/hash.h"

#define MAGIC UINT64_C(0x746e656772753031) /* "10urgent" */
#define AGAIN_SECONDS 30u
#define REMOVAL_KEEP 1u
#define REMOVAL_PURGE 2u

struct note {
	uint64_t magic;
	uint32_t uid, key;
	uint64_t check; /* of everything before it */
};

static const struct operation lock_late = { OP_ACCOUNT_LOCK, WHO_ROOT, 0, "account.lock", NULL };
static const struct operation remove_late = { OP_ACCOUNT_REMOVE, WHO_ROOT, TRAIT_LINES, "account.removing", NULL };
static const struct operation manage_key_remove_late = { OP_MANAGE_KEY_REMOVE, WHO_ROOT, 0, "manage-key.remove", NULL };
static const struct operation key_remove_late = { OP_KEY_REMOVE, WHO_ROOT, 0, "key.remove", NULL };

/* ---- the notes ---- */

static uint64_t note_check(const struct note *note)
{
	return store_hash(0, note, offsetof(struct note, check));
}

static int notes_open(struct broker *broker)
{
	cleanup_fd int fd = path_open_beneath(broker->state_fd, URGENT_NAME, O_RDWR | O_CREAT | O_NOFOLLOW, 0600);
	struct note notes[URGENT_MAX] = { 0 };
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return fd < 0 ? fd : -errno;
	if (!S_ISREG(st.st_mode) || st.st_uid != 0 || (st.st_mode & 077) != 0)
		return -EPERM;
	/* written and not only allocated, so that a note needs no new block */
	if (st.st_size < (off_t)sizeof(notes) &&
	    (pwrite(fd, notes, sizeof(notes), 0) != (ssize_t)sizeof(notes) || fdatasync(fd) < 0))
		return -EIO;
	return steal_fd(&fd);
}

static int notes_write(struct broker *broker)
{
	struct note notes[URGENT_MAX] = { 0 };
	const struct withheld *withheld = &broker->withheld;
	cleanup_fd int fd = notes_open(broker);

	if (fd < 0)
		return fd;
	if (withheld->count > URGENT_MAX)
		return -ENOSPC;
	for (size_t i = 0; i < withheld->count; i++) {
		notes[i] = (struct note){ MAGIC, withheld->entries[i].uid, withheld->entries[i].key, 0 };
		notes[i].check = note_check(&notes[i]);
	}
	errno = EIO;
	return pwrite(fd, notes, sizeof(notes), 0) == (ssize_t)sizeof(notes) && fdatasync(fd) == 0 ? 0 : -errno;
}

static int notes_read(struct broker *broker)
{
	struct note notes[URGENT_MAX] = { 0 };
	cleanup_fd int fd = notes_open(broker);
	int r = 0;

	if (fd < 0 || pread(fd, notes, sizeof(notes), 0) < 0) {
		log_warn(STATE_DIR "/" URGENT_NAME ": a lock that cannot be recorded is forgotten by a restart: %s",
			 strerror(fd < 0 ? -fd : errno));
		return 0;
	}
	for (size_t i = 0; i < URGENT_MAX && r == 0; i++)
		if (notes[i].magic == MAGIC && notes[i].check == note_check(&notes[i]))
			r = withheld_add(&broker->withheld, notes[i].uid, notes[i].key);
	return r;
}

int urgent_add(struct broker *broker, uint32_t uid, uint32_t key)
{
	int r = withheld_add(&broker->withheld, uid, key);

	maintain_in(broker, AGAIN_SECONDS);
	return r < 0 ? r : notes_write(broker);
}

void urgent_done(struct broker *broker, uint32_t uid, uint32_t key)
{
	int r;

	if (!withheld_has(&broker->withheld, uid, key))
		return;
	withheld_remove(&broker->withheld, uid, key);
	r = notes_write(broker);
	if (r < 0)
		log_error(STATE_DIR "/" URGENT_NAME ": %s", strerror(-r));
}

bool urgent_removal(const struct broker *broker, uint32_t uid, uint32_t *flags)
{
	uint32_t how = 0;

	if (!withheld_removal(&broker->withheld, uid, &how))
		return false;
	*flags = ((how & REMOVAL_KEEP) != 0 ? ACCOUNT_KEEP_HOME : 0) | ((how & REMOVAL_PURGE) != 0 ? ACCOUNT_PURGE : 0);
	return true;
}

static void removal_forget(struct broker *broker, uint32_t uid)
{
	for (uint32_t how = 0; how <= (REMOVAL_KEEP | REMOVAL_PURGE); how++)
		withheld_remove(&broker->withheld, uid, WITHHELD_REMOVAL | how);
}

int urgent_add_removal(struct broker *broker, const struct account *account)
{
	uint32_t how = ((account->flags & ACCOUNT_KEEP_HOME) != 0 ? REMOVAL_KEEP : 0) |
		       ((account->flags & ACCOUNT_PURGE) != 0 ? REMOVAL_PURGE : 0);

	removal_forget(broker, account->uid);
	return urgent_add(broker, account->uid, WITHHELD_REMOVAL | how);
}

void urgent_removal_done(struct broker *broker, uint32_t uid)
{
	int r;

	if (!withheld_removal(&broker->withheld, uid, NULL))
		return;
	removal_forget(broker, uid);
	r = notes_write(broker);
	if (r < 0)
		log_error(STATE_DIR "/" URGENT_NAME ": %s", strerror(-r));
}

/* ---- recording ---- */

static enum failure body_key(struct call *call)
{
	int r = store_key_delete(call->store, call->key.id);

	return r < 0 ? call_fail_store(call, r) : FAILURE_NONE;
}

static enum failure body_manage_key(struct call *call)
{
	int r = store_manage_delete(call->store, call->key.id);

	return r < 0 ? call_fail_store(call, r) : FAILURE_NONE;
}

/* An account or key that is gone needs no lock. 1: nothing to do; 0: the rows; or negative errno. */
static int look(struct call *call, const struct withheld_entry *entry)
{
	struct store *store = call->store;
	int r;

	if (entry->uid == WITHHELD_OWNERS) {
		r = store_manage_get(store, entry->key, &call->key);
		return r == -ENOENT ? 1 : r;
	}
	r = store_account_by_uid(store, entry->uid, &call->account);
	if (r == -ENOENT || (r == 0 && call->account.state != ACCOUNT_ACTIVE))
		return 1;
	if (r < 0 || entry->key >= WITHHELD_REMOVAL)
		return r == 0 && call_busy(call->broker, entry->uid, NULL) ? -EBUSY :
									     r; /* a call is about to end with it */
	if (entry->key == 0)
		return (call->account.flags & ACCOUNT_LOCKED) != 0;
	r = store_key_get(store, entry->key, &call->key);
	return r == -ENOENT ? 1 : r < 0 ? r : call->key.uid != entry->uid;
}

/* The account as it should become. */
static void account_take(struct broker *broker, const struct withheld_entry *entry, struct account *account)
{
	uint32_t how = 0;

	if (entry->key == 0) {
		account->flags |= ACCOUNT_LOCKED;
	} else if (urgent_removal(broker, entry->uid, &how)) {
		account->state = ACCOUNT_REMOVING;
		account->flags = (account->flags & ~(uint32_t)(ACCOUNT_KEEP_HOME | ACCOUNT_PURGE)) | how;
	}
}

static const struct operation *operation_late(const struct withheld_entry *entry)
{
	if (entry->uid == WITHHELD_OWNERS)
		return &manage_key_remove_late;
	return entry->key == 0 ? &lock_late : entry->key >= WITHHELD_REMOVAL ? &remove_late : &key_remove_late;
}

/* True when the store has it now. */
static bool record(struct broker *broker, const struct withheld_entry *entry)
{
	bool owners = entry->uid == WITHHELD_OWNERS, key = entry->key != 0 && entry->key < WITHHELD_REMOVAL;
	struct call call = { .broker = broker,
			     .store = broker->store,
			     .operation = operation_late(entry),
			     .caller = { .root = true, .admin = true, .named = true, .name = "subuidd" } };
	int r = look(&call, entry);

	if (r != 0)
		return r > 0;
	if (owners)
		memcpy(call.target, call.key.owner, sizeof(call.key.owner));
	else if (name_join(call.account.owner, broker->settings.separator, call.account.label, call.target) < 0)
		call.target[0] = '\0';
	snprintf(call.detail, sizeof(call.detail), "recorded late: it has been in force since it was requested");
	if (!key)
		account_take(broker, entry, &call.account);
	return call_transaction(&call, call.operation->action,
				owners ? body_manage_key :
				key    ? body_key :
					 call_body_account) == FAILURE_NONE;
}

/* The index does not change: until now the account was withheld, from now on the store itself says so. */
static void publish(struct broker *broker, const struct withheld_entry *entry)
{
	struct account account;

	if (broker->publication == NULL || store_account_by_uid(broker->store, entry->uid, &account) < 0)
		return;
	if (account.state == ACCOUNT_REMOVING && publish_account_gone(broker->publication, &account) >= 0)
		broker->unfinished = true; /* recovery_start() goes on with it */
	if (account.state != ACCOUNT_ACTIVE)
		return;
	publish_account_locked(broker->publication, &account); /* shown as it is, locked or not */
	if (entry->key == 0 && removal_sessions_end(broker, entry->uid, NULL, NULL) < 0)
		log_error("uid %u: its processes cannot be ended", entry->uid);
}

void urgent_again(struct broker *broker)
{
	for (size_t i = broker->withheld.count; i-- > 0;) {
		const struct withheld_entry entry = broker->withheld.entries[i];

		if (record(broker, &entry))
			urgent_done(broker, entry.uid, entry.key);
		publish(broker, &entry);
	}
	if (broker->withheld.count > 0)
		maintain_in(broker, AGAIN_SECONDS);
}

int urgent_open(struct broker *broker)
{
	int r = notes_read(broker);

	if (r == 0)
		urgent_again(broker);
	return r;
}

void urgent_close(struct broker *broker)
{
	withheld_free(&broker->withheld);
}
