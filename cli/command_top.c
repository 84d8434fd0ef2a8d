/* SPDX-License-Identifier: ISC */
/*
 * `subuid top`: accounts by what they use. Everything that it shows is read with the caller's own rights; the daemon is
 * asked at most whether they are an administrator.
 */
#include "cli/subuid.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "account/failure.h"
#include "cli/lookup.h"
#include "cli/print.h"
#include "cli/screen.h"
#include "cli/use.h"

#define INTERVAL_DEFAULT 2
#define INTERVAL_MAX 3600
#define ONCE_MSEC 500 /* between the two looks that a rate needs */
#define HEAD_ROWS 1

enum order { BY_CPU, BY_MEMORY, BY_IO, BY_SESSIONS };
static const char *const order_words[] = { "cpu", "memory", "io", "sessions" };
#define ORDERS (sizeof(order_words) / sizeof(order_words[0]))

struct top {
	struct use_want want;
	enum order order;
	bool once, repeated;
	int interval; /* seconds */
	const char *owner;
};

/* ---- what is asked */

static int order_take(const char *text, enum order *order)
{
	for (size_t i = 0; i < ORDERS; i++)
		if (strcmp(text, order_words[i]) == 0) {
			*order = (enum order)i;
			return STATUS_DONE;
		}
	return usage_error(text, "not an order", "cpu, memory, io or sessions");
}

static int interval_take(const char *text, int *interval)
{
	char *end;
	long seconds = strtol(text, &end, 10);

	if (text[0] == '\0' || *end != '\0' || seconds < 1 || seconds > INTERVAL_MAX)
		return usage_error(text, "not a number of seconds", "1 to 3600");
	*interval = (int)seconds;
	return STATUS_DONE;
}

/* -1 - status to end with. */
static int parse(int argc, char **argv, struct top *top)
{
	int c, status = STATUS_DONE, r = STATUS_DONE;

	while (r == STATUS_DONE && (c = option_next("top", argc, argv, &status)) > 0) {
		if (c == 's') {
			r = order_take(optarg, &top->order);
		} else if (c == 'i') {
			r = interval_take(optarg, &top->interval);
			top->repeated = true;
		} else {
			top->once |= c == '1';
			top->want.idle |= c == 'n';
			top->want.all |= c == 'a';
			top->owner = c == 'o' ? optarg : top->owner;
		}
	}
	if (r != STATUS_DONE || c < 0)
		return -1 - (r != STATUS_DONE ? r : status);
	if (top->want.all && top->owner != NULL)
		return -1 - usage_error("--all", "given together with --owner", "choose one");
	if (top->once && top->repeated)
		return -1 - usage_error("--once", "contradicts --interval", "choose one");
	return STATUS_DONE;
}

/* As for every list. The facts are public, and who may see a list of them is the same everywhere. */
static int others_allowed(const struct top *top)
{
	json_t *status;
	bool admin;

	if (geteuid() == 0 || (!top->want.all && top->want.owner == geteuid()))
		return STATUS_DONE;
	status = daemon_status();
	admin = json_is_true(json_object_get(status, "callerIsAdmin"));
	json_decref(status);
	if (admin)
		return STATUS_DONE;
	complain(top->owner != NULL ? top->owner : "all owners",
		 "only root and members of the admin group act for others",
		 "leave the owner out to see your own accounts");
	return failure_exit_status(FAILURE_NOT_PERMITTED);
}

static int want_of(struct top *top)
{
	uint32_t owner;
	int status = lookup_owner(top->owner, &owner);

	if (status != STATUS_DONE)
		return status;
	top->want.owner = owner;
	top->want.all = top->want.all || (top->owner == NULL && geteuid() == 0);
	return others_allowed(top);
}

/* ---- what is shown */

static enum order sorted_by;

static double value_of(const struct use_account *account)
{
	switch (sorted_by) {
	case BY_MEMORY:
		return (double)account->memory;
	case BY_IO:
		return account->read_rate + account->written_rate;
	case BY_SESSIONS:
		return account->sessions;
	case BY_CPU:
		break;
	}
	return account->cpu_percent;
}

static int compare(const void *a, const void *b)
{
	const struct use_account *x = a, *y = b;
	const double first = value_of(x), second = value_of(y);

	if (first != second)
		return first < second ? 1 : -1;
	if ((x->processes == 0) != (y->processes == 0))
		return x->processes == 0 ? 1 : -1;
	return strcmp(x->account.name, y->account.name);
}

static const char *state_of(const struct use_account *account)
{
	return (account->account.flags & ACCOUNT_LOCKED) != 0 ? "locked" :
	       (account->account.flags & ACCOUNT_FROZEN) != 0 ? "frozen" :
								"active";
}

static const char *rate_text(double rate, char out[USE_TEXT_MAX])
{
	return rate < 0 ? "-" : use_size_text((uint64_t)rate, out);
}

static int print_rows(const struct use *use, size_t most)
{
	static const char *const heads[] = { "NAME",    ">PROCS",     ">SESSIONS", ">CPU%", ">MEMORY",
					     ">READ/s", ">WRITTEN/s", "STATE",     NULL };
	struct table table = TABLE(heads);
	char text[USE_TEXT_MAX];

	for (size_t i = 0; i < use->account_count && i < most; i++) {
		const struct use_account *account = &use->accounts[i];

		table_cell(&table, account->account.name);
		table_number(&table, account->processes);
		table_number(&table, account->sessions);
		snprintf(text, sizeof(text), "%.1f", account->cpu_percent < 0 ? 0 : account->cpu_percent);
		table_cell(&table, text);
		table_cell(&table, use_size_text(account->memory, text));
		table_cell(&table, rate_text(account->read_rate, text));
		table_cell(&table, rate_text(account->written_rate, text));
		table_cell(&table, state_of(account));
	}
	return table_print(&table);
}

static void rate_json(json_t *row, const char *name, double rate)
{
	if (rate >= 0)
		json_object_set_new(row, name, json_integer((json_int_t)rate));
}

/* One object in a line. */
static int print_lines(const struct use *use)
{
	for (size_t i = 0; i < use->account_count; i++) {
		const struct use_account *account = &use->accounts[i];
		json_t *row = json_pack("{s:s, s:s, s:I, s:i, s:i, s:f, s:I, s:s}", "name", account->account.name,
					"owner", account->account.owner, "uid", (json_int_t)account->account.uid,
					"processes", (int)account->processes, "sessions", (int)account->sessions,
					"cpuPercent", account->cpu_percent < 0 ? 0 : account->cpu_percent,
					"memoryBytes", (json_int_t)account->memory, "state", state_of(account));
		char *line;

		rate_json(row, "readBytesPerSecond", account->read_rate);
		rate_json(row, "writtenBytesPerSecond", account->written_rate);
		line = row == NULL ? NULL : json_dumps(row, JSON_COMPACT | JSON_ENSURE_ASCII | JSON_REAL_PRECISION(4));
		json_decref(row);
		if (line == NULL) {
			complain("top", "out of memory", "");
			return STATUS_FAILED;
		}
		puts(line);
		free(line);
	}
	return STATUS_DONE;
}

static int look(const struct top *top, struct use *use)
{
	int r = use_look(&top->want, use);

	if (r < 0)
		complain("top", strerror(-r), "`subuid doctor` says more");
	return r < 0 ? STATUS_FAILED : STATUS_DONE;
}

static int show(const struct top *top, const struct use *before, struct use *use, size_t most)
{
	use_rates(before, use);
	sorted_by = top->order;
	if (use->account_count > 0)
		qsort(use->accounts, use->account_count, sizeof(*use->accounts), compare);
	return common.json ? print_lines(use) : print_rows(use, most);
}

/* ---- once, or again and again */

static int wait_plainly(int milliseconds)
{
	return nanosleep(&(struct timespec){ milliseconds / 1000, milliseconds % 1000 * 1000000L }, NULL);
}

/* The last row of the terminal stays free: the line break behind it would move the others up. */
static size_t rows_shown(int rows)
{
	return rows > HEAD_ROWS + 1 ? (size_t)(rows - HEAD_ROWS - 1) : 0;
}

/* A look sorts its rows before the next one is compared with it: processes name their accounts by place, and are not
 * read by then. */
static int repeat(const struct top *top, struct screen *screen, int *signal)
{
	struct use before = { 0 }, use = { 0 };
	int status = look(top, &before), wait = ONCE_MSEC, rows = 0;
	bool goes_on = true;

	while (status == STATUS_DONE && goes_on &&
	       (screen != NULL ? screen_wait(screen, wait, signal) : wait_plainly(wait) == 0)) {
		status = look(top, &use);
		if (status != STATUS_DONE)
			break;
		if (screen != NULL)
			screen_begin(&rows);
		status = show(top, &before, &use, screen != NULL ? rows_shown(rows) : SIZE_MAX);
		screen_end();
		use_free(&before);
		before = use;
		wait = top->interval * 1000;
		goes_on = !top->once && ferror(stdout) == 0;
	}
	use_free(&before);
	return status;
}

int command_top(int argc, char **argv)
{
	struct top top = { .interval = INTERVAL_DEFAULT };
	struct screen *screen = NULL;
	int status = parse(argc, argv, &top), number = 0;

	if (status < 0)
		return -1 - status;
	status = want_of(&top);
	if (status != STATUS_DONE)
		return status;
	if (common.over_ssh || (!top.repeated && (common.json || !isatty(STDOUT_FILENO))))
		top.once = true;
	if (!top.once && !common.json)
		screen = screen_open();
	status = repeat(&top, screen, &number);
	if (screen != NULL)
		screen_close(screen);
	if (number != 0) {
		signal(number, SIG_DFL);
		raise(number);
	}
	return status;
}
