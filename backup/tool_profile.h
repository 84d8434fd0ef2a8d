/* SPDX-License-Identifier: ISC */
/*
 * Profiles: a file of the administrator's says what a tool is (subuid-tools(5)). Words with
 * blanks between, no quotes, no shell. A file with one wrong line is no profile at all.
 */
#ifndef BACKUP_TOOL_PROFILE_H
#define BACKUP_TOOL_PROFILE_H

#include <stdbool.h>
#include <stddef.h>

#define TOOL_WORDS_MAX 32
#define TOOL_PROFILE_MAX 16384 /* bytes of a file */

struct tool_words {
	const char *words[TOOL_WORDS_MAX];
	size_t count;
};

/* What a key makes of a tool: as it is, append-only, read-only. A form that a profile has no section for
 * does not exist: a key that asks for it is refused. */
enum tool_form { TOOL_READ_WRITE, TOOL_APPEND_ONLY, TOOL_READ_ONLY, TOOL_FORMS };

struct tool_profile {
	struct tool_words command;     /* what the client says: words, a|b, {options}, {path}, {rest} */
	struct tool_words accept;      /* fnmatch(3) patterns of {options}, which are left out of what is run */
	struct tool_words execute;     /* files that it may execute */
	struct tool_words read;        /* files and directories that it may read, beside libraries */
	struct tool_words environment; /* NAME=VALUE */
	struct tool_words quota;       /* added when the key has a storage quota; {quota} in it */
	struct {
		bool present;
		bool new_files_only; /* the kernel lets no existing file be changed */
		struct tool_words run;
	} form[TOOL_FORMS];
};

struct tool_fault {
	unsigned line; /* 0: of the whole file */
	const char *why;
};

/* Cuts text into words; the profile points into it. 0, or -EINVAL and what is wrong. */
int tool_profile_parse(char *text, struct tool_profile *profile, struct tool_fault *fault);

#endif
