/* SPDX-License-Identifier: ISC */
#include "cli/subuid.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "cli/print.h"
#include "cli/rows.h"

static const char help[] = "usage: subuid check [--all | --owner NAME] [--json]\n"
			   "Proves the invariants: store, index, homes, links, views, and that no id is held\n"
			   "twice or by anybody else on this host. Exit status 1 when something is wrong.\n\n"
			   "  --owner NAME  this owner's accounts (root and administrators)\n"
			   "  --all         the whole host (administrators; the default for root)\n"
			   "  --json        {checked, findings: [{subject, fault, todo}]}\n";

struct check {
	json_t *findings;
	uint64_t checked;
	bool progress;
};

static int take(json_t *reply, void *data)
{
	struct check *check = data;
	json_t *finding = json_object_get(reply, "finding");

	if (json_object_get(reply, "checked") != NULL)
		check->checked = json_number(reply, "checked");
	if (check->progress)
		fprintf(stderr, "\rchecked %llu things", (unsigned long long)check->checked);
	return finding != NULL && json_array_append(check->findings, finding) < 0 ? -ENOMEM : 0;
}

static void print_findings(const struct check *check)
{
	unsigned long long checked = check->checked, wrong = json_array_size(check->findings);
	const json_t *finding;
	size_t i;

	json_array_foreach(check->findings, i, finding)
	{
		const char *todo = json_text(finding, "todo");

		printf("%s: %s%s%s\n", shown(json_text(finding, "subject")), shown(json_text(finding, "fault")),
		       todo[0] ? "; " : "", shown(todo));
	}
	if (wrong == 0)
		printf("checked %llu things: sound\n", checked);
	else
		printf("checked %llu things: %llu wrong\n", checked, wrong);
}

int command_check(int argc, char **argv)
{
	struct check check = {0};
	json_t *parameters = NULL;
	int status = owner_all_parameters("check", help, argc, argv, &parameters);

	if (status < 0)
		return -1 - status;
	check.findings = json_array();
	check.progress = isatty(STDERR_FILENO) && !common.json;
	status = call_each_reply("Check", parameters, take, &check);
	if (check.progress)
		fputs("\r\033[K", stderr);
	if (status == STATUS_DONE && common.json) {
		json_t *whole =
			json_pack("{s:I, s:O}", "checked", (json_int_t)check.checked, "findings", check.findings);

		status = print_json(whole);
		json_decref(whole);
	} else if (status == STATUS_DONE) {
		print_findings(&check);
	}
	if (status == STATUS_DONE && json_array_size(check.findings) > 0)
		status = STATUS_FAILED;
	json_decref(check.findings);
	return status;
}
