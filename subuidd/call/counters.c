/* SPDX-License-Identifier: ISC */
/* What is counted for metrics. Run by the broker. */
#include "subuidd/call/counters.h"

#include <search.h>
#include <stdlib.h>
#include <string.h>

struct owner_logins {
	char owner[OWNER_MAX + 1];
	uint64_t logins[LOGIN_RESULTS];
};

const char *const login_result_words[LOGIN_RESULTS] = {
	[LOGIN_GOOD] = "good", [LOGIN_FAILED] = "failed", [LOGIN_REFUSED] = "refused", [LOGIN_PROBE] = "probe"
};

enum login_result login_result(const struct run *run, enum run_verdict verdict)
{
	if (run->kind == RUN_REFUSED)
		return LOGIN_REFUSED;
	if (run->kind == RUN_PROBE)
		return LOGIN_PROBE;
	return verdict == RUN_GOOD || (verdict == RUN_SAYS_NOTHING && run->status == 0) ? LOGIN_GOOD : LOGIN_FAILED;
}

void counters_refusal(struct counters *counters, enum failure failure)
{
	if (failure > FAILURE_NONE && failure < FAILURE_MAX_)
		counters->refusals[failure]++;
}

static int by_owner(const void *a, const void *b)
{
	return strcmp(((const struct owner_logins *)a)->owner, ((const struct owner_logins *)b)->owner);
}

static struct owner_logins *owner_find(const struct counters *counters, const char *owner)
{
	struct owner_logins key = { .owner = "" };
	struct owner_logins *const *found;

	memcpy(key.owner, owner, strnlen(owner, OWNER_MAX));
	found = tfind(&key, &counters->owners, by_owner);
	return found != NULL ? *found : NULL;
}

/* NULL: no memory, and their own logins are not counted. */
static struct owner_logins *owner_make(struct counters *counters, const char *owner)
{
	struct owner_logins *made = calloc(1, sizeof(*made));

	if (made == NULL)
		return NULL;
	memcpy(made->owner, owner, strnlen(owner, OWNER_MAX));
	if (tsearch(made, &counters->owners, by_owner) != NULL)
		return made;
	free(made);
	return NULL;
}

void counters_login(struct counters *counters, const char *owner, enum login_result result)
{
	struct owner_logins *own = owner_find(counters, owner);

	counters->logins[result]++;
	if (own == NULL)
		own = owner_make(counters, owner);
	if (own != NULL)
		own->logins[result]++;
}

uint64_t counters_logins(const struct counters *counters, const char *owner, enum login_result result)
{
	const struct owner_logins *own;

	if (owner == NULL)
		return counters->logins[result];
	own = owner_find(counters, owner);
	return own != NULL ? own->logins[result] : 0;
}

void counters_free(struct counters *counters)
{
	tdestroy(counters->owners, free);
	counters->owners = NULL;
}
