/* SPDX-License-Identifier: ISC */
/* The record of a run: who, what and when, as its beginning says it. Part of the login shell. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "account/name.h"
#include "account/role.h"
#include "account/shell.h"
#include "backup/exit_status.h"
#include "backup/login_command.h"
#include "backup/probe.h"
#include "backup/run_watch.h"

/* The one of the key's tools that the client's first word names, or the only one. */
static void tool_of(const struct login_command *command, const char *original, struct run *run)
{
	size_t word = strcspn(original, " \t"), base = word, length;
	const char *next = command->tools, *name;

	if (login_command_isolated(command, original)) {
		snprintf(run->tool, sizeof(run->tool), "%s", command->line[0] != '\0' ? COMMAND_ROLE : SHELL_ROLE);
		return;
	}
	if (probe_is(original) || login_command_is_rsync(command, original)) {
		snprintf(run->tool, sizeof(run->tool), "%s", "rsync");
		return;
	}
	while (base > 0 && original[base - 1] != '/')
		base--;
	while ((length = tools_next(&next, &name)) > 0) {
		if (run->tool[0] != '\0' && memmem(original + base, word - base, name, length) == NULL)
			continue;
		memset(run->tool, 0, sizeof(run->tool)); /* nothing of a longer name stays behind it */
		snprintf(run->tool, sizeof(run->tool), "%.*s", (int)length, name);
	}
	if (run->tool[0] == '\0') /* a key that forwards only */
		snprintf(run->tool, sizeof(run->tool), "%s", "forward");
}

/* Anything but an address is left out: a record with it would be refused. */
static void address_of(const char *connection, struct run *run)
{
	size_t length = strspn(connection, RUN_ADDRESS_SET);

	if (length <= RUN_ADDRESS_MAX && (connection[length] == ' ' || connection[length] == '\0'))
		memcpy(run->address, connection, length);
}

/* A guess from the client's words, until the gate has read them (report.h); it may come to nothing before that. */
static enum run_kind kind_of(const struct login_command *command, const char *original)
{
	if (login_command_isolated(command, original)) /* what it does says nothing of backups */
		return RUN_READ;
	if (probe_is(original))
		return RUN_PROBE;
	if (!login_command_is_rsync(command, original))
		return (command->options & KEY_READ_ONLY) != 0 ? RUN_READ : RUN_BACKUP;
	if (!login_command_serves_rsync(original))
		return RUN_REFUSED;
	return command->role == ROLE_PULL || login_command_looks(original) ? RUN_READ : RUN_BACKUP;
}

void run_describe(const struct login_command *command, const char *original, struct run *run)
{
	const char *connection = getenv("SSH_CONNECTION");
	*run = (struct run){ .magic = RUN_MAGIC,
			     .key_id = command->key_id,
			     .bytes_in = RUN_UNKNOWN,
			     .bytes_out = RUN_UNKNOWN,
			     .files = RUN_UNKNOWN,
			     .deleted = RUN_UNKNOWN,
			     .status = RUN_UNFINISHED,
			     .started = time(NULL) };
	tool_of(command, original, run);
	run->kind = kind_of(command, original);
	memcpy(run->fingerprint, command->fingerprint, strlen(command->fingerprint));
	if (connection != NULL)
		address_of(connection, run);
}

void run_record(int *spool, const struct run *run)
{
	int r = run_spool_write(spool, run);

	if (r < 0) {
		openlog("subuid-login", LOG_PID, LOG_AUTH);
		syslog(LOG_ERR, "uid %u: run of key %u, status %u: not recorded: %s", (unsigned)getuid(), run->key_id,
		       run->status, strerror(-r));
	}
	if (*spool >= 0)
		close(*spool);
}

void run_not_begun(struct run *run, const char *why)
{
	int spool = -1;

	run->status = EXIT_REFUSED;
	text_escape(why, run->error, sizeof(run->error));
	run_record(&spool, run);
}

void run_refused(const struct login_command *command, const char *original, const char *why)
{
	struct run run;

	run_describe(command, original != NULL ? original : "", &run);
	if (original == NULL || (command->role == ROLE_NONE && command->tools[0] == '\0'))
		run.kind = RUN_REFUSED;
	run_not_begun(&run, why);
}
