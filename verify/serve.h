/* SPDX-License-Identifier: ISC */
/* The first process of the verifier: takes questions from the socket, and has workers answer them in turn. */
#ifndef VERIFY_SERVE_H
#define VERIFY_SERVE_H

#include "verify/check.h"

#define WORKERS_MOST 8

/* Another worker, one that yields to others if it is patient: its end of a channel (SOCK_SEQPACKET) or negative errno.
 */
typedef int verify_start(struct verifier *verifier, bool patient);

/* workers: 2 or more. Until the socket fails: the negative errno of that. */
int verify_serve(int listener, struct verifier *verifier, unsigned workers, verify_start *start);

#endif
