/* SPDX-License-Identifier: ISC */
/*
 * Profiles: a file of the administrator describes a tool (subuid-tools(5)). Words with blanks between, no quotes, no
 * shell. A file with one wrong line is rejected as a whole.
 */
#ifndef BACKUP_TOOL_PROFILE_H
#define BACKUP_TOOL_PROFILE_H

#include <stdbool.h>
#include <stddef.h>

#define TOOL_WORDS_MAX 32
#define TOOL_PROFILE_MAX 16384 /* bytes of a file */
#define TOOL_TRACE_MAX 63      /* of adds and begins */

struct tool_words {
	const char *words[TOOL_WORDS_MAX];
	size_t count;
};

/* The form in which a key may use a tool: as it is, append-only, read-only. A key that asks for a form without a
 * section is refused. */
enum tool_form { TOOL_READ_WRITE, TOOL_APPEND_ONLY, TOOL_READ_ONLY, TOOL_FORMS };

struct tool_profile {
	struct tool_words command;     /* the client's command: words, a|b, {options}, {path}, {rest} */
	struct tool_words accept;      /* fnmatch(3) patterns of {options}, which are not passed on */
	struct tool_words execute;     /* files that it may execute */
	struct tool_words read;        /* files and directories that it may read, besides libraries */
	struct tool_words environment; /* NAME=VALUE */
	struct tool_words adds;        /* what is new in a repository when a backup was made, one pattern */
	struct tool_words begins;      /* the same, when one was begun */
	struct tool_words tidies;      /* the same, when old ones were taken away, which looks like a beginning */
	struct tool_words log;         /* "sftp": standard error is the log of sftp-server, which says it */
	struct tool_words quota;       /* added when the key has a storage quota; {quota} in it */
	struct {
		bool present;
		bool new_files_only; /* the kernel lets no existing file be changed */
		bool own_dates;      /* but dates and modes of files that the session has made */
		bool snapshots;      /* {snapshots}, the history of the home, can be read; own_root.c shows it */
		struct tool_words run;
	} form[TOOL_FORMS];
};

struct tool_fault {
	unsigned line; /* 0: of the whole file */
	const char *why;
	const char *word; /* that is at fault, or NULL */
};

/* The path of a device that any program may read. */
bool tool_device(const char *path);

/* Cuts text into words; the profile points into it. 0, or -EINVAL and what is wrong. */
int tool_profile_parse(char *text, struct tool_profile *profile, struct tool_fault *fault);

#endif
