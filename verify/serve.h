/* SPDX-License-Identifier: ISC */
/* One worker of the verifier: takes questions from the socket. */
#ifndef VERIFY_SERVE_H
#define VERIFY_SERVE_H

#include "verify/check.h"

/* Until the socket fails: the negative errno of that. */
int verify_serve(int listener, struct verifier *verifier);

#endif
