/* SPDX-License-Identifier: ISC */
/* Which commands of subuid(1) an owner, or a sub-account for itself, may give over ssh: by the table of commands
 * (usage.h). Pure. */
#ifndef CLI_MANAGE_COMMAND_H
#define CLI_MANAGE_COMMAND_H

#include <stdbool.h>

#include "cli/manage_split.h"

/* Global options and the words of the command; for an account its name, too, where none was given. */
#define MANAGE_ARGUMENTS (MANAGE_WORDS_MAX + 8)

struct manage_command {
	const char *argv[MANAGE_ARGUMENTS + 1]; /* for subuid(1); ended by NULL. Points into the words and the name */
	const char *copy;                       /* not NULL: a copy of this path below the home, "" for all of it */
	const char *what, *why, *todo;          /* of a refusal */
	bool usage;                             /* it is wrong in itself, and not one that is not allowed */
	char shown[64];                         /* what `what` may point to */
};

/* account: the full name of the sub-account that asks; NULL: it is an owner. False: it is refused. */
bool manage_command(const struct manage_words *words, const char *account, struct manage_command *command);

#endif
