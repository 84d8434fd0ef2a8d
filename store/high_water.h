/* SPDX-License-Identifier: ISC */
/*
 * The high-water mark: the ids that were ever given out, recorded outside the store (invariants 1 and 14). Two
 * files of the same content, STATE_DIR/high-water and <homes>/.high-water (root 0600), so that losing either
 * directory leaves the other. Run by the broker and by the state program (root).
 *
 * An id is below the mark on the disk before it is used: the mark is raised and synced before the transaction that
 * gives the id out (for accounts some ids ahead, so that few of them wait for the disk). The generation follows
 * each commit and is written without waiting for the disk: it survives a kill -9; a loss of power may lose the last
 * generations, but never the mark.
 *
 * Each file has two slots that are written in turn, each with a sequence number and a checksum, and synced before
 * the next: a torn write leaves the other slot. The generation between two raises is a record of its own after them, so
 * that a write without waiting cannot damage a mark. All space of a file is allocated when it is made, so that a full
 * disk refuses no write.
 */
#ifndef SUBUIDD_STORE_HIGH_WATER_H
#define SUBUIDD_STORE_HIGH_WATER_H

#include <stdint.h>

#define HIGH_WATER_REGION_BITS 24 /* a mark for each 2^24 ids */
#define HIGH_WATER_REGIONS (1u << (32 - HIGH_WATER_REGION_BITS))

#define HIGH_WATER_STATE "high-water"  /* in STATE_DIR */
#define HIGH_WATER_HOMES ".high-water" /* below the homes */

/* Which files are sound. */
enum {
	HIGH_WATER_AT_STATE = 1u << 0,
	HIGH_WATER_AT_HOMES = 1u << 1,
	HIGH_WATER_DIFFER = 1u << 2, /* both are, but they belong to two stores: *mark is that of STATE_DIR */
};

struct high_water {
	uint64_t store;      /* identity of the store that wrote it (store_identity()); 0: nothing is known */
	uint64_t generation; /* of the last change that it knows of */
	uint32_t marks[HIGH_WATER_REGIONS]; /* highest id that may have been given out there; 0: none */
};

/* What both files know together: the higher marks and generation of the newer slots of both. 0 (also
 * when one file is missing or damaged: *files says which are sound, HIGH_WATER_AT_*), -ENOENT: neither exists;
 * -EUCLEAN: a file exists, but none is sound; -EPERM: a file is not ours, or others can write it; or another
 * negative errno. */
int high_water_read(int state_fd, int homes_fd, struct high_water *mark, unsigned *files);

/* *to becomes the higher of both, mark by mark and generation; its store stays. */
void high_water_merge(struct high_water *to, uint64_t generation, const uint32_t marks[HIGH_WATER_REGIONS]);

struct high_water_files; /* opaque: both, open for writing */

/* Opens both, and brings both to *mark: a missing or damaged file is made again, a file with other content is
 * rewritten. 0 or negative errno. */
int high_water_open(int state_fd, int homes_fd, const struct high_water *mark, struct high_water_files **ret);
void high_water_close(struct high_water_files *files);

/* Before ids are given out: raises the marks over first..last in both files and waits until they are on the disk.
 * Nothing is written if the marks are that high already. 0 or negative errno: the ids must not be used. */
int high_water_raise(struct high_water_files *files, uint32_t first, uint32_t last);

/* After a commit: writes the generation, without waiting. If that fails, it is written with the next one. */
void high_water_generation(struct high_water_files *files, uint64_t generation);

/* At a clean stop: the marks as they are, without what was raised ahead. 0 or negative errno: the old ones stay. */
int high_water_settle(struct high_water_files *files, const uint32_t marks[HIGH_WATER_REGIONS]);

/* btrfs: the file is written in place from then on, if nothing has been written yet, so that a full disk cannot refuse
 * a block that is already ours. */
void store_in_place(int fd);

#endif
