/* SPDX-License-Identifier: ISC */
/* Looking into a sorted list for the last element that is not above a key, as bsearch(3) does for an equal one. */
#ifndef SUBID_SORTED_H
#define SUBID_SORTED_H

#include <stddef.h>

/* How many elements are not above the key: the last of them, if any, is the one before that. compare: of qsort(3). */
static inline size_t sorted_upto(const void *list, size_t count, size_t size, const void *key,
				 int (*compare)(const void *element, const void *key))
{
	size_t low = 0, high = count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (compare((const char *)list + middle * size, key) <= 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

#endif
