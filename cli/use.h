/* SPDX-License-Identifier: ISC */
/*
 * What accounts use of the host at this moment, as everybody can read it: one walk through /proc for all of them, whose
 * processes the index tells apart, and the control group of each that has one. Runs with the caller's own rights.
 */
#ifndef CLI_USE_H
#define CLI_USE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "index/index.h"

#define USE_UNKNOWN UINT64_MAX

/* The accounts whose processes are wanted. */
struct use_want {
	bool all;
	bool idle;      /* also accounts that run nothing */
	uint32_t owner; /* of this owner; */
	uint32_t uid;   /* ... or of this account alone; 0: not */
};

/* Counters since some beginning; USE_UNKNOWN where the caller may not read them. */
struct use_counters {
	uint64_t cpu_usec, read, written; /* bytes */
};

struct use_process {
	int pid, parent;
	size_t account;  /* place in accounts */
	uint64_t start;  /* a number is given out again: with this it is one process */
	uint64_t memory; /* bytes */
	struct use_counters counters;
};

struct use_account {
	struct index_account account;
	unsigned processes, sessions;
	uint64_t memory; /* bytes: of its group, or of all processes together */
	bool grouped;    /* the next is of its group */
	struct use_counters counters;
	double cpu_percent, read_rate, written_rate; /* of use_rates(); below 0: unknown */
};

struct use {
	int64_t when; /* milliseconds of the monotonic clock */
	struct use_process *processes;
	struct use_account *accounts;
	size_t process_count, account_count;
};

/* 0 or negative errno (nothing to free). */
int use_look(const struct use_want *want, struct use *use);
void use_free(struct use *use);

/* Fills in the rates of the later of two looks. */
void use_rates(const struct use *before, struct use *use);

/* The account of this uid; NULL: nothing of it runs. */
const struct use_account *use_of(const struct use *use, uint32_t uid);

/* "12.3M" */
#define USE_TEXT_MAX 24
const char *use_size_text(uint64_t bytes, char out[USE_TEXT_MAX]);

#endif
