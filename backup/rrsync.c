/* SPDX-License-Identifier: ISC */
/*
 * subuid-rrsync: what an ssh key may do with rsync in one directory. Run by sshd (as
 * a forced command) or by the login shell of a sub-account, with the uid of the
 * account and no privilege. The client's own command is in SSH_ORIGINAL_COMMAND.
 *
 * The order is the point: our own arguments; DIR; the process is lowered and sees DIR
 * only; then the client's words are parsed; then the system call filter; then rsync.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#include "account/name.h"
#include "backup/gate_confine.h"
#include "backup/gate_lock.h"
#include "backup/gate_policy.h"
#include "backup/rsync_arguments.h"
#include "backup/rsync_binary.h"
#include "backup/rsync_paths.h"
#include "confine/identity.h"

#define EXIT_REFUSED 1
#define EXIT_UNCONFINED 78 /* EX_CONFIG: this host cannot enforce what was promised */

static const char usage[] =
	"usage: subuid-rrsync [-ro|-wo] [-no-del] [-no-overwrite] [-munge] [-absolute] [-no-lock]\n"
	"                     [-fake-super] DIR\n"
	"Lets an ssh key use rsync in DIR and nowhere else. See subuid-rrsync(1).\n";

/* Once to the person at the other end, once to the log; control bytes escaped. */
static int refuse(const char *what, const char *why, int status)
{
	char text[2 * REFUSAL_TEXT_MAX + 3], escaped[4 * sizeof(text)];

	snprintf(text, sizeof(text), "%s: %s", what, why);
	text_escape(text, escaped, sizeof(escaped));
	fprintf(stderr, "subuid-rrsync: %s\n", escaped);
	syslog(LOG_NOTICE, "uid %u: refused: %s", (unsigned)getuid(), escaped);
	return status;
}

static int refuse_unconfined(const char *step, int error)
{
	char why[REFUSAL_TEXT_MAX + 1];

	snprintf(why, sizeof(why), "this host cannot confine rsync (%s); nothing was run", strerror(-error));
	return refuse(step, why, EXIT_UNCONFINED);
}

static int refuse_error(int r, const struct gate_refusal *refusal)
{
	if (r == -EPERM)
		return refuse(refusal->what, refusal->why, EXIT_REFUSED);
	return refuse("rsync", strerror(-r), EXIT_REFUSED);
}

/* The words of the client, down to arguments of rsync. */
static int make_arguments(const struct gate_policy *policy, const struct rsync_request *request,
			  struct text_list *argv, struct gate_refusal *refusal)
{
	struct text_list inside = { 0 };
	char base[PATH_MAX] = ".";
	int r = text_list_add(argv, "rsync");

	if (r == 0 && !request->sender)
		r = rsync_paths_base(policy, request, base, sizeof(base));
	if (r == 0)
		r = rsync_options_build(policy, request, base, argv, &inside, refusal);
	for (size_t i = 0; r == 0 && i < inside.count; i++)
		r = rsync_paths_inside(policy, inside.items[i], true, refusal);
	text_list_free(&inside);
	if (r == 0)
		r = text_list_add(argv, "--");
	if (r == 0)
		r = text_list_add(argv, ".");
	return r < 0 ? r : rsync_paths_add(policy, request, argv, refusal);
}

/*
 * rsync reads aliases of options from $HOME/.popt and patterns from $HOME/.cvsignore: HOME
 * must never be a directory that the client can write. RSYNC_* would change
 * its behaviour; nothing of the caller's environment goes on.
 */
static int run_rsync(char **argv)
{
	static char path[] = "PATH=/usr/bin:/bin", home[] = "HOME=/nonexistent", language[] = "LANG=C.UTF-8";
	char *environment[] = { path, home, language, NULL };
	int r = gate_confine_calls();

	if (r < 0)
		return refuse_unconfined("system call filter", r);
	execve(RSYNC_PATH, argv, environment);
	return refuse(RSYNC_PATH, strerror(errno), EXIT_REFUSED);
}

static int serve(struct gate_policy *policy, int root, int locks, const char *command)
{
	struct command_line line = { 0 };
	struct rsync_request request = { 0 };
	struct text_list argv = { 0 };
	struct gate_refusal refusal = { 0 };
	char holder[128];
	int r = command_line_split(command, &line);

	if (r == -EINVAL)
		return refuse("command", "a quote is not closed", EXIT_REFUSED);
	if (r == 0)
		r = rsync_request_parse(policy, &line, &request, &refusal);
	if (r == 0)
		r = make_arguments(policy, &request, &argv, &refusal);
	if (r == 0 && request.changes && !policy->no_lock) {
		r = gate_lock(root, locks, holder, sizeof(holder));
		if (r == -EWOULDBLOCK)
			r = gate_refuse(&refusal, "busy", holder);
	}
	return r < 0 || argv.items == NULL ? refuse_error(r, &refusal) : run_rsync(argv.items);
}

/* Standard input, output and error are the client's; nothing else of the caller's is kept. */
static int close_others(void)
{
	for (int fd = 0; fd <= 2; fd++)
		if (fcntl(fd, F_GETFD) < 0)
			return -errno;
	return descriptors_close_from(3);
}

int main(int argc, char **argv)
{
	const char *command = getenv("SSH_ORIGINAL_COMMAND"), *directory, *step = "descriptors";
	struct gate_policy policy = { 0 };
	struct gate_refusal refusal = { 0 };
	static char path[PATH_MAX];
	int root, locks, r;

	r = gate_options_parse(argc, argv, &policy, &directory, &refusal);
	if (r == 1)
		return fputs(usage, stdout) < 0 ? EXIT_REFUSED : EXIT_SUCCESS;
	if (r < 0)
		return refuse(refusal.what, refusal.why, 2);
	r = close_others();
	if (r < 0)
		return refuse_unconfined(step, r);
	if (command == NULL)
		return refuse("no command", "this key runs rsync only (SSH_ORIGINAL_COMMAND is not set)",
			      EXIT_REFUSED);
	if (strcmp(command, "true") == 0) /* "is the host there?", asked by backup programs */
		return EXIT_SUCCESS;
	root = gate_open(directory);
	if (root == -ENOSYS)
		return refuse_unconfined("openat2", root);
	if (root < 0)
		return refuse(directory, strerror(-root), EXIT_REFUSED);
	r = rsync_binary_look(&policy);
	if (r < 0)
		return refuse(RSYNC_PATH, strerror(-r), EXIT_UNCONFINED);
	locks = gate_lock_prepare();
	openlog("subuid-rrsync", LOG_PID | LOG_NDELAY, LOG_AUTH);
	r = gate_confine_files(root, &policy, path, sizeof(path), &step);
	if (r < 0)
		return refuse_unconfined(step, r);
	return serve(&policy, root, locks, command);
}
