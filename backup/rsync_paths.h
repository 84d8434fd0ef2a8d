/* SPDX-License-Identifier: ISC */
/*
 * Looks at the paths of a request on the disk. Run confined, with DIR as the working directory. An answer given
 * here may be out of date a moment later: Landlock keeps everything that rsync reads and writes inside DIR; this
 * keeps an honest client's mistakes, and links that do not change, from revealing sizes and dates of files outside.
 */
#ifndef BACKUP_RSYNC_PATHS_H
#define BACKUP_RSYNC_PATHS_H

#include "backup/rsync_arguments.h"

/* Finds where the destination is, relative to DIR, with links resolved as far as it exists: rsync takes "../x"
 * relative to it. */
int rsync_paths_base(const struct gate_policy *policy, const struct rsync_request *request, char *out, size_t size);

/* Appends the paths, wildcards expanded. A pattern that matches nothing is a name. 0, -EPERM, -ENOMEM. */
int rsync_paths_add(const struct gate_policy *policy, const struct rsync_request *request, struct text_list *argv,
		    struct gate_refusal *refusal);

/* 0 if path (relative to DIR) is inside DIR or does not exist; -EPERM if a link leads out. */
int rsync_paths_inside(const struct gate_policy *policy, const char *path, bool follow, struct gate_refusal *refusal);

#endif
