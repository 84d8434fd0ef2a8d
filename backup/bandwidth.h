/* SPDX-License-Identifier: ISC */
/* How much may pass now, of a stream with so many bytes a second. Pure; times are nanoseconds of a clock that does not
 * jump. */
#ifndef BACKUP_BANDWIDTH_H
#define BACKUP_BANDWIDTH_H

#include <stdint.h>

#define BANDWIDTH_PIECE 65536u /* what is passed on at once, at the most */

struct bandwidth {
	uint64_t rate; /* bytes a second, not 0 */
	int64_t even;  /* until this time all that has passed is paid for */
};

void bandwidth_begin(struct bandwidth *bandwidth, uint64_t rate, int64_t now);

/* Bytes that may pass; 0: none until *until. */
uint64_t bandwidth_room(struct bandwidth *bandwidth, int64_t now, int64_t *until);
void bandwidth_use(struct bandwidth *bandwidth, uint64_t bytes);

#endif
