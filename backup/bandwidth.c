/* SPDX-License-Identifier: ISC */
/* A bucket of a tenth of a second. Part of the login shell. */
#include "backup/bandwidth.h"

#define SECOND INT64_C(1000000000)
#define BURST (SECOND / 10)
#define LEAST 512u /* that is waited for: less is not worth a system call */

static int64_t time_of(const struct bandwidth *bandwidth, uint64_t bytes)
{
	return (int64_t)((unsigned __int128)bytes * (uint64_t)SECOND / bandwidth->rate);
}

static uint64_t bytes_in(const struct bandwidth *bandwidth, int64_t time)
{
	return time <= 0 ? 0 : (uint64_t)((unsigned __int128)(uint64_t)time * bandwidth->rate / (uint64_t)SECOND);
}

/* What is waited for: half of the bucket, in pieces that are neither tiny nor larger than one. */
static uint64_t worth(const struct bandwidth *bandwidth)
{
	const uint64_t half = bytes_in(bandwidth, BURST / 2);

	return half < LEAST ? LEAST : half > BANDWIDTH_PIECE ? BANDWIDTH_PIECE : half;
}

void bandwidth_begin(struct bandwidth *bandwidth, uint64_t rate, int64_t now)
{
	bandwidth->rate = rate;
	bandwidth->even = now;
}

uint64_t bandwidth_room(struct bandwidth *bandwidth, int64_t now, int64_t *until)
{
	const uint64_t least = worth(bandwidth);
	const int64_t wait = time_of(bandwidth, least), most = wait > BURST ? wait : BURST;
	uint64_t room;

	if (bandwidth->even < now - most)
		bandwidth->even = now - most;
	room = bytes_in(bandwidth, now - bandwidth->even);
	if (room >= least || now - bandwidth->even >= wait)
		return room > BANDWIDTH_PIECE ? BANDWIDTH_PIECE : room > 0 ? room : 1;
	*until = bandwidth->even + wait;
	return 0;
}

void bandwidth_use(struct bandwidth *bandwidth, uint64_t bytes)
{
	bandwidth->even += time_of(bandwidth, bytes);
}
