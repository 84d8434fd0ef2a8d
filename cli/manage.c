/* SPDX-License-Identifier: ISC */
/*
 * /usr/libexec/subuidd/manage: subuid(1) over ssh. sshd runs it as an owner (forced on their manage keys) or as a
 * sub-account (by the login shell, for a key of the role manage), as `manage [key=12 fp=SHA256:…]`, with the client's
 * command in the environment. The daemon decides by the kernel's credentials what that uid may do: this program only
 * makes sure that the client gets nothing else of that uid. It splits the command by itself, looks it up in the table
 * of commands, gives up all files but those that subuid(1) needs to start, and becomes subuid(1).
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#include "account/failure.h"
#include "account/name.h"
#include "cli/manage_command.h"
#include "cli/manage_split.h"
#include "cli/subuid.h"
#include "confine/cgroup.h"
#include "confine/harden.h"
#include "confine/landlock.h"
#include "index/index.h"

#define SUBUID_PROGRAM BINDIR "/subuid"
#define TAR_PROGRAM "/usr/bin/tar" /* Debian's essential package */
#define TEXT_LOGGED 256

static struct index_reader accounts = INDEX_READER(INDEX_PATH);

static int refuse(int status, const char *what, const char *why, const char *todo)
{
	char shown[256], advice[256];

	text_escape(what, shown, sizeof(shown));
	text_escape(todo, advice, sizeof(advice));
	fprintf(stderr, "subuid: %s: %s%s%s\n", shown, why, advice[0] != '\0' ? "; " : "", advice);
	return status;
}

static int fail(const char *what, int error)
{
	return refuse(STATUS_FAILED, what, strerrordesc_np(-error), "ask the administrator of this host");
}

/* The caller: an account of this host, whose home is *home; or an owner (account.name is ""). */
static int caller_find(struct index_account *account, char *home, size_t size)
{
	struct index_host host;
	int r = index_host(&accounts, &host);

	if (r == 0)
		r = index_account_by_uid(&accounts, getuid(), account);
	if (r == 0) {
		r = index_home(&host, account, home, size);
		return r < 0 ? r : 0;
	}
	/* An account that is not in the index, being removed or under another name, is no owner. */
	if (r == -ENOENT && (getuid() < host.uid_first || getuid() > host.uid_last)) {
		account->name[0] = '\0';
		return 0;
	}
	return r;
}

/* The audit trail has the pid of the process that this one becomes. */
static void log_command(int argc, char **argv, const char *text)
{
	char shown[TEXT_LOGGED], key[96] = "";
	size_t used = 0;

	for (int i = 1; i < argc && used + 1 < sizeof(key); i++)
		used += strlen(text_escape(argv[i], key + used, sizeof(key) - used));
	openlog("subuid-manage", LOG_PID, LOG_AUTH);
	syslog(LOG_INFO, "uid %u: %s: %s", (unsigned)getuid(), key[0] != '\0' ? key : "no key of ours",
	       text_escape(text, shown, sizeof(shown)));
	closelog();
}

/* What it takes to start a program, to look users up, to reach the daemon, and to see what accounts use (top, show): of
 * processes that are not below this one Landlock leaves what everybody may read. Nothing can be written. */
static int confine_subuid(void)
{
	const struct landlock_rule rules[] = {
		{ .path = "/usr", .fd = -1, .access = LANDLOCK_EXECUTE },
		{ .path = "/lib", .fd = -1, .access = LANDLOCK_EXECUTE, .optional = 1 },
		{ .path = "/lib64", .fd = -1, .access = LANDLOCK_EXECUTE, .optional = 1 },
		{ .path = BINDIR, .fd = -1, .access = LANDLOCK_EXECUTE },
		{ .path = "/etc", .fd = -1, .access = LANDLOCK_READ },
		{ .path = "/proc", .fd = -1, .access = LANDLOCK_READ, .optional = 1 },
		{ .path = CGROUPS, .fd = -1, .access = LANDLOCK_READ, .optional = 1 },
		{ .path = "/var/lib", .fd = -1, .access = LANDLOCK_CONNECT, .optional = 1 }, /* sssd, extrausers */
		{ .path = "/run", .fd = -1, .access = LANDLOCK_CONNECT },
		{ .path = RUN_DIR, .fd = -1, .access = LANDLOCK_CONNECT, .optional = 1 },
		LANDLOCK_END,
	};

	return landlock_confine(rules);
}

static int confine_copy(const char *home)
{
	const struct landlock_rule rules[] = {
		{ .path = "/usr", .fd = -1, .access = LANDLOCK_EXECUTE },
		{ .path = "/lib", .fd = -1, .access = LANDLOCK_EXECUTE, .optional = 1 },
		{ .path = "/lib64", .fd = -1, .access = LANDLOCK_EXECUTE, .optional = 1 },
		{ .path = SYSCONFDIR "/ld.so.cache", .fd = -1, .access = LANDLOCK_READ, .optional = 1 },
		{ .path = home, .fd = -1, .access = LANDLOCK_READ },
		LANDLOCK_END,
	};

	return landlock_confine(rules);
}

/* execve(2) takes char *const[] for historical reasons and writes to none of it. */
static int become(const char *program, const char *const *argv)
{
	static char path[] = "PATH=/usr/bin:/bin", language[] = "LANG=C.UTF-8";
	char *const environment[] = { path, language, NULL };

	execve(program, (char *const *)(uintptr_t)argv, environment);
	return fail(program, -errno);
}

static int become_tar(const char *home, const char *path)
{
	char below[MANAGE_TEXT_MAX + sizeof("./")];
	const char *const argv[] = { "tar",
				     "--create",
				     "--file=-",
				     "--numeric-owner",
				     "--xattrs",
				     "--xattrs-include=user.*",
				     "--one-file-system",
				     "--directory",
				     home,
				     "--",
				     below,
				     NULL };
	int r = confine_copy(home);

	if (r < 0)
		return fail("this kernel cannot confine it", r);
	snprintf(below, sizeof(below), "./%s", path);
	return become(TAR_PROGRAM, argv);
}

static int serve(const char *text, const struct index_account *account, const char *home)
{
	const char *name = account->name[0] != '\0' ? account->name : NULL, *why;
	static struct manage_words words;
	struct manage_command command;
	int r;

	why = manage_split(text, &words);
	if (why != NULL)
		return refuse(STATUS_USAGE, "command", why, "for example: ssh HOST subuid status");
	if (words.count == 0)
		return refuse(STATUS_USAGE, "command", "no shell here", "for example: ssh HOST subuid status");
	if (!manage_command(&words, name, &command))
		return refuse(command.usage ? STATUS_USAGE : failure_exit_status(FAILURE_NOT_PERMITTED), command.what,
			      command.why, command.todo);
	if (command.copy != NULL)
		return become_tar(home, command.copy);
	r = confine_subuid();
	if (r < 0)
		return fail("this kernel cannot confine it", r);
	return become(SUBUID_PROGRAM, command.argv);
}

int main(int argc, char **argv)
{
	const char *text = getenv("SSH_ORIGINAL_COMMAND");
	struct index_account account;
	char home[512] = "";
	int r;

	if (getuid() != geteuid() || getgid() != getegid() || getuid() == 0)
		return refuse(failure_exit_status(FAILURE_NOT_PERMITTED), "manage",
			      "not run as an owner or a sub-account", "root runs subuid itself");
	r = process_harden();
	if (r == 0)
		r = descriptors_close_from(3);
	if (r < 0)
		return fail("cannot lower itself", r);
	r = caller_find(&account, home, sizeof(home));
	if (r < 0)
		return r == -ENOENT ? refuse(failure_exit_status(FAILURE_NOT_PERMITTED), "manage",
					     "no account of this host", "") :
				      fail(INDEX_PATH, r);
	if (text == NULL)
		text = "";
	log_command(argc, argv, text);
	return serve(text, &account, home);
}
