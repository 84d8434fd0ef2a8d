/* SPDX-License-Identifier: ISC */
/* The options and the file of a new key, shared by `subuid add` and `subuid key add`. */
#include "cli/new_key.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "account/key.h"
#include "account/role.h"
#include "account/shell.h"
#include "cli/options.h"
#include "cli/subuid.h"
#include "confine/cleanup.h"
#include "confine/read_full.h"

bool new_key_option(struct new_key *key, int c, const char *value)
{
	switch (c) {
	case 'r':
		key->role = value;
		return true;
	case 'f':
		key->from = value;
		return true;
	case 'D':
		key->options |= KEY_NO_DELETE;
		return true;
	case 'O':
		key->options |= KEY_NO_OVERWRITE;
		return true;
	case 'S':
		key->options |= KEY_NO_FAKE_SUPER;
		return true;
	case 'A':
		key->options |= KEY_APPEND_ONLY;
		return true;
	case 'L':
		key->options |= KEY_READ_ONLY;
		return true;
	case 'F':
		key->forward = value;
		return true;
	case 'T':
		key->options |= KEY_TTY;
		return true;
	case 'x':
		key->command = value;
		return true;
	case 'P':
		key->net = value;
		return true;
	case 'Q':
		key->quota = value;
		return true;
	}
	return false;
}

int new_key_roles(const struct new_key *key, struct roles *roles)
{
	const char *text = key->role != NULL    ? key->role :
			   key->command != NULL ? COMMAND_ROLE :
			   key->forward != NULL ? "forward" :
						  "push";
	int r = roles_parse(text, roles);

	if (r == 0 && key->forward != NULL)
		roles->forward = 1;
	return r;
}

static int file_error(const char *name, int error)
{
	const char *why = strerrordesc_np(error);

	complain(name, why != NULL ? why : "cannot be read", "give the file of the public key");
	return STATUS_FAILED;
}

/* ~/.ssh/web1 was meant to be ~/.ssh/web1.pub. */
static int refused(const char *name, const char *file, enum key_error error)
{
	char public[PATH_MAX];

	if (error == KEY_PRIVATE && (size_t)snprintf(public, sizeof(public), "%s.pub", file) < sizeof(public) &&
	    access(public, R_OK) == 0) {
		char todo[PATH_MAX + 64];

		snprintf(todo, sizeof(todo), "give %s; the private key was not sent anywhere", public);
		return usage_error(name, key_error_text(error), todo);
	}
	return usage_error(name, key_error_text(error), key_error_todo(error));
}

static int parse_file(const char *file, struct ssh_key *parsed)
{
	static char text[KEY_FILE_MAX + 1]; /* one byte more than is allowed tells that it is too long */
	bool standard_input = strcmp(file, "-") == 0;
	const char *name = standard_input ? "standard input" : file;
	int status = file_allowed(file);
	cleanup_fd int opened =
		standard_input || status != STATUS_DONE ? -1 : open(file, O_RDONLY | O_CLOEXEC | O_NOCTTY);

	if (status != STATUS_DONE)
		return status;
	if (!standard_input && opened < 0)
		return file_error(name, errno);

	ssize_t length = read_full(standard_input ? STDIN_FILENO : opened, text, sizeof(text));

	if (length < 0)
		return file_error(name, (int)-length);
	if ((size_t)length > KEY_FILE_MAX)
		return usage_error(name, "too long to be a public key", key_error_todo(KEY_TOO_LONG));

	enum key_error error = key_parse(text, (size_t)length, parsed);

	explicit_bzero(text, sizeof(text)); /* it may have been a private one */
	return error == KEY_OK ? STATUS_DONE : refused(name, file, error);
}

json_t *new_key_options(uint32_t options)
{
	json_t *list = json_array();

	for (uint32_t bit = 1; bit < KEY_OPTIONS_END; bit <<= 1)
		if (options & bit)
			json_array_append_new(list, json_string(key_option_name(bit)));
	return list;
}

int new_key_line(const char *file, const char *comment, json_t **line)
{
	struct ssh_key parsed = { 0 };
	int status = parse_file(file, &parsed);

	if (status != STATUS_DONE)
		return status;
	if (comment == NULL)
		comment = parsed.comment;
	*line = json_sprintf("%s %s%s%s", parsed.type, parsed.blob, comment[0] ? " " : "", comment);
	return STATUS_DONE;
}

int new_key_json(const struct new_key *key, json_t **parameter)
{
	struct ssh_key may = { 0 };
	char text[ROLES_TEXT_MAX + 1];
	struct roles roles;
	uint64_t quota = 0;

	if (new_key_roles(key, &roles) < 0)
		return usage_error(key->role, "not a role, nor a list of roles",
				   "one of push, blind, pull, sync; sftp, borg, restic or another tool; shell or "
				   "command; forward; with commas between; or manage alone");
	if (roles.forward && key->forward == NULL)
		return usage_error("forward", "to where?", "give --forward HOST:PORT too");
	if (key->forward != NULL && !forward_valid(key->forward))
		return usage_error(key->forward, "not HOST:PORT", "for example --forward localhost:5900");
	if (key->net != NULL && (key->net[0] == '\0' || !ports_valid(key->net)))
		return usage_error(key->net, "not a list of ports", "for example --net 443,5432");
	if (key->quota != NULL && option_size(key->quota, &quota) < 0)
		return usage_error(key->quota, "not a size", "for example --storage-quota 100G");
	may.role = roles.role;
	memcpy(may.tools, roles.tools, sizeof(may.tools));
	snprintf(may.forward, sizeof(may.forward), "%s", key->forward != NULL ? key->forward : "");
	if (roles_format(&may, text) < 0)
		return usage_error(key->role, "not a role", "");

	json_t *line = NULL;
	int status = key->file != NULL ? new_key_line(key->file, key->comment, &line) : STATUS_DONE;

	if (status != STATUS_DONE)
		return status;
	json_t *object =
		json_pack("{s:o*, s:s, s:o, s:s*, s:s*, s:s*, s:s*, s:s*}", "key", line, "role", text, "options",
			  new_key_options(key->options), "from", key->from, "forward", key->forward, "command",
			  key->command, "net", key->net, "comment", key->file != NULL ? NULL : key->comment);

	if (object == NULL)
		return usage_error("key", "its role, from, command or comment is not UTF-8", "");
	if (quota != 0)
		json_object_set_new(object, "storageQuota", json_integer((json_int_t)quota));
	if (key->expires != 0)
		json_object_set_new(object, "expires", json_integer(key->expires));
	*parameter = object;
	return STATUS_DONE;
}
