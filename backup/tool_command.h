/* SPDX-License-Identifier: ISC */
/* Compares a client's words with a profile, and makes the command that is run instead. Pure. */
#ifndef BACKUP_TOOL_COMMAND_H
#define BACKUP_TOOL_COMMAND_H

#include <stdbool.h>
#include <stdint.h>

#include "backup/command_line.h"
#include "backup/gate_policy.h"
#include "backup/text_list.h"
#include "backup/tool_profile.h"

/* 1: it is this tool, and *path is the client's word for {path} or NULL; 0: it is not; -EPERM: it is, but asks for
 * something forbidden, which *refusal names. */
int tool_command_match(const struct tool_profile *profile, const struct command_line *line, const char **path,
		       struct gate_refusal *refusal);

/* The client's command begins with the program of this profile, whatever follows. */
bool tool_command_begins(const struct tool_profile *profile, const struct command_line *line);

/* The values of the braces. */
struct tool_values {
	const char *home; /* {home} */
	const char *path; /* {path}, inside home; NULL: home */
	uint64_t quota;   /* {quota} */
};

/* argv of the command that is run; only {path} in it comes from the client. 0, -EPERM and *refusal, or negative errno.
 */
int tool_command_build(const struct tool_profile *profile, enum tool_form form, const struct tool_values *values,
		       struct text_list *argv, struct gate_refusal *refusal);

/* One word of the profile with its braces filled in. 0 or negative errno. */
int tool_word_fill(const char *word, const struct tool_values *values, struct text_list *out);

#endif
