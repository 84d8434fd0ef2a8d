/* SPDX-License-Identifier: ISC */
/* Whether an account may have a name that another one had before. Run by the broker, in the open transaction or not. */
#ifndef SUBUIDD_CHANGE_NAME_H
#define SUBUIDD_CHANGE_NAME_H

#include "subuidd/call/call.h"

/* FAILURE_NONE if nobody's directory or link has this name still. */
enum failure former_free(struct call *call, const char *owner, const char *label);
/* FAILURE_NONE if the account `uid`, which has this name or is to have it, has no key (blob NULL: of those that it
 * has; else this one) of an account that had it before: its server would write to the other one, and nobody would
 * notice. */
enum failure former_key_free(struct call *call, const char *owner, const char *label, uint32_t uid, const char *blob);

#endif
