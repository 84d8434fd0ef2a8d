/* SPDX-License-Identifier: ISC */
/*
 * Hashes and checksums of the index, and the check of its header. Run by every reader that maps it, in foreign and
 * setuid processes too, and by its writer. Reads nothing but the bytes that it is given.
 */
#include <string.h>

#include "index/check.h"
#include "account/name.h"

#define MIX_A UINT64_C(0xa0761d6478bd642f)
#define MIX_B UINT64_C(0xe7037ed1a0b428db)
#define MIX_C UINT64_C(0x8ebc6af09c88c6e3)
#define MIX_HEADER UINT64_C(0x589965cc75374cc3)

/* Both halves of the 128-bit product, added without carry. */
static inline uint64_t fold(uint64_t a, uint64_t b)
{
#ifdef __SIZEOF_INT128__
	unsigned __int128 product = (unsigned __int128)a * b;

	return (uint64_t)product ^ (uint64_t)(product >> 64);
#else
	uint64_t ah = a >> 32, al = (uint32_t)a, bh = b >> 32, bl = (uint32_t)b;
	uint64_t low = al * bl, m1 = ah * bl, m2 = al * bh;
	uint64_t middle = (low >> 32) + (uint32_t)m1 + (uint32_t)m2;

	return (a * b) ^ (ah * bh + (m1 >> 32) + (m2 >> 32) + (middle >> 32));
#endif
}

static inline uint64_t load(const uint8_t *p)
{
	uint64_t value;

	memcpy(&value, p, sizeof(value));
	return value;
}

static inline uint64_t load_half(const uint8_t *p)
{
	uint32_t value;

	memcpy(&value, p, sizeof(value));
	return value;
}

/* The last 0 to 16 bytes as two words, without reading past them: the words may overlap. */
static inline void load_tail(const uint8_t *p, size_t size, uint64_t *a, uint64_t *b)
{
	if (size >= 8) {
		*a = load(p);
		*b = load(p + size - 8);
	} else if (size >= 4) {
		*a = load_half(p);
		*b = load_half(p + size - 4);
	} else {
		*a = size > 0 ? (uint64_t)p[0] << 16 | (uint64_t)p[size / 2] << 8 | p[size - 1] : 0;
		*b = 0;
	}
}

uint64_t index_hash(uint64_t seed, const void *data, size_t size)
{
	const uint8_t *p = data;
	uint64_t key = (seed << 32 | seed >> 32) ^ MIX_A;
	uint64_t h = seed ^ MIX_B ^ size, a, b;

	for (; size > 16; size -= 16, p += 16)
		h = fold(load(p) ^ key, load(p + 8) ^ h);
	load_tail(p, size, &a, &b);
	h = fold(a ^ key, b ^ h);
	return fold(h ^ MIX_C, key);
}

uint64_t index_hash_number(uint64_t seed, uint64_t number)
{
	uint64_t key = (seed << 32 | seed >> 32) ^ MIX_A;

	return fold(fold(number ^ key, seed ^ MIX_B) ^ MIX_C, key);
}

uint64_t index_hash_key(uint64_t seed, uint32_t uid, const char *blob, size_t length)
{
	return index_hash(index_hash_number(seed, uid), blob, length);
}

uint32_t index_record_checksum(uint64_t seed, uint32_t line, const struct index_record *record)
{
	const uint8_t *bytes = (const uint8_t *)record;
	uint64_t key = (seed << 32 | seed >> 32) ^ MIX_A;
	uint64_t place = (line + UINT64_C(1)) * MIX_C;
	/* the head by itself: its first four bytes are the sum */
	uint64_t head = fold(load_half(bytes + 4) ^ key, load(bytes + 8) ^ seed ^ place);

	return (uint32_t)index_hash(head, bytes + sizeof(*record),
				    (size_t)record->lines * INDEX_LINE - sizeof(*record));
}

uint32_t index_header_checksum(const struct index_header *header)
{
	return (uint32_t)index_hash(MIX_HEADER, header, offsetof(struct index_header, check));
}

static bool table_sound(const struct index_table *table, uint64_t size)
{
	if (table->slots == 0)
		return true;
	return (table->slots & (table->slots - 1)) == 0 && table->offset % INDEX_LINE == 0 &&
	       table->offset >= sizeof(struct index_header) && table->offset <= size &&
	       table->slots <= (size - table->offset) / sizeof(index_slot);
}

bool index_header_sound(const struct index_header *header, uint64_t size)
{
	if (memcmp(header->magic, INDEX_MAGIC, sizeof(header->magic)) != 0 || header->version != INDEX_VERSION ||
	    header->header_size != sizeof(*header) || header->check != index_header_checksum(header))
		return false;
	if (header->file_size != size || header->records_offset % INDEX_LINE != 0 ||
	    header->records_offset < sizeof(*header) || header->records_offset > size ||
	    header->records_lines > (size - header->records_offset) / INDEX_LINE || header->records_lines >= UINT32_MAX)
		return false;
	for (unsigned i = 0; i < INDEX_TABLES; i++)
		if (!table_sound(&header->table[i], size))
			return false;
	return header->host.uid_first > 0 && header->host.uid_first <= header->host.uid_last &&
	       header->host.separator != '\0' && strchr(SEPARATORS, header->host.separator) != NULL &&
	       header->host.homes[0] == '/' && memchr(header->host.homes, '\0', sizeof(header->host.homes)) != NULL &&
	       header->host.shell[0] == '/' && memchr(header->host.shell, '\0', sizeof(header->host.shell)) != NULL;
}
