/* SPDX-License-Identifier: ISC */
/* The control group of an account: systemd's slice of its uid, or the daemon's own where systemd does not run. */
#ifndef CLI_USE_GROUP_H
#define CLI_USE_GROUP_H

#include "cli/use.h"

/* Its counters, and its memory in bytes where that is counted (otherwise *memory stays). False: it has none. */
bool use_group(uint32_t uid, struct use_counters *counters, uint64_t *memory);

/* The first bytes of a file that the kernel writes. */
bool use_read(int dir, const char *path, char *text, size_t size);

#endif
