/* SPDX-License-Identifier: ISC */
/* Whether there is room on the disk of the state, and who needs it. Run by the broker. */
#include "subuidd/call/room.h"

#include <string.h>

#include "subuidd/broker.h"
#include "subuidd/base/log.h"
#include "subuidd/wire/wire.h"

#define BYTES_LEFT (32u << 20)
#define INODES_LEFT 256u
#define PART 32u /* of a small file system: one part of so many */

static uint64_t lesser(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

bool room_nearly_full(const struct statvfs *fs)
{
	/* btrfs counts none, and counts as free what files cannot have; elsewhere root has what others have not */
	bool no_inodes = fs->f_files == 0;
	uint64_t size = (uint64_t)fs->f_blocks * fs->f_frsize;
	uint64_t left = (uint64_t)(no_inodes ? fs->f_bavail : fs->f_bfree) * fs->f_frsize;

	if (left < lesser(BYTES_LEFT, size / PART))
		return true;
	return !no_inodes && fs->f_ffree < lesser(INODES_LEFT, fs->f_files / PART);
}

bool room_short(const struct broker *broker)
{
	struct statvfs fs;

	return fstatvfs(broker->state_fd, &fs) == 0 && room_nearly_full(&fs);
}

void room_keep(struct broker *broker)
{
	int r = room_short(broker) ? 0 : store_reserve(broker->store);

	if (r < 0)
		log_error("no room can be kept for locks on a full disk: %s", strerror(-r));
}
