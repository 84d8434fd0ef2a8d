/* SPDX-License-Identifier: ISC */
/*
 * Room on the disk of the state. Changes that add something end while there is still some left, so that those that take
 * away (a lock, a key, an account) go on when somebody fills the disk.
 */
#ifndef SUBUIDD_ROOM_H
#define SUBUIDD_ROOM_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/statvfs.h>

struct broker;

/* Pure: whether a file system with these figures is nearly full, by bytes or by inodes. Root's own blocks count as
 * free. */
bool room_nearly_full(const struct statvfs *fs);

bool room_short(const struct broker *broker);
/* Keeps what is needed for changes on a full disk (store_reserve()), while there is room for it. */
void room_keep(struct broker *broker);

#endif
