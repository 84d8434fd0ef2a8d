/* SPDX-License-Identifier: ISC */
/* How a run ended, in words. */
#ifndef CLI_RUN_STATUS_H
#define CLI_RUN_STATUS_H

#include <jansson.h>
#include <stdint.h>

/* For a number as the daemon gives it: 0..255 exit status, 256 + n signal n, 1000 cut off. tool "": unknown. */
const char *status_text(uint64_t status, const char *tool, char out[64]);

/* The same for a run. */
const char *run_status_text(const json_t *run, char out[64]);

#endif
