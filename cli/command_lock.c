/* SPDX-License-Identifier: ISC */
/* Commands on one account as a whole: lock, unlock, freeze, thaw, kill, mount, remove. */
#include "cli/subuid.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/print.h"

/* Calls the method with NAME; prints the account, or what is done with it. `would`: that of a dry run. */
static int on_account(const char *name, const char *method, const char *done, const char *would, int argc, char **argv)
{
	json_t *parameters, *account;
	int status = name_operand(name, argc, argv, &parameters);

	if (status < 0)
		return -1 - status;
	status = call_told(method, parameters, "account", &account);
	if (account != NULL)
		printf("%s %s; its files: %s\n", shown(json_text(account, "name")), common.dry_run ? would : done,
		       shown(json_text(account, "link")));
	json_decref(account);
	return status;
}

int command_lock(int argc, char **argv)
{
	return on_account("lock", "Lock", "is locked and its sessions have ended",
			  "would be locked and its sessions ended", argc, argv);
}

int command_unlock(int argc, char **argv)
{
	return on_account("unlock", "Unlock", "is unlocked", "would be unlocked", argc, argv);
}

int command_freeze(int argc, char **argv)
{
	return on_account("freeze", "Freeze", "is frozen: what it runs stands still",
			  "would be frozen, and what it runs stopped", argc, argv);
}

int command_thaw(int argc, char **argv)
{
	return on_account("thaw", "Thaw", "is thawed: what it ran goes on", "would be thawed", argc, argv);
}

static void print_killed(const char *name, uint64_t processes)
{
	if (common.dry_run)
		printf("%s: what it runs would be ended\n", shown(name));
	else if (processes == 0)
		printf("%s: nothing of it ran\n", shown(name));
	else
		printf("%s: %llu process%s ended\n", shown(name), (unsigned long long)processes,
		       processes == 1 ? "" : "es");
}

int command_kill(int argc, char **argv)
{
	json_t *parameters, *reply;
	int c, status = STATUS_DONE;
	bool now = false;

	while ((c = option_next("kill", argc, argv, &status)) > 0)
		now = true;
	if (c < 0)
		return status;
	status = name_parameters(argv[optind], &parameters);
	if (status != STATUS_DONE)
		return status;
	json_object_set_new(parameters, "now", json_boolean(now));
	status = call_told("Kill", parameters, NULL, &reply);
	if (reply != NULL)
		print_killed(argv[optind], json_number(reply, "processes"));
	json_decref(reply);
	return status;
}

int command_mount(int argc, char **argv)
{
	return on_account("mount", "Mount", "is mounted", NULL, argc, argv);
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
	int c, status = STATUS_DONE;

	while ((c = option_next("remove", argc, argv, &status)) > 0) {
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

static void print_pending(const char *name, const char *why)
{
	printf("%s is removed; its files are not deleted yet (pending): %s\n", shown(name),
	       why[0] != '\0' ? shown(why) : "they are being deleted");
}

/* And the command that takes it back. */
static void print_kept(const char *name, const json_t *reply)
{
	int64_t until = (int64_t)json_number(reply, "until");

	if (until != 0)
		printf("%s is removed; its files are kept aside until %s\n", shown(name), time_text(until));
	else
		printf("%s is removed; its files are kept aside\n", shown(name));
	printf("%s takes it back, with its keys and settings:\n  subuid restore %s\n",
	       until != 0 ? "until then this" : "this", shown(name));
}

static void print_removed(const char *name, const struct removal *removal, const json_t *reply)
{
	const char *files = json_text(reply, "files"), *why = json_text(reply, "why");

	if (common.dry_run) {
		printf("%s would be removed, and its files %s\n", shown(name),
		       strcmp(files, "deleted") == 0 ? "deleted" :
		       removal->keep_home            ? "kept aside" :
						       "kept aside for the grace period of this host");
		return;
	}
	if (strcmp(files, "pending") == 0) {
		print_pending(name, why);
		return;
	}
	if (json_is_true(json_object_get(reply, "restorable")))
		print_kept(name, reply);
	else
		printf("%s is removed; %s\n", shown(name),
		       strcmp(files, "deleted") == 0 ? "its files are deleted" : "it had no files any more");
	if (why[0] != '\0')
		printf("%s\n", shown(why));
}

int command_remove(int argc, char **argv)
{
	struct removal removal = { 0 };
	json_t *parameters, *reply;
	int status = removal_options(argc, argv, &removal);

	if (status < 0)
		return -1 - status;
	status = name_parameters(argv[optind], &parameters);
	if (status != STATUS_DONE)
		return status;
	if (!removal.yes && !common.dry_run && !confirmed(argv[optind], removal.purge)) {
		json_decref(parameters);
		complain(argv[optind], "not removed", "");
		return STATUS_FAILED;
	}
	json_object_set_new(parameters, "keepHome", json_boolean(removal.keep_home));
	json_object_set_new(parameters, "purge", json_boolean(removal.purge));
	status = call_told("Remove", parameters, NULL, &reply);
	if (reply != NULL)
		print_removed(argv[optind], &removal, reply);
	json_decref(reply);
	return status;
}
