/* SPDX-License-Identifier: ISC */
/* Ids that the rest of this host holds: NSS (passwd, group) and the subid files. Run by the broker. */
#ifndef SUBUIDD_PROBE_H
#define SUBUIDD_PROBE_H

#include <sys/stat.h>
#include <time.h>

#include "subuidd/ids/allocate.h"
#include "subuidd/ids/local.h"
#include "subuidd/ids/probe_ahead.h"
#include "subid/held.h"

/* The local files of users and groups, and when they were looked at; all 0: not yet. */
struct host_seen {
	struct stat files[2];
	struct timespec when;
};

struct host_probe {
	struct subid_file subuid;
	struct subid_file subgid;
	struct subid_list entries; /* ids of all that passwd and group enumerate */
	struct host_seen seen;     /* as of then */
	bool enumerated;           /* since the last start() */
	bool started;              /* once for all: host_probe_local() */
	struct probe_ahead ahead;
	char *paths[2];
};

/* root: "" or a directory in front of /etc/subuid and /etc/subgid, for tests. Makes *probe, which points to *host.
 * 0 or -ENOMEM. */
int host_probe_open(const char *root, struct host_probe *host, struct allocate_probe *probe);
/* Single ids that are likely to be allocated next: asked about by a child process meanwhile, as probe_ahead.h says. */
void host_probe_ahead(struct host_probe *host, sd_event *event, uint32_t first, uint32_t count);

/* Users or groups alone, without the subid files, as of the last start(): 1 an id of first..last is one's, 0, or
 * negative errno. */
int host_entries_taken(struct host_probe *host, uint32_t first, uint32_t last);
/* From now on single ids are looked for in these files first, and the subid files are read once. In a child, which asks
 * for many, and for no longer than a batch. */
void host_probe_local(const struct local *local);
void host_probe_close(struct host_probe *host);

/* Whether somebody else than one of these names holds an id of first..last, which is one of our own blocks:
 * our own lines in the files and our own names in NSS are no answer. 1, 0 or negative errno, as the probe's. */
int host_probe_others(struct host_probe *host, uint32_t first, uint32_t last, const char *const *names, size_t count,
		      struct id_block *holder);

#endif
