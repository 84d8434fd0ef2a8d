/* SPDX-License-Identifier: ISC */
/* Other programs, without a shell. */
#ifndef CLI_PROGRAM_H
#define CLI_PROGRAM_H

#include <stdbool.h>

/* Runs argv[0], found in the system's directories, with a fixed environment, no input, signals at their defaults
 * and out of reach of the terminal's ctrl-C. *output (may be NULL; the caller frees it): all that it wrote to
 * standard output and standard error, up to 1 MiB. Its exit status, 128 + signal, or negative errno (-ENOENT: not
 * installed). */
int command_run(const char *const argv[], char **output);

/* The same, for a program that has to succeed: 0, or -1 if it did not exit with 0, after reporting why. */
int command_must(const char *const argv[], const char *todo);

/* True when the program is in one of the system's directories. */
bool command_exists(const char *name);

#endif
