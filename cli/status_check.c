/* SPDX-License-Identifier: ISC */
/*
 * The answer to monitoring: one line with the worst of it, a line for each account that is not well, the
 * worst first, and performance data. States, thresholds and data are those of the Monitoring Plugins guidelines.
 */
#include "cli/status_check.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "account/date.h"
#include "account/run.h"
#include "cli/duration.h"
#include "cli/facts.h"
#include "cli/print.h"
#include "cli/run_status.h"

#define NAMED_MAX 3 /* in the first line */
#define DATA_MAX 32 /* accounts with performance data of their own: monitoring keeps some kilobytes */
#define WORDS_MAX 256
#define FULL_PERCENT 80
#define SOON_DAYS 14

static const char *const level_names[] = { "OK", "WARNING", "CRITICAL", "UNKNOWN" };

struct checked {
	const json_t *account;
	enum level level;
	uint64_t age;
};

struct all {
	struct checked *rows;
	size_t count, of[LEVEL_UNKNOWN], passed_over;
	uint64_t oldest;
};

uint64_t backup_age(const json_t *account)
{
	uint64_t good = json_number(account, "lastGood"), now = (uint64_t)time(NULL);
	uint64_t from = good != 0 ? good : json_number(account, "created");

	return now > from ? now - from : 0;
}

static bool failed(const json_t *account)
{
	return run_last_failed((uint32_t)json_number(account, "lastStatus"), (int64_t)json_number(account, "lastRun"),
			       (int64_t)json_number(account, "lastGood"));
}

static bool frozen(const json_t *account)
{
	return json_is_true(json_object_get(account, "frozen"));
}

static struct threshold critical_of(const json_t *account, const struct thresholds *thresholds)
{
	uint64_t alarm = json_number(account, "alarm");

	if (thresholds->critical.given || alarm == 0)
		return thresholds->critical;
	return threshold_above(alarm);
}

enum level backup_level(const json_t *account, const struct thresholds *thresholds)
{
	const uint64_t age = backup_age(account);

	if (json_text(account, "ownerState")[0] != '\0') /* nobody logs in to it */
		return LEVEL_CRITICAL;
	if (thresholds->critical.given ? threshold_alerts(&thresholds->critical, age) :
					 json_is_true(json_object_get(account, "silent")))
		return LEVEL_CRITICAL;
	if (threshold_alerts(&thresholds->warning, age) || failed(account) || frozen(account))
		return LEVEL_WARNING;
	return LEVEL_OK;
}

static bool counts(const json_t *account)
{
	if (json_is_true(json_object_get(account, "locked")) || json_number(account, "keys") == 0 ||
	    strcmp(json_text(account, "state"), "active") != 0)
		return false;
	return !facts_expired(json_text(account, "expires"));
}

/* "the last backup failed (23) at …; the last good one ended at … (3h ago)": what, and since when. */
static const char *words_of(const struct checked *row, char out[WORDS_MAX])
{
	const uint64_t good = json_number(row->account, "lastGood"), status = json_number(row->account, "lastStatus");
	char age[16], result[64], when[64], last[192] = "";
	const char *owner = json_text(row->account, "ownerState");
	const bool bad = failed(row->account);

	snprintf(when, sizeof(when), "%s",
		 time_text((int64_t)(good != 0 ? good : json_number(row->account, "created"))));
	if (owner[0] != '\0')
		snprintf(last, sizeof(last), "owner %s, so it cannot log in, ", owner);
	else if (frozen(row->account))
		snprintf(last, sizeof(last), "frozen, so it cannot log in, ");
	else if (bad)
		snprintf(last, sizeof(last), "the last backup failed (%s) at %s, ", status_text(status, "", result),
			 time_text((int64_t)json_number(row->account, "lastRun")));
	else if (status != 0)
		snprintf(last, sizeof(last), "files vanished meanwhile (%s), ", status_text(status, "", result));
	snprintf(out, WORDS_MAX, "%s%s %s (%s)", last,
		 good == 0                     ? "never backed up since" :
		 row->level == LEVEL_OK || bad ? "last good backup" :
						 "no good backup since",
		 when, duration_text(row->age, age));
	return out;
}

static int worse(const void *a, const void *b)
{
	const struct checked *first = a, *second = b;

	if (first->level != second->level)
		return first->level < second->level ? 1 : -1;
	if (first->age != second->age)
		return first->age < second->age ? 1 : -1;
	return strcmp(json_text(first->account, "name"), json_text(second->account, "name"));
}

static int look(const json_t *accounts, const struct thresholds *thresholds, struct all *all)
{
	const json_t *account;
	size_t i;

	*all = (struct all){ .rows = calloc(json_array_size(accounts) + 1, sizeof(*all->rows)) };
	if (all->rows == NULL)
		return -1;
	json_array_foreach(accounts, i, account) {
		struct checked *row = &all->rows[all->count];

		if (!counts(account)) {
			all->passed_over++;
			continue;
		}
		*row = (struct checked){ account, backup_level(account, thresholds), backup_age(account) };
		all->of[row->level]++;
		all->oldest = row->age > all->oldest ? row->age : all->oldest;
		all->count++;
	}
	qsort(all->rows, all->count, sizeof(*all->rows), worse);
	return 0;
}

static bool is_told(const struct checked *row)
{
	return row->level != LEVEL_OK || json_number(row->account, "lastStatus") != 0;
}

static void print_first(const struct all *all, const struct thresholds *thresholds)
{
	char words[WORDS_MAX], warning[THRESHOLD_TEXT_MAX], critical[THRESHOLD_TEXT_MAX];
	size_t told = 0, named = 0;

	printf("SUBUID %s - %zu of %zu accounts well", level_names[all->rows[0].level], all->of[LEVEL_OK], all->count);
	for (; told < all->count && is_told(&all->rows[told]); told++)
		if (named < NAMED_MAX && ++named > 0)
			printf("%s %s %s", named > 1 ? ";" : ":", shown(json_text(all->rows[told].account, "name")),
			       words_of(&all->rows[told], words));
	if (told > named)
		printf("; and %zu more", told - named);
	if (all->passed_over > 0)
		printf(" (%zu locked, expired or without keys)", all->passed_over);
	printf(" | accounts=%zu;;;0 ok=%zu;;;0 warning=%zu;;;0 critical=%zu;;;0 oldest=%llus;%s;%s;0", all->count,
	       all->of[LEVEL_OK], all->of[LEVEL_WARNING], all->of[LEVEL_CRITICAL], (unsigned long long)all->oldest,
	       threshold_text(&thresholds->warning, warning), threshold_text(&thresholds->critical, critical));
}

/* Behind the last line; a label with a '+' in it is quoted. */
static void print_data(const struct all *all, const struct thresholds *thresholds)
{
	char warning[THRESHOLD_TEXT_MAX], critical[THRESHOLD_TEXT_MAX];

	for (size_t i = 0; all->count <= DATA_MAX && i < all->count; i++) {
		const struct threshold limit = critical_of(all->rows[i].account, thresholds);

		printf(" '%s'=%llus;%s;%s;0", shown(json_text(all->rows[i].account, "name")),
		       (unsigned long long)all->rows[i].age, threshold_text(&thresholds->warning, warning),
		       threshold_text(&limit, critical));
	}
	putchar('\n');
}

enum level status_check(const json_t *accounts, const struct thresholds *thresholds)
{
	enum level worst = LEVEL_UNKNOWN;
	char words[WORDS_MAX];
	struct all all;

	if (look(accounts, thresholds, &all) < 0)
		return status_unknown("no memory");
	if (all.count == 0) {
		free(all.rows);
		return status_unknown(all.passed_over > 0 ? "no account to look at: locked, expired or without keys" :
							    "no account to look at");
	}
	worst = all.rows[0].level;
	print_first(&all, thresholds);
	print_data(&all, thresholds);
	for (size_t i = 0; i < all.count && is_told(&all.rows[i]); i++)
		printf("%s: %s: %s\n", level_names[all.rows[i].level], shown(json_text(all.rows[i].account, "name")),
		       words_of(&all.rows[i], words));
	free(all.rows);
	return worst;
}

const char *status_notes(const json_t *account, char out[NOTES_MAX])
{
	const uint64_t quota = json_number(account, "quota"), used = json_number(account, "usedBytes");
	const unsigned share = quota == 0 ? 0 : (unsigned)((double)used * 100 / (double)quota);
	const int64_t today = time(NULL) / SECONDS_PER_DAY;
	char full[32] = "", expires[32] = "";
	int32_t day;

	if (share >= FULL_PERCENT)
		snprintf(full, sizeof(full), "  QUOTA %u%%", share);
	if (date_parse(json_text(account, "expires"), &day) == 0 && day - today <= SOON_DAYS)
		snprintf(expires, sizeof(expires), "  %s %s", day > today ? "EXPIRES" : "EXPIRED",
			 json_text(account, "expires"));
	snprintf(out, NOTES_MAX, "%s%s%s%s", json_is_true(json_object_get(account, "silent")) ? "  SILENT" : "",
		 frozen(account) ? "  FROZEN" : "", full, expires);
	return out;
}

enum level status_unknown(const char *why)
{
	printf("SUBUID UNKNOWN - %s\n", why);
	return LEVEL_UNKNOWN;
}
