/* SPDX-License-Identifier: ISC */
#include "cli/new_key.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "account/key.h"
#include "account/role.h"
#include "cli/subuid.h"
#include "confine/cleanup.h"

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
	}
	return false;
}

/* One byte more than is allowed tells that it is too long. */
static ssize_t read_whole(int fd, char *buffer, size_t size)
{
	size_t used = 0;

	while (used < size) {
		ssize_t got = read(fd, buffer + used, size - used);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		if (got == 0)
			break;
		used += (size_t)got;
	}
	return (ssize_t)used;
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
	static char text[KEY_FILE_MAX + 1];
	bool standard_input = strcmp(file, "-") == 0;
	const char *name = standard_input ? "standard input" : file;
	cleanup_fd int opened = standard_input ? -1 : open(file, O_RDONLY | O_CLOEXEC | O_NOCTTY);

	if (!standard_input && opened < 0)
		return file_error(name, errno);

	ssize_t length = read_whole(standard_input ? STDIN_FILENO : opened, text, sizeof(text));

	if (length < 0)
		return file_error(name, (int)-length);
	if ((size_t)length > KEY_FILE_MAX)
		return usage_error(name, "too long to be a public key", key_error_todo(KEY_TOO_LONG));

	enum key_error error = key_parse(text, (size_t)length, parsed);

	explicit_bzero(text, sizeof(text)); /* it may have been a private one */
	return error == KEY_OK ? STATUS_DONE : refused(name, file, error);
}

static json_t *options_json(uint32_t options)
{
	json_t *list = json_array();

	for (uint32_t bit = 1; bit < KEY_OPTIONS_END; bit <<= 1)
		if (options & bit)
			json_array_append_new(list, json_string(key_option_name(bit)));
	return list;
}

int new_key_json(const struct new_key *key, json_t **parameter)
{
	struct ssh_key parsed = {0};
	enum role role;

	if (key->role != NULL && role_parse(key->role, &role) < 0)
		return usage_error(key->role, "not a role", "there are push, pull and sync");

	int status = parse_file(key->file, &parsed);

	if (status != STATUS_DONE)
		return status;

	const char *comment = key->comment != NULL ? key->comment : parsed.comment;
	json_t *line = json_sprintf("%s %s%s%s", parsed.type, parsed.blob, comment[0] ? " " : "", comment);
	json_t *object = json_pack("{s:o, s:s, s:o, s:s*}", "key", line, "role", key->role ? key->role : "push",
				   "options", options_json(key->options), "from", key->from);

	if (object == NULL)
		return usage_error("key", "its role, from or comment is not UTF-8", "");
	if (key->expires != 0)
		json_object_set_new(object, "expires", json_integer(key->expires));
	*parameter = object;
	return STATUS_DONE;
}
