/* SPDX-License-Identifier: ISC */
/*
 * A profile decides what a session may run, so it counts only if nobody but root can have written it. Run by tool with
 * the sub-account's uid, not confined yet. Links are followed only where root alone can make them, and the last never.
 */
#include "backup/tool_load.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "account/role.h"
#include "account/shell.h"
#include "confine/cleanup.h"
#include "confine/path.h"
#include "confine/read_full.h"
#include "confine/trusted.h"

/* True if only root could have put the file there. */
static int directory_check(int fd)
{
	struct stat st;

	if (fstat(fd, &st) != 0)
		return -errno;
	return st.st_uid != 0 || (st.st_mode & (S_IWGRP | S_IWOTH)) != 0 ? -EPERM : 0;
}

static int file_read(int fd, struct tool *tool)
{
	struct stat st;
	ssize_t size;

	if (fstat(fd, &st) != 0)
		return -errno;
	if (!file_trusted(&st, 0))
		return -EPERM;
	size = read_full(fd, tool->text, sizeof(tool->text));
	if (size < 0)
		return (int)size;
	if (size > TOOL_PROFILE_MAX)
		return -EFBIG;
	tool->text[size] = '\0';
	return strlen(tool->text) == (size_t)size ? 0 : -EINVAL;
}

/* What is not installed is none of these: the tool that wants it says so. */
static const char *kind_fault(const char *path, bool execute)
{
	struct stat st;

	if (stat(path, &st) != 0 || S_ISREG(st.st_mode) || S_ISDIR(st.st_mode))
		return NULL;
	if (execute)
		return "neither a file nor a directory";
	if (!S_ISCHR(st.st_mode))
		return "neither a file, nor a directory, nor a device";
	return tool_device(path) ? NULL : "no device but null, zero, full, random and urandom can be read";
}

/* Of what stands in the profile as paths. */
static int kinds_check(const struct tool_profile *profile, struct tool_fault *fault)
{
	const struct tool_words *lists[] = { &profile->execute, &profile->read };

	for (size_t i = 0; i < 2; i++)
		for (size_t k = 0; k < lists[i]->count; k++) {
			const char *path = lists[i]->words[k], *why = kind_fault(path, i == 0);

			if (why == NULL)
				continue;
			*fault = (struct tool_fault){ .why = why, .word = path };
			return -EINVAL;
		}
	return 0;
}

int tool_load(const char *name, size_t length, struct tool *tool)
{
	static const char *const places[] = { TOOLS_ADMIN_DIR, TOOLS_SHIPPED_DIR };
	char file[LABEL_MAX + sizeof(".conf")];
	int r = -ENOENT;

	if (!tool_name_valid(name, length) || role_built_in(name, length))
		return -EINVAL;
	snprintf(file, sizeof(file), "%.*s.conf", (int)length, name);
	for (size_t i = 0; i < 2 && r == -ENOENT; i++) {
		cleanup_fd int directory = path_open_trusted(places[i], O_RDONLY), fd = -1;

		snprintf(tool->path, sizeof(tool->path), "%s/%s", places[i], file);
		if (directory == -ENOENT)
			continue;
		if (directory < 0)
			return directory;
		r = directory_check(directory);
		if (r < 0)
			return r;
		fd = path_open_beneath(directory, file, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0);
		r = fd < 0 ? fd : file_read(fd, tool);
	}
	tool->fault = (struct tool_fault){ .why = "it is not a text file" };
	if (r == 0)
		r = tool_profile_parse(tool->text, &tool->profile, &tool->fault);
	return r < 0 ? r : kinds_check(&tool->profile, &tool->fault);
}
