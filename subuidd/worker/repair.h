/* SPDX-License-Identifier: ISC */
/* What a check finds and what mends it, in the words of the interface. Pure. */
#ifndef SUBUIDD_WORKER_REPAIR_H
#define SUBUIDD_WORKER_REPAIR_H

#include <jansson.h>

#include "subuidd/wire.h"

/* Parameters of Repair, all but owner and label. 0, or -EINVAL and *failure. */
int worker_parse_repair(json_t *parameters, struct request_repair *repair, struct failure_text *failure);

/* Replies of Check and Repair; NULL: no memory. */
json_t *worker_finding(const struct finding *finding);
json_t *worker_repaired(const struct repaired *repaired);

/* Names of the parts of an account; NULL: no memory. */
json_t *worker_parts(uint32_t parts);

#endif
