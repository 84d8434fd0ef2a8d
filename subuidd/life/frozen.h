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
	/* The turn has come: 0, the store is frozen, and frozen_end() has to follow; or negative errno. */
	void (*run)(struct frozen_turn *turn, int error);
};

/* 0: the store is frozen now; 1: another reader has it, and run() is called later (never from here); or negative
 * errno. turn NULL: at the start of the daemon, while nobody else reads it (-EBUSY). */
int frozen_begin(struct broker *broker, struct frozen_turn *turn);

/* Ends the current turn; the next one begins. */
void frozen_end(struct broker *broker);

#endif
