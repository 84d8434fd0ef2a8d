/* SPDX-License-Identifier: ISC */
/*
 * Notices when names may have gone to other users: watches /etc/passwd and nsswitch.conf, and also /etc/subuid and
 * /etc/subgid, which others write too. Sources that nobody can watch (LDAP) are looked at each minute, or less
 * often where a look takes long. Run by the broker.
 */
#ifndef SUBUIDD_LIFE_SUBID_WATCH_H
#define SUBUIDD_LIFE_SUBID_WATCH_H

#include <stdbool.h>
#include <sys/stat.h>
#include <systemd/sd-event.h>

#define WATCH_FILES 2 /* subuid, subgid */

struct subid_watch {
	sd_event *event;
	void (*look)(
		void *data); /* to be called when there may be something to see; says subid_watch_seen() at its end */
	void *data;
	sd_event_source *inotify, *soon, *minute;
	struct stat seen[WATCH_FILES]; /* as they were when the last look ended */
	uint64_t begun;                /* CLOCK_MONOTONIC in µs: the look under way; 0 none */
};

/* 0 or negative errno. Safe to repeat. */
int subid_watch_open(struct subid_watch *watch, sd_event *event, void (*look)(void *data), void *data);
void subid_watch_close(struct subid_watch *watch);

/* A look begins, by the watch or by others; and has ended, with the files as it left them: its own writes are not
 * reported, and those made by others since are looked at next. NULL: nobody can say how they were. */
void subid_watch_begun(struct subid_watch *watch);
void subid_watch_seen(struct subid_watch *watch, const struct stat seen[WATCH_FILES]);

/* True: neither file has a line, nor may be read. */
bool subid_watch_files_empty(void);

#endif
