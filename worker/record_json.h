/* SPDX-License-Identifier: ISC */
/* Records and JSON, both ways, by their tables. Run by the worker: an untrusted peer wrote the JSON that is read.
 * Pure. */
#ifndef SUBUIDD_WORKER_RECORD_JSON_H
#define SUBUIDD_WORKER_RECORD_JSON_H

#include <jansson.h>
#include <stdbool.h>

#include "account/record.h"
#include "varlink/text.h"

/*
 * The members of object that a peer may give, into base (0 all over). Types and sizes are looked at here, and
 * whether a required one is given; request_shape() decides which values are allowed. *set: bit i for each given row
 * i that is not required. 0, or -EINVAL and *failure.
 */
int record_parse(const struct record *record, json_t *object, void *base, uint32_t *set, struct failure_text *failure);

/* Adds the members of base that are shown to object. True if that failed. */
bool record_put(json_t *object, const struct record *record, const void *base);

/* The same as text, members of the object that was begun. */
void record_text(struct json_text *text, const struct record *record, const void *base);

#endif
