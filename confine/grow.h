/* SPDX-License-Identifier: ISC */
/* Arrays from malloc(3) that get twice the room when they are full. Header only, libc only: any folder may include it.
 */
#ifndef CONFINE_GROW_H
#define CONFINE_GROW_H

#include <stddef.h>
#include <stdlib.h>

/* The list, which may have moved, with room for one more than the `count` elements of `size` bytes that are in it. NULL
 * when there is no memory: then the list and *room are as they were. */
static inline void *array_grow(void *list, size_t count, size_t *room, size_t size)
{
	size_t more = *room == 0 ? 16 : *room * 2;
	void *grown;

	if (count < *room)
		return list;
	grown = reallocarray(list, more, size);
	if (grown != NULL)
		*room = more;
	return grown;
}

#endif
