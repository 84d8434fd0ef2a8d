/* SPDX-License-Identifier: ISC */
#include "cli/subuid.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "account/date.h"
#include "account/name.h"
#include "cli/new_key.h"
#include "cli/facts.h"
#include "cli/options.h"
#include "cli/print.h"

static const char help[] = "usage: subuid add LABEL [OPTION]...\n"
			   "Makes the sub-account LABEL of yours: an id, a home, a link to it below your home,\n"
			   "and, with --key, a key that may back up to it and do nothing else. May be repeated:\n"
			   "an equal account that is there already is fine, a different one is an error.\n"
			   "A home, view or link of it that is gone is made again.\n\n"
			   "  --key FILE|-      the public half of the server's ssh key\n"
			   "  --role ROLES      with commas between: push (default), blind, pull or sync for rsync;\n"
			   "                    sftp, borg, restic or another tool; forward\n"
			   "  --forward HOST:PORT  it may forward to this one address\n"
			   "  --append-only     it may add and not change or delete what is there\n"
			   "  --read-only       it may read\n"
			   "  --storage-quota SIZE  of one repository (borg)\n"
			   "  --from PATTERNS   from where: addresses, networks, names, as from= in sshd(8)\n"
			   "  --no-delete       it may not delete what is there\n"
			   "  --no-overwrite    it may not change what is there\n"
			   "  --no-fake-super   owners and modes as plain rsync sets them\n"
			   "  --range N         N subordinate ids for containers, rounded up to 65536\n"
			   "  --quota SIZE      of its files: 500M, 10G, 1T\n"
			   "  --files N|none    names in it at the most (inodes); without: from the quota\n"
			   "  --view theirs|owner  how you see its files: as another user's, or as your own\n"
			   "  --expires DATE    unusable from that day on: YYYY-MM-DD, +30d, +4w\n"
			   "  --comment TEXT\n"
			   "  --owner NAME      of this owner (root and administrators)\n"
			   "  --json            {account, created, command, mended}\n";

struct arguments {
	const char *owner, *comment;
	const char *range, *quota, *expires, *files, *view;
	struct new_key key;
};

static const struct option options[] = {
	{"owner", required_argument, NULL, 'o'},
	{"key", required_argument, NULL, 'k'},
	NEW_KEY_OPTIONS,
	{"range", required_argument, NULL, 'R'},
	{"quota", required_argument, NULL, 'q'},
	{"files", required_argument, NULL, 'N'},
	{"view", required_argument, NULL, 'v'},
	{"expires", required_argument, NULL, 'e'},
	{"comment", required_argument, NULL, 'c'},
	COMMON_OPTIONS,
};

static int parse_options(int argc, char **argv, struct arguments *arguments)
{
	int c, status = STATUS_DONE;

	while ((c = option_next("add", help, argc, argv, options, &status)) > 0) {
		if (new_key_option(&arguments->key, c, optarg))
			continue;
		switch (c) {
		case 'o':
			arguments->owner = optarg;
			break;
		case 'k':
			arguments->key.file = optarg;
			break;
		case 'R':
			arguments->range = optarg;
			break;
		case 'q':
			arguments->quota = optarg;
			break;
		case 'N':
			arguments->files = optarg;
			break;
		case 'v':
			arguments->view = optarg;
			break;
		case 'e':
			arguments->expires = optarg;
			break;
		case 'c':
			arguments->comment = optarg;
			break;
		}
	}
	return c < 0 ? -1 - status : STATUS_DONE;
}

/* Values that have a form of their own on the command line, as the interface takes them. */
static int put_values(const struct arguments *arguments, json_t *parameters)
{
	uint64_t number;
	int32_t day;
	char date[DATE_TEXT_MAX + 1];

	if (arguments->range != NULL) {
		if (option_number(arguments->range, 1, UINT32_MAX - 1, &number) < 0)
			return usage_error(arguments->range, "not a number of ids", "for example --range 65536");
		json_object_set_new(parameters, "range", json_integer((json_int_t)number));
	}
	if (arguments->quota != NULL) {
		if (option_size(arguments->quota, &number) < 0)
			return usage_error(arguments->quota, "not a size", "for example --quota 10G");
		if (number != 0)
			json_object_set_new(parameters, "quota", json_integer((json_int_t)number));
	}
	if (arguments->files != NULL && facts_put_files(parameters, arguments->files) != STATUS_DONE)
		return STATUS_USAGE;
	if (arguments->view != NULL && facts_put_view(parameters, arguments->view) != STATUS_DONE)
		return STATUS_USAGE;
	if (arguments->expires != NULL) {
		if (option_date(arguments->expires, time(NULL) / SECONDS_PER_DAY, &day) < 0)
			return usage_error(arguments->expires, "not a day to come",
					   "for example 2031-12-31 or +30d");
		if (day >= 0 && date_format(day, date) == 0)
			json_object_set_new(parameters, "expires", json_string(date));
	}
	return STATUS_DONE;
}

static int parameters_of(const struct arguments *arguments, const char *label, json_t **ret)
{
	const struct new_key *key = &arguments->key;
	json_t *parameter = NULL;

	if (!label_valid(label))
		return usage_error(label[0] ? label : "LABEL", "not a label",
				   "1 to 31 of a-z, 0-9, _ and -, starting with a letter or digit; the owner is named by --owner");
	if (key->file == NULL && (key->role != NULL || key->from != NULL || key->options != 0 || key->forward != NULL ||
				  key->quota != NULL))
		return usage_error(label, "role, from, forward and what it may not do are a key's", "give one with --key FILE");

	json_t *parameters = json_pack("{s:s, s:s*, s:s*}", "label", label, "owner", arguments->owner, "comment",
				       arguments->comment);

	if (parameters == NULL)
		return usage_error(label, "owner or comment is not UTF-8", "");

	int status = put_values(arguments, parameters);

	if (status == STATUS_DONE && key->file != NULL) {
		status = new_key_json(key, &parameter);
		if (status == STATUS_DONE)
			json_object_set_new(parameters, "key", parameter);
	}
	if (status == STATUS_DONE)
		*ret = parameters;
	else
		json_decref(parameters);
	return status;
}

static int print_added_json(json_t *reply, const char *name, const char *label, const struct new_key *key)
{
	char *command = key->file != NULL ? client_command(name, label, key) : NULL;

	if (command != NULL)
		json_object_set_new(reply, "command", json_string(command));
	free(command);
	return print_json(reply);
}

/* Whoever finds an empty home where a full one was has to be told. */
static void print_mended(const json_t *mended)
{
	const json_t *part;
	bool home = false;
	size_t i;

	fputs("Made again: ", stdout);
	json_array_foreach(mended, i, part)
	{
		const char *name = json_string_value(part);

		home |= name != NULL && strcmp(name, "home") == 0;
		printf("%s%s", i > 0 ? ", " : "", shown(name != NULL ? name : "?"));
	}
	puts(home ? ". The home was gone, and is empty now." : ".");
}

static int print_added(json_t *reply, const char *label, const struct new_key *key)
{
	const json_t *account = json_object_get(reply, "account"), *mended;
	const char *name = json_text(account, "name");

	if (common.json)
		return print_added_json(reply, name, label, key);
	facts_warn_view(account);
	mended = json_object_get(reply, "mended");
	printf("%s, uid %llu, %s.\n", shown(name), (unsigned long long)json_number(account, "uid"),
	       json_is_true(json_object_get(reply, "created")) ? "is ready" : "already exists, unchanged");
	if (json_array_size(mended) > 0)
		print_mended(mended);
	printf("You see its files in %s\n", shown(json_text(account, "link")));
	if (key->file != NULL)
		client_print(name, label, key);
	else
		printf("No key was given. To add one: subuid key add %s FILE\n", shown(label));
	return STATUS_DONE;
}

int command_add(int argc, char **argv)
{
	struct arguments arguments = {0};
	json_t *parameters = NULL, *reply = NULL;
	int status = parse_options(argc, argv, &arguments);

	if (status < 0)
		return -1 - status;
	status = operands_check("add", argc, 1, 1);
	if (status == STATUS_DONE)
		status = parameters_of(&arguments, argv[optind], &parameters);
	if (status == STATUS_DONE)
		status = call("Add", parameters, &reply);
	if (status != STATUS_DONE)
		return status;
	status = print_added(reply, argv[optind], &arguments.key);
	json_decref(reply);
	return status;
}
