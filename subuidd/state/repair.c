/* SPDX-License-Identifier: ISC */
/*
 * `subuid check --repair` while no daemon runs: the present store is accepted although the host knows more, or a
 * new one is made if none can be read. Ids that only the index and the disk know become tombstones, so that they
 * are never given out again, and an import can take them up. Root.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "subuidd/call/earlier.h"
#include "subuidd/state/copy.h"
#include "subuidd/state/host.h"
#include "subuidd/state/replace.h"
#include "subuidd/state/save.h"
#include "store/state.h"

#define REPAIRING "repairing" /* below STATE_DIR */
#define KEPT ".before-repair"

struct repair {
	const struct options *options;
	struct place place;
	struct host host;
	struct copy copy;    /* of a new store */
	struct store *store; /* the store to use: present or new */
	bool new, there, done;
	struct report report;
	uint64_t tombstones;
	char why[REASON_SIZE];
};

static int repair_fail(struct repair *repair, const char *what, int error)
{
	return complain(STATUS_FAILED, what, repair->why[0] != '\0' ? repair->why : strerror(-error),
			repair->done ? "the store is repaired; run it again when that is fixed" :
				       "nothing was changed");
}

/* ---- looking */

static int store_new(struct repair *repair)
{
	int r = copy_prepare_at(repair->place.state_fd, REPAIRING, &repair->copy);

	if (r == 0)
		r = store_open(repair->copy.db, &repair->copy.store);
	repair->store = repair->copy.store;
	repair->new = true;
	return r < 0 ? repair_fail(repair, STATE_DIR "/" REPAIRING, r) : STATUS_DONE;
}

static int store_find(struct repair *repair)
{
	int r = present_open(&repair->store, repair->why, sizeof(repair->why));

	repair->there = r != -ENOENT;
	if (r == 0)
		return STATUS_DONE;
	if (r != -ENOENT && r != -EUCLEAN)
		return repair_fail(repair, "the store", r);
	if (repair->there)
		report_add(&repair->report, REPORT_DATA,
			   "the store cannot be read (%s): a new one is made, that one is kept as %s%s; its "
			   "accounts, keys and limits are "
			   "lost unless subuid state load or subuid import brings them back",
			   repair->why, STATE_DB_PATH, KEPT);
	repair->why[0] = '\0';
	return store_new(repair);
}

static void one_seen(struct repair *repair, const struct seen *seen)
{
	char name[256], where[256];

	seen_name(&repair->place, &seen->ids, name, sizeof(name));
	seen_place(&repair->place, seen, where, sizeof(where));
	switch (seen->where) {
	case SEEN_INDEX:
		report_add(&repair->report, REPORT_DATA,
			   "%s is in the index but not in the store: it is gone; its ids stay taken", name);
		break;
	case SEEN_HOME:
	case SEEN_ASIDE:
		report_add(&repair->report, seen->data ? REPORT_DATA : REPORT_NOTE,
			   "%s has %s on the disk but no row in the store: it stays there, and the id stays taken",
			   name, where);
		break;
	case SEEN_MAKING:
	case SEEN_STORE:
		report_add(&repair->report, REPORT_NOTE, "%s was not completed: the id stays taken", name);
		break;
	}
}

/* As the daemon finds it at its start (evidence.c). */
static int homes_look(struct repair *repair)
{
	const struct host *host = &repair->host;
	uint32_t accounts = 0;
	int r = store_account_count(repair->store, NULL, &accounts);

	if (r < 0 || accounts == 0 || host->mark_error < 0 ||
	    (host->mark_files & (HIGH_WATER_AT_STATE | HIGH_WATER_AT_HOMES)) != HIGH_WATER_AT_STATE)
		return r;
	for (size_t i = 0; i < host->count; i++)
		if (host->rows[i].where == SEEN_HOME)
			return 0;
	report_add(
		&repair->report, REPORT_DATA,
		"none of the homes of %u accounts is in %s: if they are on a disk that is not mounted, mount it, and "
		"nothing has to be repaired; otherwise empty ones can be made later (subuid check --repair)",
		accounts, repair->place.settings.homes);
	return 0;
}

/* The store as a whole, and the mark beside it. */
static void whole_look(struct repair *repair)
{
	const struct host *host = &repair->host;
	char path[EARLIER_PATH_MAX];

	if (repair->new && !repair->there &&
	    (host->generation > 0 || earlier_seen(repair->place.settings.backup_directory, path) > 0))
		report_add(&repair->report, REPORT_DATA,
			   "the store is gone: a new one is made; its accounts, keys and limits are lost unless "
			   "subuid state load or "
			   "subuid import brings them back");
	else if (!repair->new && host->mark.store != 0 && host->mark.store != store_identity(repair->store))
		report_add(&repair->report, REPORT_DATA,
			   "the store is another one than this host had: it replaces that one");
	else if (!repair->new && host->generation > store_generation(repair->store))
		report_add(&repair->report, REPORT_DATA,
			   "the store is at change %llu, and this host has seen change %llu: the changes in "
			   "between are lost",
			   (unsigned long long)store_generation(repair->store), (unsigned long long)host->generation);
	if (host->mark_error < 0 && host->mark_error != -ENOENT)
		report_add(&repair->report, REPORT_NOTE, "the high-water mark cannot be read (%s): it is made again",
			   strerror(-host->mark_error));
	else if (host->mark_files & HIGH_WATER_DIFFER)
		report_add(&repair->report, REPORT_NOTE,
			   "the high-water mark below %s belongs to another store: it is made again",
			   repair->place.settings.homes);
}

static int look(struct repair *repair)
{
	struct id_range holder;
	enum id_kind kind;
	int r = host_look(&repair->place, &repair->host, repair->why, sizeof(repair->why));
	int status;

	if (r < 0)
		return repair_fail(repair, "homes", r);
	status = store_find(repair);
	if (status != STATUS_DONE)
		return status;
	for (size_t i = 0; r == 0 && i < repair->host.count; i++) {
		const struct seen *seen = &repair->host.rows[i];

		r = store_id_holder(repair->store, seen->ids.first, seen->ids.first, &holder, &kind);
		if (r == -ENOENT)
			one_seen(repair, seen);
		r = r == -ENOENT ? 0 : r;
	}
	if (r == 0)
		r = homes_look(repair);
	if (r < 0)
		return repair_fail(repair, "the store", r);
	whole_look(repair);
	return STATUS_DONE;
}

/* ---- asking */

static bool asked(void)
{
	int first, c;

	if (!isatty(STDIN_FILENO) || !isatty(STDERR_FILENO))
		return false;
	fprintf(stderr, "Accept this? [y/N] ");
	first = c = getchar();
	while (c != '\n' && c != EOF)
		c = getchar();
	return first == 'y' || first == 'Y';
}

static int decide(const struct repair *repair)
{
	fflush(stdout);
	if (repair->options->dry_run || repair->options->yes || repair->report.data == 0 || asked())
		return STATUS_DONE;
	return complain(
		STATUS_CONFLICT, "repair",
		"there is data that would be without an account, or there are accounts that would be lost",
		"nothing was changed; subuid state load FILE brings a saved state back, --yes accepts it as it is");
}

/* ---- doing it */

static int audit_add(struct repair *repair)
{
	struct audit_entry entry = { .time = (int64_t)time(NULL), .pid = getpid() };

	snprintf(entry.caller, sizeof(entry.caller), "root");
	snprintf(entry.action, sizeof(entry.action), "state.repair");
	snprintf(entry.detail, sizeof(entry.detail), "%s store; found: %u; ids kept taken: %llu",
		 repair->new ? "a new" : "the present", repair->report.data + repair->report.notes,
		 (unsigned long long)repair->tombstones);
	return store_audit_add(repair->store, &entry);
}

static int rows_make(struct repair *repair, uint64_t identity, const uint32_t marks[HIGH_WATER_REGIONS])
{
	uint64_t present = store_generation(repair->store);
	int r = store_begin(repair->store);

	if (r < 0)
		return r;
	r = store_identity_set(repair->store, identity);
	if (r == 0)
		r = store_marks_raise(repair->store, marks);
	if (r == 0)
		r = host_cover(&repair->host, repair->store, (int64_t)time(NULL), &repair->tombstones);
	if (r == 0)
		r = audit_add(repair);
	if (r == 0)
		r = store_generation_raise(repair->store,
					   (repair->host.generation > present ? repair->host.generation : present) + 1);
	if (r == 0)
		return store_commit(repair->store);
	store_rollback(repair->store);
	return r;
}

static int replace(struct repair *repair)
{
	int r = copy_settle(&repair->copy);

	repair->store = NULL;
	if (r == 0 && repair->there)
		r = present_keep(repair->place.state_fd, KEPT);
	return r == 0 ? present_replace(repair->place.state_fd, &repair->copy) : r;
}

static int repair_do(struct repair *repair)
{
	uint32_t marks[HIGH_WATER_REGIONS];
	uint64_t own = store_identity(repair->store);
	/* A new store is another store: things that it does not know were not removed here. */
	uint64_t identity = repair->new ? own : host_identity(&repair->host, own, own);
	int r = host_marks(&repair->host, repair->store, marks);

	if (r == 0)
		r = rows_make(repair, identity, marks);
	repair->done = r == 0 && !repair->new;
	/* For a new store before it exists: until then there is no store that the mark could belong to. */
	if (r == 0)
		r = marks_raise(&repair->place, identity, marks, repair->why, sizeof(repair->why));
	if (r == 0 && repair->new)
		r = replace(repair);
	repair->done |= r == 0;
	return r < 0 ? repair_fail(repair, "repair", r) : STATUS_DONE;
}

/* ---- telling */

static int tell(struct repair *repair, int status)
{
	json_t *all;

	if (repair->options->json) {
		all = json_pack("{s:O, s:b}", "findings", repair->report.list, "repaired", (int)repair->done);
		return json_end(all) == STATUS_DONE ? status : STATUS_FAILED;
	}
	if (repair->done)
		printf("repaired; ids that are not given out again: %llu\n", (unsigned long long)repair->tombstones);
	else if (status == STATUS_DONE && repair->options->dry_run)
		puts("nothing was changed: this was a dry run");
	return status;
}

static int repair_run(struct repair *repair)
{
	int status = look(repair);

	if (status != STATUS_DONE)
		return status;
	if (repair->report.data + repair->report.notes == 0) {
		if (!repair->options->json)
			puts("nothing to repair: the store knows everything that this host knows");
		return tell(repair, STATUS_DONE);
	}
	status = decide(repair);
	if (status == STATUS_DONE && !repair->options->dry_run)
		status = repair_do(repair);
	return tell(repair, status);
}

int state_repair(const struct options *options)
{
	struct repair repair = { .options = options, .copy.dirfd = -1 };
	int status = place_open(&repair.place, "repair", true);

	repair.report = (struct report){ .json = options->json, .list = json_array() };
	if (status == STATUS_DONE)
		status = repair_run(&repair);
	if (!repair.new)
		store_close(repair.store);
	copy_close(&repair.copy);
	host_free(&repair.host);
	json_decref(repair.report.list);
	place_close(&repair.place);
	return status;
}
