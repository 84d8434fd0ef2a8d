/* SPDX-License-Identifier: ISC */
/*
 * Turns at the frozen store (store_freeze()): one reader at a time, a proof or a save, so that the log does not
 * grow without end and each sees everything that was acknowledged before it began. Run by the broker.
 */
#ifndef SUBUIDD_OP_FROZEN_H
#define SUBUIDD_OP_FROZEN_H

struct broker;

struct frozen_turn {
	struct frozen_turn *next;
	/* It has come: 0, the store is frozen, and frozen_end() has to follow; or negative errno. */
	void (*run)(struct frozen_turn *turn, int error);
};

/* 0: the store is frozen now; 1: another one reads it, run() is called in its time (never from here); or negative
 * errno. turn NULL: at the start of the daemon, when nobody else reads it (-EBUSY). */
int frozen_begin(struct broker *broker, struct frozen_turn *turn);

/* Ends the turn that began last; the next one begins. */
void frozen_end(struct broker *broker);

#endif
