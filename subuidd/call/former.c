/* SPDX-License-Identifier: ISC */
/* The names that accounts had before: what is said of them, and when they are forgotten. Run by the broker.
 */
#include "subuidd/call/former.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "subuidd/base/log.h"
#include "subuidd/call/known_time.h"

#define AT_ONCE 16

static struct due due_now(const struct broker *broker)
{
	return known_time_due((int64_t)time(NULL), known_time_now(broker), known_time_running(broker),
			      broker->settings.grace_days);
}

/* By both clocks, as removed data is. */
bool former_over(const struct broker *broker, const struct former_name *former)
{
	struct due due = due_now(broker);

	return former->moving == 0 && former->when < due.before && former->known < due.known_before;
}

bool former_known(const struct broker *broker, struct store *store, const char *owner, const char *label,
		  struct former_name *former)
{
	return store_former_get(store, owner, label, former) == 0 && !former_over(broker, former);
}

void former_date(int64_t when, char out[16])
{
	time_t seconds = (time_t)when;
	struct tm tm;

	if (gmtime_r(&seconds, &tm) == NULL || strftime(out, 16, "%F", &tm) == 0)
		memcpy(out, "?", 2);
}

void former_words(const struct broker *broker, const struct former_name *former, const struct account *account,
		  char *why, char *todo)
{
	char name[ACCOUNT_NAME_MAX + 1] = "", date[16];

	name_join(account->owner, broker->settings.separator, account->label, name);
	former_date(former->when, date);
	if (former->moving != 0)
		snprintf(why, FAILURE_TEXT_MAX + 1, "it is being renamed to %s", name);
	else
		snprintf(why, FAILURE_TEXT_MAX + 1, "renamed to %s on %s", name, date);
	snprintf(todo, FAILURE_TEXT_MAX + 1, "use that name, also on its server");
}

void former_forget(struct broker *broker)
{
	struct due due = due_now(broker);
	int r = store_begin(broker->store);

	if (r < 0)
		return; /* what fails the store says itself elsewhere */
	r = store_former_forget(broker->store, due.before, due.known_before, AT_ONCE);
	if (r > 0)
		r = store_commit(broker->store);
	else
		store_rollback(broker->store);
	if (r < 0)
		log_error("former names: %s", store_error(broker->store));
}
