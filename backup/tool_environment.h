/* SPDX-License-Identifier: ISC */
/* The environment of a tool. */
#ifndef BACKUP_TOOL_ENVIRONMENT_H
#define BACKUP_TOOL_ENVIRONMENT_H

#include "backup/tool_command.h"
#include "backup/tool_profile.h"

/* The profile's variables, and the defaults that it does not set. 0, -EINVAL: braces that mean nothing; -ENOMEM. */
int tool_environment(const struct tool_profile *profile, enum tool_form form, const struct tool_values *values,
		     struct text_list *environment);

#endif
