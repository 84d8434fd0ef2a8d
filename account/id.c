/* SPDX-License-Identifier: ISC */
/* Numbers of users and groups: strict decimals, blocks "first-last", and the ids that nobody may be given. */
#include <errno.h>
#include <string.h>

#include "account/id.h"

bool id_special(uint64_t id)
{
	return id == 0 || id == 65534 || id == 65535 || id >= UINT32_MAX;
}

int number_parse(const char *text, size_t length, uint64_t *number)
{
	uint64_t value = 0;

	if (length == 0 || (length > 1 && text[0] == '0'))
		return -EINVAL;
	for (size_t i = 0; i < length; i++) {
		if (text[i] < '0' || text[i] > '9')
			return -EINVAL;
		if (value <= UINT32_MAX) /* once above, it stays above: 2^32 * 10 is far from 2^64 */
			value = value * 10 + (uint64_t)(text[i] - '0');
	}
	if (value > UINT32_MAX)
		return -ERANGE;
	*number = value;
	return 0;
}

int id_parse_bytes(const char *text, size_t length, uint32_t *id)
{
	uint64_t number;
	int r = number_parse(text, length, &number);

	if (r == 0 && number == UINT32_MAX)
		r = -ERANGE;
	if (r == 0)
		*id = (uint32_t)number;
	return r;
}

int id_parse(const char *text, uint32_t *id)
{
	return id_parse_bytes(text, strlen(text), id);
}

bool id_range_valid(uint64_t start, uint64_t count)
{
	return count > 0 && start < UINT32_MAX && count <= UINT32_MAX - start;
}

bool id_blocks_overlap(struct id_block a, struct id_block b)
{
	return a.first <= b.last && b.first <= a.last;
}

int id_block_parse(const char *text, struct id_block *block)
{
	const char *dash = strchr(text, '-');
	struct id_block parsed;

	if (dash == NULL || id_parse_bytes(text, (size_t)(dash - text), &parsed.first) < 0 ||
	    id_parse_bytes(dash + 1, strlen(dash + 1), &parsed.last) < 0 || parsed.first > parsed.last)
		return -EINVAL;
	*block = parsed;
	return 0;
}
