/* SPDX-License-Identifier: ISC */
/*
 * Counts since the daemon started, for metrics: calls that it refused, and logins of sub-accounts, of the host and of
 * each owner. They only rise. In memory, one entry for each owner whose accounts have logged in. Run by the broker.
 */
#ifndef SUBUIDD_COUNTERS_H
#define SUBUIDD_COUNTERS_H

#include <stdint.h>

#include "account/failure.h"
#include "account/run.h"

enum login_result { LOGIN_GOOD, LOGIN_FAILED, LOGIN_REFUSED, LOGIN_PROBE, LOGIN_RESULTS };

extern const char *const login_result_words[LOGIN_RESULTS];

struct counters {
	uint64_t refusals[FAILURE_MAX_];
	uint64_t logins[LOGIN_RESULTS];
	void *owners;
};

/* The result of a run that has ended. Pure. */
enum login_result login_result(const struct run *run, enum run_verdict verdict);

void counters_refusal(struct counters *counters, enum failure failure);
void counters_login(struct counters *counters, const char *owner, enum login_result result);
/* owner NULL: everybody's. */
uint64_t counters_logins(const struct counters *counters, const char *owner, enum login_result result);
void counters_free(struct counters *counters);

#endif
