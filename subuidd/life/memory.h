/* SPDX-License-Identifier: ISC */
/*
 * The memory of all processes of an account together, where no control group bounds it (version 1, a container without
 * controllers, a session that got no group): a child of the broker looks at what runs, about twice a second while there
 * is anything, and ends what goes beyond, as the kernel would. Run by the broker.
 */
#ifndef SUBUIDD_MEMORY_H
#define SUBUIDD_MEMORY_H

struct broker;
struct memory;

/* Where this fails (logged) nobody looks. */
void memory_open(struct broker *broker);
void memory_close(struct broker *broker);

/* A session has begun: looks within a second. */
void memory_soon(struct broker *broker);

#endif
