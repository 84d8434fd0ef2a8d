/* SPDX-License-Identifier: ISC */
/* Roles by name. Pure, libc only. */
#ifndef ACCOUNT_ROLE_H
#define ACCOUNT_ROLE_H

#include <stdbool.h>

#include "account/account.h"

/* "push"; NULL for an unknown role. */
const char *role_name(enum role role);

/* Where the profiles NAME.conf of tools are: the administrator's before ours. */
#define TOOLS_ADMIN_DIR SYSCONFDIR "/subuidd/tools.d"
#define TOOLS_SHIPPED_DIR TOOLSDIR

/* `tool -try NAME HOME`, as nobody: whether the profile works. It says over the descriptor what is wrong. */
#define TOOL_TRY_OPTION "-try"
#define TOOL_TRY_FD 3
enum tool_try { TOOL_TRY_STARTS, TOOL_TRY_WRONG, TOOL_TRY_ABSENT };

#define ROLES_TEXT_MAX (TOOLS_MAX + 32)

/* What a key may do, as one list, "push,sftp,forward": at most one of rsync's roles, tools by name,
 * `forward`; each once, at least one; or "manage" alone. */
struct roles {
	enum role role; /* ROLE_NONE: no rsync */
	uint32_t forward;
	char tools[TOOLS_MAX + 1]; /* padded with NUL to its end */
};

/* 0, or -EINVAL (*roles untouched). */
int roles_parse(const char *text, struct roles *roles);

/* The list of a key, its parts in a fixed order. Its length, or -EINVAL for a key without any. */
int roles_format(const struct ssh_key *key, char out[ROLES_TEXT_MAX + 1]);

/* [a-z][a-z0-9-]{0,30} and neither a role of rsync's, nor forward, nor an option: the name of a profile, or one of
 * account/shell.h. */
int tool_name_valid(const char *name, size_t length);

/* Walks "a,b": the name's length, and *next after it; 0 at the end. */
size_t tools_next(const char **next, const char **name);

/* Whether the name is one of "a,b". */
bool tools_have(const char *tools, const char *name, size_t length);

/* As ssh_key.tools must be: "" or names that are valid, each once. */
int tools_valid(const char *tools);

/* host:port, [v6]:port; no wildcard and only plain characters: safe inside permitopen="…". */
int forward_valid(const char *address);

/* The gate's options that go with ssh_key.options: "no-delete", … one bit each. NULL if unknown. */
const char *key_option_name(uint32_t bit);
int key_option_parse(const char *name, uint32_t *bit);
/* ", no-delete, no-overwrite": all of them in words, "" if there are none. Returns out. */
#define KEY_OPTIONS_TEXT_MAX 80
const char *key_options_text(uint32_t bits, char out[KEY_OPTIONS_TEXT_MAX]);

#endif
