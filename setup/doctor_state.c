/* SPDX-License-Identifier: ISC */
/*
 * `subuid doctor`: the daemon and what it keeps: its files and their room, the index, the daily copies, the owners'
 * views; also the clock, and lastlog. Run by root; asks the daemon, and goes on without it.
 */
#include "cli/daemon.h"
#include "cli/program.h"
#include "setup/doctor.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "account/advice.h"
#include "index/state_look.h"
#include "cli/print.h"
#include "setup/setup.h"
#include "setup/text.h"
#include "cli/subuid.h"
#include "confine/cleanup.h"

#define CLOCK_EARLIEST 1735689600 /* 2025-01-01: this program was written later */
#define CLOCK_SLACK 60            /* seconds that a file may be ahead of the clock */
#define COPY_OLD (3 * 86400)      /* seconds: a timer that missed a run or two still works */
#define START_TODO "start it: `systemctl start subuidd`, or `subuidd` where there is no systemd"

/* its workers are started from what is installed, and the two have to be of one version */
#define UPGRADE_WHY "another one was installed while it runs"
#define UPGRADE_TODO "run `subuid setup`, which restarts it"

/* ---- what other checks need to know */

void doctor_learn(struct doctor *doctor)
{
	static struct index_reader reader = INDEX_READER(INDEX_PATH);
	uint64_t cursor = 0;

	doctor->status = daemon_status();
	if (doctor->status == NULL)
		daemon_refused(doctor->refused, sizeof(doctor->refused));
	doctor->index_error = index_host(&reader, &doctor->host);
	doctor->has_account = doctor->index_error == 0 && index_account_next(&reader, &cursor, &doctor->account) == 0;
}

/* ---- daemon */

static void check_daemon(struct doctor *doctor)
{
	if (doctor->refused[0] != '\0') {
		found_f(doctor, FINDING_BAD, "daemon", "fix that, and start it", "refused to start: %s",
			doctor->refused);
		return;
	}
	if (doctor->status == NULL) {
		if (daemon_replaced())
			found(doctor, FINDING_BAD, "daemon", "does not answer: " UPGRADE_WHY, UPGRADE_TODO);
		else
			found_f(doctor, FINDING_BAD, "daemon", START_TODO, "does not answer on %s", common.socket);
		return;
	}
	if (daemon_replaced())
		found(doctor, FINDING_BAD, "daemon", "answers, but is not what is installed: " UPGRADE_WHY,
		      UPGRADE_TODO);
	else if (strcmp(json_text(doctor->status, "version"), VERSION) != 0)
		found_f(doctor, FINDING_BAD, "daemon", "restart it", "is version %s, and this is %s",
			json_text(doctor->status, "version"), VERSION);
	else
		found_f(doctor, FINDING_GOOD, "daemon", "", "answers; accounts: %llu, generation %llu",
			(unsigned long long)json_number(doctor->status, "accounts"),
			(unsigned long long)json_number(doctor->status, "generation"));
}

/* For things that the daemon makes, or has given advice about, the daemon's advice is shown. */
static const char *missing_todo(const struct doctor *doctor, const char *todo)
{
	return doctor->refused[0] != '\0' ? "see why the daemon refused to start" :
	       doctor->status == NULL     ? START_TODO :
					    todo;
}

static void state_fault(void *data, const struct state_fault *fault)
{
	bool missing = strcmp(fault->fault, "is missing") == 0;

	found(data, FINDING_BAD, fault->path, fault->fault, missing ? missing_todo(data, fault->todo) : fault->todo);
}

static void check_socket(struct doctor *doctor)
{
	const struct {
		const char *path;
		mode_t mode;
	} rules[] = { { RUN_DIR, S_IFDIR | 0755 }, { SOCKET_PATH, S_IFSOCK | 0666 } };
	bool own = doctor->status != NULL && strcmp(common.socket, SOCKET_PATH) == 0;
	struct stat st;

	for (size_t i = 0; i < (own ? 2 : 0); i++) {
		if (lstat(rules[i].path, &st) != 0)
			found_error(doctor, rules[i].path, errno, "restart subuidd");
		else if (st.st_uid != 0 || st.st_mode != rules[i].mode)
			found_f(doctor, FINDING_BAD, rules[i].path, "restart subuidd",
				"has mode %06o and not %06o of root", st.st_mode, rules[i].mode);
	}
}

static void check_files(struct doctor *doctor)
{
	const char *homes = doctor->index_error == 0 ? doctor->host.homes : HOMES_DIR;

	if (state_look_files(homes, state_fault, doctor) == 0)
		found(doctor, FINDING_GOOD, "files",
		      "settings, store, index, keys, spool and homes have their owners and modes", "");
	if (state_look_disks(homes, state_fault, doctor) == 0)
		found(doctor, FINDING_GOOD, "disks", "state and homes can be written, and have room", "");
	check_socket(doctor);
}

/* ---- index */

/* A failing disk does not mean a damaged index. */
static void index_error(struct doctor *doctor, const char *which, int error)
{
	const char *advice = advice_for(error);

	found_error(doctor, which, error, advice != NULL ? advice : "subuid check --repair rebuilds it");
}

static void check_index(struct doctor *doctor)
{
	static struct index_reader keys = INDEX_READER(KEYS_PATH);
	static struct index_reader accounts = INDEX_READER(INDEX_PATH);
	uint64_t generation, shown = 0, shown_keys = 0;
	int r;

	if (doctor->index_error == -ENXIO) {
		found(doctor, FINDING_BAD, "index", "there is none", missing_todo(doctor, "subuid check --repair"));
		return;
	}
	if (doctor->index_error != 0) {
		index_error(doctor, "index", doctor->index_error);
		return;
	}
	r = index_generation(&accounts, &shown);
	if (r != 0) {
		index_error(doctor, "index", r);
		return;
	}
	r = index_generation(&keys, &shown_keys);
	if (r != 0) {
		index_error(doctor, "key index", r);
		return;
	}
	if (doctor->status == NULL) {
		found_f(doctor, FINDING_NOTE, "index", "", "sound; only the daemon knows whether it is current");
		return;
	}
	/* Something may change between the two looks, but the index is never behind for long. */
	generation = json_number(doctor->status, "generation");
	if (shown < generation || shown_keys < generation)
		found_f(doctor, FINDING_BAD, "index", "subuid check --repair builds it anew",
			"shows generation %llu, keys %llu, and the store is at %llu", (unsigned long long)shown,
			(unsigned long long)shown_keys, (unsigned long long)generation);
	else
		found(doctor, FINDING_GOOD, "index", "sound and current, and the keys too", "");
}

/* ---- clock, lastlog */

static void check_clock(struct doctor *doctor)
{
	time_t now = time(NULL);
	struct stat st;

	if (now < CLOCK_EARLIEST)
		found(doctor, FINDING_BAD, "clock", "is years behind: nothing expires",
		      "set it, and run a time service");
	else if (stat(STATE_DIR "/state.db", &st) == 0 && st.st_mtime > now + CLOCK_SLACK)
		found(doctor, FINDING_BAD, "clock", "went back: the store was last written at a later time",
		      "set it, and run a time service");
	else
		found(doctor, FINDING_GOOD, "clock", "sane", "");
}

static void check_lastlog(struct doctor *doctor)
{
	__attribute__((cleanup(setup_file_done))) struct setup_file file = { 0 };

	if (access("/var/log/lastlog", F_OK) != 0 || file_load(SYSCONFDIR "/login.defs", &file) < 0)
		return;
	for (const char *at = file.text; *at != '\0';) {
		cleanup_free char *line = NULL;

		if (!text_next_line(&at, &line))
			return;
		if (strncmp(line, "LASTLOG_UID_MAX", 15) == 0)
			return;
	}
	found(doctor, FINDING_NOTE, "lastlog",
	      "a login of a high uid on a terminal makes /var/log/lastlog a sparse file of hundreds of GiB",
	      "push, pull and sync have no terminal; for others set LASTLOG_UID_MAX in /etc/login.defs");
}

/* ---- copies of the state */

/* The output of `state newest`: "off", "none DIRECTORY" or "FILE SECONDS". */
static void check_copies(struct doctor *doctor)
{
	static const char *const argv[] = { LIBEXECDIR "/state", "newest", NULL };
	static const char todo[] = "see that a timer or cron runs `subuid state save --daily`";
	cleanup_free char *said = NULL;
	int status = command_run(argv, &said);
	char *seconds = said == NULL ? NULL : strrchr(said, ' ');
	long long age;

	if (said != NULL)
		said[strcspn(said, "\n")] = '\0';
	if (status != 0 || said == NULL) {
		found_f(doctor, FINDING_BAD, "copies of the state", "", "cannot be examined: %s",
			said != NULL ? said : "failed");
	} else if (strcmp(said, "off") == 0) {
		found(doctor, FINDING_NOTE, "copies of the state", "are off: backups_kept = 0", "");
	} else if (strncmp(said, "none ", 5) == 0 || seconds == NULL) {
		found_f(doctor, FINDING_NOTE, "copies of the state", todo, "there are none in %s yet",
			said + strcspn(said, "/"));
	} else {
		age = (long long)time(NULL) - strtoll(seconds, NULL, 10);
		found_f(doctor, age > COPY_OLD ? FINDING_BAD : FINDING_GOOD, "copies of the state",
			age > COPY_OLD ? todo : "", "the newest, %.*s, is %lld hours old", (int)(seconds - said), said,
			age < 0 ? 0 : age / 3600);
	}
}

/* ---- views */

#define VIEW_TODO "subuid set NAME --view theirs"

struct views {
	size_t count, named;
	char names[600]; /* of the first ones */
};

static int each_view(json_t *reply, void *data)
{
	const json_t *account = json_object_get(reply, "account");
	struct views *views = data;
	size_t used = strlen(views->names);

	if (account == NULL || strcmp(json_text(account, "effectiveView"), "owner") != 0)
		return 0;
	if (used + ACCOUNT_NAME_MAX + 3 < sizeof(views->names)) {
		snprintf(views->names + used, sizeof(views->names) - used, "%s%s", used > 0 ? ", " : "",
			 shown(json_text(account, "name")));
		views->named++;
	}
	views->count++;
	return 0;
}

/* Accounts whose files look like their owner's. */
static void check_views(struct doctor *doctor)
{
	struct views views = { .count = 0 };

	if (doctor->status == NULL ||
	    call_each_reply("List", json_pack("{s:b}", "all", 1), each_view, &views) != STATUS_DONE)
		return;
	if (views.count == 0)
		found(doctor, FINDING_GOOD, "views", "owners see what was pushed as another user's", "");
	else if (views.count == views.named)
		found_f(doctor, FINDING_NOTE, "views", VIEW_TODO, "what was pushed can act as the owner of %s",
			views.names);
	else
		found_f(doctor, FINDING_NOTE, "views", VIEW_TODO,
			"what was pushed can act as the owner of %s and %zu more", views.names,
			views.count - views.named);
}

void doctor_state(struct doctor *doctor)
{
	check_daemon(doctor);
	check_files(doctor);
	check_index(doctor);
	check_copies(doctor);
	check_clock(doctor);
	check_lastlog(doctor);
	check_views(doctor);
}
