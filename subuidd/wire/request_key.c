/* SPDX-License-Identifier: ISC */
/* What requests about keys are checked for beyond their records (wire.c). Pure; run by the worker and the broker. */
#include "subuidd/wire/request.h"

#include <stddef.h>
#include <string.h>

#include "account/key.h"
#include "account/key_words.h"
#include "account/role.h"
#include "account/shell.h"

#define KEY_OPTIONS_ALL (KEY_OPTIONS_END - 1u)

/* Members that only the broker fills are 0, and there is no option that does not exist. */
bool request_key_sound(const struct ssh_key *key)
{
	return key->id == 0 && key->uid == 0 && key->created == 0 && key->fingerprint[0] == '\0' &&
	       key->owner[0] == '\0' && (key->options & ~KEY_OPTIONS_ALL) == 0 &&
	       (key->hash[0] == '\0') != key_is_password(key);
}

/* What the key may do. change/row_key.c checks later that the tools exist. */
static enum failure may_shape(const struct ssh_key *key, struct failure_text *text)
{
	char roles[ROLES_TEXT_MAX + 1];
	const char *conflict, *todo;

	if (roles_format(key, roles) < 0)
		return failure_set(text, FAILURE_INVALID, "role", "there is no such role",
				   "use push, blind, pull, sync, shell, command, forward, a tool's name; or manage");
	if (key->forward[0] != '\0' && !forward_valid(key->forward))
		return failure_set(text, FAILURE_INVALID, "forward", "not HOST:PORT",
				   "one host and one port, no pattern");
	if (key->options >= KEY_OPTIONS_END)
		return failure_set(text, FAILURE_INVALID, "options", "there is no such option", "");
	if ((key->options & KEY_APPEND_ONLY) && (key->options & KEY_READ_ONLY))
		return failure_set(text, FAILURE_INVALID, "options", "append-only and read-only exclude each other",
				   "give one of them");
	if ((key->options & KEY_READ_ONLY) && key->role != ROLE_PULL && key->role != ROLE_NONE)
		return failure_set(text, FAILURE_INVALID, "options", "this role writes, the key is read-only",
				   "use pull beside read-only tools");
	if (key->role == ROLE_MANAGE && (key->options != 0 || key->storage_quota != 0))
		return failure_set(text, FAILURE_INVALID, "options", "a key that manages reads and writes no files",
				   "leave the options out");
	conflict = shell_conflict(key, &todo);
	if (conflict != NULL)
		return failure_set(text, FAILURE_INVALID, "role", conflict, todo);
	return FAILURE_NONE;
}

/* The broker does not believe the worker that this is a key: once more, from the text. */
static enum failure itself_shape(const struct ssh_key *key, struct failure_text *text)
{
	char line[KEY_TYPE_MAX + 1 + KEY_BLOB_MAX + 1];
	struct ssh_key parsed = { 0 };
	size_t type = strlen(key->type), blob = strlen(key->blob);
	enum key_error error;

	memcpy(line, key->type, type);
	line[type] = ' ';
	memcpy(line + type + 1, key->blob, blob);
	error = key_parse(line, type + 1 + blob, &parsed);
	if (error == KEY_OK && (strcmp(parsed.type, key->type) != 0 || strcmp(parsed.blob, key->blob) != 0))
		error = KEY_BLOB;
	return error == KEY_OK ?
		       FAILURE_NONE :
		       failure_set(text, FAILURE_INVALID, "key", key_error_text(error), key_error_todo(error));
}

/* sshd knows of no key then: what its line would have said, we have to keep ourselves. The cost of the hash is one of
 * the settings: change/row_key.c. */
static enum failure password_shape(const struct ssh_key *key, struct failure_text *text)
{
	if (!password_selector_valid(key->blob))
		return failure_set(text, FAILURE_INVALID, "key", "not the begin of a password", "");
	if (key->forward[0] != '\0')
		return failure_set(text, FAILURE_INVALID, "forward", "a password does not forward", "use a key");
	if (key->from[0] != '\0' && !password_from_valid(key->from))
		return failure_set(text, FAILURE_INVALID, "from", "of a password: only addresses and networks",
				   "use no names of hosts");
	return FAILURE_NONE;
}

static enum failure words_shape(const struct ssh_key *key, struct failure_text *text)
{
	if (key->comment[0] != '\0' && !text_valid(key->comment, COMMENT_MAX))
		return failure_set(text, FAILURE_INVALID, "key", key_error_text(KEY_COMMENT),
				   key_error_todo(KEY_COMMENT));
	if (key->from[0] != '\0' && !from_valid(key->from))
		return failure_set(text, FAILURE_INVALID, "from", "not a pattern list as in sshd(8), from=",
				   "use addresses, networks and host names, separated by commas");
	return record_check(&key_record, key, 1u << KEY_ROW_COMMAND | 1u << KEY_ROW_NET, text);
}

enum failure request_key_shape(const struct ssh_key *key, struct failure_text *text)
{
	enum failure failure = key_is_password(key) ? password_shape(key, text) : itself_shape(key, text);

	if (failure == FAILURE_NONE)
		failure = may_shape(key, text);
	return failure == FAILURE_NONE ? words_shape(key, text) : failure;
}

bool key_add_sound(const struct request *request)
{
	return request_key_sound(&request->key_add.key);
}

enum failure key_add_shape(const struct request *request, char separator, struct failure_text *text)
{
	(void)separator;
	return request_key_shape(&request->key_add.key, text);
}

/* It manages, and has nothing that only a key of an account has. */
enum failure manage_key_add_shape(const struct request *request, char separator, struct failure_text *text)
{
	const struct ssh_key *key = &request->key_add.key;

	(void)separator;
	if (key->role != ROLE_MANAGE)
		return failure_set(text, FAILURE_INVALID, "role",
				   "such a key manages the accounts of its owner, and does nothing else",
				   "leave everything out but key, role, from and expires");
	return request_key_shape(key, text);
}

/* Either its id (not 0) or its fingerprint. */
static enum failure which_shape(uint32_t id, const char *fingerprint, struct failure_text *text)
{
	if ((id != 0) == (fingerprint[0] != '\0'))
		return failure_set(text, FAILURE_INVALID, "id",
				   id != 0 ? "given together with a fingerprint" : "missing",
				   "give either the id or the fingerprint of the key");
	if (id == 0 && !fingerprint_shaped(fingerprint))
		return failure_set(text, FAILURE_INVALID, "fingerprint", "not a fingerprint",
				   "as `ssh-keygen -l` prints it: SHA256:…");
	return FAILURE_NONE;
}

enum failure key_remove_shape(const struct request *request, char separator, struct failure_text *text)
{
	(void)separator;
	return which_shape(request->key_remove.id, request->key_remove.fingerprint, text);
}

/* Of members that are given together all or none; and none that is not given. */
bool key_change_sound(const struct request *request)
{
	const struct request_key_change *change = &request->key_change;
	static const struct ssh_key nothing;
	const uint32_t set = change->set, itself = set & KEY_ROWS_ITSELF, role = set & KEY_ROWS_ROLE;
	struct ssh_key given = { 0 };

	if ((set & ~KEY_ROWS_CHANGE) != 0 || (itself != 0 && itself != KEY_ROWS_ITSELF) ||
	    (role != 0 && role != KEY_ROWS_ROLE))
		return false;
	record_take(&key_record, &given, &change->key, KEY_ROWS_CHANGE & ~set);
	return record_equal(&key_record, &given, &nothing) && given.blob[0] == '\0' && given.type[0] == '\0' &&
	       request_key_sound(&change->key);
}

/* Whether the key is right with what changes can only be said of the whole. */
enum failure key_change_shape(const struct request *request, char separator, struct failure_text *text)
{
	const struct request_key_change *change = &request->key_change;
	enum failure failure = which_shape(change->id, change->fingerprint, text);

	(void)separator;
	if (failure == FAILURE_NONE && change->set == 0 && !change->clear_options)
		failure = failure_set(text, FAILURE_INVALID, "parameters", "nothing to change",
				      "give key, role, forward, command, net, options, clearOptions, from, expires, "
				      "storageQuota or comment");
	if (failure == FAILURE_NONE && (change->set & KEY_ROWS_ITSELF) != 0)
		failure = itself_shape(&change->key, text);
	return failure == FAILURE_NONE ? words_shape(&change->key, text) : failure;
}
