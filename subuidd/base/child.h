/* SPDX-License-Identifier: ISC */
/* Waiting for child processes in the event loop, with a deadline, by pidfd. */
#ifndef SUBUIDD_CHILD_H
#define SUBUIDD_CHILD_H

#include <stddef.h>
#include <stdint.h>
#include <systemd/sd-event.h>

/* Memory of zeros in which children that are forked from now on leave what they find: given back by munmap(2). NULL:
 * there is none. */
void *child_memory(size_t size);

/* status: the exit status; -EINTR ended by a signal; -ETIMEDOUT the deadline came first (it was
 * killed; a child that hangs in the kernel is reaped when it lets go). Called once; NULL: it is only reaped. */
typedef void (*child_done)(void *data, int status);

/* Takes pidfd, also on failure. seconds 0: no deadline. 0 or negative errno (then done is never called). */
int child_watch(sd_event *event, int pidfd, unsigned seconds, child_done done, void *data);

/* One that waits for a word on its channel, and answers there by one byte, which is told as the status, before it ends.
 * Takes the channel, too. *child is valid until the event loop runs again. */
struct child;
int child_watch_answer(sd_event *event, int pidfd, int channel, unsigned seconds, child_done done, void *data,
		       struct child **child);
void child_go(struct child *child);
/* While an answer is told: the next one, or its end, is told to `done`, within so many seconds from now (0: no
 * deadline; once more beside child_go(), with one). It stays valid until then. */
void child_await(struct child *child, unsigned seconds, child_done done);
/* It must not go (any further); nothing is reported about it. */
void child_forget(struct child *child);

#endif
