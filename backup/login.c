/* SPDX-License-Identifier: ISC */
/*
 * The login shell of every sub-account. Run by sshd as the sub-account, as `login -c 'push … key=12 fp=SHA256:…'`:
 * our own words, out of the key index. These words, and whether the client's command is about rsync, decide which
 * gate runs. It is not a shell: anything else that a misconfigured sshd, su or cron calls it with is refused. The
 * kernel says which account it is, the index says where its home is.
 */
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "index/index.h"
#include "account/name.h"
#include "account/role.h"
#include "backup/exit_status.h"
#include "backup/login_command.h"
#include "backup/pace.h"
#include "backup/run_watch.h"
#include "confine/harden.h"

#define RSYNC_GATE BINDIR "/subuid-rrsync"
#define TOOL_GATE LIBEXECDIR "/tool"

static struct index_reader accounts = INDEX_READER(INDEX_PATH);

#define ESCAPED_MAX 2048

/* To the person at the other end; and what it was, escaped. */
__attribute__((format(printf, 2, 0))) static void tell(char escaped[ESCAPED_MAX], const char *format, va_list list)
{
	char text[1024];

	vsnprintf(text, sizeof(text), format, list);
	text_escape(text, escaped, ESCAPED_MAX);
	fprintf(stderr, "subuid: %s\n", escaped);
}

__attribute__((format(printf, 1, 2))) static int refuse_quietly(const char *format, ...)
{
	char escaped[ESCAPED_MAX];
	va_list list;

	va_start(list, format);
	tell(escaped, format, list);
	va_end(list);
	return EXIT_FAILURE;
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

/* A gate says by its status that it refused, and by its last line why. */
static void pace_run(const struct run *run, int status)
{
	char error[RUN_ERROR_MAX + 1];
	unsigned more;

	if (WIFEXITED(status) && (WEXITSTATUS(status) == EXIT_REFUSED || WEXITSTATUS(status) == EXIT_UNCONFINED)) {
		snprintf(error, sizeof(error), "%.*s", RUN_ERROR_MAX, run->error);
		log_refused(error);
	} else if (status != 0 || run->kind == RUN_PROBE) {
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
	return EXIT_FAILURE;
}

static int find_home(struct index_account *account, struct index_sessions *sessions, char *home, size_t size)
{
	struct index_host host;
	int r = index_host(&accounts, &host);

	if (r < 0)
		return r;
	r = index_account_by_uid(&accounts, getuid(), account);
	if (r < 0)
		return r;
	*sessions = host.sessions;
	r = index_home(&host, account, home, size);
	return r < 0 ? r : 0;
}

/* "NAME=value" out of the environment that sshd made. */
static char *keep_variable(const char *name)
{
	const char *value = getenv(name);
	char *entry = NULL;

	if (value == NULL || asprintf(&entry, "%s=%s", name, value) < 0)
		return NULL;
	return entry;
}

/* sshd tells the client how the gate ended: by a signal, when that was so. */
static int end_like(int status)
{
	sigset_t none;

	if (WIFEXITED(status))
		return WEXITSTATUS(status);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(WTERMSIG(status), SIG_DFL);
	raise(WTERMSIG(status));
	return 128 + WTERMSIG(status);
}

/* What a run writes is counted while it goes on, too. In doubt it goes on. */
static const char *grown_full(void)
{
	struct index_account account;

	if (index_account_by_uid(&accounts, getuid(), &account) < 0 || (account.flags & ACCOUNT_FULL) == 0)
		return NULL;
	refuse("%s: over its limit of files or bytes: the run is ended; remove some of it, or ask %s", account.name, account.owner);
	return "over its limit of files or bytes";
}

static int run_gate(const struct login_command *command, const struct index_account *account,
		    const struct index_sessions *sessions, const char *home, const char *original)
{
	bool rsync = login_command_is_rsync(command, original);
	bool reads = rsync ? command->role == ROLE_PULL : (command->options & KEY_READ_ONLY) != 0;
	const char *gate = rsync ? RSYNC_GATE : TOOL_GATE;
	const char *arguments[LOGIN_GATE_ARGUMENTS];
	char *environment[4] = { NULL, NULL, NULL, NULL };
	struct login_numbers numbers;
	char user[sizeof("USER=") + ACCOUNT_NAME_MAX];
	struct run run;
	size_t n = 0;
	int r, status = 0;

	if (rsync)
		login_gate_arguments(command, sessions, home, arguments, &numbers);
	else
		login_tool_arguments(command, sessions, home, arguments, &numbers);
	snprintf(user, sizeof(user), "USER=%s", account->name);
	environment[n++] = user;
	environment[n] = keep_variable("SSH_ORIGINAL_COMMAND");
	n += environment[n] != NULL;
	environment[n] = keep_variable("SSH_CONNECTION");
	run_describe(command, original, &run);
	/* execve(2) takes char *const[] for historical reasons and writes to none of it. */
	r = run_watch(gate, (char *const *)(uintptr_t)arguments, environment, reads ? NULL : grown_full, &run, &status);
	if (r < 0)
		return refuse("%s: %s; ask the administrator of this host", gate, strerror(-r));
	pace_run(&run, status);
	return end_like(status);
}

/* Says what the key is for, in words for the person at the other end. */
static int refuse_command(const struct index_account *account, const struct login_command *command,
			  const char *why)
{
	bool rsync = command->role != ROLE_NONE, tools = command->tools[0] != '\0';

	if (!rsync && !tools)
		return refuse("%s: %s; this key forwards only: ssh -N -L PORT:HOST:PORT", account->name, why);
	if (!tools)
		return refuse("%s: %s; this account takes rsync only: rsync -a DIR HOST:", account->name, why);
	return refuse("%s: %s; this key takes %s%s only", account->name, why, rsync ? "rsync," : "",
		      command->tools);
}

/* Over a limit that is metered: it can be read, so that it can be copied away, and not be written. */
static int narrow_full(const struct index_account *account, struct login_command *command, const char *original)
{
	if (!login_command_narrow(command, original))
		return refuse("%s: over its limit of files or bytes; remove some of it, or ask %s", account->name,
			      account->owner);
	if (command->role != ROLE_PULL)
		refuse_quietly("%s: over its limit of files or bytes; it can only be read until some of it is removed",
			       account->name);
	return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
	struct index_account account;
	struct login_command command;
	struct index_sessions sessions;
	char home[512];
	const char *barred, *refused, *original = getenv("SSH_ORIGINAL_COMMAND");
	int r;

	if (getuid() != geteuid() || getgid() != getegid() || getuid() == 0)
		return refuse("login: not run as a sub-account");
	r = process_harden();
	if (r == 0)
		r = descriptors_close_from(3);
	if (r < 0)
		return refuse("login: cannot lower itself: %s", strerror(-r));
	r = find_home(&account, &sessions, home, sizeof(home));
	if (r == -ENOENT)
		return refuse("uid %u: not a sub-account of this host", (unsigned)getuid());
	if (r < 0)
		return refuse(INDEX_PATH ": %s; ask the administrator of this host", strerror(-r));
	barred = account_barred(&account, time(NULL));
	if (barred != NULL)
		return refuse("%s: the account is %s; ask %s", account.name, barred, account.owner);
	if (argc != 3 || strcmp(argv[1], "-c") != 0)
		return refuse("%s: this account takes rsync only: rsync -a DIR HOST:", account.name);
	if (login_command_parse(argv[2], &command) < 0)
		return refuse("%s: command not allowed; this account takes rsync only: rsync -a DIR HOST:",
			      account.name);
	refused = getenv(REFUSED_VARIABLE);
	if (refused != NULL) /* pam_subuid has logged it */
		return refuse_quietly("%s: %s", account.name, refused);
	if (original == NULL)
		return refuse_command(&account, &command, "no shell here");
	if (command.role == ROLE_NONE && command.tools[0] == '\0')
		return refuse_command(&account, &command, "no command");
	if ((account.flags & ACCOUNT_FULL) != 0 && narrow_full(&account, &command, original) != EXIT_SUCCESS)
		return EXIT_FAILURE;
	return run_gate(&command, &account, &sessions, home, original);
}
