/* SPDX-License-Identifier: ISC */
/*
 * Hashes, checksums and seals of the index file: shared by the readers and the one
 * writer. Pure, libc only; every value is the same in a 32- and a 64-bit process.
 */
#ifndef ACCOUNT_INDEX_CHECK_H
#define ACCOUNT_INDEX_CHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "index/format.h"

_Static_assert(__atomic_always_lock_free(sizeof(uint64_t), 0), "a slot is published by one store");

/* Keyed hash of bytes: multiply and fold. Spreads names, finds damage; it does not defend against anyone who can write
 * the file. */
uint64_t index_hash(uint64_t seed, const void *data, size_t size);

uint64_t index_hash_number(uint64_t seed, uint64_t number);
uint64_t index_hash_key(uint64_t seed, uint32_t uid, const char *blob, size_t length);

/* Of a record in the caller's own memory: all of its lines except `check`. */
uint32_t index_record_checksum(uint64_t seed, uint32_t line, const struct index_record *record);
uint32_t index_header_checksum(const struct index_header *header);

/* True when the constant part of the header is sound and everything that it names lies
 * within `size` bytes. */
bool index_header_sound(const struct index_header *header, uint64_t size);

static inline uint16_t index_seal_bits(uint64_t seed, unsigned table, uint64_t position, uint64_t value)
{
	uint64_t place = (position * 8 + table + 1) * UINT64_C(0x9e3779b97f4a7c15) ^ seed;

	/* each 16-bit part by an odd factor: a change within one part always shows */
	return (uint16_t)((place ^ place >> 32 ^ place >> 48) + (value & 0xffff) * 0x9e37u +
			  (value >> 16 & 0xffff) * 0x85ebu + (value >> 32 & 0xffff) * 0xc2b3u);
}

static inline uint64_t index_seal(uint64_t seed, unsigned table, uint64_t position, uint64_t value)
{
	return (uint64_t)index_seal_bits(seed, table, position, value) << 48 | (value & UINT64_C(0xffffffffffff));
}

static inline bool index_sealed(uint64_t seed, unsigned table, uint64_t position, uint64_t word)
{
	return word == index_seal(seed, table, position, word);
}

static inline uint64_t index_slot_value(uint32_t number, uint16_t tag)
{
	return (uint64_t)tag << 32 | number;
}

/* Line + 1 in a table's slot; an index in a hole or a head of a list. */
static inline uint32_t index_slot_number(index_slot slot)
{
	return (uint32_t)slot;
}

static inline uint16_t index_slot_tag(index_slot slot)
{
	return (uint16_t)(slot >> 32);
}

static inline uint16_t index_hash_tag(uint64_t hash)
{
	return (uint16_t)(hash >> 48);
}

#endif
