/* SPDX-License-Identifier: ISC */
/*
 * Tries each profile of a tool: the gate itself reads it and starts the tool, confined, as nobody and in an empty
 * directory. Run by root, who reads nothing of a profile here.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "account/role.h"
#include "confine/cleanup.h"
#include "confine/read_full.h"
#include "setup/doctor.h"

#define CHECK "profiles of tools"
#define GATE LIBEXECDIR "/tool"
#define NOBODY 65534
#define NAMES_MAX 1024

struct names {
	char good[NAMES_MAX], absent[NAMES_MAX];
};

static void name_add(char names[NAMES_MAX], const char *name)
{
	size_t used = strlen(names);

	snprintf(names + used, NAMES_MAX - used, "%s%s", used > 0 ? ", " : "", name);
}

_Noreturn static void try_as_nobody(const char *name, const char *home, int said)
{
	char program[] = "tool", option[] = TOOL_TRY_OPTION, tool[LABEL_MAX + 1], directory[64];
	char *const argv[] = { program, option, tool, directory, NULL }, *const environment[] = { NULL };

	snprintf(tool, sizeof(tool), "%s", name);
	snprintf(directory, sizeof(directory), "%s", home);
	if (dup2(said, TOOL_TRY_FD) < 0 || (said == TOOL_TRY_FD && fcntl(said, F_SETFD, 0) < 0) ||
	    setresgid(NOBODY, NOBODY, NOBODY) != 0 || setresuid(NOBODY, NOBODY, NOBODY) != 0)
		_exit(TOOL_TRY_WRONG);
	execve(GATE, argv, environment);
	_exit(TOOL_TRY_WRONG);
}

/* What it has said, up to the first line's end. The status, or negative errno. */
static int profile_try(const char *name, const char *home, char said[512])
{
	int ends[2], status = 0;
	ssize_t size;
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC) != 0)
		return -errno;
	fflush(NULL);
	pid = fork();
	if (pid == 0)
		try_as_nobody(name, home, ends[1]);
	close(ends[1]);
	size = pid < 0 ? -errno : read_full(ends[0], said, 511);
	close(ends[0]);
	said[size > 0 ? size : 0] = '\0';
	said[strcspn(said, "\n")] = '\0';
	while (pid > 0 && waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return size < 0 ? (int)size : WIFEXITED(status) ? WEXITSTATUS(status) : TOOL_TRY_WRONG;
}

static void profile_check(struct doctor *doctor, const char *name, const char *home, struct names *names)
{
	char said[512];
	int r = profile_try(name, home, said);

	if (r == TOOL_TRY_ABSENT)
		name_add(names->absent, name);
	else if (r == TOOL_TRY_STARTS && said[0] == '\0')
		name_add(names->good, name);
	else
		found_f(doctor, FINDING_BAD, CHECK, "see subuid-tools(5)", "%s: %s", name,
			r < 0           ? strerror(-r) :
			said[0] != '\0' ? said :
					  GATE " does not try it");
}

/* besides: profiles of this directory have been tried in their place. */
static void directory_check(struct doctor *doctor, const char *path, const char *besides, const char *home,
			    struct names *names)
{
	DIR *directory = opendir(path);
	struct dirent *entry;
	char name[LABEL_MAX + 1], other[256];

	while (directory != NULL && (entry = readdir(directory)) != NULL) {
		size_t length = strlen(entry->d_name);

		if (length < 6 || strcmp(entry->d_name + length - 5, ".conf") != 0 ||
		    !tool_name_valid(entry->d_name, length - 5))
			continue;
		snprintf(name, sizeof(name), "%.*s", (int)(length - 5), entry->d_name);
		snprintf(other, sizeof(other), "%s/%s.conf", besides, name);
		if (besides[0] == '\0' || access(other, F_OK) != 0)
			profile_check(doctor, name, home, names);
	}
	if (directory != NULL)
		closedir(directory);
}

void doctor_tools(struct doctor *doctor)
{
	char home[] = "/run/subuidd-doctor.XXXXXX";
	struct names names = { .good = "" };

	if (mkdtemp(home) == NULL || chmod(home, 0755) != 0) { /* allowed-path: of root's */
		found_error(doctor, CHECK, errno, "");
		return;
	}
	directory_check(doctor, TOOLS_ADMIN_DIR, "", home, &names);
	directory_check(doctor, TOOLS_SHIPPED_DIR, TOOLS_ADMIN_DIR, home, &names);
	rmdir(home); /* allowed-path: of root's, and empty */
	found_f(doctor, FINDING_GOOD, CHECK, "", "%s start%s%s", names.good[0] != '\0' ? names.good : "none",
		names.absent[0] != '\0' ? "; not installed: what runs " : "", names.absent);
}
