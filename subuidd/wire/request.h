/* SPDX-License-Identifier: ISC */
/*
 * The shape of requests: what can be said about one without knowing who asks or what exists. The one check: the
 * worker runs it for clear messages, the broker because it does not believe the worker. Pure; fuzzed together with
 * wire_request_check().
 */
#ifndef SUBUIDD_REQUEST_H
#define SUBUIDD_REQUEST_H

#include "account/failure.h"
#include "subuidd/wire/wire.h"

/* Checks for what a sound worker never sends: flags that do not exist, "booleans" of 2. The worker
 * is killed for it. 0 or -EPROTO. The request has passed wire_request_check(). */
int request_sound(const struct request *request);

/* Checks for what a person may have typed wrong. FAILURE_NONE, or FAILURE_INVALID and the text. */
enum failure request_shape(const struct request *request, char separator, struct failure_text *text);

/* The name that the request is about; NULL for an op without one. */
const struct request_name *request_name(const struct request *request);

/* The limit that a row of an import states. */
struct limit import_limit(const struct request_import *row);

/* Blocks of RANGE_UNIT that hold count ids. */
uint32_t request_units(uint32_t count);

#endif
