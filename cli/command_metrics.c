/* SPDX-License-Identifier: ISC */
/*
 * `subuid metrics`: what monitoring wants to know, for Prometheus and all that read its form. With root's rights, from
 * a timer, into a file; or for an owner, about their own accounts. If the daemon does not answer, that is a metric,
 * too.
 */
#include "cli/subuid.h"

#include <string.h>
#include <time.h>

#include "account/failure.h"
#include "account/run.h"
#include "cli/facts.h"
#include "cli/metrics.h"
#include "cli/print.h"
#include "cli/row.h"
#include "cli/rows.h"

struct asked {
	const char *file, *owner;
	bool all, no_accounts;
};

struct answer {
	struct metrics metrics;
	struct metrics_owners owners;
	bool no_accounts;
};

/* As for `status --check`. */
static bool is_usable(const struct row *row)
{
	return !row_flag(row, "locked") && !row_flag(row, "frozen") && row_number(row, "keys") != 0 &&
	       strcmp(row_text(row, "state"), "active") == 0 && !facts_expired(row_text(row, "expires"));
}

static void account_put(struct metrics *metrics, const struct row *row)
{
	const uint64_t good = row_number(row, "lastGood"), last = row_number(row, "lastRun");
	const uint64_t status = row_number(row, "lastStatus"), used = row_number(row, "usedBytes");
	const char *const labels[] = { "owner", row_text(row, "owner"), "account", row_text(row, "label"), NULL };

	metrics_put(metrics, METRIC_LAST_GOOD, good, labels);
	if (last != 0) {
		metrics_put(metrics, METRIC_LAST_RUN, last, labels);
		metrics_put(metrics, METRIC_LAST_OK, !run_last_failed((uint32_t)status, (int64_t)last, (int64_t)good),
			    labels);
		metrics_put(metrics, METRIC_LAST_STATUS, status, labels);
	}
	metrics_put(metrics, METRIC_SILENT, row_flag(row, "silent"), labels);
	if (row_number(row, "alarm") != 0)
		metrics_put(metrics, METRIC_ALARM, row_number(row, "alarm"), labels);
	if (row_number(row, "quota") != 0)
		metrics_put(metrics, METRIC_QUOTA, row_number(row, "quota"), labels);
	if (row_has(row, "usedBytes"))
		metrics_put(metrics, METRIC_USED, used, labels);
	if (row_number(row, "filesLimit") != 0)
		metrics_put(metrics, METRIC_QUOTA_FILES, row_number(row, "filesLimit"), labels);
	if (row_has(row, "usedFiles"))
		metrics_put(metrics, METRIC_USED_FILES, row_number(row, "usedFiles"), labels);
	metrics_put(metrics, METRIC_KEYS, row_number(row, "keys"), labels);
	metrics_put(metrics, METRIC_USABLE, is_usable(row), labels);
	metrics_put(metrics, METRIC_CREATED, row_number(row, "created"), labels);
}

static int account_row(const struct row *row, void *data)
{
	struct answer *answer = data;

	owners_account(&answer->owners, row);
	if (!answer->no_accounts)
		account_put(&answer->metrics, row);
	return answer->metrics.failed || answer->owners.failed;
}

static int range_row(const struct row *row, void *data)
{
	struct answer *answer = data;

	owners_range(&answer->owners, row);
	return answer->owners.failed;
}

static int limit_row(const struct row *row, void *data)
{
	struct answer *answer = data;

	owners_limit(&answer->owners, row);
	return answer->owners.failed;
}

static void limit_default(struct metrics_owners *owners, const char *of, uint64_t value)
{
	if (strcmp(of, "accounts") == 0)
		owners->accounts = value;
	else if (strcmp(of, "keys") == 0)
		owners->keys = value;
	else if (strcmp(of, "ranges") == 0)
		owners->ranges = value;
}

static int counter_row(const struct row *row, void *data)
{
	static const struct {
		const char *name, *label;
		enum metric metric;
	} kinds[] = {
		{ "idsTotal", "pool", METRIC_IDS_TOTAL },
		{ "idsFree", "pool", METRIC_IDS_FREE },
		{ "refusals", "error", METRIC_REFUSALS },
		{ "logins", "result", METRIC_LOGINS },
	};
	struct answer *answer = data;
	const char *name = row_text(row, "name"), *of = row_text(row, "of");
	const uint64_t value = row_number(row, "value");

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (strcmp(kinds[i].name, name) == 0)
			metrics_put(&answer->metrics, kinds[i].metric, value, LABELS(kinds[i].label, of));
	if (strcmp(name, "limitDefault") == 0)
		limit_default(&answer->owners, of, value);
	return answer->metrics.failed;
}

/* ---- asking ---- */

static void named_put(void *data, json_t *account)
{
	struct answer *answer = data;

	account_put(&answer->metrics, &(struct row){ .object = account });
}

static int ask_limit(const struct asked *asked, struct answer *answer)
{
	json_t *reply = NULL;
	int status;

	if (asked->all)
		return call_rows("LimitList", json_object(), "limit", limit_row, answer);
	status = call("LimitGet", json_pack("{s:s*}", "owner", asked->owner), &reply);
	if (status == STATUS_DONE)
		limit_row(&(struct row){ .object = json_object_get(reply, "limit") }, answer);
	json_decref(reply);
	return status;
}

static int ask_all(const struct asked *asked, struct answer *answer)
{
	static const struct {
		const char *method, *member;
		int (*each)(const struct row *row, void *data);
	} lists[] = {
		{ "List", "account", account_row },
		{ "RangeList", "range", range_row },
		{ "CounterList", "counter", counter_row },
	};
	int status = ask_limit(asked, answer);

	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]) && status == STATUS_DONE; i++) {
		json_t *parameters = NULL;

		status = owner_all_object(asked->owner, asked->all, &parameters);
		status = status < 0 ? -1 - status :
				      call_rows(lists[i].method, parameters, lists[i].member, lists[i].each, answer);
	}
	if (status == STATUS_DONE)
		owners_print(&answer->owners, &answer->metrics);
	return status;
}

static int ask(int argc, char **argv, const struct asked *asked, struct answer *answer)
{
	json_t *reply = NULL;
	int status = call("Status", NULL, &reply);

	answer->no_accounts = asked->no_accounts;
	if (status == STATUS_DONE) {
		metrics_put(&answer->metrics, METRIC_UP, 1, NULL);
		metrics_put(&answer->metrics, METRIC_BUILD_INFO, 1, LABELS("version", json_text(reply, "version")));
		status = optind < argc ? call_named(argc, argv, named_put, answer) : ask_all(asked, answer);
	}
	json_decref(reply);
	if (status == STATUS_UNREACHABLE) { /* half of it is not to be had */
		metrics_free(&answer->metrics);
		answer->metrics = (struct metrics){ 0 };
		metrics_put(&answer->metrics, METRIC_UP, 0, NULL);
	}
	metrics_put(&answer->metrics, METRIC_TIME, (uint64_t)time(NULL), NULL);
	if (status != STATUS_DONE || (!answer->owners.failed && !answer->metrics.failed))
		return status;
	complain("metrics", "no memory", "");
	return STATUS_FAILED;
}

/* ---- the command ---- */

/* -1 - status to end with. */
static int parse(int argc, char **argv, struct asked *asked)
{
	int c, status = STATUS_DONE;

	while ((c = option_next("metrics", argc, argv, &status)) > 0) {
		if (c == 't' && file_allowed(optarg) != STATUS_DONE)
			return -1 - STATUS_USAGE;
		if (c == 't')
			asked->file = optarg;
		else if (c == 'o')
			asked->owner = optarg;
		else if (c == 'a')
			asked->all = true;
		else
			asked->no_accounts = true;
	}
	if (c < 0)
		return -1 - status;
	if ((asked->owner != NULL) + asked->all + (optind < argc) > 1)
		return -1 - usage_error("metrics", "names, --owner and --all exclude each other", "choose one");
	if (asked->no_accounts && optind < argc)
		return -1 - usage_error("metrics", "names and --no-accounts exclude each other", "choose one");
	asked->all = asked->all || (asked->owner == NULL && caller_owns_nothing());
	return STATUS_DONE;
}

static int deliver(const struct asked *asked, struct metrics *metrics)
{
	if (asked->file != NULL)
		return metrics_store(metrics, asked->file);
	if (metrics_print(metrics, stdout))
		return STATUS_DONE;
	complain("metrics", "cannot be written", "");
	return STATUS_FAILED;
}

int command_metrics(int argc, char **argv)
{
	struct asked asked = { 0 };
	struct answer answer = { 0 };
	int status = parse(argc, argv, &asked), delivered = STATUS_DONE;

	if (status < 0)
		return -1 - status;
	status = ask(argc, argv, &asked, &answer);
	if (status == STATUS_DONE || status == STATUS_UNREACHABLE)
		delivered = deliver(&asked, &answer.metrics);
	metrics_free(&answer.metrics);
	owners_free(&answer.owners);
	return delivered != STATUS_DONE ? delivered : status;
}
