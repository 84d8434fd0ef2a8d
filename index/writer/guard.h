/* SPDX-License-Identifier: ISC */
/* Writing through a map of a file whose disk may fail: that is told by SIGBUS. */
#ifndef SUBUIDD_INDEX_GUARD_H
#define SUBUIDD_INDEX_GUARD_H

/* Runs act(data). What it returns; -EIO when a page could not be read or written: it was left in the middle, so that the file
 * is to be built anew, and what it had open or allocated is lost. Not from within itself; of one thread. */
int index_guarded(int (*act)(void *data), void *data);

#endif
