/* SPDX-License-Identifier: ISC */
/* `subuid key change` and `key rotate`: a key keeps its id, and there is no moment without a valid one. */
#include "cli/subuid.h"

#include <string.h>

#include "cli/key.h"
#include "cli/new_key.h"
#include "cli/options.h"
#include "cli/print.h"

/* Only members that are given are in it. */
struct key_changes {
	struct new_key key;
	const char *expires;
	bool clear_options;
};

static int options_parse(int argc, char **argv, struct key_changes *changes)
{
	int c, status = STATUS_DONE;

	while ((c = option_next("key change", argc, argv, &status)) > 0) {
		if (new_key_option(&changes->key, c, optarg))
			continue;
		changes->clear_options |= c == 'C';
		if (c == 'c')
			changes->key.comment = optarg;
		if (c == 'e')
			changes->expires = optarg;
		if (c == 'e')
			status = key_expires(optarg, &changes->key.expires);
		if (status != STATUS_DONE)
			return -1 - status;
	}
	return c < 0 ? -1 - status : STATUS_DONE;
}

static int quota_put(const char *text, json_t *object)
{
	uint64_t quota = 0;

	if (option_size(text, &quota) < 0)
		return usage_error(text, "not a size", "for example --storage-quota 100G, or none");
	json_object_set_new(object, "storageQuota", json_integer((json_int_t)quota));
	return STATUS_DONE;
}

/* The member `key` of the call: a ChangedKey of the interface. */
static int changes_json(const struct key_changes *changes, json_t **object)
{
	const struct new_key *key = &changes->key;
	int status = STATUS_DONE;

	*object = json_pack("{s:s*, s:s*, s:s*, s:s*, s:s*, s:s*}", "role", key->role, "from", key->from, "forward",
			    key->forward, "command", key->command, "net", key->net, "comment", key->comment);
	if (*object == NULL)
		return usage_error("key", "its role, from, command or comment is not UTF-8", "");
	if (key->options != 0)
		json_object_set_new(*object, "options", new_key_options(key->options));
	if (changes->expires != NULL)
		json_object_set_new(*object, "expires", json_integer(key->expires));
	if (key->quota != NULL)
		status = quota_put(key->quota, *object);
	if (status != STATUS_DONE)
		json_decref(*object);
	return status;
}

static int change_call(json_t *parameters, const char *done)
{
	json_t *key;
	int status = call_told("KeyChange", parameters, "key", &key);

	if (key != NULL)
		printf("key %llu of %s %s %s: %s, %s\n", (unsigned long long)json_number(key, "id"),
		       shown(json_text(key, "account")), common.dry_run ? "would be" : "is", done,
		       shown(json_text(key, "role")), shown(json_text(key, "fingerprint")));
	json_decref(key);
	return status;
}

/* NAME and the key: the parameters, or -1 - status. */
static int operands(char **argv, json_t **parameters)
{
	int status = name_parameters(argv[optind], parameters);

	if (status == STATUS_DONE) {
		status = key_which(argv[optind + 1], *parameters);
		if (status != STATUS_DONE)
			json_decref(*parameters);
	}
	return status == STATUS_DONE ? STATUS_DONE : -1 - status;
}

int key_change(int argc, char **argv)
{
	struct key_changes changes = { 0 };
	json_t *parameters, *object;
	int status = options_parse(argc, argv, &changes);

	if (status < 0)
		return -1 - status;
	status = operands(argv, &parameters);
	if (status < 0)
		return -1 - status;
	status = changes_json(&changes, &object);
	if (status != STATUS_DONE) {
		json_decref(parameters);
		return status;
	}
	json_object_set_new(parameters, "key", object);
	if (changes.clear_options)
		json_object_set_new(parameters, "clearOptions", json_true());
	return change_call(parameters, "changed");
}

int key_rotate(int argc, char **argv)
{
	json_t *parameters, *line = NULL;
	int status = STATUS_DONE;

	if (option_next("key rotate", argc, argv, &status) < 0)
		return status;
	status = operands(argv, &parameters);
	if (status < 0)
		return -1 - status;
	status = new_key_line(argc - optind == 3 ? argv[optind + 2] : "-", "", &line);
	if (status != STATUS_DONE) {
		json_decref(parameters);
		return status;
	}
	json_object_set_new(parameters, "key", json_pack("{s:o}", "key", line));
	return change_call(parameters, "rotated");
}
