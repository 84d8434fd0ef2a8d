/* SPDX-License-Identifier: ISC */
/* /etc/subuid: whatever the file says, the list is sorted, its blocks are apart, and each id of a sound line is in
 * it. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "subid/held.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct subid_list list = { 0 };
	struct id_block holder;
	uint32_t id = 0;

	if (subid_parse((const char *)data, size, &list) < 0)
		return 0;
	for (size_t i = 0; i < list.count; i++) {
		struct id_block block = list.blocks[i];

		if (block.first > block.last || (i > 0 && block.first <= (uint64_t)list.blocks[i - 1].last + 1))
			abort();
		if (!subid_find(&list, block.first, block.first, &holder) ||
		    !subid_find(&list, block.last, block.last, &holder))
			abort();
	}
	if (size >= sizeof(id))
		memcpy(&id, data, sizeof(id));
	if (subid_find(&list, id, id, &holder) && (id < holder.first || id > holder.last))
		abort();
	subid_list_free(&list);
	return 0;
}
