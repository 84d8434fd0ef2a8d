/* SPDX-License-Identifier: ISC */
/*
 * What accounts with limits use of them, where that was counted and no file system says it: since this daemon started.
 * In memory. Run by the broker.
 */
#ifndef SUBUIDD_USED_H
#define SUBUIDD_USED_H

#include <stdbool.h>
#include <stdint.h>

struct used {
	uint64_t bytes, files; /* USED_UNKNOWN (home/home.h) */
};

/* 0, or -ENOMEM: it is forgotten. */
int used_put(void **table, uint32_t uid, struct used used);
/* False: nothing is known. */
bool used_get(void *const *table, uint32_t uid, struct used *used);
void used_forget(void **table, uint32_t uid);
void used_free(void **table);

#endif
