/* SPDX-License-Identifier: ISC */
/* `subuid state`: saving, verifying and loading all that the daemon knows. The daemon writes, the state program
 * does the rest. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "account/failure.h"
#include "cli/daemon.h"
#include "cli/own_program.h"
#include "cli/subuid.h"
#include "confine/cleanup.h"
#include "varlink/client.h"

#define STATUS_GONE 75 /* of `state collect`: another one took it */
#define ATTEMPTS 10

static const char help[] =
	"usage: subuid state save [--force] FILE|-\n"
	"       subuid state save --daily\n"
	"       subuid state verify FILE|-\n"
	"       subuid state load [--dry-run] [--yes] [--restart] FILE|-\n"
	"Everything that subuidd knows, as one file: accounts, keys, ranges, limits, runs, the audit\n"
	"trail, and which ids are never given out again. save and load are root's.\n\n"
	"  save       while the daemon runs, or while it does not\n"
	"  --force    over a file that is no saved state\n"
	"  --daily    into backup_directory, as state-YYYY-MM-DD; keeps the newest backups_kept\n"
	"  verify     checksum, version and every row; prints whose state it is\n"
	"  load       while the daemon does not run: says what differs from what is here;\n"
	"             what is newer here is lost only with --yes, and its ids stay taken\n"
	"  --dry-run  say it and change nothing\n"
	"  --yes      lose what is newer here\n"
	"  --restart  stop the daemon first, and start it again; one that did not run is started\n"
	"             where systemd is to start it\n";

static int root_only(const char *what)
{
	if (geteuid() == 0)
		return STATUS_DONE;
	complain(what, "only root may do this", "use sudo");
	return failure_exit_status(FAILURE_NOT_PERMITTED);
}

static bool listens(void)
{
	cleanup_fd int fd = varlink_connect(common.socket);

	return fd >= 0;
}

/* ---- save */

struct saving {
	const char *words[4]; /* behind the verb */
};

static int program_save(const char *verb, const struct saving *saving)
{
	const char *words[6] = {verb};

	memcpy(words + 1, saving->words, sizeof(saving->words));
	return own_program_run(STATE_PROGRAM, words);
}

static int save_by_daemon(const struct saving *saving)
{
	int status = STATUS_GONE;

	for (int i = 0; status == STATUS_GONE && i < ATTEMPTS; i++) {
		json_t *reply = NULL;

		status = call("StateSave", NULL, &reply);
		json_decref(reply);
		if (status == STATUS_DONE)
			status = program_save("collect", saving);
	}
	if (status != STATUS_GONE)
		return status;
	complain("save", "others take away what the daemon saves, again and again",
		 "try again when they have ended");
	return STATUS_FAILED;
}

static int state_save(int argc, char **argv)
{
	static const struct option options[] = {
		{"force", no_argument, NULL, 'f'}, {"daily", no_argument, NULL, 'd'}, COMMON_OPTIONS};
	struct saving saving = {{NULL}};
	bool force = false, daily = false;
	int c, count = 0, status = STATUS_DONE;

	while ((c = option_next("state", help, argc, argv, options, &status)) > 0) {
		force |= c == 'f';
		daily |= c == 'd';
	}
	if (c < 0)
		return status;
	status = operands_check("state", argc, !daily, !daily);
	if (status == STATUS_DONE)
		status = root_only("state save");
	if (status != STATUS_DONE)
		return status;
	if (force)
		saving.words[count++] = "--force";
	saving.words[count++] = daily ? "--daily" : "--";
	if (!daily)
		saving.words[count++] = argv[optind];
	return listens() ? save_by_daemon(&saving) : program_save("save", &saving);
}

/* ---- verify */

static int state_verify(int argc, char **argv)
{
	static const struct option options[] = {COMMON_OPTIONS};
	int status = STATUS_DONE;

	if (option_next("state", help, argc, argv, options, &status) < 0)
		return status;
	status = operands_check("state", argc, 1, 1);
	if (status != STATUS_DONE)
		return status;

	const char *const words[] = {"verify", "--", argv[optind], NULL};

	return own_program_run(STATE_PROGRAM, words);
}

/* ---- load */

struct loading {
	bool dry_run, yes, restart;
};

static int program_load(const struct loading *loading, const char *file)
{
	const char *words[6] = {"load"};
	int count = 1;

	if (loading->dry_run)
		words[count++] = "--dry-run";
	if (loading->yes)
		words[count++] = "--yes";
	words[count++] = "--";
	words[count++] = file;
	return own_program_run(STATE_PROGRAM, words);
}

static void start_hint(const struct loading *loading, int status)
{
	if (status == STATUS_DONE && !loading->dry_run && !common.json)
		puts("now start the daemon: systemctl start subuidd.socket subuidd, or subuidd where there is no "
		     "systemd");
}

static int load_restarting(const struct loading *loading, const char *file)
{
	struct stopped stopped;
	int status = daemon_stop(&stopped), started;

	if (status != STATUS_DONE) {
		daemon_start(&stopped);
		return status;
	}
	status = program_load(loading, file);
	if (!daemon_ran(&stopped) && (status != STATUS_DONE || loading->dry_run || !daemon_enabled(&stopped))) {
		start_hint(loading, status);
		return status;
	}
	started = daemon_start(&stopped); /* with the old state, if it was not loaded */
	return status != STATUS_DONE ? status : started;
}

static int state_load(int argc, char **argv)
{
	static const struct option options[] = {{"dry-run", no_argument, NULL, 'd'},
						{"yes", no_argument, NULL, 'y'},
						{"restart", no_argument, NULL, 'r'},
						COMMON_OPTIONS};
	struct loading loading = {.yes = false};
	int c, status = STATUS_DONE;

	while ((c = option_next("state", help, argc, argv, options, &status)) > 0) {
		loading.dry_run |= c == 'd';
		loading.yes |= c == 'y';
		loading.restart |= c == 'r';
	}
	if (c < 0)
		return status;
	status = operands_check("state", argc, 1, 1);
	if (status == STATUS_DONE)
		status = root_only("state load");
	if (status != STATUS_DONE)
		return status;
	if (loading.restart)
		return load_restarting(&loading, argv[optind]);
	status = program_load(&loading, argv[optind]);
	start_hint(&loading, status);
	return status;
}

int command_state(int argc, char **argv)
{
	static const struct subcommand commands[] = {
		{"save", state_save}, {"verify", state_verify}, {"load", state_load}, {NULL, NULL}};

	return subcommand_run(commands, "state", help, argc, argv);
}
