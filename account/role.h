/* SPDX-License-Identifier: ISC */
/* Roles by name. Pure, libc only. */
#ifndef ACCOUNT_ROLE_H
#define ACCOUNT_ROLE_H

#include "account/account.h"

/* "push"; NULL for an unknown role. */
const char *role_name(enum role role);

/* 0, or -EINVAL for an unknown name (*role untouched). */
int role_parse(const char *name, enum role *role);

/* Where the profiles NAME.conf of tools are: the administrator's before ours. */
#define TOOLS_ADMIN_DIR SYSCONFDIR "/subuidd/tools.d"
#define TOOLS_SHIPPED_DIR TOOLSDIR

#define ROLES_TEXT_MAX (TOOLS_MAX + 32)

/* What a key may do, as one list, "push,sftp,forward": at most one of rsync's roles, tools by name,
 * `forward`; each once, at least one. */
struct roles {
	enum role role; /* ROLE_NONE: no rsync */
	uint32_t forward;
	char tools[TOOLS_MAX + 1]; /* padded with NUL to its end */
};

/* 0, or -EINVAL (*roles untouched). */
int roles_parse(const char *text, struct roles *roles);

/* The list of a key, its parts in one order. Its length, or -EINVAL for a key that has none. */
int roles_format(const struct ssh_key *key, char out[ROLES_TEXT_MAX + 1]);

/* [a-z][a-z0-9-]{0,30} and neither a role of ours nor an option: the name of a profile. */
int tool_name_valid(const char *name, size_t length);

/* Walks "a,b": the name's length, and *next behind it; 0 at the end. */
size_t tools_next(const char **next, const char **name);

/* As ssh_key.tools must be: "" or names that are valid, each once. */
int tools_valid(const char *tools);

/* host:port, [v6]:port; no wildcard, no user's characters: fit to stand inside permitopen="…". */
int forward_valid(const char *address);

/* The gate's options that go with ssh_key.options: "no-delete", … one bit each. NULL if unknown. */
const char *key_option_name(uint32_t bit);
int key_option_parse(const char *name, uint32_t *bit);

#endif
