/* SPDX-License-Identifier: ISC */
/* The roles shell and command: an isolated shell, alone in namespaces of its own. Part of tool. */
#ifndef BACKUP_SHELL_H
#define BACKUP_SHELL_H

#include <stdbool.h>
#include <stdint.h>

#include "backup/text_list.h"

#define SHELL_PORTS_MAX 33 /* of as many as NET_MAX has room for, and 0 at the end */

struct shell_order {
	const char *home;  /* absolute */
	const char *user;  /* the account's name */
	const char *shell; /* shell_name() */
	const char *line;  /* what is run; NULL: the shell reads what comes */
	const char *asked; /* what the client asked for, if that is not what is run; NULL */
	uint16_t ports[SHELL_PORTS_MAX];
	bool tty; /* the key may have a terminal, and there is one */
	bool read_only;
};

/* Runs it to its end: the exit status, also of a refusal. */
int shell_run(const struct shell_order *order);

/* ---- shell_words.c */

/* The shell's file, its arguments, and its environment. 0 or -ENOMEM. */
const char *shell_program(const struct shell_order *order);
int shell_arguments(const struct shell_order *order, struct text_list *argv);
int shell_environment(const struct shell_order *order, struct text_list *environment);

/* Programs that a client starts at the other end, and that a key has a role of their own for: with the role shell
 * alone they are refused by name, so that a key says what it is for. (A shell can do as much by other means.) */
bool shell_leaves_to_role(const char *program);

/* ---- shell_confine.c */

/* Namespaces, for this process and its first child. 0 or negative errno and *step. */
int shell_namespaces(const struct shell_order *order, const char **step);

/* In that child: the private root, Landlock, system call filter; home is the working directory. Where a connector is
 * needed (connector.h), the filter is left to it. 0 or negative errno. */
int shell_confine(const struct shell_order *order, const char **step);

#endif
