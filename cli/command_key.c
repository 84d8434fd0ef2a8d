/* SPDX-License-Identifier: ISC */
/* `subuid key add`, `key list` and `key remove`. */
#include "cli/subuid.h"

#include <string.h>
#include <time.h>

#include "account/date.h"
#include "cli/new_key.h"
#include "cli/options.h"
#include "cli/print.h"
#include "cli/rows.h"

static const char help[] = "usage: subuid key add NAME [FILE|-] [OPTION]...\n"
			   "       subuid key list NAME [--json]\n"
			   "       subuid key remove NAME ID|FINGERPRINT [--json]\n"
			   "The ssh keys of an account. FILE is a public key; without it, standard input. A key\n"
			   "that was removed is refused from the next login on.\n\n"
			   "  --role ROLES      with commas between: push (default), blind, pull or sync for rsync;\n"
			   "                    sftp, borg, restic or another tool; forward\n"
			   "  --forward HOST:PORT  it may forward to this one address\n"
			   "  --append-only     it may add and not change or delete what is there\n"
			   "  --read-only       it may read\n"
			   "  --storage-quota SIZE  of one repository (borg)\n"
			   "  --from PATTERNS   from where: addresses, networks, names, as from= in sshd(8)\n"
			   "  --expires DATE    refused from that day (UTC) on: YYYY-MM-DD, +30d, +4w\n"
			   "  --comment TEXT    instead of the one in FILE\n"
			   "  --no-delete       it may not delete what is there\n"
			   "  --no-overwrite    it may not change what is there\n"
			   "  --no-fake-super   owners and modes as plain rsync sets them\n"
			   "  --json            the key, or a list of keys\n";

static const struct option add_options[] = {
	NEW_KEY_OPTIONS,
	{"expires", required_argument, NULL, 'e'},
	{"comment", required_argument, NULL, 'c'},
	COMMON_OPTIONS,
};

static int set_expires(struct new_key *key, const char *text)
{
	int32_t day;

	if (option_date(text, time(NULL) / SECONDS_PER_DAY, &day) < 0)
		return usage_error(text, "not a day to come", "for example 2031-12-31 or +30d");
	key->expires = day < 0 ? 0 : (int64_t)day * SECONDS_PER_DAY;
	return STATUS_DONE;
}

static int add_options_parse(int argc, char **argv, struct new_key *key)
{
	int c, status = STATUS_DONE;

	while ((c = option_next("key", help, argc, argv, add_options, &status)) > 0) {
		if (new_key_option(key, c, optarg))
			continue;
		if (c == 'c')
			key->comment = optarg;
		else
			status = set_expires(key, optarg);
		if (status != STATUS_DONE)
			return -1 - status;
	}
	return c < 0 ? -1 - status : STATUS_DONE;
}

static int print_added(json_t *reply, const char *label, const struct new_key *key)
{
	json_t *added = json_object_get(reply, "key");

	if (common.json)
		return print_json(added);
	printf("key %llu of %s: %s, %s\n", (unsigned long long)json_number(added, "id"),
	       shown(json_text(added, "account")), shown(json_text(added, "role")),
	       shown(json_text(added, "fingerprint")));
	client_print(json_text(added, "account"), label, key);
	return STATUS_DONE;
}

static int key_add(int argc, char **argv)
{
	struct new_key key = {.file = "-"};
	json_t *parameters, *parameter, *reply;
	int status = add_options_parse(argc, argv, &key);

	if (status < 0)
		return -1 - status;
	status = operands_check("key", argc, 1, 2);
	if (status != STATUS_DONE)
		return status;
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
	status = call("KeyAdd", parameters, &reply);
	if (status != STATUS_DONE)
		return status;
	status = print_added(reply, label, &key);
	json_decref(reply);
	return status;
}

/* NAME and so many other operands, no options of its own. */
static int plain_operands(int argc, char **argv, int operands, json_t **parameters)
{
	static const struct option options[] = {COMMON_OPTIONS};
	int status = STATUS_DONE;

	if (option_next("key", help, argc, argv, options, &status) < 0)
		return -1 - status;
	status = operands_check("key", argc, operands, operands);
	if (status == STATUS_DONE)
		status = name_parameters(argv[optind], parameters);
	return status == STATUS_DONE ? STATUS_DONE : -1 - status;
}

static int key_list(int argc, char **argv)
{
	json_t *parameters, *keys = NULL;
	int status = plain_operands(argc, argv, 1, &parameters);

	if (status < 0)
		return -1 - status;
	status = call_list("KeyList", parameters, "key", &keys);
	if (status != STATUS_DONE)
		return status;
	status = common.json ? print_json(keys) : print_keys(keys);
	json_decref(keys);
	return status;
}

static int key_remove(int argc, char **argv)
{
	json_t *parameters, *reply;
	uint64_t id;
	int status = plain_operands(argc, argv, 2, &parameters);

	if (status < 0)
		return -1 - status;

	const char *which = argv[optind + 1];

	if (strncmp(which, "SHA256:", 7) == 0) {
		json_object_set_new(parameters, "fingerprint", json_string(which));
	} else if (option_number(which, 1, UINT32_MAX, &id) == 0) {
		json_object_set_new(parameters, "id", json_integer((json_int_t)id));
	} else {
		json_decref(parameters);
		return usage_error(which, "neither the id nor the fingerprint of a key",
				   "`subuid key list NAME` shows both");
	}
	status = call("KeyRemove", parameters, &reply);
	if (status != STATUS_DONE)
		return status;
	if (common.json)
		status = print_json(reply);
	else
		printf("key %s of %s is removed\n", shown(which), shown(argv[optind]));
	json_decref(reply);
	return status;
}

int command_key(int argc, char **argv)
{
	static const struct subcommand commands[] = {
		{"add", key_add},
		{"list", key_list},
		{"remove", key_remove},
		{NULL, NULL},
	};

	return subcommand_run(commands, "key", help, argc, argv);
}
