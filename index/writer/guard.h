/* SPDX-License-Identifier: ISC */
/* Writing through a map of a file whose disk may fail, which raises SIGBUS. */
#ifndef SUBUIDD_INDEX_GUARD_H
#define SUBUIDD_INDEX_GUARD_H

/* Runs act(data) and returns its result, or -EIO if a page could not be read or written: then act was abandoned midway,
 * so that the file has to be rebuilt, and anything that act had open or allocated is lost. Not reentrant; for one
 * thread. */
int index_guarded(int (*act)(void *data), void *data);

#endif
