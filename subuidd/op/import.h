/* SPDX-License-Identifier: ISC */
/* An import, batch by batch: a change of many rows (change.h) that come one by one. */
#ifndef SUBUIDD_OP_IMPORT_H
#define SUBUIDD_OP_IMPORT_H

#include "subuidd/call/call.h"

/* The first row, and what call_run() said of it; the following ones. 0, or -EPROTO: no sound worker sends this. */
int import_begin(struct call *call, enum failure failure);
int import_continue(struct call *call, const struct request *request);

#endif
