/* SPDX-License-Identifier: ISC */
/* What LXC containers of an owner need of the host, for setup and doctor. */
#ifndef SETUP_LXC_H
#define SETUP_LXC_H

#include <stdint.h>

#include "account/passwd.h"
#include "index/index.h"

#define LXC_START "/usr/bin/lxc-start"

/* Behind the home of the owner, each of the directories in which LXC keeps containers, ended by NULL. */
extern const char *const lxc_way[];

/* This id passes through the directory `step` behind the user's home: 1, 0; negative errno: it does not exist, or is no
 * directory of theirs. */
int lxc_passes(const struct passwd *user, const char *step, uid_t id);

/* The range whose first id is root in the owner's containers, and how many ids all of theirs have. 0 or negative
 * errno. */
int lxc_range(uint32_t owner, struct id_range *first, uint64_t *ids);

#endif
