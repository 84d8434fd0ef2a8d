/* SPDX-License-Identifier: ISC */
/*
 * Asking NSS about ids before they are needed: about those that the next batch of an import will get, by a child
 * process, while the broker and the disk are busy with this batch. With the modules of a stock Debian an id costs some
 * 0.14 ms of questions, more than a third of all that an imported account costs.
 *
 * Only "nobody has it" is taken from here, once, and for PROBE_AHEAD_SECONDS; about anything else the broker asks by
 * itself.
 */
#ifndef SUBUIDD_PROBE_AHEAD_H
#define SUBUIDD_PROBE_AHEAD_H

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#define PROBE_AHEAD_SECONDS 2
#define PROBE_AHEAD_IDS 64

enum id_type { TYPE_UID, TYPE_GID };

struct probe_ahead {
	uint32_t first, count;          /* ids that are asked about; count 0: none */
	uint64_t until;                 /* CLOCK_MONOTONIC in µs: answers hold so long */
	bool running;                   /* the child */
	volatile unsigned char *unused; /* shared with it: [type][id - first] is 1 for "nobody has it" */
};

/* taken: 1 somebody has the id, 0 nobody, else negative errno; run in the child. One that still runs goes on, and no
 * other is begun. 0 or negative errno, which needs no care: there are no answers then. */
int probe_ahead_start(struct probe_ahead *ahead, sd_event *event, uint32_t first, uint32_t count,
		      int (*taken)(enum id_type type, uint32_t id));

/* True: nobody has it. False: not known. */
bool probe_ahead_unused(struct probe_ahead *ahead, enum id_type type, uint32_t id);

void probe_ahead_free(struct probe_ahead *ahead);

#endif
