/* SPDX-License-Identifier: ISC */
/*
 * The high-water mark: what was ever given out, known outside of the store (invariants 1 and 14). Two files of
 * the same content, STATE_DIR/high-water and <homes>/.high-water (root 0600), so that losing either directory leaves
 * the other. Run by the broker and by the state program (root).
 *
 * An id is below the mark on the disk before it is used: the mark is raised and synced before the transaction that
 * gives the id out (for accounts some ahead, so that this waits for the disk once in many). The generation follows
 * each commit and is written without waiting for the disk: it survives a kill -9, and a loss of power may take the last
 * ones of it along; the mark never.
 *
 * Each file has two slots that are written in turn, each with a sequence number and a checksum: a torn write leaves
 * the other. All its space is allocated when it is made, so that a full disk refuses no write.
 */
#ifndef SUBUIDD_STORE_HIGH_WATER_H
#define SUBUIDD_STORE_HIGH_WATER_H

#include <stdint.h>

#define HIGH_WATER_REGION_BITS 24 /* a mark for each 2^24 ids */
#define HIGH_WATER_REGIONS (1u << (32 - HIGH_WATER_REGION_BITS))

struct high_water {
	uint64_t store;      /* identity of the store that wrote it (store_identity()); 0: nothing is known */
	uint64_t generation; /* of the last change that it knows of */
	uint32_t marks[HIGH_WATER_REGIONS]; /* highest id that may have been given out there; 0: none */
};

/* What both files know together: the newer slot of each, marks and generation the higher of the two. 0 (also when one file
 * is missing or damaged: *files says which are sound, bit 0 the state's, bit 1 the homes'), -ENOENT: neither is there,
 * -EUCLEAN: there is a file, and none that is sound; -EPERM: a file that others can write; or another negative errno. */
int high_water_read(int state_fd, int homes_fd, struct high_water *mark, unsigned *files);

struct high_water_files; /* opaque: both, open for writing */

/* Makes what is missing, from *mark, and opens both. 0 or negative errno. */
int high_water_open(int state_fd, int homes_fd, const struct high_water *mark, struct high_water_files **ret);
void high_water_close(struct high_water_files *files);

/* Before ids are given out: raises the marks over first..last in both files and waits until they are on the disk. Nothing
 * is written where the marks are that high already. 0 or negative errno: the ids must not be used. */
int high_water_raise(struct high_water_files *files, uint32_t first, uint32_t last);

/* After a commit: the generation, without waiting. */
void high_water_generation(struct high_water_files *files, uint64_t generation);

#endif
