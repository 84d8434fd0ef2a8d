/* SPDX-License-Identifier: ISC */
/*
 * The table, and the look-up of a word of the client's in it. Run by subuid-rrsync with the sub-account's uid, after
 * Landlock and before the system call filter.
 */
#include "backup/rsync_options.h"

#include <string.h>

/* clang-format off */
#define FLAG(name) { name, ARGUMENT_NONE, 0, NULL }
#define TEXT(name) { name, ARGUMENT_TEXT, 0, NULL }
#define LOOKS(name) { name, ARGUMENT_NONE, OPTION_LOOKS, NULL }
#define DRY(name) { name, ARGUMENT_NONE, OPTION_DRY | OPTION_LOOKS, NULL }
#define DELETES(name) { name, ARGUMENT_NONE, OPTION_DELETES | OPTION_LOOKS, NULL }
#define FOLLOWS(name) { name, ARGUMENT_NONE, OPTION_FOLLOWS, NULL }
#define BASIS(name) { name, ARGUMENT_BASIS, OPTION_LOOKS, NULL }
#define REFUSED(name, why) { name, ARGUMENT_NONE, OPTION_REFUSED, why }
/* clang-format on */

#define SECLUDED "it stands in the client's command, before any path, or nowhere"
#define DEVICES "devices are neither read nor written here"

/* In the order of ASCII: found by binary search, and a test proves the order. The letters come first. Names: all that
 * rsync 2.6.9 to 3.5 sends to a server, and the long forms that others write by hand: those of rrsync 3.5. */
static const struct rsync_option table[] = {
	FLAG("A"),    /* --acls */
	LOOKS("C"),   /* --cvs-exclude */
	FLAG("D"),    /* --devices --specials */
	FLAG("E"),    /* --executability */
	FLAG("H"),    /* --hard-links */
	FLAG("I"),    /* --ignore-times */
	FLAG("J"),    /* --omit-link-times */
	FOLLOWS("K"), /* --keep-dirlinks */
	FOLLOWS("L"), /* --copy-links */
	FLAG("N"),    /* --crtimes */
	FLAG("O"),    /* --omit-dir-times */
	FLAG("R"),    /* --relative */
	FLAG("S"),    /* --sparse */
	FLAG("U"),    /* --atimes */
	FLAG("W"),    /* --whole-file */
	FLAG("X"),    /* --xattrs */
	LOOKS("append"),
	{ "b", ARGUMENT_NONE, OPTION_OVERWRITES, NULL }, /* --backup: a backup replaces an older one */
	{ "backup-dir", ARGUMENT_DIRECTORY, OPTION_OVERWRITES, NULL },
	{ "block-size", ARGUMENT_TEXT, OPTION_LOOKS, NULL },
	{ "bwlimit", ARGUMENT_RATE, 0, NULL },
	LOOKS("c"), /* --checksum */
	TEXT("checksum-choice"),
	TEXT("checksum-seed"),
	BASIS("compare-dest"),
	{ "compress-choice", ARGUMENT_ALGORITHM, 0, NULL },
	{ "compress-level", ARGUMENT_LEVEL, 0, NULL },
	{ "compress-threads", ARGUMENT_THREADS, 0, NULL },
	BASIS("copy-dest"),
	REFUSED("copy-devices", DEVICES),
	FOLLOWS("copy-unsafe-links"),
	FLAG("d"), /* --dirs */
	REFUSED("daemon", "this is not a daemon; name a path, not a module"),
	REFUSED("debug", "it tells more of the files here than a transfer needs"),
	{ "delay-updates", ARGUMENT_NONE, OPTION_OVERWRITES, NULL },
	DELETES("delete"),
	DELETES("delete-after"),
	DELETES("delete-before"),
	DELETES("delete-delay"),
	DELETES("delete-during"),
	DELETES("delete-excluded"),
	DELETES("delete-missing-args"),
	FLAG("dirs"),
	LOOKS("existing"),
	{ "fake-super", ARGUMENT_NONE, OPTION_IDENTITY, NULL },
	{ "files-from", ARGUMENT_LIST, 0, NULL },
	DELETES("force"), /* rrsync allows it, but it deletes a directory tree that gives way to a file */
	FLAG("from0"),
	FLAG("fsync"),
	LOOKS("fuzzy"),
	FLAG("g"), /* --group */
	FLAG("group"),
	TEXT("groupmap"),
	FLAG("hard-links"),
	TEXT("iconv"),
	FLAG("ignore-errors"),
	FLAG("ignore-existing"),
	FLAG("ignore-missing-args"),
	FLAG("ignore-times"),
	{ "info", ARGUMENT_TEXT, OPTION_LOOKS, NULL },
	FLAG("inplace"),
	FOLLOWS("k"), /* --copy-dirlinks */
	FLAG("l"),    /* --links */
	BASIS("link-dest"),
	FLAG("links"),
	DRY("list-only"),
	{ "log-file", ARGUMENT_LOG, OPTION_OVERWRITES | OPTION_WRITES | OPTION_LOOKS, NULL },
	TEXT("log-format"),
	LOOKS("m"), /* --prune-empty-dirs */
	{ "max-alloc", ARGUMENT_BYTES, 0, NULL },
	TEXT("max-delete"),
	TEXT("max-size"),
	TEXT("min-size"),
	FLAG("mkpath"),
	TEXT("modify-window"),
	FLAG("msgs2stderr"),
	FLAG("munge-links"),
	DRY("n"), /* --dry-run */
	FLAG("new-compress"),
	FLAG("no-W"),
	FLAG("no-implied-dirs"),
	FLAG("no-msgs2stderr"),
	REFUSED("no-munge-links", "whether links are munged is not the client's choice"),
	FLAG("no-r"),
	FLAG("no-relative"),
	FLAG("no-specials"),
	FLAG("numeric-ids"),
	FLAG("o"), /* --owner */
	FLAG("old-compress"),
	FLAG("one-file-system"),
	{ "only-write-batch", ARGUMENT_TEXT, OPTION_DRY | OPTION_LOOKS,
	  NULL }, /* to a server it means "change nothing"; the batch is the client's */
	FLAG("open-noatime"),
	FLAG("owner"),
	FLAG("p"), /* --perms */
	FLAG("partial"),
	{ "partial-dir", ARGUMENT_DIRECTORY, OPTION_OVERWRITES | OPTION_LOOKS, NULL },
	FLAG("perms"),
	FLAG("preallocate"),
	FLAG("q"), /* --quiet */
	FLAG("r"), /* --recursive */
	FLAG("recursive"),
	DELETES("remove-sent-files"),
	DELETES("remove-source-files"),
	REFUSED("s", SECLUDED),
	FLAG("safe-links"),
	REFUSED("secluded-args", SECLUDED),
	LOOKS("size-only"),
	TEXT("skip-compress"),
	FLAG("specials"),
	FLAG("stats"),
	TEXT("stderr"),
	TEXT("suffix"),
	{ "super", ARGUMENT_NONE, OPTION_IDENTITY, NULL },
	FLAG("t"), /* --times */
	{ "temp-dir", ARGUMENT_DIRECTORY, 0, NULL },
	{ "timeout", ARGUMENT_SECONDS, 0, NULL },
	FLAG("times"),
	LOOKS("u"), /* --update */
	FLAG("use-qsort"),
	TEXT("usermap"),
	FLAG("v"), /* --verbose */
	REFUSED("write-devices", DEVICES),
	FLAG("x"),  /* --one-file-system */
	LOOKS("y"), /* --fuzzy */
	FLAG("z"),  /* --compress */
};

/*
 * The memory of a sender of 300 MB of programs, with zstd: 10 MiB at level 3, 23 at 9, 59 at 12 (2 % smaller than at 9,
 * in twice the time), 96 at 19 and 784 at 22. zlib takes 10 MiB at its highest level, and lz4 has none.
 */
static const struct {
	const char *name;
	int level_max;
} compressors[] = {
	{ "zstd", 12 }, { "zlib", 9 }, { "zlibx", 9 }, { "lz4", 1 }, { "none", 1 },
};

#define LEVEL_MAX_UNKNOWN 9 /* of whatever both sides agree on */

int rsync_compress_level_max(const char *algorithm)
{
	for (size_t i = 0; algorithm != NULL && i < sizeof(compressors) / sizeof(compressors[0]); i++)
		if (strcmp(algorithm, compressors[i].name) == 0)
			return compressors[i].level_max;
	return LEVEL_MAX_UNKNOWN;
}

const char *rsync_option_why(const struct rsync_option *option, unsigned forbidden)
{
	unsigned flags = option->flags & forbidden;

	if ((flags & OPTION_REFUSED) != 0)
		return option->why;
	if ((flags & OPTION_FOLLOWS) != 0)
		return "links are not followed here; send them as links (-l)";
	if ((flags & OPTION_DELETES) != 0)
		return "deleting is not allowed with this key";
	if ((flags & OPTION_OVERWRITES) != 0)
		return "it can replace existing files, which is not allowed with this key";
	if ((flags & OPTION_WRITES) != 0)
		return "no log is kept here with this key";
	if ((flags & OPTION_LOOKS) != 0)
		return "it compares with what is there, and this key may not know what is there";
	return NULL;
}

const struct rsync_option *rsync_option_find(const char *name, size_t length)
{
	size_t low = 0, high = sizeof(table) / sizeof(table[0]);

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = strncmp(name, table[middle].name, length);

		if (order == 0 && table[middle].name[length] != '\0')
			order = -1;
		if (order == 0)
			return &table[middle];
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return NULL;
}
