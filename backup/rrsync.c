/* SPDX-License-Identifier: ISC */
/*
 * subuid-rrsync: what an ssh key may do with rsync in one directory. Run by sshd (as
 * a forced command) or by the login shell of a sub-account, with the uid of the
 * account and no privilege. The client's own command is in SSH_ORIGINAL_COMMAND.
 *
 * The order is the point: our own arguments; DIR, and a root directory that holds only it; the process is
 * lowered; then the client's words are parsed; then the system call filter; then rsync.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#include "account/snapshot.h"
#include "backup/file_count.h"
#include "backup/gate_confine.h"
#include "backup/gate_lock.h"
#include "backup/gate_names.h"
#include "backup/gate_policy.h"
#include "backup/gate_snapshots.h"
#include "backup/probe.h"
#include "backup/refuse.h"
#include "backup/report.h"
#include "backup/rsync_arguments.h"
#include "backup/rsync_binary.h"
#include "backup/rsync_paths.h"
#include "backup/secluded.h"
#include "confine/harden.h"
#include "confine/limits.h"
#include "confine/private_root.h"

#define PROGRAM "subuid-rrsync" /* as the client sees it */

static const char usage[] =
	"usage: subuid-rrsync [-ro|-wo|-blind] [-no-del] [-no-overwrite] [-munge] [-absolute] [-no-lock]\n"
	"                     [-fake-super] [-snapshots] [-private|-no-private] [-timeout=SECONDS] [-memory=MIB]\n"
	"                     [-bwlimit=KIB] [-processes=N] [-open-files=N] [-file-size=BYTES] DIR\n"
	"Lets an ssh key use rsync in DIR and nowhere else. See subuid-rrsync(1).\n";

static int refuse_error(int r, const struct gate_refusal *refusal)
{
	if (r == -EPERM)
		return refuse(PROGRAM, refusal->what, refusal->why, EXIT_REFUSED);
	return refuse(PROGRAM, "rsync", strerror(-r), EXIT_REFUSED);
}

/* From the client's words to the arguments of rsync; those from *paths on are paths. */
static int make_arguments(const struct gate_policy *policy, const struct rsync_request *request, const char *base,
			  struct text_list *argv, size_t *paths, struct gate_refusal *refusal)
{
	struct text_list inside = { 0 };
	int r = text_list_add(argv, "rsync");

	if (r == 0)
		r = rsync_options_build(policy, request, base, argv, &inside, refusal);
	for (size_t i = 0; r == 0 && i < inside.count; i++)
		r = rsync_paths_inside(policy, inside.items[i], true, refusal);
	text_list_free(&inside);
	if (r == 0)
		r = text_list_add(argv, "--");
	if (r == 0)
		r = text_list_add(argv, ".");
	*paths = argv->count;
	return r < 0 ? r : rsync_paths_add(policy, request, argv, refusal);
}

/*
 * rsync reads aliases of options from $HOME/.popt and patterns from $HOME/.cvsignore: HOME
 * must never be a directory that the client can write. RSYNC_* would change
 * its behaviour; nothing of the caller's environment is passed on.
 */
static int run_rsync(const struct gate_policy *policy, char **argv, bool sender)
{
	static char path[] = "PATH=/usr/bin:/bin", home[] = "HOME=/nonexistent", language[] = "LANG=C.UTF-8";
	char *environment[] = { path, home, language, NULL };
	int r = gate_confine_calls(policy, sender);

	if (r < 0)
		return refuse_unconfined(PROGRAM, "system call filter", r);
	execve(rsync_binary_path(), argv, environment);
	return refuse(PROGRAM, rsync_binary_path(), strerror(errno), EXIT_REFUSED);
}

/* Where this run will write: the destination, or all of DIR for a pull that removes its sources. */
static int lock(const struct gate_policy *policy, const struct rsync_request *request, const char *base,
		struct gate_refusal *refusal)
{
	char holder[128];
	int r;

	if (!request->changes || policy->no_lock)
		return 0;
	r = gate_lock(base, holder, sizeof(holder));
	return r == -EWOULDBLOCK ? gate_refuse(refusal, "busy", holder) : r;
}

static bool by_number(const struct rsync_request *request)
{
	for (size_t i = 0; i < request->options_count; i++)
		if (request->options[i].option != NULL && strcmp(request->options[i].option->name, "numeric-ids") == 0)
			return true;
	return false;
}

/* A restore by number is still a restore: missing names are reported, but are no reason to refuse. */
static void place_names(const struct gate_policy *policy, const struct rsync_request *request, const char *source,
			struct gate_names *names)
{
	char path[PATH_MAX] = "", why[REFUSAL_TEXT_MAX + 1];
	int r = by_number(request) ? 0 : gate_names_place(names, source, policy->fake_super, path, sizeof(path));

	gate_names_close(names);
	if (r == 0)
		return;
	snprintf(why, sizeof(why), "not a plain file of at most 1 MiB (%s); owners come by number", strerror(-r));
	refuse_part(PROGRAM, path, why);
}

/* Sends the read end of rsync's log to the login shell; without a private root there is no log. */
static void report_files(struct gate_policy *policy, int files)
{
	const struct report report = { .kind = REPORT_FILES, .fd = files };

	policy->log = files >= 0 && report_send(REPORT_SOCKET, &report) == 0;
}

/*
 * What was asked for, also if it is refused: nobody else reads the client's words, and the record of the run goes by
 * this. Until here the login shell had time to take the log; if nobody took it, there is none.
 */
static void report_end(struct gate_policy *policy, enum rsync_intent intent)
{
	const struct report report = { .kind = intent == RSYNC_NONE  ? REPORT_REFUSED :
					       intent == RSYNC_READS ? REPORT_READS :
								       REPORT_WRITES,
				       .fd = -1 };

	report_send(REPORT_SOCKET, &report);
	if (policy->log && report_answered(REPORT_SOCKET))
		policy->files_log = FILE_COUNT_LOG;
	close(REPORT_SOCKET);
}

/* The command that the client would have sent without --secluded-args. */
static int take_secluded(const struct gate_policy *policy, struct command_line *line, struct gate_refusal *refusal)
{
	static char bytes[SECLUDED_MAX];
	struct command_line whole = { 0 };
	long size = secluded_read(STDIN_FILENO, policy->timeout, bytes);
	int r = size < 0 ? (int)size : secluded_join(line, bytes, (size_t)size, &whole);

	if (r == -E2BIG)
		return gate_refuse(refusal, "arguments inside the protocol", "too many; use --files-from");
	if (r < 0 && r != -ENOMEM)
		return gate_refuse(refusal, "arguments inside the protocol",
				   r == -EPROTO ? "not those of an rsync client" : strerror(-r));
	if (r < 0)
		return r;
	command_line_free(line);
	*line = whole;
	return 0;
}

static int serve(struct gate_policy *policy, const char *command, bool pull, struct gate_names *names)
{
	struct command_line line = { 0 };
	struct rsync_request request = { 0 };
	struct text_list argv = { 0 };
	struct gate_refusal refusal = { 0 };
	char base[PATH_MAX] = ".";
	size_t paths = 0;
	int r = command_line_split(command, &line);

	if (r == -EINVAL)
		return refuse(PROGRAM, "command", "a quote is not closed", EXIT_REFUSED);
	if (r == 0 && secluded_asked(&line))
		r = take_secluded(policy, &line, &refusal);
	if (r == 0) {
		r = rsync_request_parse(policy, &line, &request, &refusal);
		if (policy->report)
			report_end(policy, request.intent);
	}
	/* a push that looked like a pull to is_pull() has no private root */
	if (r == 0 && pull && !request.sender)
		r = gate_refuse(&refusal, "command", "not that of an rsync client");
	if (r == 0)
		r = gate_snapshots_enter(policy, &request, &refusal);
	if (r == 0 && !request.sender)
		r = rsync_paths_base(policy, &request, base, sizeof(base));
	if (r == 0)
		r = make_arguments(policy, &request, base, &argv, &paths, &refusal);
	if (r == 0 && pull)
		place_names(policy, &request, argv.items[paths], names);
	if (r == 0)
		r = lock(policy, &request, base, &refusal);
	return r < 0 || argv.items == NULL ? refuse_error(r, &refusal) : run_rsync(policy, argv.items, request.sender);
}

/* Every client's pull begins this way, and nothing else that is accepted does: serve() sees to that. */
static bool is_pull(const char *command)
{
	static const char pull[] = " --server --sender ";

	return strncmp(command + strcspn(command, " "), pull, strlen(pull)) == 0;
}

/*
 * The owner of a file, on the disk or in its attributes, is as the server sent it. Without that, the numbers are this
 * host's, and the server's names would be wrong for them.
 */
static bool has_ids_of_server(const struct gate_policy *policy)
{
	return policy->fake_super || private_root_keeps_ids();
}

/*
 * A push always gets a root of its own, and so does a pull if that loses no id. In a user namespace a pull
 * without -fake-super would give files of other owners to nobody; outside DIR it could only look at names, sizes
 * and dates, since its filter lets it change nothing.
 */
static bool wants_private_root(const struct gate_policy *policy, const char *directory, bool pull)
{
	if (policy->shared_root || strcmp(directory, "/") == 0)
		return false;
	return policy->private_root || !pull || has_ids_of_server(policy);
}

/* 0; otherwise the exit status. */
static int enter(const struct gate_policy *policy, const char *directory, bool pull, struct gate_names *names,
		 int *files)
{
	const bool private_root = wants_private_root(policy, directory, pull);
	const char *step = "directory";
	int error = 0, r;

	r = gate_enter(directory, policy, private_root, pull && has_ids_of_server(policy) ? names : NULL, files, &step,
		       &error);
	if (r == -ENOSYS)
		return refuse_unconfined(PROGRAM, "openat2", r);
	if (r == -ENOTRECOVERABLE || (r == 1 && policy->private_root))
		return refuse_unconfined(PROGRAM, step, error);
	if (r < 0)
		return refuse(PROGRAM, directory, strerror(-r), EXIT_REFUSED);
	if (r == 1)
		syslog(LOG_NOTICE, "uid %u: no private root on this host (%s: %s): %s %s", (unsigned)getuid(), step,
		       strerror(-error),
		       pull ? "a pull has no names of owners, and can see sizes and dates outside" :
			      "a push can see and touch what its uid owns outside",
		       directory);
	return 0;
}

int main(int argc, char **argv)
{
	const char *command = getenv("SSH_ORIGINAL_COMMAND"), *directory, *step;
	struct gate_policy policy = { 0 };
	struct gate_refusal refusal = { 0 };
	struct gate_names names = GATE_NAMES_NONE;
	static char path[PATH_MAX], snapshots[PATH_MAX], answer[PROBE_ANSWER_MAX + 1];
	int files = -1, r;
	bool pull;

	r = gate_options_parse(argc, argv, &policy, &directory, &refusal);
	if (r == 1)
		return fputs(usage, stdout) < 0 ? EXIT_REFUSED : EXIT_SUCCESS;
	if (r < 0)
		return refuse(PROGRAM, refusal.what, refusal.why, 2);
	if (policy.history && snapshots_beside(directory, snapshots, sizeof(snapshots)) == 0)
		policy.snapshots = snapshots;
	if (policy.report)
		refuse_without_log();
	r = descriptors_first_only(policy.report ? REPORT_SOCKET + 1 : REPORT_SOCKET);
	if (r < 0)
		return refuse_unconfined(PROGRAM, "descriptors", r);
	if (command == NULL)
		return refuse(PROGRAM, "no command", "this key runs rsync only (SSH_ORIGINAL_COMMAND is not set)",
			      EXIT_REFUSED);
	if (probe_answer(command, answer))
		return fputs(answer, stdout) < 0 ? EXIT_REFUSED : EXIT_SUCCESS;
	r = rsync_binary_look(&policy);
	if (r < 0)
		return refuse(PROGRAM, rsync_binary_path(), strerror(-r), EXIT_UNCONFINED);
	openlog("subuid-rrsync", LOG_PID | LOG_NDELAY, LOG_AUTH);
	r = limits_confine(&policy.limits);
	if (r < 0)
		return refuse_unconfined(PROGRAM, "limits", r);
	pull = is_pull(command);
	r = enter(&policy, directory, pull, &names, &files);
	if (r != 0)
		return r;
	if (policy.report)
		report_files(&policy, files);
	r = gate_confine_files(&policy, &names, files, path, sizeof(path), &step);
	if (r < 0)
		return refuse_unconfined(PROGRAM, step, r);
	return serve(&policy, command, pull, &names);
}
