/* SPDX-License-Identifier: ISC */
/* What a key that only reads finds in ".snapshots": the history of the home, which lies beside it. */
#ifndef BACKUP_GATE_SNAPSHOTS_H
#define BACKUP_GATE_SNAPSHOTS_H

#include "backup/rsync_arguments.h"

/* With -snapshots, and a pull of paths below ".snapshots" alone: policy->snapshots becomes DIR and the working
 * directory, and the paths relative to that. 0, also when nothing of the kind is asked for; -EPERM and *refusal. */
int gate_snapshots_enter(struct gate_policy *policy, struct rsync_request *request, struct gate_refusal *refusal);

#endif
