/* SPDX-License-Identifier: ISC */
/*
 * JSON parameters into requests, record by record. Run by the worker on what an untrusted peer
 * wrote; the types of top-level members have been checked by the table of the
 * method (serve.c), but nothing here depends on that.
 */
#include "worker/worker.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "account/key.h"
#include "account/password.h"
#include "account/role.h"
#include "worker/field.h"
#include "worker/password.h"
#include "worker/record_json.h"

/* ---- a key ---- */

static int key_options_of(json_t *object, uint32_t *options, struct failure_text *failure)
{
	json_t *list = field_member(object, "options"), *option;
	size_t i;

	if (list == NULL)
		return 0;
	if (!json_is_array(list))
		return field_invalid(failure, "key.options", "not a list", "");
	json_array_foreach(list, i, option) {
		uint32_t bit = 0;

		if (!json_is_string(option) || key_option_parse(json_string_value(option), &bit) < 0)
			return field_invalid(failure, "key.options", "unknown option",
					     "there are no-delete, no-overwrite, no-fake-super, "
					     "append-only, read-only and tty");
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
		return field_invalid(failure, "key.from", "not a list of addresses",
				     "addresses, networks or host patterns with commas between, as from= in sshd(8)");
	field_put(from, text);
	return 0;
}

static int key_roles_parse(const char *text, struct ssh_key *key, bool *forward, struct failure_text *failure)
{
	struct roles roles;

	if (roles_parse(text, &roles) < 0)
		return field_invalid(failure, "key.role", "not a role, nor a list of roles",
				     "one of push, blind, pull and sync, tools like sftp, borg and restic, shell or "
				     "command, and forward, with commas between");
	key->role = roles.role;
	field_put(key->tools, roles.tools);
	*forward = roles.forward;
	return 0;
}

static int key_forward_put(const char *forward, struct ssh_key *key, struct failure_text *failure)
{
	if (forward[0] != '\0' && !forward_valid(forward))
		return field_invalid(failure, "key.forward", "not HOST:PORT", "one host and one port, no pattern");
	field_put(key->forward, forward);
	return 0;
}

/* The list of roles and the address that `forward` in it is for: one is not without the other. */
static int key_role_of(json_t *object, struct ssh_key *key, struct failure_text *failure)
{
	const char *text = "push", *forward = "";
	bool forwards = false;
	int r = member_text(object, "role", &text, failure);

	if (r >= 0)
		r = member_text(object, "forward", &forward, failure);
	if (r >= 0)
		r = key_roles_parse(text, key, &forwards, failure);
	if (r < 0)
		return r;
	if (forwards != (forward[0] != '\0'))
		return field_invalid(failure, "key.forward", "the role forward and an address belong together",
				     "give both or none");
	return key_forward_put(forward, key, failure);
}

/* A new list of roles has the address with it, the line and the ports; the address alone is another one, or none,
 * beside the roles that the key has. */
static int key_role_change_of(json_t *object, struct ssh_key *key, uint32_t *set, struct failure_text *failure)
{
	const char *text = NULL, *forward = "";
	bool forwards = false;
	int role = member_text(object, "role", &text, failure),
	    address = member_text(object, "forward", &forward, failure);
	int r = role < 0 ? role : address < 0 ? address : 0;

	if (r == 0 && role > 0)
		r = key_roles_parse(text, key, &forwards, failure);
	if (r < 0)
		return r;
	if (role > 0 && forwards != (forward[0] != '\0'))
		return field_invalid(failure, "key.forward", "the role forward and an address belong together",
				     "give both or none");
	*set |= role > 0 ? KEY_ROWS_ROLE | 1u << KEY_ROW_FORWARD | 1u << KEY_ROW_COMMAND | 1u << KEY_ROW_NET : 0;
	*set |= address > 0 ? 1u << KEY_ROW_FORWARD : 0;
	return key_forward_put(forward, key, failure);
}

/* A member that nobody reads would be a restriction that is not kept. */
static int key_members_known(json_t *object, bool change, struct failure_text *failure)
{
	static const char *const known[] = { "key",     "role",         "options", "from", "expires",
					     "forward", "storageQuota", "command", "net",  "comment" };
	const size_t count = sizeof(known) / sizeof(known[0]);
	const char *name;
	json_t *value;

	json_object_foreach(object, name, value) {
		bool found = !change && strcmp(name, "password") == 0;

		for (size_t i = 0; i < count; i++)
			found = found || strcmp(name, known[i]) == 0;
		if (!found)
			return field_invalid(failure, "key", "unknown member of a key",
					     change ? "members that can change: key, role, options, from, expires, "
						      "forward, command, net, storageQuota and comment" :
						      "a key has key, role, options, from, expires, forward, "
						      "command, net, storageQuota, password and comment");
	}
	return 0;
}

static int key_line_parse(const char *line, struct ssh_key *key, struct failure_text *failure)
{
	/* Parsed apart: key_parse() promises ended strings, the wire wants them padded too. */
	struct ssh_key parsed = { 0 };
	enum key_error error = key_parse(line, strlen(line), &parsed);

	if (error != KEY_OK)
		return field_invalid(failure, "key", key_error_text(error), key_error_todo(error));
	field_put(key->type, parsed.type);
	field_put(key->blob, parsed.blob);
	field_put(key->comment, parsed.comment);
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
	return key_line_parse(line, key, failure);
}

/* A comment that does not stand in the line of a key. As member_text(). */
static int key_comment_of(json_t *object, const char **comment, struct failure_text *failure)
{
	int r = member_text(object, "comment", comment, failure);

	return r > 0 && strlen(*comment) > COMMENT_MAX ?
		       field_invalid(failure, "key.comment", "too long", "at most 127 bytes") :
		       r;
}

static int key_password_of(json_t *object, struct ssh_key *key, struct failure_text *failure)
{
	const char *comment = "";
	int r;

	if (field_member(object, "key") != NULL)
		return field_invalid(failure, "key", "given together with password", "choose one");
	r = key_comment_of(object, &comment, failure);
	if (r < 0)
		return r;
	field_put(key->comment, comment);
	return worker_password_make(key, failure);
}

static int key_itself_of(json_t *object, struct ssh_key *key, struct failure_text *failure)
{
	json_t *password = field_member(object, "password");

	if (password != NULL && !json_is_boolean(password))
		return field_invalid(failure, "key.password", "neither true nor false", "");
	if (json_is_true(password))
		return key_password_of(object, key, failure);
	if (field_member(object, "comment") != NULL)
		return field_invalid(failure, "key", "a key has its comment in its line", "give it behind the key");
	return key_line_of(object, key, failure);
}

/* 1: there is such an object, 0: none, or -EINVAL. */
static int key_object_of(json_t *parameters, bool change, json_t **object, struct failure_text *failure)
{
	int r;

	*object = field_member(parameters, "key");
	if (*object == NULL)
		return 0;
	if (!json_is_object(*object))
		return field_invalid(failure, "key", "not an object", "");
	r = key_members_known(*object, change, failure);
	return r < 0 ? r : 1;
}

/* A NewKey: 1, 0 none, or -EINVAL. *key is 0 all over. */
static int key_new_of(json_t *parameters, struct ssh_key *key, struct failure_text *failure)
{
	json_t *object;
	uint32_t set = 0;
	int r = key_object_of(parameters, false, &object, failure);

	if (r <= 0)
		return r;
	r = key_itself_of(object, key, failure);
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

/* The comment of the new key's line is not taken: the key keeps its own, unless another one is given. */
static int key_texts_change_of(json_t *object, struct ssh_key *key, uint32_t *set, struct failure_text *failure)
{
	const char *line = NULL, *comment = NULL, *from = NULL;
	int r = member_text(object, "key", &line, failure);

	if (r > 0)
		r = key_line_parse(line, key, failure);
	memset(key->comment, 0, sizeof(key->comment));
	if (r >= 0)
		r = key_comment_of(object, &comment, failure);
	if (r >= 0)
		r = member_text(object, "from", &from, failure);
	if (r >= 0)
		r = key_from_of(object, key->from, failure);
	if (r < 0)
		return r;
	field_put(key->comment, comment != NULL ? comment : "");
	*set |= line != NULL ? KEY_ROWS_ITSELF : 0;
	*set |= comment != NULL ? 1u << KEY_ROW_COMMENT : 0;
	*set |= from != NULL ? 1u << KEY_ROW_FROM : 0;
	return 0;
}

/* A ChangedKey, the same. *set: enum key_member, or-ed. */
static int key_changed_of(json_t *parameters, struct ssh_key *key, uint32_t *set, struct failure_text *failure)
{
	json_t *object;
	int r = key_object_of(parameters, true, &object, failure);

	if (r <= 0)
		return r;
	r = key_texts_change_of(object, key, set, failure);
	if (r == 0)
		r = key_role_change_of(object, key, set, failure);
	if (r == 0)
		r = key_options_of(object, &key->options, failure);
	if (r == 0 && field_member(object, "options") != NULL)
		*set |= 1u << KEY_ROW_OPTIONS;
	if (r == 0)
		r = record_parse(&key_record, object, key, set, failure);
	return r < 0 ? r : 1;
}

/* A key is an object of its own: a whole one, or what changes of one, *set. */
static int key_of(const struct wire_part *part, json_t *parameters, struct ssh_key *key, uint32_t *set,
		  struct failure_text *failure)
{
	int r = part->set_at != 0 ? key_changed_of(parameters, key, set, failure) :
				    key_new_of(parameters, key, failure);

	if (r == 0 && part->required)
		return field_invalid(failure, "key", "missing", "give a public key");
	if (r > 0 && !part->required && key_is_password(key)) /* of Add, whose answer has no place for one */
		return field_invalid(failure, "key.password", "an account is not made with one",
				     "add it to the account with KeyAdd");
	return r < 0 ? r : 0;
}

/* ---- a message ---- */

void worker_request_begin(uint32_t op, struct request *request)
{
	memset(request, 0, sizeof(*request));
	request->op = op;
	request->size = (uint32_t)wire_request_size(op);
}

int worker_parse_parts(json_t *parameters, struct request *request, struct failure_text *failure)
{
	char *base = (char *)request;

	for (const struct wire_part *part = wire_message(request->op)->request; part->record != NULL; part++) {
		uint32_t set = 0;
		int r;

		if (part->record == &run_record)
			continue; /* an object of its own, import_row.c */
		if (part->record == &key_record)
			r = key_of(part, parameters, (void *)(base + part->at), &set, failure);
		else
			r = record_parse(part->record, parameters, base + part->at, &set, failure);
		if (r < 0)
			return r;
		if (part->set_at != 0)
			memcpy(base + part->set_at, &set, sizeof(set));
	}
	return 0;
}

/* Which separator this host has only the broker knows; the default one is in no owner's alphabet. */
int worker_parse(uint32_t op, json_t *parameters, struct request *request, struct failure_text *failure)
{
	int r;

	if (wire_message(op) == NULL || wire_message(op)->import)
		return field_invalid(failure, "method", "not known", "");
	worker_request_begin(op, request);
	r = worker_parse_parts(parameters, request, failure);
	if (r < 0)
		return r;
	if (op == OP_RUN_LIST && request->list.all && request->list.cursor != 0)
		return field_invalid(failure, "all", "given together with before", "choose one");
	return request_shape(request, SEPARATOR_DEFAULT, failure) == FAILURE_NONE ? 0 : -EINVAL;
}
