/* SPDX-License-Identifier: ISC */
/* Commands on one account as a whole: lock, unlock, mount, remove. */
#include "cli/subuid.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/print.h"

static const char lock_help[] = "usage: subuid lock NAME [--json]\n"
				"Refuses every login of the account from now on, and ends those that run.\n";

static const char unlock_help[] = "usage: subuid unlock NAME [--json]\n"
				  "Admits logins of the account again.\n";

static const char mount_help[] = "usage: subuid mount NAME [--json]\n"
				 "Makes your view of the account's files now, where it is made on demand.\n";

static const char remove_help[] =
	"usage: subuid remove NAME [--keep-home | --purge] [--yes] [--json]\n"
	"Removes the account, its keys, its ranges and the link. Its files are kept aside for\n"
	"the host's grace period. Its id is never given to anybody else.\n\n"
	"  --keep-home  keep its files without end\n"
	"  --purge      delete its files now\n"
	"  --yes        do not ask (without a terminal it is never asked)\n";

/* Calls the method with NAME; prints the account, or what is done with it. */
static int on_account(const char *name, const char *help, const char *method, const char *done, int argc,
		      char **argv)
{
	static const struct option options[] = {COMMON_OPTIONS};
	json_t *parameters, *reply;
	int status = STATUS_DONE;

	if (option_next(name, help, argc, argv, options, &status) < 0)
		return status;
	status = operands_check(name, argc, 1, 1);
	if (status == STATUS_DONE)
		status = name_parameters(argv[optind], &parameters);
	if (status == STATUS_DONE)
		status = call(method, parameters, &reply);
	if (status != STATUS_DONE)
		return status;

	const json_t *account = json_object_get(reply, "account");

	if (common.json)
		status = print_json(account);
	else
		printf("%s %s; its files: %s\n", shown(json_text(account, "name")), done,
		       shown(json_text(account, "link")));
	json_decref(reply);
	return status;
}

int command_lock(int argc, char **argv)
{
	return on_account("lock", lock_help, "Lock", "is locked and its sessions have ended", argc, argv);
}

int command_unlock(int argc, char **argv)
{
	return on_account("unlock", unlock_help, "Unlock", "is unlocked", argc, argv);
}

int command_mount(int argc, char **argv)
{
	return on_account("mount", mount_help, "Mount", "is mounted", argc, argv);
}

/* A person at a terminal is asked; a script has decided already. */
static bool confirmed(const char *name, bool purge)
{
	int first, c;

	if (!isatty(STDIN_FILENO) || !isatty(STDERR_FILENO))
		return true;
	fprintf(stderr, "Remove %s%s? [y/N] ", shown(name), purge ? " and delete its files now" : "");
	first = c = getchar();
	while (c != '\n' && c != EOF)
		c = getchar();
	return first == 'y' || first == 'Y';
}

struct removal {
	bool keep_home, purge, yes;
};

static int removal_options(int argc, char **argv, struct removal *removal)
{
	static const struct option options[] = {
		{"keep-home", no_argument, NULL, 'k'},
		{"purge", no_argument, NULL, 'p'},
		{"yes", no_argument, NULL, 'y'},
		COMMON_OPTIONS,
	};
	int c, status = STATUS_DONE;

	while ((c = option_next("remove", remove_help, argc, argv, options, &status)) > 0) {
		removal->keep_home |= c == 'k';
		removal->purge |= c == 'p';
		removal->yes |= c == 'y';
	}
	if (c < 0)
		return -1 - status;
	if (removal->keep_home && removal->purge)
		return -1 - usage_error("--purge", "contradicts --keep-home", "choose one");
	return STATUS_DONE;
}

static void print_removed(const char *name, const struct removal *removal, const json_t *reply)
{
	const char *files = json_text(reply, "files"), *why = json_text(reply, "why");

	if (strcmp(files, "pending") == 0)
		printf("%s is removed; its files are not deleted yet (pending): %s\n", shown(name),
		       why[0] != '\0' ? shown(why) : "they are being deleted");
	else
		printf("%s is removed; its files are %s%s%s\n", shown(name),
		       strcmp(files, "deleted") == 0 ? "deleted"
		       : removal->keep_home	     ? "kept aside"
						     : "kept aside for the grace period of this host",
		       why[0] != '\0' ? "; " : "", shown(why));
}

int command_remove(int argc, char **argv)
{
	struct removal removal = {0};
	json_t *parameters, *reply;
	int status = removal_options(argc, argv, &removal);

	if (status < 0)
		return -1 - status;
	status = operands_check("remove", argc, 1, 1);
	if (status == STATUS_DONE)
		status = name_parameters(argv[optind], &parameters);
	if (status != STATUS_DONE)
		return status;
	if (!removal.yes && !confirmed(argv[optind], removal.purge)) {
		json_decref(parameters);
		complain(argv[optind], "not removed", "");
		return STATUS_FAILED;
	}
	json_object_set_new(parameters, "keepHome", json_boolean(removal.keep_home));
	json_object_set_new(parameters, "purge", json_boolean(removal.purge));
	status = call("Remove", parameters, &reply);
	if (status != STATUS_DONE)
		return status;
	if (common.json)
		status = print_json(reply);
	else
		print_removed(argv[optind], &removal, reply);
	json_decref(reply);
	return status;
}
