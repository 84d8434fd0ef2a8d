/* SPDX-License-Identifier: ISC */
/* The parts of an account outside of the store, in words. Pure. */
#ifndef ACCOUNT_PART_H
#define ACCOUNT_PART_H

#include <stddef.h>

/* "home" for PART_HOME, one bit of enum account_part; NULL for any other number. */
const char *part_name(unsigned part);

/* "home, link" for several; "" for none. Returns out. */
const char *parts_text(unsigned parts, char *out, size_t size);

#endif
