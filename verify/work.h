/* SPDX-License-Identifier: ISC */
/* A worker of the verifier: computes. */
#ifndef VERIFY_WORK_H
#define VERIFY_WORK_H

#include "verify/check.h"

/* Takes questions from the first process, one at a time, and says the verdicts. Until that ends: 0, or the negative
 * errno of the channel. */
int verify_work(int channel, struct verifier *verifier);

#endif
