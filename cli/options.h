/* SPDX-License-Identifier: ISC */
/* Values of a command line. Pure: 0 or -EINVAL / -ERANGE, outputs untouched on failure. */
#ifndef CLI_OPTIONS_H
#define CLI_OPTIONS_H

#include <stdint.h>

#include "account/name.h"

/* "web1": owner is "". "alice+web1": both. */
int option_name(const char *text, char separator, char owner[OWNER_MAX + 1], char label[LABEL_MAX + 1]);

/* Digits only, first..last. */
int option_number(const char *text, uint64_t first, uint64_t last, uint64_t *number);

/* "10G", "512MiB", "1048576"; K M G T P are powers of 1024; at most 2^63-1. "none" is 0. */
int option_size(const char *text, uint64_t *bytes);

/* "50000", with K, M, G for powers of 1000; "none" is -1, "default" 0. */
int option_files(const char *text, int64_t *files);

/* "2031-12-31", "+30d", "+4w" from today; "never" is -1. -ERANGE: today or before, or too far. */
int option_date(const char *text, int64_t today, int32_t *day);

/* The same in seconds, where a time of the day counts too: "2031-12-31T18:00" (UTC), "+12h", "+90m"; "never" is 0. */
int option_time(const char *text, int64_t now, int64_t *seconds);

/* Bytes as "10G" when they are a whole number of a unit, else "1.5G"; out: 24 bytes. */
const char *size_text(uint64_t bytes, char out[24]);

#endif
