/* SPDX-License-Identifier: ISC */
/* A password that is hashed once more, with the work that the settings say now. */
#ifndef SUBUIDD_WORKER_REHASH_H
#define SUBUIDD_WORKER_REHASH_H

#include "subuidd/wire/wire.h"

/* The whole call: *request is wiped. 0 and the final answer, or what worker_receive() returns. */
int worker_rehash(int broker, struct request *request, struct answer *answer);

#endif
