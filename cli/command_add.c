/* SPDX-License-Identifier: ISC */
/* `subuid add`: makes a sub-account and prints what to paste on the machine that holds the private key. */
#include "cli/subuid.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "account/name.h"
#include "cli/new_key.h"
#include "cli/facts.h"
#include "cli/options.h"
#include "cli/print.h"

struct arguments {
	const char *owner, *range;
	json_t *facts; /* owned */
	struct new_key key;
};

static int parse_options(int argc, char **argv, struct arguments *arguments)
{
	int c, status = STATUS_DONE;

	while (status == STATUS_DONE && (c = option_next("add", argc, argv, &status)) > 0) {
		if (new_key_option(&arguments->key, c, optarg) || facts_option(c, optarg, arguments->facts, &status))
			continue;
		if (c == 'o')
			arguments->owner = optarg;
		else if (c == 'k')
			arguments->key.file = optarg;
		else
			arguments->range = optarg;
	}
	return status != STATUS_DONE || c < 0 ? -1 - status : STATUS_DONE;
}

static int put_range(const char *range, json_t *parameters)
{
	uint64_t number;

	if (range == NULL)
		return STATUS_DONE;
	if (option_number(range, 1, UINT32_MAX - 1, &number) < 0)
		return usage_error(range, "not a number of ids", "for example --range 65536");
	json_object_set_new(parameters, "range", json_integer((json_int_t)number));
	return STATUS_DONE;
}

static int parameters_of(const struct arguments *arguments, const char *label, json_t **ret)
{
	const struct new_key *key = &arguments->key;
	json_t *parameter = NULL;

	if (!label_valid(label))
		return usage_error(label[0] ? label : "LABEL", "not a label",
				   "use 1 to 31 of a-z, 0-9, _ and -, starting with a letter or digit; name the owner "
				   "with --owner");
	if (key->file == NULL && (key->role != NULL || key->from != NULL || key->options != 0 || key->forward != NULL ||
				  key->command != NULL || key->net != NULL || key->quota != NULL))
		return usage_error(label, "role, from, forward and restrictions belong to a key",
				   "give one with --key FILE");

	json_t *parameters = json_pack("{s:s, s:s*}", "label", label, "owner", arguments->owner);

	if (parameters == NULL)
		return usage_error(label, "the owner is not UTF-8", "");
	json_object_update(parameters, arguments->facts);

	int status = put_range(arguments->range, parameters);

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

/* Tells the user that the home is empty, although it had data before. */
static void print_mended(const json_t *mended)
{
	const json_t *part;
	bool home = false;
	size_t i;

	fputs(common.dry_run ? "Would be made again: " : "Made again: ", stdout);
	json_array_foreach(mended, i, part) {
		const char *name = json_string_value(part);

		home |= name != NULL && strcmp(name, "home") == 0;
		printf("%s%s", i > 0 ? ", " : "", shown(name != NULL ? name : "?"));
	}
	puts(home && !common.dry_run ? ". The home was gone, and is empty now." : ".");
}

static int print_would(const json_t *account)
{
	printf("would be made: %s, uid %llu, home %s, link %s\n", shown(json_text(account, "name")),
	       (unsigned long long)json_number(account, "uid"), shown(json_text(account, "home")),
	       shown(json_text(account, "link")));
	return STATUS_DONE;
}

static int print_added(json_t *reply, const char *label, const struct new_key *key)
{
	const json_t *account = json_object_get(reply, "account"), *mended;
	const char *name = json_text(account, "name");

	if (common.json)
		return print_added_json(reply, name, label, key);
	facts_warn_view(account);
	if (common.dry_run && json_is_true(json_object_get(reply, "created")))
		return print_would(account);
	mended = json_object_get(reply, "mended");
	printf("%s, uid %llu, %s.\n", shown(name), (unsigned long long)json_number(account, "uid"),
	       json_is_true(json_object_get(reply, "created")) ? "is ready" : "already exists, unchanged");
	if (json_array_size(mended) > 0)
		print_mended(mended);
	if (common.dry_run)
		return STATUS_DONE;
	printf("You see its files in %s\n", shown(json_text(account, "link")));
	if (key->file != NULL)
		client_print(name, label, 0, key);
	else
		printf("No key was given. To add one: subuid key add %s FILE\n", shown(label));
	return STATUS_DONE;
}

int command_add(int argc, char **argv)
{
	struct arguments arguments = { .facts = json_object() };
	json_t *parameters = NULL, *reply = NULL;
	int status = parse_options(argc, argv, &arguments);

	if (status < 0) {
		json_decref(arguments.facts);
		return -1 - status;
	}
	status = parameters_of(&arguments, argv[optind], &parameters);
	json_decref(arguments.facts);
	if (status == STATUS_DONE)
		status = call_change("Add", parameters, &reply);
	if (status != STATUS_DONE)
		return status;
	status = print_added(reply, argv[optind], &arguments.key);
	json_decref(reply);
	return status;
}
