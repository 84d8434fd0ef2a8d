/* SPDX-License-Identifier: ISC */
/*
 * A 64-bit hash that finds damage on disks, the same on every machine, for the digest of the store's rows and the
 * high-water mark. Pure. It does not defend against anyone who can write the file.
 */
#ifndef SUBUIDD_STORE_HASH_H
#define SUBUIDD_STORE_HASH_H

#include <stddef.h>
#include <stdint.h>

/* Of these bytes, continuing from the hash of earlier bytes (for the first: any number). */
uint64_t store_hash(uint64_t before, const void *data, size_t size);
uint64_t store_hash_number(uint64_t before, uint64_t number);

#endif
