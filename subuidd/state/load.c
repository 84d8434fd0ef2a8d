/* SPDX-License-Identifier: ISC */
/*
 * `subuid state load`: the database of a saved state takes the place of the present store. Newer entries of this
 * host are named, and lost only if that was confirmed; their ids stay taken. Root, while no daemon runs.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "confine/cleanup.h"
#include "subuidd/state/compare.h"
#include "subuidd/state/copy.h"
#include "subuidd/state/replace.h"
#include "subuidd/state/save.h"
#include "store/state.h"

#define LOADING "loading" /* below STATE_DIR */
#define KEPT ".before-load"

struct load {
	const struct options *options;
	struct place place;
	struct copy copy;
	struct host host;
	struct store *present; /* NULL: missing or unreadable */
	bool there;            /* a file exists, readable or not */
	bool kin;
	uint64_t identity, generation; /* of the present store; 0 not known */
	struct report report;
	uint64_t tombstones;
	bool loaded; /* it has replaced the present one */
	char why[REASON_SIZE];
};

static int load_fail(struct load *load, const char *what, int error)
{
	return complain(STATUS_FAILED, what, load->why[0] != '\0' ? load->why : strerror(-error),
			load->loaded ? "the state is loaded; run it again when that is fixed" : "nothing was changed");
}

/* ---- looking */

static int file_read(struct load *load)
{
	cleanup_fd int fd = copy_open(load->options->file);
	int r;

	if (fd < 0)
		return complain(fd == -ENOENT ? STATUS_NOT_FOUND : STATUS_FAILED, load->options->file, strerror(-fd),
				"");
	r = copy_prepare_at(load->place.state_fd, LOADING, &load->copy);
	if (r < 0)
		return load_fail(load, STATE_DIR "/" LOADING, r);
	r = copy_read(&load->copy, fd, load->why, sizeof(load->why));
	return r < 0 ? load_fail(load, load->options->file, r) : STATUS_DONE;
}

static int here_look(struct load *load)
{
	int r = host_look(&load->place, &load->host, load->why, sizeof(load->why));

	if (r < 0)
		return load_fail(load, "homes", r);
	r = present_open(&load->present, load->why, sizeof(load->why));
	load->there = r != -ENOENT;
	if (r == 0) {
		load->kin = store_identity(load->present) == load->copy.header.store;
		load->identity = store_identity(load->present);
		load->generation = store_generation(load->present);
	} else if (r == -EUCLEAN) {
		report_add(&load->report, REPORT_NOTE, "the present store cannot be read (%s): it is kept as %s%s",
			   load->why, STATE_DB_PATH, KEPT);
		load->why[0] = '\0';
	} else if (r != -ENOENT) {
		return load_fail(load, "the present store", r);
	}
	return STATUS_DONE;
}

/* Entries that were published after the file was written, and that no store knows any more. */
static void changes_unknown(struct load *load)
{
	uint64_t known =
		load->copy.header.generation > load->generation ? load->copy.header.generation : load->generation;

	if (load->host.unreadable[0] != '\0')
		report_add(&load->report, REPORT_NOTE, "%s: not compared", load->host.unreadable);
	if (load->host.mark_error < 0 && load->host.mark_error != -ENOENT)
		report_add(&load->report, REPORT_NOTE, "the high-water mark cannot be read (%s)",
			   strerror(-load->host.mark_error));
	if (load->host.generation > known)
		report_add(&load->report, REPORT_NEWER,
			   "changes that no store knows of any more: this host has seen generation %llu, and the "
			   "file's is %llu",
			   (unsigned long long)load->host.generation, (unsigned long long)load->copy.header.generation);
}

static int compare(struct load *load)
{
	const struct comparison comparison = {
		.place = &load->place,
		.host = &load->host,
		.present = load->present,
		.file = load->copy.store,
		.kin = load->kin,
		.newer = !load->kin || load->generation > load->copy.header.generation,
		.report = &load->report,
	};
	int r = 0;

	changes_unknown(load);
	if (load->present != NULL && !load->kin)
		report_add(&load->report, REPORT_NOTE, "the present store is another one than that of the file");
	if (load->present != NULL)
		r = compare_stores(&comparison);
	if (r == 0)
		r = compare_host(&comparison);
	if (r == 0)
		r = compare_users(&comparison);
	return r < 0 ? load_fail(load, "comparing", r) : STATUS_DONE;
}

/* STATUS_DONE: go on. */
static int decide(const struct load *load)
{
	char why[REASON_SIZE];

	if (load->report.conflicts > 0) {
		snprintf(why, sizeof(why),
			 "ids of this host belong to others in the file (%u): they would change hands",
			 load->report.conflicts);
		return complain(STATUS_CONFLICT, "load", why,
				"nothing was changed; take over what you need by subuid export and subuid import");
	}
	if (load->report.newer > 0 && !load->options->yes && !load->options->dry_run) {
		snprintf(why, sizeof(why), "changes that are newer here than the file would be lost (%u)",
			 load->report.newer);
		return complain(STATUS_CONFLICT, "load", why, "nothing was changed; use --yes to lose them");
	}
	return STATUS_DONE;
}

/* ---- doing it */

static int audit_add(struct load *load)
{
	const struct state_header *header = &load->copy.header;
	struct audit_entry entry = { .time = (int64_t)time(NULL), .uid = 0, .pid = getpid() };

	snprintf(entry.caller, sizeof(entry.caller), "root");
	snprintf(entry.action, sizeof(entry.action), "state.load");
	snprintf(entry.detail, sizeof(entry.detail),
		 "saved %s on %.100s, generation %llu; newer here: %u; ids kept taken: %llu", utc_text(header->saved),
		 header->host, (unsigned long long)header->generation, load->report.newer,
		 (unsigned long long)load->tombstones);
	return store_audit_add(load->copy.store, &entry);
}

static uint64_t generation_above(const struct load *load)
{
	uint64_t highest = load->copy.header.generation;

	if (load->generation > highest)
		highest = load->generation;
	if (load->host.generation > highest)
		highest = load->host.generation;
	return highest + 1;
}

/* The ids that were ever given out, here and there. */
static int marks_take(struct load *load, struct store *store)
{
	struct high_water mark = { .store = 0 };
	int r = host_marks(&load->host, store, mark.marks);

	high_water_merge(&mark, 0, load->copy.header.marks);
	return r == 0 ? store_marks_raise(store, mark.marks) : r;
}

static int rows_take(struct load *load, bool other)
{
	struct store *store = load->copy.store;
	int r = store_begin(store);

	if (r < 0)
		return r;
	r = store_identity_set(store, host_identity(&load->host, load->identity, load->copy.header.store));
	if (r == 0)
		r = marks_take(load, store);
	if (r == 0)
		r = host_cover(&load->host, store, (int64_t)time(NULL), &load->tombstones);
	if (r == 0 && other)
		r = store_other_take(store, load->kin);
	if (r == 0)
		r = audit_add(load);
	if (r == 0)
		r = store_generation_raise(store, generation_above(load));
	if (r == 0)
		return store_commit(store);
	store_rollback(store);
	return r;
}

/* The database of the file is adapted to this host, still beside the present one. */
static int prepare(struct load *load)
{
	bool other = load->present != NULL;
	int r = other ? host_store_add(&load->host, load->present) : 0;

	store_close(load->present); /* its lock would keep us out of it */
	load->present = NULL;
	if (r == 0 && other)
		r = store_other_attach(load->copy.store, STATE_DB_PATH);
	if (r == 0) {
		r = rows_take(load, other);
		if (other)
			store_other_detach(load->copy.store);
	}
	if (r == 0)
		r = store_check(load->copy.store, load->why, sizeof(load->why));
	if (r < 0 && load->why[0] == '\0')
		snprintf(load->why, sizeof(load->why), "%s", store_error(load->copy.store));
	return r;
}

/* The mark last: the new store knows by itself what was given out, and the daemon takes it from there at its start.
 */
static int replace(struct load *load)
{
	uint64_t identity = store_identity(load->copy.store);
	uint32_t marks[HIGH_WATER_REGIONS];
	int r = store_marks(load->copy.store, marks);

	if (r == 0)
		r = copy_settle(&load->copy);
	if (r == 0 && load->there)
		r = present_keep(load->place.state_fd, KEPT);
	if (r == 0)
		r = present_replace(load->place.state_fd, &load->copy);
	load->loaded = r == 0;
	return r == 0 ? marks_raise(&load->place, identity, marks, load->why, sizeof(load->why)) : r;
}

static int load_do(struct load *load)
{
	int r = prepare(load);

	if (r == 0)
		r = replace(load);
	return r < 0 ? load_fail(load, "load", r) : STATUS_DONE;
}

/* ---- telling */

static int tell(struct load *load, int status)
{
	json_t *all;

	if (load->options->json) {
		all = json_pack("{s:o, s:O, s:i, s:i, s:b}", "file", header_json(&load->copy.header), "findings",
				load->report.list, "newer", (int)load->report.newer, "conflicts",
				(int)load->report.conflicts, "loaded", (int)load->loaded);
		return json_end(all) == STATUS_DONE ? status : STATUS_FAILED;
	}
	if (load->loaded) {
		printf("loaded; ids that were here and are not in the file, which are not given out again: %llu\n",
		       (unsigned long long)load->tombstones);
		if (load->there)
			printf("the previous store is %s\n", STATE_DB_PATH KEPT);
	} else if (status == STATUS_DONE) {
		printf("nothing was changed: this was a dry run; newer here: %u\n", load->report.newer);
	}
	return status;
}

static int load_run(struct load *load)
{
	int status = file_read(load);

	if (status != STATUS_DONE)
		return status;
	if (!load->options->json)
		header_print(&load->copy.header);
	status = here_look(load);
	if (status == STATUS_DONE)
		status = compare(load);
	if (status != STATUS_DONE)
		return status;
	status = decide(load);
	if (status == STATUS_DONE && !load->options->dry_run)
		status = load_do(load);
	return tell(load, status);
}

int state_load(const struct options *options)
{
	struct load load = { .options = options, .copy.dirfd = -1 };
	int status = place_open(&load.place, "load", true);

	load.report = (struct report){ .json = options->json, .list = json_array() };
	if (status == STATUS_DONE)
		status = load_run(&load);
	store_close(load.present);
	copy_close(&load.copy);
	host_free(&load.host);
	json_decref(load.report.list);
	place_close(&load.place);
	return status;
}
