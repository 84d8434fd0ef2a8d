/* SPDX-License-Identifier: ISC */
/*
 * The options that a client may give to `rsync --server`: one table. Unknown means refused. The table is policy
 * (direction, deletion, overwriting, reach); the kernel does the confining.
 */
#ifndef BACKUP_RSYNC_OPTIONS_H
#define BACKUP_RSYNC_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

enum option_argument {
	ARGUMENT_NONE,
	ARGUMENT_TEXT,      /* passed on as it is */
	ARGUMENT_RATE,      /* --bwlimit: no more than the gate's own */
	ARGUMENT_SECONDS,   /* --timeout: no longer than the gate's own */
	ARGUMENT_BYTES,     /* --max-alloc: no more than a process may have */
	ARGUMENT_LEVEL,     /* --compress-level: no higher than the table says for the algorithm */
	ARGUMENT_THREADS,   /* --compress-threads: no more than COMPRESS_THREADS_MAX */
	ARGUMENT_ALGORITHM, /* --compress-choice */
	ARGUMENT_DIRECTORY, /* a directory of the receiver, relative to the destination */
	ARGUMENT_BASIS,     /* the same, only read: may go up by "..", as long as it stays below DIR */
	ARGUMENT_LIST,      /* --files-from: a file, relative to DIR, or "-" */
	ARGUMENT_LOG,       /* --log-file: a file, relative to DIR */
};

enum {
	OPTION_REFUSED = 1u << 0,    /* always */
	OPTION_FOLLOWS = 1u << 1,    /* follows symlinks that lead out of DIR: refused unless DIR is "/" */
	OPTION_DELETES = 1u << 2,    /* refused by -no-del */
	OPTION_OVERWRITES = 1u << 3, /* reaches other existing files: refused by -no-overwrite */
	OPTION_WRITES = 1u << 4,     /* refused by -ro */
	OPTION_IDENTITY = 1u << 5,   /* --super, --fake-super: the gate's own choice under -fake-super */
	OPTION_LOOKS = 1u << 6,      /* reveals existing files, or acts on them: refused by -blind */
	OPTION_DRY = 1u << 7,        /* with it a server changes nothing */
};

struct rsync_option {
	const char *name; /* "delete"; one byte: a letter */
	enum option_argument argument;
	unsigned flags;
	const char *why; /* OPTION_REFUSED: in words for the client's user */
};

/* The option of this long name (length bytes), or of this letter; NULL: unknown. */
const struct rsync_option *rsync_option_find(const char *name, size_t length);

#define COMPRESS_THREADS_MAX 4

/* The highest level of this algorithm that is worth its memory and time; NULL: the algorithm is not known yet. */
int rsync_compress_level_max(const char *algorithm);

/* Why an option with one of the forbidden flags is refused, for the client's user; NULL: it is not. */
const char *rsync_option_why(const struct rsync_option *option, unsigned forbidden);

#endif
