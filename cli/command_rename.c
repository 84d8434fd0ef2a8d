/* SPDX-License-Identifier: ISC */
/* `subuid rename` and `subuid owner`: another name for an account, or for the owner of some. Run as the caller. */
#include "cli/subuid.h"

#include <stdio.h>
#include <string.h>

#include "account/name.h"
#include "cli/options.h"
#include "cli/print.h"

static void print_renamed(const char *name, const json_t *account)
{
	const char *why = json_text(account, "linkMissing");

	printf("%s %s %s%s; its server logs in as %s%s\n", shown(name), common.dry_run ? "would be" : "is",
	       shown(json_text(account, "name")), common.dry_run ? "" : " now", shown(json_text(account, "name")),
	       common.dry_run ? " then" : " from now on");
	if (why[0] != '\0')
		printf("Its link is not as it should be: %s; `subuid check --repair` mends it.\n", shown(why));
	else
		printf("its files: %s\n", shown(json_text(account, "link")));
}

/* The new label: alone, or with the owner in front, who has to be the same. -1 - status to end with. */
static int new_label(const char *name, const json_t *parameters, const char **label)
{
	json_t *parsed;
	const char *owner;
	int status = STATUS_DONE;

	if (label_valid(name)) {
		*label = name;
		return status;
	}
	status = name_parameters(name, &parsed);
	if (status != STATUS_DONE)
		return status;
	owner = json_text(parsed, "owner");
	if (strcmp(owner, json_text(parameters, "owner")) != 0)
		status = usage_error(name, "the name of another owner", "name the new label alone");
	*label = name + strlen(owner) + 1;
	json_decref(parsed);
	return status;
}

int command_rename(int argc, char **argv)
{
	json_t *parameters, *account;
	const char *label = "";
	int status = name_operand("rename", argc, argv, &parameters);

	if (status < 0)
		return -1 - status;
	status = new_label(argv[optind + 1], parameters, &label);
	if (status != STATUS_DONE) {
		json_decref(parameters);
		return status;
	}
	json_object_set_new(parameters, "to", json_string(label));
	status = call_told("Rename", parameters, "account", &account);
	if (account != NULL)
		print_renamed(argv[optind], account);
	json_decref(account);
	return status;
}

static void print_owner(const char *from, const char *to, const json_t *reply)
{
	unsigned long long links = json_number(reply, "linksMissing");

	printf("%llu accounts, %llu ranges and %llu removed accounts of %s %s %s's%s\n",
	       (unsigned long long)json_number(reply, "accounts"), (unsigned long long)json_number(reply, "ranges"),
	       (unsigned long long)json_number(reply, "removed"), shown(from), common.dry_run ? "would be" : "are",
	       shown(to), common.dry_run ? "" : " now");
	if (links > 0)
		printf("Links that are not as they should be: %llu (%s); `subuid check --repair` mends them.\n", links,
		       shown(json_text(reply, "why")));
}

int command_owner(int argc, char **argv)
{
	json_t *parameters, *reply = NULL;
	bool hand_over = false;
	int c, status = STATUS_DONE;

	while ((c = option_next("owner", argc, argv, &status)) > 0)
		hand_over |= c == 'H';
	if (c < 0)
		return status;
	parameters = json_pack("{s:s, s:s, s:b}", "from", argv[optind], "to", argv[optind + 1], "handOver", hand_over);
	if (parameters == NULL)
		return usage_error("owner", "not UTF-8", "");
	status = call_told("OwnerChange", parameters, NULL, &reply);
	if (reply != NULL)
		print_owner(argv[optind], argv[optind + 1], reply);
	json_decref(reply);
	return status;
}
