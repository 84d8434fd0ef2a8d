/* SPDX-License-Identifier: ISC */
/* How much all processes of an account together may have, by the settings of the host: what systemd is told of an
 * account, and what its control group gets where systemd does not run. */
#ifndef INDEX_BOUNDS_H
#define INDEX_BOUNDS_H

#include "index/index.h"

/* 0: no bound (the index is of a version that knows nothing of it). */
struct index_bounds {
	uint64_t memory; /* bytes */
	uint32_t cpu_weight;
	uint32_t processes;
};

struct index_bounds index_bounds(const struct index_host *host);

#endif
