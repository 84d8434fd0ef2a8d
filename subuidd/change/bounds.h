/* SPDX-License-Identifier: ISC */
#ifndef SUBUIDD_CHANGE_BOUNDS_H
#define SUBUIDD_CHANGE_BOUNDS_H

#include "subuidd/call/call.h"

/* Whether the bounds among these facts of an account (bits of `set`) are no more than its owner has to give. */
/* And a service manager only by root. before: what it may now. */
enum failure limit_services(struct call *call, uint32_t before, const struct facts *facts, uint32_t set);
enum failure limit_bounds(struct call *call, const char *owner, const struct facts *facts, uint32_t set);

#endif
