/* SPDX-License-Identifier: ISC */
/* `subuid state`: saves, verifies and loads everything that the daemon knows. The daemon writes, the state program does
 * the rest. */
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
	const char *words[6] = { verb };

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
	complain("save", "other programs keep taking away what the daemon saves", "try again when they have ended");
	return STATUS_FAILED;
}

static int state_save(int argc, char **argv)
{
	struct saving saving = { { NULL } };
	bool force = false, daily = false;
	int c, count = 0, status = STATUS_DONE;

	while ((c = option_next("state save", argc, argv, &status)) > 0) {
		force |= c == 'f';
		daily |= c == 'd';
	}
	if (c < 0)
		return status;
	status = operands_check("state save", argc, !daily, !daily);
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
	int status = STATUS_DONE;

	if (option_next("state verify", argc, argv, &status) < 0)
		return status;

	const char *const words[] = { "verify", "--", argv[optind], NULL };

	return own_program_run(STATE_PROGRAM, words);
}

/* ---- load */

struct loading {
	bool yes, restart;
};

static int program_load(const struct loading *loading, const char *file)
{
	const char *words[6] = { "load" };
	int count = 1;

	if (common.dry_run)
		words[count++] = "--dry-run";
	if (loading->yes)
		words[count++] = "--yes";
	words[count++] = "--";
	words[count++] = file;
	return own_program_run(STATE_PROGRAM, words);
}

static void start_hint(int status)
{
	if (status == STATUS_DONE && !common.dry_run && !common.json)
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
	if (!daemon_ran(&stopped) && (status != STATUS_DONE || common.dry_run || !daemon_enabled(&stopped))) {
		start_hint(status);
		return status;
	}
	started = daemon_start(&stopped); /* with the old state, if it was not loaded */
	return status != STATUS_DONE ? status : started;
}

static int state_load(int argc, char **argv)
{
	struct loading loading = { .yes = false };
	int c, status = STATUS_DONE;

	while ((c = option_next("state load", argc, argv, &status)) > 0) {
		loading.yes |= c == 'y';
		loading.restart |= c == 'r';
	}
	if (c < 0)
		return status;
	status = root_only("state load");
	if (status != STATUS_DONE)
		return status;
	if (loading.restart)
		return load_restarting(&loading, argv[optind]);
	status = program_load(&loading, argv[optind]);
	start_hint(status);
	return status;
}

int command_state(int argc, char **argv)
{
	static const struct subcommand commands[] = {
		{ "save", state_save }, { "verify", state_verify }, { "load", state_load }, { NULL, NULL }
	};

	return subcommand_run(commands, "state", argc, argv);
}
