/* SPDX-License-Identifier: ISC */
/*
 * The grammar of /etc/subuid and /etc/subgid, for all who read them: the plug-in, the daemon and the commands.
 *
 *	line = name ":" first ":" count        name: of a user, or the uid
 *
 * Numbers are strict decimals (account/id.h), and the ids are those of id_range_valid(). A line that two programs could
 * read in two ways gives nobody anything, like every other line that is not of this form, a comment ("#…") and one that
 * is longer than shadow reads. Pure, libc only, no heap: it runs in foreign processes too.
 */
#ifndef SUBID_LINE_H
#define SUBID_LINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "account/id.h"

#define SUBID_LINE_MAX 1023 /* bytes */

/* Programs that read the files by themselves, without libsubid, for messages. */
#define SUBID_READERS "unshare --map-auto, mmdebstrap, the buildah of Debian 12, apptainer and rootlesskit"

struct subid_line {
	const char *name; /* in the text; not ended by NUL */
	size_t name_length;
	struct id_block ids;
};

/* False: not a line that gives an id; *line is untouched then. The text is without a newline. */
bool subid_line_parse(const char *text, size_t length, struct subid_line *line);

static inline uint32_t subid_line_count(const struct subid_line *line)
{
	return line->ids.last - line->ids.first + 1;
}

/* The next line of a text, without its newline; false at the end. */
bool subid_line_next(const char **text, size_t *left, const char **line, size_t *length);

/* Whether the line says this name, or, in the second, the name or the uid. */
bool subid_line_is(const struct subid_line *line, const char *name);
bool subid_line_names(const struct subid_line *line, const char *name, uint32_t uid);

/* Of bytes, and of what is longer by the length: as qsort(3) wants it. */
int subid_bytes_order(const char *a, size_t a_length, const char *b, size_t b_length);

#endif
