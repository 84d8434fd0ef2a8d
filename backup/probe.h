/* SPDX-License-Identifier: ISC */
/* "Is the host there?": commands that ask for nothing, and get the answer that a shell would give. Pure. */
#ifndef BACKUP_PROBE_H
#define BACKUP_PROBE_H

#include <stdbool.h>
#include <stddef.h>

#define PROBE_ANSWER_MAX 1023 /* bytes of an echo; a longer one is no probe */

/* `true`, `:`, `exit`, `exit 0`, `echo WORD…`: the client's whole command. */
bool probe_is(const char *command);

/* The text for standard output, its newline included; "" except for echo. False (*answer untouched): no probe. */
bool probe_answer(const char *command, char answer[PROBE_ANSWER_MAX + 1]);

#endif
