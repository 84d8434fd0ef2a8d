/* SPDX-License-Identifier: ISC */
/* `subuid exec` and `subuid shell`: run a command over the files of one's own account, in a user namespace. */
#include "cli/subuid.h"

#include <errno.h>
#include <limits.h>
#include <linux/keyctl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <linux/close_range.h>

#include "account/passwd.h"
#include "cli/exec.h"
#include "cli/container.h"
#include "cli/exec_account.h"
#include "confine/cleanup.h"
#include "confine/seccomp.h"

#define STATUS_NOT_EXECUTABLE 126 /* as env(1) and the shells */
#define STATUS_NO_COMMAND 127

struct exec {
	bool as_account, follow_links, container;
	struct exec_account of;
};

/* Everything behind LABEL belongs to the command, options too: getopt sees only the words before it. */
static int options_parse(const char *name, int argc, char **argv, struct exec *exec, int *operands)
{
	int c, status = STATUS_DONE, end = 1;

	while (end < argc && argv[end][0] == '-' && strcmp(argv[end], "--") != 0)
		end++;
	while ((c = option_next(name, end, argv, &status)) > 0) {
		exec->as_account |= c == 'a';
		exec->follow_links |= c == 'l';
		exec->container |= c == 'C';
	}
	if (c < 0)
		return -1 - status;
	*operands = end;
	return STATUS_DONE;
}

static int failed(const char *what, int error, const char *todo)
{
	const char *why = strerrordesc_np(error);

	complain(what, why != NULL ? why : "failed", todo);
	return STATUS_FAILED;
}

/* A process may use the keys of the session that it comes from, whichever uid it has. A kernel or a container without
 * keys has none to leave. */
static int keys_leave(void)
{
	return syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL) < 0 && errno != ENOSYS && errno != EPERM ?
		       -errno :
		       0;
}

/* Inside the namespace: enters the home and takes the wanted identity. */
static int settle(const struct exec *exec)
{
	char home[sizeof(exec->of.host.homes) + ACCOUNT_NAME_MAX + sizeof("//home")];
	uint32_t uid = exec->of.account.uid;
	int rc = exec_account_home(&exec->of, home, sizeof(home));

	if (rc < 0)
		return failed(exec->of.account.name, -rc, "");
	rc = exec->follow_links ? 0 : exec_cover(home);
	if (rc < 0)
		return failed(home, -rc, "cannot be mounted without following links; --follow-links does not try");
	if (chdir(home) != 0)
		return failed(home, errno, "`subuid check` says whether it is as it should be");
	rc = exec->as_account ? keys_leave() : 0;
	if (rc < 0)
		return failed("keyctl", -rc, "");
	if (exec->as_account && (setresgid(uid, uid, uid) != 0 || setresuid(uid, uid, uid) != 0))
		return failed(exec->of.account.name, errno, "");
	return STATUS_DONE;
}

/* What runs as the account may be what a thief has pushed. It has the owner's terminal, where it could type what the
 * owner's shell then reads; the keys of the owner's session were left in settle(). */
static int strange(const struct index_account *account)
{
	int r = seccomp_confine(SECCOMP_GUEST);

	return r < 0 ? failed(account->name, -r, "the terminal cannot be kept from it") : STATUS_DONE;
}

/* Names are not looked up inside: the index is not root's there. */
static int name_tell(const struct index_account *account)
{
	char uid[16];

	snprintf(uid, sizeof(uid), "%u", account->uid);
	return setenv("SUBUID_ACCOUNT", account->name, 1) == 0 && setenv("SUBUID_UID", uid, 1) == 0 ? 0 : -1;
}

static int become_command(char **command)
{
	int status;

	fflush(stdout);
	signal(SIGPIPE, SIG_DFL); /* only ours was ignored */
	execvp(command[0], command);
	status = errno == ENOENT ? STATUS_NO_COMMAND : STATUS_NOT_EXECUTABLE;
	failed(command[0], errno, "");
	return status;
}

static int run(const char *name, struct exec *exec, char **command)
{
	int status = exec_account_enter(name, false, &exec->of);

	if (status == STATUS_DONE)
		status = settle(exec);
	if (status != STATUS_DONE)
		return status;
	if (name_tell(&exec->of.account) < 0)
		return failed("subuid", ENOMEM, "");
	/* no set-uid file that the account made counts in here, also where the home is not covered (--follow-links) */
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		return failed("no_new_privs", errno, "");
	status = exec->as_account ? strange(&exec->of.account) : STATUS_DONE;
	return status == STATUS_DONE ? become_command(command) : status;
}

/* The owner's environment stays the owner's: the command is the account's. podman, and what else is built of its
 * libraries, take the last three for the word that they need no namespace of their own any more. */
static int container_environment(const struct container *container)
{
	static const char *const kept[] = { "TERM", "COLORTERM", "LANG", "LC_ALL", "TZ" };
	const char *values[sizeof(kept) / sizeof(kept[0])];
	char uid[16];
	int r = 0;

	for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++)
		values[i] = getenv(kept[i]);
	if (clearenv() != 0)
		return -1;
	for (size_t i = 0; r == 0 && i < sizeof(kept) / sizeof(kept[0]); i++)
		r = values[i] == NULL ? 0 : setenv(kept[i], values[i], 1);
	snprintf(uid, sizeof(uid), "%u", container->of->account.uid);
	r = r ?: setenv("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", 1);
	r = r ?: setenv("HOME", container->home, 1);
	r = r ?: setenv("USER", container->of->account.name, 1);
	r = r ?: setenv("LOGNAME", container->of->account.name, 1);
	r = r ?: setenv("XDG_RUNTIME_DIR", container->runtime, 1);
	r = r ?: setenv("_CONTAINERS_USERNS_CONFIGURED", "done", 1);
	r = r ?: setenv("_CONTAINERS_ROOTLESS_UID", uid, 1);
	return r ?: setenv("_CONTAINERS_ROOTLESS_GID", uid, 1);
}

static int run_container(const char *name, struct exec *exec, char **command)
{
	struct container container;
	int status = exec_account_find(name, false, &exec->of), r;

	if (status == STATUS_DONE)
		status = container_enter(&exec->of, &container);
	if (status != STATUS_DONE)
		return status;
	r = keys_leave();
	if (r < 0)
		return failed("keyctl", -r, "");
	status = strange(&exec->of.account); /* as root of the namespace: no_new_privs would stay with containers */
	if (status != STATUS_DONE)
		return status;
	if (chdir(container.home) != 0)
		return failed(container.home, errno, "`subuid check` says whether it is as it should be");
	if (close_range(STDERR_FILENO + 1, ~0u, CLOSE_RANGE_CLOEXEC) != 0)
		return failed("files that are open", errno, "");
	if (container_environment(&container) != 0 || name_tell(&exec->of.account) < 0)
		return failed("subuid", ENOMEM, "");
	return become_command(command);
}

int command_exec(int argc, char **argv)
{
	struct exec exec = { 0 };
	int at = 0, status = options_parse("exec", argc, argv, &exec, &at);

	if (status < 0)
		return -1 - status;
	if (at < argc && strcmp(argv[at], "--") == 0)
		return usage_error("exec", "the label is missing", "see `subuid help exec`");
	if (at + 1 < argc && strcmp(argv[at + 1], "--") == 0) {
		argv[at + 1] = argv[at];
		at++;
	}
	if (argc - at < 2)
		return usage_error("exec", argc == at ? "the label is missing" : "the command is missing",
				   "see `subuid help exec`");
	if (exec.container && (exec.as_account || exec.follow_links))
		return usage_error("exec", "--container goes with neither --as-account nor --follow-links",
				   "the command runs as the account, and as its root");
	return exec.container ? run_container(argv[at], &exec, argv + at + 1) : run(argv[at], &exec, argv + at + 1);
}

int command_shell(int argc, char **argv)
{
	entry_cleanup struct host_entry caller = { 0 };
	bool known = user_find_uid(getuid(), &caller) == 0; /* if in doubt, any existing shell will do */
	const char *of_login = known && caller.user.pw_shell[0] != '\0' ? caller.user.pw_shell : "/bin/sh";
	const char *wanted = getenv("SHELL");
	char shell[PATH_MAX], *command[] = { shell, NULL };
	struct exec exec = { 0 };
	int at = 0, status = options_parse("shell", argc, argv, &exec, &at);

	if (status < 0)
		return -1 - status;
	if (argc - at != 1)
		return usage_error("shell", argc == at ? "the label is missing" : "too many arguments",
				   "see `subuid help shell`");

	if (wanted == NULL || wanted[0] != '/')
		wanted = of_login;
	if (snprintf(shell, sizeof(shell), "%s", wanted) >= (int)sizeof(shell))
		return failed("SHELL", ENAMETOOLONG, "");
	return run(argv[at], &exec, command);
}
