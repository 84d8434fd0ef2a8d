/* SPDX-License-Identifier: ISC */
/*
 * Which accounts are backed up. --check speaks to monitoring: one line, and the exit statuses of the Monitoring
 * Plugins, which are not subuid's own.
 */
#include "cli/subuid.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include "account/date.h"
#include "cli/duration.h"
#include "cli/print.h"
#include "cli/rows.h"
#include "cli/run_status.h"

static const char help[] =
	"usage: subuid status [NAME]... [--all | --owner NAME] [--json]\n"
	"       subuid status --check [--max-age TIME] [--warn-age TIME] [NAME]... [--all | --owner NAME]\n"
	"The age of the last good backup of each account, and how its last run ended.\n\n"
	"  --check          one line and 0 ok, 1 warning, 2 critical, 3 unknown, for monitoring\n"
	"  --max-age TIME   critical when the last good backup is older: 90m, 26h, 3d; left out: what\n"
	"                   `subuid set NAME --alarm` says\n"
	"  --warn-age TIME  a warning when it is older\n"
	"Accounts that are locked, expired or without keys are passed over by --check.\n";

enum level { LEVEL_OK, LEVEL_WARNING, LEVEL_CRITICAL, LEVEL_UNKNOWN };
static const char *const level_names[] = {"OK", "WARNING", "CRITICAL", "UNKNOWN"};

struct asked {
	bool check, all;
	const char *owner;
	uint64_t max_age, warn_age; /* 0: not given */
};

/* Since the last good backup, or, when there was none, since the account was made. */
static uint64_t age_of(const json_t *account)
{
	uint64_t good = json_number(account, "lastGood"), now = (uint64_t)time(NULL);
	uint64_t from = good != 0 ? good : json_number(account, "created");

	return now > from ? now - from : 0;
}

static bool counts(const json_t *account)
{
	int32_t day;

	if (json_is_true(json_object_get(account, "locked")) || json_number(account, "keys") == 0 ||
	    strcmp(json_text(account, "state"), "active") != 0)
		return false;
	return date_parse(json_text(account, "expires"), &day) < 0 || day > time(NULL) / SECONDS_PER_DAY;
}

static enum level level_of(const json_t *account, const struct asked *asked)
{
	uint64_t age = age_of(account);

	if (asked->max_age != 0 ? age > asked->max_age : json_is_true(json_object_get(account, "silent")))
		return LEVEL_CRITICAL;
	if (asked->warn_age != 0 && age > asked->warn_age)
		return LEVEL_WARNING;
	return json_number(account, "lastStatus") != 0 ? LEVEL_WARNING : LEVEL_OK;
}

static const char *colour(const json_t *account, const char *text, char *out, size_t size)
{
	static const struct asked nothing;
	static const char *const codes[] = {"\033[32m", "\033[33m", "\033[31m"};

	if (!colours() || (json_number(account, "lastRun") == 0 && !json_is_true(json_object_get(account, "silent"))))
		return text;
	snprintf(out, size, "%s%s\033[0m", codes[level_of(account, &nothing)], text);
	return out;
}

static void print_account(const json_t *account, int width)
{
	char good[16] = "never", alarm[16] = "-", last[64] = "-", plain[32], coloured[64];

	if (json_number(account, "lastGood") != 0)
		duration_text(age_of(account), good);
	if (json_number(account, "alarm") != 0)
		duration_text(json_number(account, "alarm"), alarm);
	if (json_number(account, "lastRun") != 0)
		status_text(json_number(account, "lastStatus"), "", last);
	snprintf(plain, sizeof(plain), "%9s", good);
	printf("%-*s  %s  %6s  %-9s %s%s\n", width, shown(json_text(account, "name")),
	       colour(account, plain, coloured, sizeof(coloured)), alarm, last,
	       time_text((int64_t)json_number(account, "lastRun")),
	       json_is_true(json_object_get(account, "silent")) ? "  SILENT" : "");
}

static int print_accounts(const json_t *accounts)
{
	const json_t *account;
	int width = 4;
	size_t i;

	json_array_foreach(accounts, i, account) if ((int)strlen(json_text(account, "name")) > width)
		width = (int)strlen(json_text(account, "name"));
	printf("%-*s  %9s  %6s  %-9s %s\n", width, "NAME", "LAST GOOD", "ALARM", "LAST", "LAST RUN");
	json_array_foreach(accounts, i, account) print_account(account, width);
	return STATUS_DONE;
}

/* One line: the worst, and figures behind the bar. */
static int check(const json_t *accounts, const struct asked *asked)
{
	unsigned number[LEVEL_UNKNOWN] = {0}, total = 0;
	enum level worst = LEVEL_OK;
	uint64_t oldest = 0;
	const json_t *account;
	char text[256] = "", age[16];
	size_t i;

	json_array_foreach(accounts, i, account)
	{
		enum level level;
		size_t used = strlen(text);

		if (!counts(account))
			continue;
		level = level_of(account, asked);
		total++;
		number[level]++;
		oldest = age_of(account) > oldest ? age_of(account) : oldest;
		worst = level > worst ? level : worst;
		if (level != LEVEL_OK && used < sizeof(text) - 100)
			snprintf(text + used, sizeof(text) - used, "%s%s %s", used > 0 ? ", " : ": ",
				 shown(json_text(account, "name")),
				 level == LEVEL_WARNING && json_number(account, "lastStatus") != 0
					 ? "last run failed"
				 : json_number(account, "lastGood") != 0 ? duration_text(age_of(account), age)
									 : "never");
	}
	if (total == 0) {
		puts("SUBUID UNKNOWN - no account to look at");
		return LEVEL_UNKNOWN;
	}
	printf("SUBUID %s - %u of %u accounts well%s | oldest=%llus warning=%u critical=%u\n", level_names[worst],
	       number[LEVEL_OK], total, text, (unsigned long long)oldest, number[LEVEL_WARNING],
	       number[LEVEL_CRITICAL]);
	return (int)worst;
}

/* -1 - status to end with. */
static int parse(int argc, char **argv, struct asked *asked)
{
	static const struct option options[] = {
		{"check", no_argument, NULL, 'c'},	    {"max-age", required_argument, NULL, 'm'},
		{"warn-age", required_argument, NULL, 'w'}, {"owner", required_argument, NULL, 'o'},
		{"all", no_argument, NULL, 'a'},	    COMMON_OPTIONS,
	};
	int c, status = STATUS_DONE;

	/* Any error, wherever it is: to monitoring it is "unknown". */
	for (int i = 1; i < argc; i++)
		asked->check = asked->check || strcmp(argv[i], "--check") == 0;
	while ((c = option_next("status", help, argc, argv, options, &status)) > 0) {
		if (c == 'c')
			asked->check = true;
		else if (c == 'o')
			asked->owner = optarg;
		else if (c == 'a')
			asked->all = true;
		else if (duration_parse(optarg, c == 'm' ? &asked->max_age : &asked->warn_age) < 0)
			return -1 - usage_error(optarg, "not a span of time", "for example 90m, 26h, 3d");
	}
	if (c < 0)
		return -1 - status;
	if ((asked->owner != NULL) + asked->all + (optind < argc) > 1)
		return -1 - usage_error("status", "names, --owner and --all exclude each other", "choose one");
	if (!asked->check && (asked->max_age != 0 || asked->warn_age != 0))
		return -1 - usage_error("status", "--max-age and --warn-age go with --check", "");
	return STATUS_DONE;
}

static int fetch_named(int argc, char **argv, json_t **accounts)
{
	int status = STATUS_DONE;

	*accounts = json_array();
	for (int i = optind; i < argc && status == STATUS_DONE; i++) {
		json_t *parameters = NULL, *reply = NULL;

		status = name_parameters(argv[i], &parameters);
		if (status == STATUS_DONE)
			status = call("Get", parameters, &reply);
		if (status == STATUS_DONE)
			json_array_append(*accounts, json_object_get(reply, "account"));
		json_decref(reply);
	}
	return status;
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

int command_status(int argc, char **argv)
{
	struct asked asked = {0};
	json_t *accounts = NULL;
	int status = parse(argc, argv, &asked);

	if (status < 0)
		return asked.check && status != -1 ? LEVEL_UNKNOWN : -1 - status;
	status = fetch(argc, argv, &asked, &accounts);
	if (status != STATUS_DONE && asked.check) {
		puts("SUBUID UNKNOWN - subuidd does not say");
		status = LEVEL_UNKNOWN;
	} else if (status == STATUS_DONE) {
		status = asked.check	? check(accounts, &asked)
			 : common.json ? print_json(accounts)
				       : print_accounts(accounts);
	}
	json_decref(accounts);
	return status;
}
