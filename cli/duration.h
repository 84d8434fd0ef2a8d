/* SPDX-License-Identifier: ISC */
/* Spans of time of a command line and of a terminal. Pure. */
#ifndef CLI_DURATION_H
#define CLI_DURATION_H

#include <stdint.h>

#define DURATION_MAX INT32_MAX

/* "90s", "15m", "26h", "3d", "2w": 1..DURATION_MAX seconds. A number without a unit is one that was forgotten. 0,
 * -EINVAL or -ERANGE. */
int duration_parse(const char *text, uint64_t *seconds);

/* "3m", "26h", "12d" (two units' worth before the next); out: 16 bytes. */
const char *duration_text(uint64_t seconds, char out[16]);

#endif
