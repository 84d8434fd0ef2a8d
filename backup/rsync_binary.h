/* SPDX-License-Identifier: ISC */
/* Which rsync runs here. */
#ifndef BACKUP_RSYNC_BINARY_H
#define BACKUP_RSYNC_BINARY_H

#include "backup/gate_policy.h"

/* Not looked for in any PATH. */
#ifndef RSYNC_PATH
#define RSYNC_PATH "/usr/bin/rsync"
#endif
const char *rsync_binary_path(void);

/* Notes in *policy which options this rsync has. It is looked for in the file, where rsync keeps its
 * option names: running `rsync --version` would take longer than everything else that the gate does. 0 or negative
 * errno. */
int rsync_binary_look(struct gate_policy *policy);

#endif
