/* SPDX-License-Identifier: ISC */
/* The method Import; run by the worker on what an untrusted peer wrote. */
#ifndef SUBUIDD_WORKER_IMPORT_H
#define SUBUIDD_WORKER_IMPORT_H

#include "worker/worker.h"
#include "varlink/server.h"

/* Serves one call. 0; 1: to be answered with *failure; or the negative errno that ends the connection. */
int worker_import(struct varlink_call *call, int broker, struct failure_text *failure);

/* One row into a request. Pure. 0, or -EINVAL and *failure says what to change. */
int worker_parse_import(json_t *row, struct request *request, struct failure_text *failure);

json_t *worker_import_result(const struct import_result *result, const struct failure_text *failure);

#endif
