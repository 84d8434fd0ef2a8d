/* SPDX-License-Identifier: ISC */
/* Takes lines out of /etc/subuid and /etc/subgid for good. Run by root, under shadow's locks (lock.h). */
#ifndef SUBID_REMOVE_H
#define SUBID_REMOVE_H

#include "subid/lines.h"

/* From the one file and the other, both or none; every other byte stays. 0 or negative errno. */
int subid_lines_remove(int etc_fd, const struct subid_lines away[2]);

#endif
