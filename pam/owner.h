/* SPDX-License-Identifier: ISC */
/* What NSS says of a name: the owner of a sub-account, or a name that is not ours. */
#ifndef PAM_OWNER_H
#define PAM_OWNER_H

#include <stdbool.h>

#include "pam/verdict.h"

/* Looks the owner up in passwd and shadow (any source; shadow needs root). */
void owner_lookup(const char *name, struct owner_facts *facts);

/* For a name while the index cannot be read: true only when another source than
 * ours is sure to know it (a cache may still answer for us: our login shell tells). */
bool known_elsewhere(const char *name);

#endif
