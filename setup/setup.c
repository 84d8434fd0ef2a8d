/* SPDX-License-Identifier: ISC */
/*
 * `subuid setup`: runs the steps, takes all of them back when one fails, and undoes them on request. Run by root.
 */
#include "cli/daemon.h"
#include "setup/setup.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "account/failure.h"
#include "index/index.h"
#include "cli/subuid.h"
#include "confine/cleanup.h"
#include "confine/path.h"

struct setup_options {
	bool undo, keep_data, metrics, containers, lxc_network;
	const char *homes, *fs;
	const char *lxc; /* an owner */
	bool stop;       /* --help: the text has been printed */
};

static int (*const steps[])(struct setup *setup) = {
	step_installed, step_users,     step_directories, step_homes,      step_nsswitch,
	step_pam,       step_passwords, step_sshd,        step_network,    step_service,
	step_timer,     step_userdb,    step_metrics,     step_containers, step_lxc,
};

/* ctrl-C, a closed terminal or a shutdown: between two steps, never within one. */
static const int held[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT };

static void signals_hold(void)
{
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < sizeof(held) / sizeof(held[0]); i++)
		sigaddset(&set, held[i]);
	sigprocmask(SIG_BLOCK, &set, NULL);
}

static bool interrupted(void)
{
	sigset_t pending;

	sigpending(&pending);
	for (size_t i = 0; i < sizeof(held) / sizeof(held[0]); i++)
		if (sigismember(&pending, held[i]) == 1)
			return true;
	return false;
}

/* The state directory holds the record, so that it is made before there is one. */
static int state_make(bool *made)
{
	cleanup_fd int parent = -1, state = -1;
	const char *slash = strrchr(STATE_DIR, '/');
	char above[PATH_MAX];

	snprintf(above, sizeof(above), "%.*s/", (int)(slash - STATE_DIR), STATE_DIR);
	parent = path_open_trusted(above, O_RDONLY);
	if (parent < 0)
		return setup_fail_errno(above, parent, "");
	*made = faccessat(parent, slash + 1, F_OK, AT_SYMLINK_NOFOLLOW) != 0;
	state = path_make_directory(parent, slash + 1, 0755, 0);
	return state < 0 ? setup_fail(STATE_DIR, file_why(state), "") : 0;
}

/* Takes the deeds back from the first-th on, and the state directory if it is ours and empty. */
static int take_back(struct setup *setup, size_t first)
{
	bool ours = record_has(setup, "directory", STATE_DIR);
	int pid;

	if (record_revert(setup, first) < 0)
		return -1;
	/* A running daemon still keeps its lines up to date. */
	if (first == 0 && (setup->dry_run || !daemon_listens(&pid)) && daemon_withdraw(setup) < 0)
		return -1;
	if (setup->dry_run || !ours || json_array_size(setup->deeds) > 0)
		return 0;
	if (rmdir(STATE_DIR) != 0 && errno == ENOTEMPTY)
		say(STATE_DIR, "stays: the store is in it");
	return 0;
}

static int steps_run(struct setup *setup)
{
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		if (interrupted())
			return setup_fail("setup", "interrupted", "");
		if (steps[i](setup) < 0)
			return -1;
		fflush(stdout);
	}
	return 0;
}

static int apply(struct setup *setup, bool state_made)
{
	size_t first = json_array_size(setup->deeds);
	int r = 0;

	if (state_made && !setup->dry_run)
		r = record_add(setup, json_pack("{s:s, s:s}", "kind", "directory", "name", STATE_DIR));
	if (r == 0)
		r = steps_run(setup);
	if (r < 0 && setup->dry_run)
		return STATUS_FAILED;
	if (r < 0) {
		if (json_array_size(setup->deeds) > first || state_made)
			complain("setup", "failed", "the changes of this run are taken back");
		if (take_back(setup, first) < 0)
			complain("setup", "not everything could be taken back", "run `subuid setup --undo`");
		return STATUS_FAILED;
	}
	if (!setup->dry_run)
		services_tell(setup);
	if (setup->changes == 0)
		puts("This host is switched on; nothing had to be changed.");
	else if (setup->dry_run)
		puts("Nothing was changed: this was a dry run.");
	else
		puts("This host is switched on. `subuid doctor` checks it, `subuid setup --undo` takes it back.");
	return STATUS_DONE;
}

/* 0: there are none; else said why not. */
static int accounts_none(void)
{
	static struct index_reader reader = INDEX_READER(INDEX_PATH);
	struct index_account account;
	uint64_t cursor = 0;
	int r = index_account_next(&reader, &cursor, &account);

	if (r == -ENOENT || (r == -ENXIO && access(STATE_DIR "/state.db", F_OK) != 0))
		return 0;
	if (r == 0)
		return setup_fail(account.name, "is a sub-account of this host, and there may be more",
				  "remove them first, or use --keep-data");
	return setup_fail(INDEX_PATH, "cannot be read, so that there may be sub-accounts",
			  "start subuidd first, or use --keep-data");
}

/* Under systemd we may stop it; a daemon that was started by hand, not. */
static int daemon_none(const struct setup *setup)
{
	char what[64];
	int pid;

	if (record_has(setup, "units", SERVICE_UNIT) || !daemon_listens(&pid))
		return 0;
	snprintf(what, sizeof(what), "subuidd (pid %d)", pid);
	return setup_fail(what, "is running", "stop it first");
}

/* No record: there was no setup, or one that was killed before it had written one. */
static int undo_nothing(struct setup *setup, bool cut_short)
{
	puts("Nothing to take back.");
	if (setup->dry_run)
		return STATUS_DONE;
	if (record_save(setup) < 0)
		return STATUS_FAILED;
	if (cut_short)
		rmdir(STATE_DIR);
	return STATUS_DONE;
}

static int undo(struct setup *setup, bool cut_short)
{
	bool sshd = record_has(setup, "file", SSHD_DROPIN);

	if (json_array_size(setup->deeds) == 0 && !subid_lines_left())
		return undo_nothing(setup, cut_short);
	if (!setup->keep_data && accounts_none() < 0)
		return failure_exit_status(FAILURE_CONFLICT);
	if (!setup->dry_run && daemon_none(setup) < 0)
		return failure_exit_status(FAILURE_CONFLICT);
	if (take_back(setup, 0) < 0) {
		complain("setup", "not everything could be taken back", "fix the problems above and run it again");
		return STATUS_FAILED;
	}
	if (setup->dry_run) {
		puts("Nothing was changed: this was a dry run.");
		return STATUS_DONE;
	}
	setup->sshd_changed = sshd;
	services_tell(setup);
	puts("This host is as it was before `subuid setup`. The store in " STATE_DIR " and homes in " HOMES_DIR
	     " are never removed.");
	return STATUS_DONE;
}

static int options_parse(int argc, char **argv, struct setup_options *options)
{
	int option, status = STATUS_DONE;

	while ((option = option_next("setup", argc, argv, &status)) > 0) {
		options->undo |= option == 'u';
		options->keep_data |= option == 'k';
		options->metrics |= option == 'm';
		options->containers |= option == 'c';
		if (option == 'H')
			options->homes = optarg;
		if (option == 'F')
			options->fs = optarg;
		options->lxc_network |= option == 'L';
		if (option == 'l')
			options->lxc = optarg;
	}
	if (option < 0) {
		options->stop = true;
		return status;
	}
	if (options->keep_data && !options->undo)
		return usage_error("--keep-data", "goes with --undo", "");
	if (options->containers && options->undo)
		return usage_error("--containers", "does not go with --undo, which takes it back in any case", "");
	if (options->homes != NULL && options->undo)
		return usage_error("--homes", "does not go with --undo, which takes it back in any case", "");
	if (options->fs != NULL && options->homes == NULL)
		return usage_error("--fs", "goes with --homes", "");
	if (options->lxc != NULL && options->undo)
		return usage_error("--lxc", "does not go with --undo, which takes it back in any case", "");
	if (options->lxc_network && options->lxc == NULL)
		return usage_error("--lxc-network", "goes with --lxc", "");
	if (options->metrics && options->undo)
		return usage_error("--metrics", "does not go with --undo, which takes them back in any case", "");
	return STATUS_DONE;
}

/* Takes the lock, making what it needs, and reads the record. A dry run makes nothing. */
static int begin(struct setup *setup, bool undoing, bool *state_made, int *lock)
{
	bool cut_short = access(SETUP_DIR, F_OK) == 0;

	if (!setup->dry_run && !(undoing && access(STATE_DIR, F_OK) != 0)) {
		if (state_make(state_made) < 0)
			return -1;
		*lock = record_lock();
		if (*lock < 0)
			return -1;
	}
	if (record_load(setup) < 0)
		return -1;
	/* Our directory without a record: a run was killed in its first instant. */
	*state_made |= cut_short && json_array_size(setup->deeds) == 0;
	return 0;
}

int host_setup(int argc, char **argv)
{
	struct setup_options options = { 0 };
	struct setup setup = { 0 };
	cleanup_fd int lock = -1;
	bool state_made = false;
	int status = options_parse(argc, argv, &options);

	if (status != STATUS_DONE || options.stop)
		return status;
	if (geteuid() != 0) {
		complain("setup", "only root can switch a host on or off", "use sudo");
		return failure_exit_status(FAILURE_NOT_PERMITTED);
	}
	setup.dry_run = common.dry_run;
	setup.keep_data = options.keep_data;
	setup.metrics = options.metrics;
	setup.containers = options.containers;
	setup.homes = options.homes;
	setup.homes_fs = options.fs;
	setup.lxc = options.lxc;
	setup.lxc_network = options.lxc_network;
	signals_hold();
	umask(022);
	if (begin(&setup, options.undo, &state_made, &lock) < 0)
		return STATUS_FAILED;
	status = options.undo ? undo(&setup, state_made) : apply(&setup, state_made);
	json_decref(setup.deeds);
	return status;
}
