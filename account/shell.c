/* SPDX-License-Identifier: ISC */
/* What the roles shell and command need beside their names. Pure, libc only. */
#include "account/shell.h"

#include <errno.h>
#include <string.h>

#include "account/id.h"
#include "account/name.h"
#include "account/role.h"

bool role_built_in(const char *name, size_t length)
{
	static const char *const names[] = { SHELL_ROLE, COMMAND_ROLE };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strlen(names[i]) == length && memcmp(names[i], name, length) == 0)
			return true;
	return false;
}

bool tools_isolated(const char *tools)
{
	const char *name;
	size_t length;

	while ((length = tools_next(&tools, &name)) > 0)
		if (role_built_in(name, length))
			return true;
	return false;
}

bool command_valid(const char *line)
{
	return line[0] == '\0' || text_valid(line, COMMAND_MAX);
}

/* The port at the beginning of text, and the length of its digits; 0: they are no port. */
static uint16_t port_read(const char *text, size_t *length)
{
	uint32_t port;

	*length = strspn(text, "0123456789");
	return id_parse_bytes(text, *length, &port) == 0 && port <= UINT16_MAX ? (uint16_t)port : 0;
}

uint16_t ports_next(const char **next)
{
	size_t length;
	uint16_t port = port_read(*next, &length);

	*next += length + ((*next)[length] == ',');
	return port;
}

bool ports_valid(const char *ports)
{
	if (strlen(ports) > NET_MAX)
		return false;
	for (const char *at = ports; *at != '\0';) {
		size_t length;

		if (port_read(at, &length) == 0 ||
		    (at[length] != '\0' && (at[length] != ',' || at[length + 1] == '\0')) ||
		    (at[length] == ',' && tools_have(at + length + 1, at, length)))
			return false;
		at += length + (at[length] == ',');
	}
	return true;
}

const char *shell_conflict(const struct ssh_key *key, const char **todo)
{
	const uint32_t unkept = KEY_APPEND_ONLY | KEY_NO_DELETE | KEY_NO_OVERWRITE;
	const bool command = tools_have(key->tools, COMMAND_ROLE, strlen(COMMAND_ROLE));

	*todo = "give both or none";
	if (command != (key->command[0] != '\0'))
		return "the role command and its line belong together";
	*todo = "give it another key";
	if (command && (key->role != ROLE_NONE || strcmp(key->tools, COMMAND_ROLE) != 0))
		return "a key of the role command runs this one line, whatever is asked of it: no other role but "
		       "forward goes with it";
	if (!tools_isolated(key->tools)) {
		*todo = "add the role shell or command, or leave it out";
		return (key->options & KEY_TTY) != 0 ? "a terminal is for shell and command" :
		       key->net[0] != '\0'           ? "ports are for shell and command" :
						       NULL;
	}
	*todo = "leave it out, or use read-only";
	return (key->options & unkept) != 0 ? "a shell can delete and change what is there" : NULL;
}

static const char *const shells[SHELLS] = { [SHELL_BASH] = "bash", [SHELL_DASH] = "dash", [SHELL_BUSYBOX] = "busybox" };

const char *shell_name(unsigned shell)
{
	return shells[shell < SHELLS ? shell : SHELL_BASH];
}

int shell_parse(const char *name, uint32_t *shell)
{
	for (uint32_t i = 0; i < SHELLS; i++)
		if (strcmp(shells[i], name) == 0) {
			*shell = i;
			return 0;
		}
	return -EINVAL;
}
