/* SPDX-License-Identifier: ISC */
/* Thresholds of the Monitoring Plugins guidelines, of times: [@][START:][END], each 90s, 15m, 26h, 3d, 2w or 0. Pure.
 */
#ifndef CLI_THRESHOLD_H
#define CLI_THRESHOLD_H

#include <stdbool.h>
#include <stdint.h>

struct threshold {
	bool given, inside;  /* inside: an alert from start to end, instead of outside of them */
	uint64_t start, end; /* seconds; end UINT64_MAX: none */
};

/* 0, -EINVAL or -ERANGE (*threshold untouched). */
int threshold_parse(const char *text, struct threshold *threshold);

/* An alert above it. */
struct threshold threshold_above(uint64_t seconds);

bool threshold_alerts(const struct threshold *threshold, uint64_t value);

/* As performance data has it, in seconds: "93600", "3600:93600", "@0:60"; "" of none. */
#define THRESHOLD_TEXT_MAX 48
const char *threshold_text(const struct threshold *threshold, char out[THRESHOLD_TEXT_MAX]);

#endif
