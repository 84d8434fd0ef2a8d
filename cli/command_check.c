/* SPDX-License-Identifier: ISC */
/* `subuid check`: asks the daemon what is wrong, shows it, and has it repaired on request. */
#include "cli/subuid.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli/check_repair.h"
#include "cli/print.h"
#include "cli/rows.h"

#define PROGRESS_EACH 0.1 /* seconds */
#define PROGRESS_SURE 1.0 /* before that the pace means little */

struct check {
	json_t *findings;
	uint64_t checked;
	bool progress; /* to be shown */
	struct timespec shown;
	struct timespec counted; /* since when things are looked at one by one, */
	uint64_t counted_from;   /* and how many had been until then */
};

struct arguments {
	const char *owner;
	int all;
	bool repair;
	struct check_repair how;
};

static int parse(int argc, char **argv, struct arguments *arguments)
{
	int c, status = STATUS_DONE;

	while ((c = option_next("check", argc, argv, &status)) > 0) {
		if (c == 'o')
			arguments->owner = optarg;
		arguments->all |= c == 'a';
		arguments->repair |= c == 'r';
		arguments->how.yes |= c == 'y';
	}
	if (c < 0)
		return -1 - status;
	if (!arguments->repair && (common.dry_run || arguments->how.yes))
		return -1 - usage_error(arguments->how.yes ? "--yes" : "--dry-run", "goes with --repair", "");
	return STATUS_DONE;
}

/* Many accounts may report one fault in the same words, such as one of the index. */
static bool told(const json_t *findings, const json_t *finding)
{
	size_t count = json_array_size(findings);

	return count > 0 && json_equal(json_array_get(findings, count - 1), finding);
}

static bool told_of_index(const json_t *findings, const json_t *finding)
{
	const json_t *other;
	size_t i;

	if (strcmp(json_text(finding, "subject"), "index") != 0 && strcmp(json_text(finding, "subject"), "keys") != 0)
		return false;
	json_array_foreach(findings, i, other) {
		if (json_equal(other, finding))
			return true;
	}
	return false;
}

static double seconds_since(const struct timespec *then)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)(now.tv_sec - then->tv_sec) + (double)(now.tv_nsec - then->tv_nsec) / 1e9;
}

/* Estimated from the pace since the total is known. The total is approximate: things come and go. */
static void progress_left(const struct check *check, uint64_t total)
{
	double spent = seconds_since(&check->counted);
	uint64_t done = check->checked - check->counted_from;
	double left =
		done == 0 || total <= check->checked ? 0 : spent / (double)done * (double)(total - check->checked);

	if (spent < PROGRESS_SURE || left < 1)
		return;
	if (left < 100)
		fprintf(stderr, ", about %.0f s left", left);
	else
		fprintf(stderr, ", about %.0f min left", left / 60);
}

static void progress_show(struct check *check, uint64_t total)
{
	if (check->counted.tv_sec == 0 && total > 0) {
		clock_gettime(CLOCK_MONOTONIC, &check->counted);
		check->counted_from = check->checked;
	} else if (seconds_since(&check->shown) < PROGRESS_EACH) {
		return;
	}
	clock_gettime(CLOCK_MONOTONIC, &check->shown);
	fprintf(stderr, "\r\033[Kchecked %llu", (unsigned long long)check->checked);
	if (total > 0)
		fprintf(stderr, " of about %llu",
			(unsigned long long)(total > check->checked ? total : check->checked));
	fputs(" things", stderr);
	if (total > 0)
		progress_left(check, total);
}

static int take(json_t *reply, void *data)
{
	struct check *check = data;
	json_t *finding = json_object_get(reply, "finding");

	if (json_object_get(reply, "checked") != NULL)
		check->checked = json_number(reply, "checked");
	if (check->progress && finding == NULL)
		progress_show(check, json_number(reply, "total"));
	if (finding == NULL || told(check->findings, finding) || told_of_index(check->findings, finding))
		return 0;
	return json_array_append(check->findings, finding) < 0 ? -ENOMEM : 0;
}

static int check_run(const struct arguments *arguments, struct check *check)
{
	json_t *parameters = NULL;
	int status = owner_all_object(arguments->owner, arguments->all, &parameters);

	if (status < 0)
		return -1 - status;
	json_decref(check->findings);
	check->findings = json_array();
	check->checked = 0;
	check->counted = check->shown = (struct timespec){ 0 };
	check->progress = isatty(STDERR_FILENO) && !common.json;
	status = call_each_reply("Check", parameters, take, check);
	if (check->progress)
		fputs("\r\033[K", stderr);
	return status;
}

static void print_findings(const struct check *check)
{
	unsigned long long checked = check->checked, wrong = json_array_size(check->findings);
	const json_t *finding;
	size_t i;

	json_array_foreach(check->findings, i, finding) {
		const char *todo = json_text(finding, "todo");

		printf("%s: %s%s%s\n", shown(json_text(finding, "subject")), shown(json_text(finding, "fault")),
		       todo[0] ? "; " : "", shown(todo));
	}
	if (wrong == 0)
		printf("checked %llu things: sound\n", checked);
	else
		printf("checked %llu things: %llu wrong\n", checked, wrong);
}

static int print_checked(const struct check *check, json_t *repairs)
{
	json_t *whole;
	int status;

	if (!common.json) {
		print_findings(check);
		return STATUS_DONE;
	}
	whole = json_pack("{s:I, s:O, s:o*}", "checked", (json_int_t)check->checked, "findings", check->findings,
			  "dryRun", common.dry_run ? json_true() : NULL);
	if (whole == NULL || (repairs != NULL && json_object_set(whole, "repairs", repairs) < 0)) {
		json_decref(whole);
		return STATUS_FAILED;
	}
	status = print_json(whole);
	json_decref(whole);
	return status;
}

/* The findings after a repair count; of a dry run, those before it. */
static int repair(const struct arguments *arguments, struct check *check, json_t **repairs)
{
	if (json_array_size(check->findings) == 0)
		return STATUS_DONE;
	*repairs = check_repair(check->findings, &arguments->how);
	if (*repairs == NULL)
		return STATUS_FAILED;
	return common.dry_run ? STATUS_DONE : check_run(arguments, check);
}

int command_check(int argc, char **argv)
{
	struct arguments arguments = { 0 };
	struct check check = { 0 };
	json_t *repairs = NULL;
	int status = parse(argc, argv, &arguments);

	if (status < 0)
		return -1 - status;
	if (arguments.repair && strcmp(common.socket, SOCKET_PATH) == 0 && !daemon_answers())
		return check_repair_offline(&arguments.how);
	status = check_run(&arguments, &check);
	if (status == STATUS_DONE && arguments.repair)
		status = repair(&arguments, &check, &repairs);
	if (status == STATUS_DONE)
		status = print_checked(&check, repairs);
	if (status == STATUS_DONE && json_array_size(check.findings) > 0)
		status = STATUS_FAILED;
	json_decref(repairs);
	json_decref(check.findings);
	return status;
}
