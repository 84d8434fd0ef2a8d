/* SPDX-License-Identifier: ISC */
/*
 * Which accounts are backed up. --check speaks to monitoring (status_check.c): its exit statuses are those of the
 * Monitoring Plugins, and not subuid's own.
 */
#include "cli/subuid.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include "account/failure.h"
#include "cli/duration.h"
#include "cli/print.h"
#include "cli/rows.h"
#include "cli/run_status.h"
#include "cli/status_check.h"

struct asked {
	bool check, all;
	const char *owner;
	struct thresholds thresholds;
};

static const char *colour(const json_t *account, const char *text, char *out, size_t size)
{
	static const struct thresholds nothing;
	static const char *const codes[] = { "\033[32m", "\033[33m", "\033[31m" };

	if (!colours() || (json_number(account, "lastRun") == 0 && !json_is_true(json_object_get(account, "silent"))))
		return text;
	snprintf(out, size, "%s%s\033[0m", codes[backup_level(account, &nothing)], text);
	return out;
}

static const char *owner_words(const json_t *account)
{
	const char *state = json_text(account, "ownerState");

	return strcmp(state, "gone") == 0 ? "  OWNER GONE" : state[0] != '\0' ? "  OWNER CHANGED" : "";
}

static void print_account(const json_t *account, int width)
{
	char good[16] = "never", alarm[16] = "-", last[64] = "-", plain[32], coloured[64], more[NOTES_MAX];

	if (json_number(account, "lastGood") != 0)
		duration_text(backup_age(account), good);
	if (json_number(account, "alarm") != 0)
		duration_text(json_number(account, "alarm"), alarm);
	if (json_number(account, "lastRun") != 0)
		status_text(json_number(account, "lastStatus"), "", last);
	snprintf(plain, sizeof(plain), "%9s", good);
	printf("%-*s  %s  %6s  %-9s %s%s%s\n", width, shown(json_text(account, "name")),
	       colour(account, plain, coloured, sizeof(coloured)), alarm, last,
	       time_text((int64_t)json_number(account, "lastRun")), status_notes(account, more), owner_words(account));
}

static int print_accounts(const json_t *accounts)
{
	const json_t *account;
	int width = 4;
	size_t i;

	json_array_foreach(accounts, i, account)
		if ((int)strlen(json_text(account, "name")) > width)
			width = (int)strlen(json_text(account, "name"));
	printf("%-*s  %9s  %6s  %-9s %s\n", width, "NAME", "LAST GOOD", "ALARM", "LAST", "LAST RUN");
	json_array_foreach(accounts, i, account)
		print_account(account, width);
	return STATUS_DONE;
}

/* -1 - status to end with. */
static int parse(int argc, char **argv, struct asked *asked)
{
	int c, status = STATUS_DONE;

	/* Any error, wherever it is: to monitoring it is "unknown". */
	for (int i = 1; i < argc; i++)
		asked->check = asked->check || strcmp(argv[i], "--check") == 0;
	while ((c = option_next("status", argc, argv, &status)) > 0) {
		if (c == 'C')
			asked->check = true;
		else if (c == 'o')
			asked->owner = optarg;
		else if (c == 'a')
			asked->all = true;
		else if (threshold_parse(optarg, c == 'c' ? &asked->thresholds.critical : &asked->thresholds.warning) <
			 0)
			return -1 - usage_error(optarg, "not a time with its unit, and no range of such",
						"for example 90m, 26h, 3d or 1h:26h");
	}
	if (c < 0)
		return -1 - status;
	if ((asked->owner != NULL) + asked->all + (optind < argc) > 1)
		return -1 - usage_error("status", "names, --owner and --all exclude each other", "choose one");
	if (!asked->check && (asked->thresholds.warning.given || asked->thresholds.critical.given))
		return -1 - usage_error("status", "thresholds go with --check", "");
	return STATUS_DONE;
}

static void named_keep(void *data, json_t *account)
{
	json_array_append(data, account);
}

static int fetch_named(int argc, char **argv, json_t **accounts)
{
	*accounts = json_array();
	return call_named(argc, argv, named_keep, *accounts);
}

static int fetch(int argc, char **argv, const struct asked *asked, json_t **accounts)
{
	bool all = asked->all || (asked->owner == NULL && caller_owns_nothing());
	json_t *parameters;

	if (optind < argc)
		return fetch_named(argc, argv, accounts);
	parameters = json_pack("{s:b, s:s*}", "all", all, "owner", asked->owner);
	if (parameters == NULL)
		return usage_error("--owner", "not UTF-8", "");
	return call_list("List", parameters, "account", accounts);
}

/* If it could not ask, the state is unknown, and monitoring is told so on standard output. */
static enum level fetch_failed(int status)
{
	if (status == failure_exit_status(FAILURE_NOT_FOUND))
		return status_unknown("there is no such account");
	if (status == failure_exit_status(FAILURE_NOT_PERMITTED))
		return status_unknown("not allowed to ask");
	return status_unknown(status == STATUS_USAGE ? "wrong usage" : "subuidd does not say");
}

int command_status(int argc, char **argv)
{
	struct asked asked = { 0 };
	json_t *accounts = NULL;
	int status = parse(argc, argv, &asked);

	if (status < 0)
		return asked.check && status != -1 ? (int)fetch_failed(-1 - status) : -1 - status;
	status = fetch(argc, argv, &asked, &accounts);
	if (asked.check)
		status =
			(int)(status == STATUS_DONE ? status_check(accounts, &asked.thresholds) : fetch_failed(status));
	else if (status == STATUS_DONE)
		status = common.json ? print_json(accounts) : print_accounts(accounts);
	json_decref(accounts);
	return status;
}
