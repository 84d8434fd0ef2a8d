/* SPDX-License-Identifier: ISC */
/*
 * The roles `shell` and `command`: an isolated shell, and one fixed line that it runs. In ssh_key.tools they stand by
 * these names; no profile describes them. Pure, libc only.
 */
#ifndef ACCOUNT_SHELL_H
#define ACCOUNT_SHELL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "account/account.h"

#define SHELL_ROLE "shell"
#define COMMAND_ROLE "command"

/* The name of a tool is one of these. */
bool role_built_in(const char *name, size_t length);

/* One of "a,b" is. */
bool tools_isolated(const char *tools);

/* One line of printable UTF-8; "" none. */
bool command_valid(const char *line);

/* "443,5432": numbers from 1 to 65535 without leading zeros, each once; "" none. */
bool ports_valid(const char *ports);

/* Walks valid ports: the next one, or 0 at the end. */
uint16_t ports_next(const char **next);

/* A part of the key that does not go with its roles, or NULL; *todo: how to mend that. */
const char *shell_conflict(const struct ssh_key *key, const char **todo);

/* The shell of the host's setting: [sessions] shell. By number as the index has it. */
enum session_shell { SHELL_BASH, SHELL_DASH, SHELL_BUSYBOX, SHELLS };
const char *shell_name(unsigned shell); /* of an unknown one: the first's */
int shell_parse(const char *name, uint32_t *shell);

#endif
