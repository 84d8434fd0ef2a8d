/* SPDX-License-Identifier: ISC */
/* The profile of a tool, from the administrator's directory or from ours. */
#ifndef BACKUP_TOOL_LOAD_H
#define BACKUP_TOOL_LOAD_H

#include "backup/tool_profile.h"

/* Whole file and profile; the profile points into text. */
struct tool {
	char text[TOOL_PROFILE_MAX + 1];
	char path[256];
	struct tool_profile profile;
	struct tool_fault fault;
};

/*
 * NAME.conf of TOOLS_ADMIN_DIR, else of TOOLS_SHIPPED_DIR: a regular file of root's that nobody else may write,
 * in directories of the same kind. 0, -ENOENT, -EPERM (somebody else could write it), -EINVAL (tool->fault), or
 * another negative errno; tool->path names the file.
 */
int tool_load(const char *name, size_t length, struct tool *tool);

#endif
