/* SPDX-License-Identifier: ISC */
/* Numeric ids: checked in 64 bits, refused when special. Pure, libc only. */
#ifndef ACCOUNT_ID_H
#define ACCOUNT_ID_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RANGE_UNIT 65536u /* ranges start at and consist of such blocks */
#define RANGE_SMALL_LEAST 4096u
#define RANGE_SMALL_MOST 16384u
#define SYSTEM_UID_MAX 999u /* users of the host itself: SYS_UID_MAX of login.defs(5) */

/* Sizes of a range that is a part of such a block, at a multiple of its size. */
static inline bool range_small(uint64_t count)
{
	return count == RANGE_SMALL_LEAST || count == RANGE_SMALL_MOST;
}

/* Ids that are never given out: 0, 65534 (nobody), 65535 and 2^32-1 ((uid_t)-1 in 16 and 32 bits). */
bool id_special(uint64_t id);

/* The strict decimal: digits only, no sign, no leading zero (but "0"), below 2^32; an id below 2^32-1.
 * 0, -EINVAL (shape) or -ERANGE (too large); outputs untouched on failure. */
int number_parse(const char *text, size_t length, uint64_t *number);
int id_parse_bytes(const char *text, size_t length, uint32_t *id);
int id_parse(const char *text, uint32_t *id);

/* [start, start+count) as 64-bit arithmetic. */
struct id_block {
	uint32_t first;
	uint32_t last; /* inclusive */
};

/* True when start..start+count-1 is a nonempty block of ids below 2^32-1. */
bool id_range_valid(uint64_t start, uint64_t count);

bool id_blocks_overlap(struct id_block a, struct id_block b);

/* Parses "2100000000-2147352575". 0, -EINVAL. */
int id_block_parse(const char *text, struct id_block *block);

#endif
