/* SPDX-License-Identifier: ISC */
#ifndef SUBUIDD_CHANGE_BOUNDS_H
#define SUBUIDD_CHANGE_BOUNDS_H

#include "subuidd/call/call.h"

/* Whether the bounds among these facts of an account (bits of `set`) are no more than its owner has to give. */
enum failure limit_bounds(struct call *call, const char *owner, const struct facts *facts, uint32_t set);

#endif
