/* SPDX-License-Identifier: ISC */
/*
 * The source of subordinate ids that was configured before ours (STATE_DIR/subid-chain, written by
 * `subuid setup`): ids that it has given to anyone are not given out. Run by the broker (root): the
 * plug-in runs in this process, as NSS modules do.
 */
#ifndef SUBUIDD_PROBE_CHAIN_H
#define SUBUIDD_PROBE_CHAIN_H

#include <stdint.h>

#include "account/id.h"

/* 1: it says that somebody holds one of the ids asked for (first, last and some between), *holder: that id.
 * 0: not, or there is no such source. Negative errno: it cannot be told. */
int probe_chain_taken(uint32_t first, uint32_t last, struct id_block *holder);

#endif
