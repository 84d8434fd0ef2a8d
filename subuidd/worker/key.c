/* SPDX-License-Identifier: ISC */
/* A key as a peer gives it (NewKey of the interface). */
#include "subuidd/worker/field.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "account/key.h"
#include "account/role.h"
#include "subuidd/worker/record_json.h"

static int key_options_of(json_t *object, uint32_t *options, struct failure_text *failure)
{
	json_t *list = field_member(object, "options"), *option;
	size_t i;

	if (list == NULL)
		return 0;
	if (!json_is_array(list))
		return field_invalid(failure, "key.options", "not a list", "");
	json_array_foreach(list, i, option)
	{
		uint32_t bit = 0;

		if (!json_is_string(option) || key_option_parse(json_string_value(option), &bit) < 0)
			return field_invalid(failure, "key.options", "an option that there is not",
					     "there are no-delete, no-overwrite, no-fake-super, "
					     "append-only and read-only");
		*options |= bit;
	}
	return 0;
}

static int key_from_of(json_t *object, char *from, struct failure_text *failure)
{
	const char *text = NULL;
	int r = member_text(object, "from", &text, failure);

	if (r <= 0 || text[0] == '\0')
		return r < 0 ? r : 0;
	if (strlen(text) > FROM_MAX || from_valid(text) == 0)
		return field_invalid(
			failure, "key.from", "not a list of addresses",
			"addresses, networks or host patterns with commas between, as from= in sshd(8)");
	field_put(from, text);
	return 0;
}

/* The list of roles and the address that `forward` in it is for: one is not without the other. */
static int key_role_of(json_t *object, struct ssh_key *key, struct failure_text *failure)
{
	const char *text = "push", *forward = "";
	struct roles roles;
	int r = member_text(object, "role", &text, failure);

	if (r >= 0)
		r = member_text(object, "forward", &forward, failure);
	if (r < 0)
		return r;
	if (roles_parse(text, &roles) < 0)
		return field_invalid(failure, "key.role", "not a role, nor a list of roles",
				     "one of push, blind, pull and sync, tools like sftp, borg and restic, and "
				     "forward, with commas between");
	if (roles.forward != (forward[0] != '\0'))
		return field_invalid(failure, "key.forward", "the role forward and an address belong together",
				     "give both or none");
	if (roles.forward && !forward_valid(forward))
		return field_invalid(failure, "key.forward", "not HOST:PORT", "one host and one port, no pattern");
	key->role = roles.role;
	field_put(key->tools, roles.tools);
	field_put(key->forward, forward);
	return 0;
}

/* A member that nobody reads would be a restriction that is not kept. */
static int key_members_known(json_t *object, struct failure_text *failure)
{
	static const char *const known[] = {"key",  "role",    "options",     "from",
					   "expires", "forward", "storageQuota"};
	const char *name;
	json_t *value;

	json_object_foreach(object, name, value)
	{
		bool found = false;

		for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
			found = found || strcmp(name, known[i]) == 0;
		if (!found)
			return field_invalid(failure, "key", "a member that a key has not",
					     "a key has key, role, options, from, expires, forward and storageQuota");
	}
	return 0;
}

static int key_line_of(json_t *object, struct ssh_key *key, struct failure_text *failure)
{
	const char *line = NULL;
	int r = member_text(object, "key", &line, failure);

	if (r < 0)
		return r;
	if (r == 0)
		return field_invalid(failure, "key", "no public key in it",
				     "give the line of the .pub file as its member `key`");

	/* Parsed apart: key_parse() promises ended strings, the wire wants them padded too. */
	struct ssh_key parsed = {0};
	enum key_error error = key_parse(line, strlen(line), &parsed);

	if (error != KEY_OK)
		return field_invalid(failure, "key", key_error_text(error), key_error_todo(error));
	field_put(key->type, parsed.type);
	field_put(key->blob, parsed.blob);
	field_put(key->comment, parsed.comment);
	return 0;
}

int field_key(json_t *parameters, struct ssh_key *key, struct failure_text *failure)
{
	json_t *object = field_member(parameters, "key");
	uint32_t set = 0;
	int r;

	if (object == NULL)
		return 0;
	if (!json_is_object(object))
		return field_invalid(failure, "key", "not an object", "");
	r = key_members_known(object, failure);
	if (r == 0)
		r = key_line_of(object, key, failure);
	if (r == 0)
		r = key_role_of(object, key, failure);
	if (r == 0)
		r = key_options_of(object, &key->options, failure);
	if (r == 0)
		r = key_from_of(object, key->from, failure);
	if (r == 0)
		r = record_parse(&key_record, object, key, &set, failure);
	return r < 0 ? r : 1;
}
