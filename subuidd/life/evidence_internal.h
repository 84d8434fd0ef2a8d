/* SPDX-License-Identifier: ISC */
/* Between evidence.c (what is compared, in which order) and evidence_disk.c (the proof that reads everything) only.
 */
#ifndef SUBUIDD_EVIDENCE_INTERNAL_H
#define SUBUIDD_EVIDENCE_INTERNAL_H

#include <stddef.h>
#include <stdint.h>

#include "home/walk.h"
#include "store/store.h"

/* The findings, one after the other in one sentence. */
struct findings {
	char text[640];
	size_t length;
};
__attribute__((format(printf, 2, 3))) void findings_add(struct findings *findings, const char *format, ...);

/* "what: FOUND. MEANING; ADVICE." Returns -EUCLEAN. */
int findings_say(const struct findings *findings, char *why, size_t size);

#define STRANGERS_NAMED 3

/* Homes and data that the store does not know: the first are named. */
struct strangers {
	struct disk_entry named[STRANGERS_NAMED];
	uint32_t count;
};
void strangers_add(struct strangers *strangers, const struct disk_entry *entry);
/* Adds a finding when there are any. */
void strangers_say(const struct strangers *strangers, const char *homes, struct findings *findings);

/* 1: the entry's uid is of an account of this store, or of a tombstone; 0: it does not know the uid; negative
 * errno.
 * */
int entry_known(struct store *store, const struct disk_entry *entry);

/* A home that cannot be read is doubt: it is reported, but is no reason not to serve the others. */
void homes_unread(const char *path, int error);

/* The store in itself. 0; -EUCLEAN with a finding; or another negative errno and a sentence in why. */
int store_whole(struct store *store, struct findings *findings, char *why, size_t size);

/* All of the disk and all of the store, here and now. 0; -EUCLEAN with findings; or another negative errno and a
 * sentence in why: it could not be read. */
int evidence_prove(const struct homes *homes, struct store *store, struct findings *findings, char *why, size_t size);

#endif
