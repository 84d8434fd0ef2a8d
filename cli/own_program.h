/* SPDX-License-Identifier: ISC */
/* Programs of ours that the command delegates to: they are linked with code that users' commands never need. */
#ifndef CLI_OWN_PROGRAM_H
#define CLI_OWN_PROGRAM_H

#define STATE_PROGRAM "state" /* on the state of this host, while no daemon has it */
#define HOST_PROGRAM "host"   /* setup and doctor */

/*
 * Runs LIBEXECDIR/program with these words (the first is the verb, NULL ends), --json where that was asked for, and
 * our own standard descriptors. Its exit status, which is one of subuid(1) (75 of `state collect`: there is no
 * save), or STATUS_UNREACHABLE (it does not exist) or STATUS_FAILED, after saying why.
 */
int own_program_run(const char *program, const char *const words[]);

/* The same in our place, so that ctrl-C and a closed terminal reach only that program. Returns only when it cannot be
 * started. */
int own_program_become(const char *program, const char *const words[]);

#endif
