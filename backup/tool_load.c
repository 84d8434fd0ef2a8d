/* SPDX-License-Identifier: ISC */
#include "backup/tool_load.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "account/role.h"
#include "confine/cleanup.h"
#include "confine/path.h"

/* Only root could have put the file there. */
static int directory_check(int fd)
{
	struct stat st;

	if (fstat(fd, &st) != 0)
		return -errno;
	return st.st_uid != 0 || (st.st_mode & (S_IWGRP | S_IWOTH)) != 0 ? -EPERM : 0;
}

static int file_read(int fd, struct tool *tool)
{
	size_t used = 0;
	struct stat st;
	ssize_t n;

	if (fstat(fd, &st) != 0)
		return -errno;
	if (!S_ISREG(st.st_mode) || st.st_uid != 0 || (st.st_mode & (S_IWGRP | S_IWOTH)) != 0)
		return -EPERM;
	while (used <= TOOL_PROFILE_MAX && (n = read(fd, tool->text + used, sizeof(tool->text) - used)) != 0) {
		if (n < 0)
			return -errno;
		used += (size_t)n;
	}
	if (used > TOOL_PROFILE_MAX)
		return -EFBIG;
	tool->text[used] = '\0';
	if (strlen(tool->text) != used)
		return -EINVAL;
	return 0;
}

int tool_load(const char *name, size_t length, struct tool *tool)
{
	static const char *const places[] = { TOOLS_ADMIN_DIR, TOOLS_SHIPPED_DIR };
	char file[LABEL_MAX + sizeof(".conf")];
	int r = -ENOENT;

	if (!tool_name_valid(name, length))
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
	tool->fault = (struct tool_fault){ .why = "bytes that are no text" };
	return r < 0 ? r : tool_profile_parse(tool->text, &tool->profile, &tool->fault);
}
