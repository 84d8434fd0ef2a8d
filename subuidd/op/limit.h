/* SPDX-License-Identifier: ISC */
/* The limits of owners. */
#ifndef SUBUIDD_OP_LIMIT_H
#define SUBUIDD_OP_LIMIT_H

#include "subuidd/call/call.h"

/* The owner's own limit, or else the settings'. 0 or negative errno. */
int limit_of(struct call *call, const char *owner, struct limit *limit);

#endif
