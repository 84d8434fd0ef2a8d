/* SPDX-License-Identifier: ISC */
/* A file system for the homes: what can be asked of a disk or an image, and making one. Run by root. */
#ifndef SETUP_DISK_H
#define SETUP_DISK_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DISK_LABEL "subuid-homes" /* xfs has room for 12 bytes */
#define DISK_UUID_TEXT 36

/* A kind of file system. */
struct disk_kind {
	const char *fs, *program, *package;
	const char *quotas, *image; /* options of mount(8): with quotas, of an image; each begins with a comma */
	const char *argv[9];        /* that makes one, before the UUID */
};

struct disk {
	char path[PATH_MAX];
	bool device;                  /* a block device; else an image */
	bool exists;                  /* else it is to be made, of this size: */
	uint64_t size;                /* bytes; 0: none was named */
	const struct disk_kind *kind; /* never NULL */
	char uuid[DISK_UUID_TEXT + 1];
	bool quotas; /* they are enforced there */
	bool ours;   /* it has a file system of this label already */
};

/* "FILE[:SIZE]" or "DEVICE". 0, or -1 after saying what is wrong with the word. */
int disk_word(const char *word, struct disk *disk);

/* Whether a file system for homes can be made there, or is there already. fs: "btrfs", "xfs", "ext4". Nothing is
 * changed. 0, or -1 after saying why not. */
int disk_look(struct disk *disk, const char *fs);

/* Makes the image and the file system, with disk->uuid. 0, or -1, said why. */
int disk_make(const struct disk *disk);

/* Removes an image with our file system of this UUID, or one that nothing was written to yet. 0, or -1, said why. */
int disk_unmake(const char *path, const char *uuid);

/* What is mounted on the directory: 1 and its UUID ("": it has none), 0 nothing, -1 said why. */
int disk_mounted(const char *directory, char uuid[DISK_UUID_TEXT + 1]);

/* Mounts it, with quotas if the kernel has them. 0, or -1, said why. */
int disk_mount(struct disk *disk, const char *directory);

/* The line of fstab(5) that mounts it there. */
void disk_line(const struct disk *disk, const char *directory, char *line, size_t size);

#endif
