/* SPDX-License-Identifier: ISC */
/* Members of a JSON object that an untrusted peer wrote: type, range, length. Pure. */
#ifndef SUBUIDD_WORKER_FIELD_H
#define SUBUIDD_WORKER_FIELD_H

#include <jansson.h>

#include "subuidd/wire/wire.h"

/* Says what is wrong; -EINVAL. */
int field_invalid(struct failure_text *failure, const char *what, const char *why, const char *todo);

/* A member that is given and not null, else NULL. Borrowed. */
json_t *field_member(json_t *object, const char *name);

/* 1: there, and in the output; 0: left out, output untouched; -EINVAL. */
int member_text(json_t *object, const char *name, const char **text, struct failure_text *failure);

/* Copies without the NUL: out is 0 all over and keeps its padding. The caller has checked the length. */
void field_put(char *out, const char *text);

/* The other way: a text of the host's (a path, a name that lies on the disk) need not be UTF-8, and is escaped rather
 * than lost. NULL: no memory. */
json_t *field_json(const char *text);

#endif
