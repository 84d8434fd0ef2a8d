/* SPDX-License-Identifier: ISC */
/* How much of a host one session may use up, even one that has been taken over. */
#ifndef CONFINE_LIMITS_H
#define CONFINE_LIMITS_H

#include <stdint.h>

#define LIMIT_PROCESSES 512u /* of the uid, threads included */

/*
 * Lowers (never raises) the limits of this process and of all that come from it: descriptors, processes of the
 * uid, memory (bytes) of each process. Before a user namespace of its own is entered: the kernel then enforces it for
 * the uid outside as well as inside. 0 or negative errno (the caller must refuse to go on).
 */
int limits_confine(uint64_t memory);

#endif
