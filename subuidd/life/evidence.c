/* SPDX-License-Identifier: ISC */
/* Evidence that the store is compared with at the start. Run by the broker (root), on descriptors; nothing is
 * changed. */
#include "subuidd/life/evidence.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "subuidd/broker.h"
#include "subuidd/call/earlier.h"
#include "subuidd/life/evidence_internal.h"
#include "index/writer/peek.h"
#include "subuidd/base/log.h"
#include "store/high_water.h"
#include "subuidd/base/trouble.h"

#define STORE_PATH STATE_DIR "/state.db"

/* Proved within the start: this many bytes take some 70 ms, this many homes 50 ms more (tests/bench/notes.md). */
#define INLINE_BYTES (2 * 1024 * 1024)
#define INLINE_ACCOUNTS 4000u

static const char *const index_names[] = { "index", "keys" };

/* ---- sentences ---- */

void findings_add(struct findings *findings, const char *format, ...)
{
	size_t room = sizeof(findings->text) - findings->length;
	va_list arguments;
	int n;

	if (findings->length > 0 && room > 2)
		findings->length += (size_t)snprintf(findings->text + findings->length, room, "; ");
	room = sizeof(findings->text) - findings->length;
	va_start(arguments, format);
	n = vsnprintf(findings->text + findings->length, room, format, arguments);
	va_end(arguments);
	findings->length += n < 0 ? 0 : (size_t)n < room ? (size_t)n : room - 1;
}

int findings_say(const struct findings *findings, char *why, size_t size)
{
	snprintf(why, size,
		 "the store (" STORE_PATH
		 ") is not accepted: %s. It may know less than this host, and would give ids out a "
		 "second time. Nothing was changed; logins, pushes and look-ups go on. Load a backup (subuid state "
		 "load "
		 "FILE), or accept what is there (subuid check --repair)",
		 findings->text);
	return -EUCLEAN;
}

int evidence_unopened(int error, char *why, size_t size)
{
	struct findings findings = { .length = 0 };

	switch (error) {
	case -EUCLEAN:
	case -ENOTRECOVERABLE:
		findings_add(&findings, "it is damaged, SQLite cannot read it");
		return findings_say(&findings, why, size);
	case -EPERM:
	case -EISDIR:
	case -ELOOP:
	case -EACCES: /* root without CAP_DAC_OVERRIDE: the file belongs to another user */
		return trouble_state(why, size, error);
	case -EPROTO:
		snprintf(why, size,
			 STORE_PATH ": it was written by a newer subuidd, or by another program altogether: install "
				    "the newer version, or load a backup (subuid state load FILE)");
		return error;
	case -EBUSY:
		snprintf(why, size, STORE_PATH ": another program has it open: end that one");
		return error;
	default:
		return trouble_say(why, size, STORE_PATH, error);
	}
}

/* ---- before there is a store ---- */

/* 1: there is something of this name that is not empty; 0: there is not; negative errno. */
static int file_filled(int dirfd, const char *name)
{
	struct stat st;

	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : -errno;
	return st.st_size > 0;
}

/* The first account or removed data ends the walk; its names stay. */
static int first_home(void *data, const struct disk_entry *entry)
{
	if (entry->kind != DISK_ACCOUNT && entry->kind != DISK_REMOVED)
		return 0;
	strangers_add(data, entry);
	return ((struct strangers *)data)->count > STRANGERS_NAMED;
}

static bool index_shows_accounts(int state_fd)
{
	struct index_peek peek = { 0 };

	return index_peek(state_fd, "index", &peek) == 0 && peek.accounts;
}

/* State and homes may be gone together, the homes because they are not mounted. */
static void earlier_hear(const struct settings *settings, struct findings *findings)
{
	char path[EARLIER_PATH_MAX] = "";
	int r = earlier_seen(settings->backup_directory, path);

	if (r < 0)
		log_warn("%s: whether this host had a store before cannot be looked up there: %s",
			 settings->backup_directory, strerror(-r));
	else if (r > 0)
		findings_add(findings, "%s says that there was one", path);
}

static int homes_name(const struct broker *broker, struct findings *findings)
{
	struct strangers strangers = { .count = 0 };
	int r = home_walk_names(&broker->homes, first_home, &strangers);

	strangers_say(&strangers, broker->homes.path, findings);
	return r < 0 ? r : 0;
}

int evidence_before(const struct broker *broker, char *why, size_t size)
{
	struct findings findings = { .length = 0 };
	struct high_water mark = { 0 };
	unsigned files;
	int r = file_filled(broker->state_fd, "state.db");

	if (r != 0)
		return r < 0 ? trouble_say(why, size, STORE_PATH, r) : 0;
	r = high_water_read(broker->state_fd, broker->homes.fd, &mark, &files);
	if (r == 0)
		findings_add(&findings, "it is gone or empty, and this host had one, which was at change %llu",
			     (unsigned long long)mark.generation);
	else if (r != -ENOENT)
		findings_add(&findings, "it is gone or empty, and there is a high-water mark");
	if (file_filled(broker->state_fd, "state.db-wal") == 1)
		findings_add(&findings, "the end of its log is there without it (state.db-wal)");
	if (index_shows_accounts(broker->state_fd))
		findings_add(&findings, "the published index shows accounts");
	earlier_hear(&broker->settings, &findings);
	r = homes_name(broker, &findings);
	if (r < 0)
		return trouble_say(why, size, broker->homes.path, r);
	return findings.length == 0 ? 0 : findings_say(&findings, why, size);
}

/* ---- beside the store ---- */

static void mark_compare(const struct broker *broker, const struct high_water *mark, unsigned files,
			 struct findings *findings)
{
	unsigned long long is = store_generation(broker->store), was = mark->generation;

	if (mark->store != store_identity(broker->store))
		findings_add(findings,
			     "it is another one than this host had, which was at change %llu (this one: %llu)", was,
			     is);
	else if (files & HIGH_WATER_DIFFER)
		findings_add(findings, "%s/%s belongs to another store", broker->homes.path, HIGH_WATER_HOMES);
	else if (was > is)
		findings_add(findings,
			     "it ends at change %llu, and this host has seen change %llu: it is an older copy, or "
			     "the end of "
			     "its log (state.db-wal) is lost or damaged",
			     is, was);
}

/* Only root writes and reads both files: a file that others can reach is not evidence, but must not be ignored either.
 */
static int mark_trouble(const struct broker *broker, int error, char *why, size_t size)
{
	char path[160];

	snprintf(path, sizeof(path), "%s/%s", broker->homes.path, HIGH_WATER_HOMES);
	if (error == -EPERM && (trouble_owner(STATE_DIR "/" HIGH_WATER_STATE, S_IFREG, 022, 0600, why, size) ||
				trouble_owner(path, S_IFREG, 022, 0600, why, size)))
		return error;
	return trouble_say(why, size, "the high-water mark", error);
}

static int first_account(void *data, const struct disk_entry *entry)
{
	(void)data;
	return entry->kind == DISK_ACCOUNT;
}

/* Neither the homes nor the mark beside them: a disk that is not mounted. Homes would be made, and pushes taken, in the
 * directory below the mount point, and the ids of the real homes would not be seen. */
static int homes_there(const struct broker *broker, char *why, size_t size)
{
	uint32_t accounts = 0;
	int r = store_account_count(broker->store, NULL, &accounts);

	if (r < 0)
		return trouble_say(why, size, STORE_PATH, r);
	if (accounts == 0 || home_walk_names(&broker->homes, first_account, NULL) != 0)
		return 0; /* the proof reports one that cannot be read */
	snprintf(why, size,
		 "%s: neither the homes nor the high-water mark beside them exist: mount the disk that they are "
		 "on, and start subuidd again; if they are really lost: subuid check --repair",
		 broker->homes.path);
	return -ENXIO;
}

static int mark_hear(const struct broker *broker, struct findings *findings, unsigned *found, char *why, size_t size)
{
	struct high_water mark = { 0 };
	unsigned files = 0;
	int r = high_water_read(broker->state_fd, broker->homes.fd, &mark, &files);

	*found = files & (HIGH_WATER_AT_STATE | HIGH_WATER_AT_HOMES);
	if (r == 0 && *found == HIGH_WATER_AT_STATE) {
		r = homes_there(broker, why, size);
		if (r < 0)
			return r;
	}
	switch (r) {
	case 0:
		mark_compare(broker, &mark, files, findings);
		return 0;
	case -ENOENT:
		return 0;
	case -EUCLEAN:
		findings_add(findings,
			     "the high-water mark is damaged in both places (" STATE_DIR "/%s, %s/%s), so that nobody "
			     "can say whether the store is the newest",
			     HIGH_WATER_STATE, broker->homes.path, HIGH_WATER_HOMES);
		return 0;
	default:
		return mark_trouble(broker, r, why, size);
	}
}

/* A damaged file is doubt, which the next build removes; a sound one of a later change is proof. */
static void index_hear(const struct broker *broker, bool never_gave, struct findings *findings)
{
	unsigned long long shown = 0, is = store_generation(broker->store);
	bool accounts = false;

	for (size_t i = 0; i < sizeof(index_names) / sizeof(index_names[0]); i++) {
		struct index_peek peek = { 0 };

		if (index_peek(broker->state_fd, index_names[i], &peek) < 0)
			continue;
		shown = peek.generation > shown ? peek.generation : shown;
		accounts |= peek.accounts;
	}
	if (shown > is)
		findings_add(findings, "the published index shows change %llu, and the store is at %llu", shown, is);
	else if (accounts && never_gave)
		findings_add(findings, "the published index shows accounts, and this store never had any");
}

static int store_never_gave(struct store *store, bool *never)
{
	static const uint32_t none[HIGH_WATER_REGIONS];
	uint32_t marks[HIGH_WATER_REGIONS];
	int r = store_marks(store, marks);

	*never = r == 0 && memcmp(marks, none, sizeof(none)) == 0;
	return r;
}

/* Whether all of it can be read while the process that started us waits. */
static int store_small(const struct broker *broker, bool *small)
{
	uint32_t accounts = 0;
	int64_t bytes = 0;
	int r = store_account_count(broker->store, NULL, &accounts);

	if (r == 0)
		r = store_bytes(broker->store, &bytes);
	if (r == 0)
		*small = accounts <= INLINE_ACCOUNTS && bytes <= INLINE_BYTES;
	return r;
}

/* Ids are not given out during a proof that may find them in use: without a mark, nobody is served before it has ended.
 */
static int store_prove(struct broker *broker, bool marked, struct findings *findings, char *why, size_t size)
{
	bool small = false;
	int r = store_small(broker, &small);

	if (r < 0)
		return trouble_say(why, size, STORE_PATH, r);
	broker->unproved = !small && marked;
	return broker->unproved ? 0 : evidence_prove(&broker->homes, broker->store, findings, why, size);
}

int evidence_start(struct broker *broker, char *why, size_t size)
{
	struct findings findings = { .length = 0 };
	bool never_gave = false;
	unsigned marks = 0;
	int r = store_never_gave(broker->store, &never_gave);

	if (r < 0)
		return evidence_unopened(r, why, size);
	r = mark_hear(broker, &findings, &marks, why, size);
	if (r < 0)
		return r;
	index_hear(broker, never_gave, &findings);
	/* a store of an earlier version has no mark, so nothing is missing */
	r = store_prove(broker, marks != 0 || store_first_open(broker->store), &findings, why, size);
	if (r < 0 && r != -EUCLEAN && findings.length == 0)
		return r;
	return findings.length == 0 ? 0 : findings_say(&findings, why, size);
}
