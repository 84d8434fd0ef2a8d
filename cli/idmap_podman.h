/* SPDX-License-Identifier: ISC */
/* The maps of `subuid idmap` as the installed podman understands them. */
#ifndef CLI_IDMAP_PODMAN_H
#define CLI_IDMAP_PODMAN_H

#include <stddef.h>
#include <stdint.h>

#include "index/index.h"

/* How a line of the map is written: what comes before it, for uids and for gids, and between two of them. */
struct idmap_podman {
	const char *words[2];
	const char *between;
};
extern const struct idmap_podman idmap_podman_options; /* of `podman run` */
extern const struct idmap_podman idmap_podman_quadlet; /* keys of a .container file */

/* The ranges of the user with the uid `holder`, one after the other from 0 on. Returns an exit status; a failure has
 * been reported. */
int idmap_podman_print(uint32_t holder, const struct id_range *ranges, size_t count, const struct idmap_podman *style);

#endif
