/* SPDX-License-Identifier: ISC */
/*
 * The lines of /etc/subuid and /etc/subgid that are ours, and how they get into such a file.
 * Pure. shadow's format has no comments (shadow keeps a line that it cannot read, others stop
 * at it), so nothing marks our lines there: they are known by being, byte for byte, what we wrote.
 */
#ifndef SUBID_LINES_H
#define SUBID_LINES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct subid_lines {
	char *text; /* "name:first:count\n" each */
	size_t length, room;
	struct subid_lines_at {
		const char *at;
		size_t length; /* without newline */
		size_t order;
	} * sorted; /* after subid_lines_sort(): by bytes, each once */
	size_t count;
};

/* 0 or -ENOMEM. name: without ':' and newline. */
int subid_lines_add(struct subid_lines *lines, const char *name, uint32_t first, uint32_t count);
int subid_lines_add_text(struct subid_lines *lines, const char *text, size_t length);
/* The same of one line without its newline. */
int subid_lines_add_line(struct subid_lines *lines, const char *line, size_t length);
/* To be called after the last addition. 0 or -ENOMEM. */
int subid_lines_sort(struct subid_lines *lines);
void subid_lines_free(struct subid_lines *lines);

/* Number of the line in sorted, or -1. */
long subid_lines_find(const struct subid_lines *lines, const char *at, size_t length);
bool subid_lines_equal(const struct subid_lines *a, const struct subid_lines *b);

/* Those of `lines` that are in `other`, or that are not, into picked (unsorted). 0 or -ENOMEM. */
int subid_lines_pick(const struct subid_lines *lines, const struct subid_lines *other, bool in,
		     struct subid_lines *picked);

/* The file's text with all of `mine` in it once, those of `before` that are not in `mine` gone, every other
 * byte as it was. *out from malloc. 1: it is another text than before, 0: the same, or -ENOMEM. */
int subid_lines_merge(const char *present, size_t length, const struct subid_lines *before,
		      const struct subid_lines *mine, char **out, size_t *out_length);

/* When a line of ours comes: behind so many lines of others for the same holder, in /etc/subuid and in /etc/subgid. */
struct subid_turn {
	uint32_t uid; /* the holder's: lines may say it in the place of the name */
	uint16_t behind[2];
};

/* order.c: the same, for a whole file (0 /etc/subuid, 1 /etc/subgid): and the lines of each holder of `mine` in their
 * turn, turns being those of its lines, as they stand in its text. */
int subid_lines_place(const char *present, size_t length, const struct subid_lines *before,
		      const struct subid_lines *mine, const struct subid_turn *turns, int file, char **out,
		      size_t *out_length);

#endif
