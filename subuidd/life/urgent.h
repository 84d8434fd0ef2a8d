/* SPDX-License-Identifier: ISC */
/*
 * A lock, or the removal of a key or an account, that cannot be written into the store (the disk is full beyond the
 * reserve, fails, or has become read-only) takes effect all the same: it is withheld from the index (withheld.h); an
 * account that is to be removed counts as locked until its removal is recorded and begins. It is also noted in
 * STATE_DIR/urgent, whose blocks are written when the file is made, so that a note needs no room. It is tried again at
 * each maintenance and at a start, before anything is published. If not even the note can be written, a restart forgets
 * it, and the caller is told so.
 */
#ifndef SUBUIDD_URGENT_H
#define SUBUIDD_URGENT_H

#include <stdbool.h>
#include <stdint.h>

struct account;
struct broker;

#define URGENT_NAME "urgent" /* in the state's directory, root 0600 */
#define URGENT_MAX 256       /* notes that it holds */

/* At a start: withholds everything that was noted, and records it if that is possible now. 0 or negative errno (no
 * memory). */
int urgent_open(struct broker *broker);
void urgent_close(struct broker *broker);

/* key 0: the account is locked. 0: noted, a restart knows it; or negative errno: this process alone does. */
int urgent_add(struct broker *broker, uint32_t uid, uint32_t key);
/* It has been recorded, or is no longer wanted. */
void urgent_done(struct broker *broker, uint32_t uid, uint32_t key);

/* The same for the removal of an account, whose flags say what happens to its data. */
int urgent_add_removal(struct broker *broker, const struct account *account);
void urgent_removal_done(struct broker *broker, uint32_t uid);
/* Its removal waits to be recorded; *flags (may be NULL): ACCOUNT_KEEP_HOME, ACCOUNT_PURGE. */
bool urgent_removal(const struct broker *broker, uint32_t uid, uint32_t *flags);

/* Tries to record what is not; ends the sessions of those accounts once more. */
void urgent_again(struct broker *broker);

#endif
