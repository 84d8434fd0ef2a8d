/* SPDX-License-Identifier: ISC */
/*
 * The login shell of every sub-account, and of owners who have no other. Run by sshd as the sub-account, as `login -c
 * 'push … key=12 fp=SHA256:…'`: our own words, out of the key index. These words, and whether the client's command is
 * about rsync, decide which gate runs. It is not a shell: anything else that a misconfigured sshd, su or cron calls it
 * with is refused. The kernel says which account it is, the index says where its home is.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "index/index.h"
#include "index/verdict.h"
#include "account/name.h"
#include "account/role.h"
#include "account/shell.h"
#include "backup/exit_status.h"
#include "backup/login_command.h"
#include "backup/login_end.h"
#include "backup/login_grant.h"
#include "backup/login_words.h"
#include "backup/pace.h"
#include "backup/probe.h"
#include "backup/run_watch.h"
#include "backup/throttle.h"
#include "confine/harden.h"

#define RSYNC_GATE BINDIR "/subuid-rrsync"
#define TOOL_GATE LIBEXECDIR "/tool"
#define REFUSAL LIBEXECDIR "/refusal"

static struct index_reader accounts = INDEX_READER(INDEX_PATH);
#define SAID_MAX 1024
#define ESCAPED_MAX (2 * SAID_MAX)

#define REFUSED_HERE (-1) /* in place of an exit status: by this program, and nothing was run */

static char said[SAID_MAX];                                          /* the last refusal */
static const char over_limit[] = "over its limit of files or bytes"; /* in the record */

/* To the person at the other end, unless they do not read (a run is ended all the same); and what it was, escaped. */
__attribute__((format(printf, 2, 0))) static void tell(char escaped[ESCAPED_MAX], const char *format, va_list list)
{
	struct pollfd reader = { .fd = STDERR_FILENO, .events = POLLOUT };

	vsnprintf(said, sizeof(said), format, list);
	text_escape(said, escaped, ESCAPED_MAX);
	if (poll(&reader, 1, 0) != 0)
		fprintf(stderr, "subuid: %s\n", escaped);
}

__attribute__((format(printf, 1, 2))) static int refuse_quietly(const char *format, ...)
{
	char escaped[ESCAPED_MAX];
	va_list list;

	va_start(list, format);
	tell(escaped, format, list);
	va_end(list);
	return REFUSED_HERE;
}

/* One line for all of a minute. */
static void log_refused(const char *escaped)
{
	char others[64] = "";
	unsigned more;

	if (!pace(true, &more))
		return;
	if (more > 0)
		snprintf(others, sizeof(others), " (and %u more since the last such line)", more);
	openlog("subuid-login", LOG_PID, LOG_AUTH);
	syslog(LOG_NOTICE, "uid %u: refused: %s%s", (unsigned)getuid(), escaped, others);
}

/* A gate's status says that it refused, and its last line says why. */
static void pace_run(const struct run *run, int status)
{
	char error[RUN_ERROR_MAX + 1];
	unsigned more;

	if (WIFEXITED(status) && (WEXITSTATUS(status) == EXIT_REFUSED || WEXITSTATUS(status) == EXIT_UNCONFINED)) {
		snprintf(error, sizeof(error), "%.*s", RUN_ERROR_MAX, run->error);
		log_refused(error);
	} else if ((status != 0 || run->kind == RUN_PROBE) && !role_built_in(run->tool, strlen(run->tool))) {
		pace(false, &more);
	}
}

/* To the log as well. */
__attribute__((format(printf, 1, 2))) static int refuse(const char *format, ...)
{
	char escaped[ESCAPED_MAX];
	va_list list;

	va_start(list, format);
	tell(escaped, format, list);
	va_end(list);
	log_refused(escaped);
	return REFUSED_HERE;
}

/* Our own words for it, and of the environment what sshd made. It takes the place of this program: what it does is no
 * run of a backup, and is not recorded as one. words: "key=12 fp=SHA256:…", of whichever key it was. */
static int run_manage(const char *words, const char *original)
{
	char program[] = "manage", command[LOGIN_COMMAND_MAX + 1] = "", *rest = command;
	char *arguments[] = { program, NULL, NULL, NULL }, *environment[] = { NULL, NULL };

	if (words != NULL) {
		snprintf(command, sizeof(command), "%s", words);
		arguments[1] = strsep(&rest, " ");
		arguments[2] = rest;
	}
	if (original != NULL && asprintf(&environment[0], "SSH_ORIGINAL_COMMAND=%s", original) < 0)
		return refuse(MANAGE_PROGRAM ": %s", strerror(ENOMEM));
	execve(MANAGE_PROGRAM, arguments, environment);
	return refuse(MANAGE_PROGRAM ": %s; ask the administrator of this host", strerror(errno));
}

/* Not a sub-account: a user of the host whose login shell this is. They manage their accounts, whatever they logged in
 * with, and that is all: a command that no key of theirs forces is taken as the client's. */
static int serve_owner(int argc, char **argv, const char *original)
{
	struct index_host host;
	const char *words;
	int r = index_host(&accounts, &host);

	if (r < 0)
		return refuse(INDEX_PATH ": %s; ask the administrator of this host", strerror(-r));
	if (getuid() >= host.uid_first && getuid() <= host.uid_last)
		return refuse("uid %u: not a sub-account of this host", (unsigned)getuid());
	if (argc == 1)
		return run_manage(NULL, NULL);
	if (argc != 3 || strcmp(argv[1], "-c") != 0)
		return refuse("uid %u: no shell here; ssh HOST subuid …", (unsigned)getuid());
	if (login_manage_parse(argv[2], &words) == 0)
		return run_manage(words, original);
	return run_manage(NULL, argv[2]);
}

static int find_home(struct index_account *account, struct index_host *host, char *home, size_t size)
{
	int r = index_host(&accounts, host);

	if (r < 0)
		return r;
	r = index_account_by_uid(&accounts, getuid(), account);
	if (r < 0)
		return r;
	r = index_home(host, account, home, size);
	return r < 0 ? r : 0;
}

/* "NAME=value" from the environment that sshd made. */
static char *keep_variable(const char *name)
{
	const char *value = getenv(name);
	char *entry = NULL;

	if (value == NULL || asprintf(&entry, "%s=%s", name, value) < 0)
		return NULL;
	return entry;
}

/* A run's data is counted while it goes on, too. If in doubt the run goes on. */
static const char *grown_full(void)
{
	struct index_account account;

	if (index_account_by_uid(&accounts, getuid(), &account) < 0 || (account.flags & ACCOUNT_FULL) == 0)
		return NULL;
	refuse("%s: over its limit of files or bytes: the run is ended; remove some of it, or ask %s", account.name,
	       account.owner);
	return over_limit;
}

/* A gate, or what says no in its place: a child, watched and recorded. */
static int run_program(const char *gate, const char *const *arguments, const struct index_account *account,
		       const char *home, bool reads, uint64_t bandwidth, struct run *run)
{
	pid_t throttle = 0;
	char *environment[5] = { NULL };
	char user[sizeof("USER=") + ACCOUNT_NAME_MAX];
	size_t n = 0;
	int r, status = 0;

	snprintf(user, sizeof(user), "USER=%s", account->name);
	environment[n++] = user;
	environment[n] = keep_variable("SSH_ORIGINAL_COMMAND");
	n += environment[n] != NULL;
	environment[n] = keep_variable("SSH_CONNECTION");
	n += environment[n] != NULL;
	environment[n] = keep_variable("TERM");
	r = bandwidth != 0 ? throttle_begin(bandwidth, &throttle) : 0;
	if (r < 0) {
		run_not_begun(run, strerror(-r));
		return refuse("%s: its bandwidth cannot be bound: %s; ask the administrator of this host",
			      account->name, strerror(-r));
	}
	/* execve(2) takes char *const[] for historical reasons and writes to none of it. */
	r = run_watch(gate, (char *const *)(uintptr_t)arguments, environment, home, reads ? NULL : grown_full, run,
		      &status);
	if (r < 0) {
		run_not_begun(run, strerror(-r));
		return refuse("%s: %s; ask the administrator of this host", gate, strerror(-r));
	}
	throttle_end(throttle);
	pace_run(run, status);
	return run_end_like(status);
}

/* It was typed by a person. */
static void note_echo(const struct index_account *account, const char *original, const char *takes)
{
	if (strncmp(original, "echo", 4) == 0 && probe_is(original))
		refuse_quietly("%s: no shell here; this key takes %s", account->name, takes);
}

/* Of a key that forwards only, and has no gate: anything else that it is asked is refused. */
static int answer_probe(const struct index_account *account, const struct login_command *command, const char *original)
{
	char takes[LOGIN_WORDS_MAX + 1], answer[PROBE_ANSWER_MAX + 1] = "";
	struct run run;
	unsigned more;
	int spool = -1;

	login_words_takes(command, takes);
	note_echo(account, original, takes);
	probe_answer(original, answer);
	run_describe(command, original, &run);
	run.status = fputs(answer, stdout) < 0 || fflush(stdout) != 0 ? EXIT_FAILURE : EXIT_SUCCESS;
	run_record(&spool, &run);
	pace(false, &more);
	return (int)run.status;
}

static int run_gate(const struct login_command *command, const struct index_account *account,
		    const struct index_host *host, const struct account_bounds *bounds, const char *home,
		    const char *original)
{
	bool isolated = login_command_isolated(command, original);
	bool rsync = !isolated && login_command_is_rsync(command, original);
	bool reads = rsync ? command->role == ROLE_PULL : (command->options & KEY_READ_ONLY) != 0;
	const char *arguments[LOGIN_GATE_ARGUMENTS];
	char takes[LOGIN_WORDS_MAX + 1], argument[sizeof("-takes=") + LOGIN_WORDS_MAX];
	struct login_numbers numbers;
	struct run run;

	login_words_takes(command, takes);
	snprintf(argument, sizeof(argument), "-takes=%s", takes);
	if (rsync)
		login_gate_arguments(command, host, bounds, home, arguments, &numbers);
	else
		login_tool_arguments(command, host, bounds, argument, home, arguments, &numbers);
	if (!isolated)
		note_echo(account, original, takes);
	run_describe(command, original != NULL ? original : "", &run);
	return run_program(rsync ? RSYNC_GATE : TOOL_GATE, arguments, account, home, reads,
			   bounds->of.of[BOUND_BANDWIDTH], &run);
}

/* Says what the key is for, in words for the person at the other end, and is a run like those of the gates. */
static int refuse_command(const struct index_account *account, const struct login_command *command,
			  const char *original)
{
	char why[LOGIN_WORDS_MAX + 1], text[ACCOUNT_NAME_MAX + 2 + sizeof(why)];
	const char *arguments[] = { "refusal", text, NULL, NULL }, *way;
	struct run run;

	login_words_refused(command, original, why);
	if (original == NULL) {
		run_refused(command, NULL, why);
		return refuse("%s: %s", account->name, why);
	}
	snprintf(text, sizeof(text), "%s: %s", account->name, why);
	way = login_words_way(original);
	if (way != NULL) {
		arguments[1] = way;
		arguments[2] = text;
	}
	run_describe(command, original, &run);
	run.kind = RUN_REFUSED;
	return run_program(REFUSAL, arguments, account, NULL, true, 0, &run);
}

/* An sftp client has not seen what was said: what says it once more takes our place. Otherwise the exit status. */
static int end_refused(const char *original)
{
	char program[] = "refusal", form[] = "-sftp";
	char *const arguments[] = { program, form, said, NULL }, *const environment[] = { NULL };
	const char *way = original == NULL ? NULL : login_words_way(original);

	if (way != NULL && strcmp(way, form) == 0)
		execve(REFUSAL, arguments, environment);
	return EXIT_FAILURE;
}

/* Over a metered limit the account can be read, so that its data can be copied away, but not written. */
static int narrow_full(const struct index_account *account, struct login_command *command, const char *original)
{
	if (!login_command_narrow(command, original)) {
		run_refused(command, original, over_limit);
		return refuse("%s: over its limit of files or bytes; remove some of it, or ask %s", account->name,
			      account->owner);
	}
	if (command->role != ROLE_PULL)
		refuse_quietly("%s: over its limit of files or bytes; it can only be read until some of it is removed",
			       account->name);
	return EXIT_SUCCESS;
}

/* The command is one for a gate. */
static bool for_a_gate(const struct login_command *command, const char *original)
{
	if (login_command_isolated(command, original))
		return true;
	if (original == NULL)
		return false;
	if (command->tools[0] != '\0')
		return true;
	return command->role != ROLE_NONE && (probe_is(original) || login_command_names_rsync(original));
}

static const char no_note[] = "this session has no note of what it may do; ask the administrator of this host";

static int serve(int argc, char **argv, const char *original)
{
	struct index_account account;
	struct login_command command;
	struct account_bounds bounds;
	struct index_host host;
	char home[512];
	const char *barred, *refused = getenv(REFUSED_VARIABLE), *words;
	int r;

	if (getuid() != geteuid() || getgid() != getegid() || getuid() == 0)
		return refuse("login: not run as a sub-account");
	r = process_harden();
	if (r == 0)
		r = descriptors_close_from(3);
	if (r < 0)
		return refuse("login: cannot lower itself: %s", strerror(-r));
	r = find_home(&account, &host, home, sizeof(home));
	if (r == -ENOENT)
		return serve_owner(argc, argv, original);
	if (r == -ENXIO) /* a session of another service than sshd does not see it */
		return refuse("no shell here; ssh with one of the keys of this account (" INDEX_PATH
			      ": there is none)");
	if (r == 0)
		r = index_bounds(&accounts, &account, &bounds);
	if (r < 0)
		return refuse(INDEX_PATH ": %s; ask the administrator of this host", strerror(-r));
	barred = account_barred(&account, time(NULL));
	if (barred == NULL && (account.flags & ACCOUNT_FROZEN) != 0)
		barred = "frozen";
	if (barred != NULL)
		return refuse("%s: the account is %s; ask %s", account.name, barred, account.owner);
	if (argc != 3 || strcmp(argv[1], "-c") != 0)
		return refuse("%s: no shell here; ssh with one of the keys of this account", account.name);
	r = login_words_of(&account, argv[2], &words);
	if (r < 0)
		return refuse("%s: %s", account.name, refused != NULL ? refused : no_note);
	if (login_command_parse(words, &command) < 0)
		return refuse("%s: command not allowed; ssh with one of the keys of this account", account.name);
	if (refused != NULL) { /* pam_subuid has logged it */
		run_refused(&command, original, refused);
		return refuse_quietly("%s: %s", account.name, refused);
	}
	if (command.role == ROLE_MANAGE)
		return run_manage(strchr(words, ' ') + 1, original);
	if (!for_a_gate(&command, original) && original != NULL && probe_is(original))
		return answer_probe(&account, &command, original);
	if (!for_a_gate(&command, original))
		return refuse_command(&account, &command, original);
	if (words != argv[2] && (command.options & KEY_TTY) == 0 && login_has_terminal())
		return refuse("%s: no terminal here; ssh -T", account.name);
	if ((account.flags & ACCOUNT_FULL) != 0 &&
	    narrow_full(&account, &command, original != NULL ? original : "") != EXIT_SUCCESS)
		return REFUSED_HERE;
	login_end_told(account.name, original);
	return run_gate(&command, &account, &host, &bounds, home, original);
}

int main(int argc, char **argv)
{
	const char *original = getenv("SSH_ORIGINAL_COMMAND");
	int status = serve(argc, argv, original);

	return status == REFUSED_HERE ? end_refused(original) : status;
}
