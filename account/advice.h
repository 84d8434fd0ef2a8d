/* SPDX-License-Identifier: ISC */
/* What helps against an error of the system, in the same words wherever it is met: check, doctor, refusals. Pure. */
#ifndef ACCOUNT_ADVICE_H
#define ACCOUNT_ADVICE_H

#include <stdbool.h>

/* error: a positive or negative errno. NULL: nothing that could be said of the error alone. */
const char *advice_for(int error);

/* True for what a disk answers that fails, is full or was mounted read-only: it says nothing about what lies on it. */
bool advice_disk(int error);

#endif
