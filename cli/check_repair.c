/* SPDX-License-Identifier: ISC */
/* Run with the caller's rights: the daemon decides what they may repair. */
#include "cli/check_repair.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "account/failure.h"
#include "cli/print.h"
#include "cli/own_program.h"
#include "cli/subuid.h"

/* The members of a finding that Repair takes. */
static json_t *parameters_of(const json_t *finding)
{
	static const char *const members[] = { "repair", "place", "owner", "label", "uid" };
	json_t *parameters = json_object();

	for (size_t i = 0; parameters != NULL && i < sizeof(members) / sizeof(members[0]); i++) {
		json_t *member = json_object_get(finding, members[i]);

		/* all findings about the index are one */
		if (member == NULL || (i > 0 && strcmp(json_text(finding, "repair"), "index") == 0))
			continue;
		if (json_object_set(parameters, members[i], member) < 0) {
			json_decref(parameters);
			return NULL;
		}
	}
	return parameters;
}

static bool seen_before(const json_t *seen, const json_t *parameters)
{
	const json_t *other;
	size_t i;

	json_array_foreach(seen, i, other) {
		if (json_equal(other, parameters))
			return true;
	}
	return false;
}

/* A person at a terminal is asked. Only an explicit yes counts. */
static bool agreed(const json_t *finding, const char *question)
{
	int first, c;

	if (!isatty(STDIN_FILENO) || !isatty(STDERR_FILENO))
		return false;
	fprintf(stderr, "%s: %s. %s? [y/N] ", shown(json_text(finding, "subject")), shown(json_text(finding, "fault")),
		question);
	first = c = getchar();
	while (c != '\n' && c != EOF)
		c = getchar();
	return first == 'y' || first == 'Y';
}

static void say(const json_t *finding, const char *what, const char *done)
{
	if (!common.json)
		printf("%s: %s%s\n", shown(json_text(finding, "subject")), what, shown(done));
}

/* The outcome: a word for `result`, and in *done what was done (the caller decrefs the reply). */
static const char *repair_one(const json_t *finding, json_t *parameters, const struct check_repair *how, json_t **reply)
{
	bool forget = strcmp(json_text(finding, "repair"), "forget") == 0;
	bool ask = forget || strcmp(json_text(finding, "repair"), "ask") == 0;

	if (ask && !how->yes && !common.dry_run &&
	    !agreed(finding, forget ? "Forget it" : "Set it aside (nothing is deleted)")) {
		say(finding, "left as it is: ",
		    forget ? "it needs a yes to be forgotten (or --yes)" :
			     "there is data in it, so it needs a yes (or --yes)");
		json_decref(parameters);
		return "left";
	}
	if (call_change("Repair", parameters, reply) != STATUS_DONE)
		return "failed";
	say(finding, common.dry_run ? "would be " : "", json_text(*reply, "done"));
	return common.dry_run ? "would" : "done";
}

/* Only root rebuilds the index: for others it stays among the findings. */
static bool repairable(const json_t *finding)
{
	const char *repair = json_text(finding, "repair");

	return strcmp(repair, "none") != 0 && repair[0] != '\0' && (geteuid() == 0 || strcmp(repair, "index") != 0);
}

json_t *check_repair(const json_t *findings, const struct check_repair *how)
{
	json_t *results = json_array(), *seen = json_array();
	const json_t *finding;
	size_t i;

	json_array_foreach(findings, i, finding) {
		json_t *parameters = repairable(finding) ? parameters_of(finding) : NULL, *reply = NULL;
		const char *result;

		if (parameters == NULL || seen_before(seen, parameters)) {
			json_decref(parameters);
			continue;
		}
		json_array_append(seen, parameters);
		result = repair_one(finding, parameters, how, &reply);
		json_array_append_new(results,
				      json_pack("{s:s, s:s, s:s, s:s}", "subject", json_text(finding, "subject"),
						"repair", json_text(finding, "repair"), "result", result, "done",
						json_text(reply, "done")));
		json_decref(reply);
	}
	json_decref(seen);
	return results;
}

int check_repair_offline(const struct check_repair *how)
{
	const char *words[4] = { "repair" };
	size_t count = 1;

	if (geteuid() != 0) {
		complain("check", "subuidd does not answer", "ask the administrator of the host to start it");
		return STATUS_UNREACHABLE;
	}
	if (common.dry_run)
		words[count++] = "--dry-run";
	if (how->yes)
		words[count++] = "--yes";
	fflush(stdout);
	fputs("subuid: check: subuidd does not run: its state is checked and repaired without it\n", stderr);
	return own_program_run(STATE_PROGRAM, words);
}
