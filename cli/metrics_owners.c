/* SPDX-License-Identifier: ISC */
/* What each owner has, added up from lists that are in the order of ids. Runs with the caller's rights. */
#include <search.h>
#include <stdlib.h>
#include <string.h>

#include "account/id.h"
#include "account/name.h"
#include "cli/metrics.h"
#include "cli/row.h"
#include "cli/rows.h"

static const char *const states[] = { "active",     "full",          "locked", "expired",  "frozen",
				      "owner gone", "owner changed", "intent", "removing", "unknown" };
#define STATES (sizeof(states) / sizeof(states[0]))

struct owner {
	char name[OWNER_MAX + 1];
	bool limited; /* limits of their own */
	uint64_t of_state[STATES], units, ids;
	uint64_t accounts, keys, ranges;
};

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct owner *)a)->name, ((const struct owner *)b)->name);
}

/* NULL: no memory. */
static struct owner *owner_of(struct metrics_owners *owners, const struct row *row)
{
	struct owner key = { .name = "" }, *made;
	struct owner *const *found;

	snprintf(key.name, sizeof(key.name), "%s", row_text(row, "owner"));
	found = tfind(&key, &owners->tree, by_name);
	if (found != NULL)
		return *found;
	made = calloc(1, sizeof(*made));
	if (made != NULL) {
		*made = key;
		if (tsearch(made, &owners->tree, by_name) != NULL)
			return made;
		free(made);
	}
	owners->failed = true;
	return NULL;
}

void owners_account(struct metrics_owners *owners, const struct row *account)
{
	const char *state = account_state_text(account);
	struct owner *owner = owner_of(owners, account);
	size_t i = 0;

	while (i + 1 < STATES && strcmp(states[i], state) != 0)
		i++;
	if (owner != NULL)
		owner->of_state[i]++;
}

void owners_range(struct metrics_owners *owners, const struct row *range)
{
	struct owner *owner = owner_of(owners, range);
	uint64_t count = row_number(range, "count");

	if (owner == NULL)
		return;
	owner->ids += count;
	owner->units += (count + RANGE_UNIT - 1) / RANGE_UNIT;
}

void owners_limit(struct metrics_owners *owners, const struct row *limit)
{
	struct owner *owner = owner_of(owners, limit);

	if (owner == NULL)
		return;
	owner->limited = true;
	owner->accounts = row_number(limit, "accounts");
	owner->keys = row_number(limit, "keys");
	owner->ranges = row_number(limit, "ranges");
}

struct printing {
	const struct metrics_owners *owners;
	struct metrics *metrics;
};

static void owner_print(const struct owner *owner, const struct printing *printing)
{
	const struct metrics_owners *all = printing->owners;
	struct metrics *metrics = printing->metrics;
	uint64_t accounts = 0;

	for (size_t i = 0; i < STATES; i++) {
		accounts += owner->of_state[i];
		if (owner->of_state[i] > 0)
			metrics_put(metrics, METRIC_ACCOUNTS, owner->of_state[i],
				    LABELS("owner", owner->name, "state", states[i]));
	}
	metrics_put(metrics, METRIC_OWNER_USED, accounts, LABELS("owner", owner->name, "what", "accounts"));
	metrics_put(metrics, METRIC_OWNER_USED, owner->units, LABELS("owner", owner->name, "what", "ranges"));
	metrics_put(metrics, METRIC_OWNER_LIMIT, owner->limited ? owner->accounts : all->accounts,
		    LABELS("owner", owner->name, "what", "accounts"));
	metrics_put(metrics, METRIC_OWNER_LIMIT, owner->limited ? owner->keys : all->keys,
		    LABELS("owner", owner->name, "what", "keys"));
	metrics_put(metrics, METRIC_OWNER_LIMIT, owner->limited ? owner->ranges : all->ranges,
		    LABELS("owner", owner->name, "what", "ranges"));
	if (owner->ids > 0)
		metrics_put(metrics, METRIC_RANGE_IDS, owner->ids, LABELS("owner", owner->name));
}

static void visit(const void *node, VISIT when, void *data)
{
	if (when == postorder || when == leaf)
		owner_print(*(struct owner *const *)node, data);
}

void owners_print(const struct metrics_owners *owners, struct metrics *metrics)
{
	struct printing printing = { owners, metrics };

	twalk_r(owners->tree, visit, &printing);
}

void owners_free(struct metrics_owners *owners)
{
	tdestroy(owners->tree, free);
}
