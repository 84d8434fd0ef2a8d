/* SPDX-License-Identifier: ISC */
/* Multiply and shift, eight bytes at a time: each step is a bijection of what came before, so that one changed word
 * always shows. Run by the broker and the state program. */
#include "store/hash.h"

#include <endian.h>
#include <string.h>

#define MIX_A UINT64_C(0x9e3779b97f4a7c15)
#define MIX_B UINT64_C(0xd6e8feb86659fd93)

uint64_t store_hash_number(uint64_t before, uint64_t number)
{
	uint64_t h = (before ^ number) * MIX_A;

	h = (h ^ h >> 32) * MIX_B;
	return h ^ h >> 29;
}

uint64_t store_hash(uint64_t before, const void *data, size_t size)
{
	const unsigned char *at = data;
	uint64_t h = store_hash_number(before, size), word;

	for (; size >= sizeof(word); size -= sizeof(word), at += sizeof(word)) {
		memcpy(&word, at, sizeof(word));
		h = store_hash_number(h, le64toh(word));
	}
	word = 0;
	memcpy(&word, at, size);
	return size > 0 ? store_hash_number(h, le64toh(word)) : h;
}
