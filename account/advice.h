/* SPDX-License-Identifier: ISC */
/* What helps against an error of the system, in the same words wherever it is met: check, doctor, refusals. Pure. */
#ifndef ACCOUNT_ADVICE_H
#define ACCOUNT_ADVICE_H

#include <stdbool.h>

/* error: a positive or negative errno. NULL: there is no advice for the error alone. */
const char *advice_for(int error);

/* True for errors of a disk that fails, is full or was mounted read-only: they say nothing about the data on it. */
bool advice_disk(int error);

#endif
