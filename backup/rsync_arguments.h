/* SPDX-License-Identifier: ISC */
/*
 * From the client's words to the arguments of our own `rsync --server`: every one is written afresh, none is passed
 * through. Pure, libc only.
 *
 * In two steps, since a `--link-dest=../prev` is relative to a destination that
 * comes after it and may be a link: parse; the caller finds out where the destination is; build.
 */
#ifndef BACKUP_RSYNC_ARGUMENTS_H
#define BACKUP_RSYNC_ARGUMENTS_H

#include <stdbool.h>
#include <stddef.h>

#include "backup/command_line.h"
#include "backup/gate_policy.h"
#include "backup/rsync_options.h"
#include "backup/text_list.h"

struct rsync_chosen {
	const struct rsync_option *option; /* NULL: a cluster of letters */
	const char *value;                 /* of the option, or the cluster; borrowed */
};

/* What a command is there for, as far as it has been read. */
enum rsync_intent {
	RSYNC_NONE,  /* it is not that of an rsync client */
	RSYNC_READS, /* a pull, or a push that changes nothing (-n) */
	RSYNC_WRITES,
};

struct rsync_request {
	enum rsync_intent intent;
	bool sender;  /* the client pulls */
	bool changes; /* something below DIR may change: a push, or a pull that removes its source */
	struct rsync_chosen *options;
	size_t options_count;
	struct word *paths; /* braces expanded; relative to DIR from here on, "." for DIR itself */
	size_t paths_count;
	struct text_list storage; /* of the paths */
};

/* Checks every word against the table and the policy. 0, -EPERM and *refusal, -ENOMEM; ret->intent whatever it
 * returns. */
int rsync_request_parse(const struct gate_policy *policy, const struct command_line *line, struct rsync_request *ret,
			struct gate_refusal *refusal);
void rsync_request_free(struct rsync_request *request);

/*
 * Appends "--server" and the options, up to and without "--".
 * base: where the destination is, relative to DIR ("" or "." DIR itself).
 * inside: paths relative to DIR that rsync will follow and the caller should check.
 */
int rsync_options_build(const struct gate_policy *policy, const struct rsync_request *request, const char *base,
			struct text_list *argv, struct text_list *inside, struct gate_refusal *refusal);

/* True when a component of path is "..". */
bool path_goes_up(const char *path);

/* base/value without "." and "..", relative to DIR, into out ("." for DIR). 0, -EXDEV when it
 * leaves DIR, -ENAMETOOLONG. */
int path_resolve(const char *base, const char *value, char *out, size_t size);

#endif
