/* SPDX-License-Identifier: ISC */
/*
 * TCP to listed ports alone, on kernels whose Landlock knows no ports: connect(2) of a shell and of all that it starts
 * is done for it by its first process. Used by the two processes of backup/shell.c, as the account.
 */
#ifndef BACKUP_CONNECTOR_H
#define BACKUP_CONNECTOR_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

/* In the first process. All -1 and NULL (CONNECTOR_NONE): nobody asks. */
struct connector {
	int channel[2];        /* over which the listener comes: ours, the shell's */
	int listener, signals; /* where it is asked, and where its signals are read */
	const uint16_t *ports; /* ended by 0 */
};

/* clang-format off */
#define CONNECTOR_NONE { .channel = { -1, -1 }, .listener = -1, .signals = -1 }
/* clang-format on */

/* Whether this kernel needs one for these ports. */
bool connector_needed(const uint16_t *ports);

/* Before the fork of the shell. 0 or negative errno. */
int connector_prepare(struct connector *connector, const uint16_t *ports);

/* In the shell's own process, before it is executed: enters the filter that asks, and hands over where it does. 0 or
 * negative errno: it must not go on. */
int connector_ask(const struct connector *connector);

/* In the first process, after the fork: takes that over, closes everything else, and enters the filter of one that
 * answers. Not dumpable yet, anyone in the shell could take its place. 0 or negative errno: the shell must end. */
int connector_begin(struct connector *connector, const sigset_t *signals);

/* Answers until one of the signals comes, which are blocked: its number, or negative errno. */
int connector_wait(struct connector *connector);

#endif
