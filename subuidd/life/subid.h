/* SPDX-License-Identifier: ISC */
/*
 * Keeps our lines in /etc/subuid and /etc/subgid as the settings want them (publish =). One
 * child at a time writes them; the next one writes all changes made meanwhile.
 * A call that changed something ends when the files show it (broker->hold).
 */
#ifndef SUBUIDD_LIFE_SUBID_H
#define SUBUIDD_LIFE_SUBID_H

#include "subuidd/call/call.h"

/* At the start and when the settings were read again: the files are looked through, and from then on whenever names may
 * have gone to others (subid_watch.h). 0 or negative errno. */
int subid_publish_start(struct broker *broker);

/* A write that failed is tried again. */
void subid_publish_again(struct broker *broker);

void subid_publish_close(struct broker *broker);

#endif
