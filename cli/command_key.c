/* SPDX-License-Identifier: ISC */
/* `subuid key add`, `key list` and `key remove`; the others are in command_key_change.c. */
#include "cli/subuid.h"

#include <string.h>
#include <time.h>

#include "account/date.h"
#include "account/password.h"
#include "cli/key.h"
#include "cli/new_key.h"
#include "cli/options.h"
#include "cli/print.h"
#include "cli/rows.h"

int key_expires(const char *text, int64_t *expires)
{
	if (option_time(text, time(NULL), expires) < 0)
		return usage_error(text, "not a future day or minute",
				   "for example 2031-12-31, 2031-12-31T18:00, +30d or +12h");
	return STATUS_DONE;
}

int key_options(const char *command, int comment, int argc, char **argv, struct new_key *key)
{
	int c, status = STATUS_DONE;

	while ((c = option_next(command, argc, argv, &status)) > 0) {
		if (new_key_option(key, c, optarg))
			continue;
		if (c == comment)
			key->comment = optarg;
		else
			status = key_expires(optarg, &key->expires);
		if (status != STATUS_DONE)
			return -1 - status;
	}
	return c < 0 ? -1 - status : STATUS_DONE;
}

static void print_added(const json_t *added, const char *label, const struct new_key *key)
{
	printf("%skey %llu of %s: %s, %s\n", common.dry_run ? "would be added: " : "",
	       (unsigned long long)json_number(added, "id"), shown(json_text(added, "account")),
	       shown(json_text(added, "role")), shown(json_text(added, "fingerprint")));
	if (!common.dry_run)
		client_print(json_text(added, "account"), label, json_number(added, "id"), key);
}

static int key_add(int argc, char **argv)
{
	struct new_key key = { .file = "-" };
	json_t *parameters, *parameter, *added;
	int status = key_options("key add", 'c', argc, argv, &key);

	if (status < 0)
		return -1 - status;
	if (argc - optind == 2)
		key.file = argv[optind + 1];
	status = name_parameters(argv[optind], &parameters);
	if (status != STATUS_DONE)
		return status;
	status = new_key_json(&key, &parameter);
	if (status != STATUS_DONE) {
		json_decref(parameters);
		return status;
	}

	char label[LABEL_MAX + 1];

	snprintf(label, sizeof(label), "%s", json_text(parameters, "label"));
	json_object_set_new(parameters, "key", parameter);
	status = call_told("KeyAdd", parameters, "key", &added);
	if (added != NULL)
		print_added(added, label, &key);
	json_decref(added);
	return status;
}

/* Keys alone, or passwords alone. */
static json_t *keys_chosen(const json_t *all, bool passwords)
{
	json_t *chosen = json_array(), *key;
	size_t i;

	json_array_foreach(all, i, key)
		if ((strcmp(json_text(key, "type"), PASSWORD_TYPE) == 0) == passwords)
			json_array_append(chosen, key);
	return chosen;
}

int key_list_of(const char *name, int argc, char **argv, bool passwords)
{
	json_t *parameters, *all = NULL, *chosen = NULL;
	int status = name_operand(name, argc, argv, &parameters);

	if (status < 0)
		return -1 - status;
	status = call_list_most("KeyList", parameters, "key", UINT64_MAX, &all);
	if (status == STATUS_DONE) {
		chosen = keys_chosen(all, passwords);
		status = common.json ? print_json(chosen) : print_keys(chosen);
	}
	json_decref(all);
	json_decref(chosen);
	return status;
}

static int key_list(int argc, char **argv)
{
	return key_list_of("key list", argc, argv, false);
}

int key_which(const char *which, json_t *parameters)
{
	uint64_t id;

	if (strncmp(which, "SHA256:", 7) == 0)
		json_object_set_new(parameters, "fingerprint", json_string(which));
	else if (option_number(which, 1, UINT32_MAX, &id) == 0)
		json_object_set_new(parameters, "id", json_integer((json_int_t)id));
	else
		return usage_error(which, "neither the id nor the fingerprint of a key",
				   "`subuid key list NAME` shows both");
	return STATUS_DONE;
}

int key_remove_of(const char *name, const char *what, int argc, char **argv)
{
	json_t *parameters, *reply;
	int status = name_operand(name, argc, argv, &parameters);

	if (status < 0)
		return -1 - status;

	const char *which = argv[optind + 1];

	status = key_which(which, parameters);
	if (status != STATUS_DONE) {
		json_decref(parameters);
		return status;
	}
	status = call_told("KeyRemove", parameters, NULL, &reply);
	if (reply != NULL)
		printf(common.dry_run ? "would be removed: %s %s of %s\n" : "%s %s of %s is removed\n", what,
		       shown(which), shown(argv[optind]));
	json_decref(reply);
	return status;
}

static int key_remove(int argc, char **argv)
{
	return key_remove_of("key remove", "key", argc, argv);
}

int command_key(int argc, char **argv)
{
	static const struct subcommand commands[] = {
		{ "add", key_add },       { "list", key_list },     { "change", key_change },
		{ "rotate", key_rotate }, { "remove", key_remove }, { NULL, NULL },
	};

	return subcommand_run(commands, "key", argc, argv);
}
