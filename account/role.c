/* SPDX-License-Identifier: ISC */
/* What a key may do, between text and bits: roles, options, tools and the address of a forward. */
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "account/id.h"
#include "account/role.h"

static const struct {
	const char *name;
	enum role role;
} roles[] = {
	{ "push", ROLE_PUSH },   { "pull", ROLE_PULL },     { "sync", ROLE_SYNC },
	{ "blind", ROLE_BLIND }, { "manage", ROLE_MANAGE },
};

static const struct {
	const char *name;
	uint32_t bit;
} options[] = {
	{ "no-delete", KEY_NO_DELETE },         { "no-overwrite", KEY_NO_OVERWRITE },
	{ "no-fake-super", KEY_NO_FAKE_SUPER }, { "append-only", KEY_APPEND_ONLY },
	{ "read-only", KEY_READ_ONLY },         { "tty", KEY_TTY },
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define FORWARD_WORD "forward"

const char *role_name(enum role role)
{
	for (size_t i = 0; i < COUNT(roles); i++)
		if (roles[i].role == role)
			return roles[i].name;
	return NULL;
}

const char *key_option_name(uint32_t bit)
{
	for (size_t i = 0; i < COUNT(options); i++)
		if (options[i].bit == bit)
			return options[i].name;
	return NULL;
}

const char *key_options_text(uint32_t bits, char out[KEY_OPTIONS_TEXT_MAX])
{
	size_t used = 0;

	out[0] = '\0';
	for (size_t i = 0; i < COUNT(options) && used < KEY_OPTIONS_TEXT_MAX; i++)
		if (bits & options[i].bit)
			used += (size_t)snprintf(out + used, KEY_OPTIONS_TEXT_MAX - used, ", %s", options[i].name);
	return out;
}

int key_option_parse(const char *name, uint32_t *bit)
{
	for (size_t i = 0; i < COUNT(options); i++)
		if (strcmp(options[i].name, name) == 0) {
			*bit = options[i].bit;
			return 0;
		}
	return -EINVAL;
}

static bool word_is(const char *name, size_t length, const char *word)
{
	return strlen(word) == length && memcmp(name, word, length) == 0;
}

int tool_name_valid(const char *name, size_t length)
{
	static const char others[] = "abcdefghijklmnopqrstuvwxyz0123456789-";

	if (length == 0 || length > LABEL_MAX || name[0] < 'a' || name[0] > 'z')
		return 0;
	for (size_t i = 0; i < length; i++)
		if (name[i] == '\0' || strchr(others, name[i]) == NULL)
			return 0;
	for (size_t i = 0; i < COUNT(roles); i++)
		if (word_is(name, length, roles[i].name))
			return 0;
	for (size_t i = 0; i < COUNT(options); i++)
		if (word_is(name, length, options[i].name))
			return 0;
	return !word_is(name, length, FORWARD_WORD);
}

size_t tools_next(const char **next, const char **name)
{
	size_t length = strcspn(*next, ",");

	*name = *next;
	*next += length + ((*next)[length] == ',');
	return length;
}

bool tools_have(const char *tools, const char *wanted, size_t length)
{
	const char *name;
	size_t n;

	while ((n = tools_next(&tools, &name)) > 0)
		if (n == length && memcmp(name, wanted, n) == 0)
			return true;
	return false;
}

int tools_valid(const char *tools)
{
	const char *next = tools, *name;
	size_t length = strlen(tools), n;

	if (length == 0)
		return 1;
	if (length > TOOLS_MAX || tools[length - 1] == ',')
		return 0;
	while (*next != '\0') {
		n = tools_next(&next, &name);
		if (!tool_name_valid(name, n) || tools_have(next, name, n))
			return 0;
	}
	return 1;
}

static int roles_add(struct roles *all, const char *name, size_t length)
{
	size_t used = strlen(all->tools);

	for (size_t i = 0; i < COUNT(roles); i++)
		if (word_is(name, length, roles[i].name)) {
			if (all->role != ROLE_NONE)
				return -EINVAL;
			all->role = roles[i].role;
			return 0;
		}
	if (word_is(name, length, FORWARD_WORD)) {
		if (all->forward)
			return -EINVAL;
		all->forward = 1;
		return 0;
	}
	if (!tool_name_valid(name, length) || tools_have(all->tools, name, length) || used + 1 + length > TOOLS_MAX)
		return -EINVAL;
	if (used > 0)
		all->tools[used++] = ',';
	memcpy(all->tools + used, name, length);
	return 0;
}

/* A key that manages does nothing else: what it may do is decided by another program than a gate. */
static bool role_alone(enum role role, const char *tools, uint32_t forward)
{
	return role != ROLE_MANAGE || (tools[0] == '\0' && forward == 0);
}

int roles_parse(const char *text, struct roles *parsed)
{
	struct roles all = { .role = ROLE_NONE };
	const char *name;
	size_t length;

	do {
		length = strcspn(text, ",");
		name = text;
		text += length;
		if (roles_add(&all, name, length) < 0)
			return -EINVAL;
	} while (*text++ == ',');
	if (!role_alone(all.role, all.tools, all.forward))
		return -EINVAL;
	*parsed = all;
	return 0;
}

int roles_format(const struct ssh_key *key, char out[ROLES_TEXT_MAX + 1])
{
	const char *role = role_name((enum role)key->role);
	const char *parts[3];
	int length;

	if ((role == NULL && key->role != ROLE_NONE) || !tools_valid(key->tools) ||
	    !role_alone((enum role)key->role, key->tools, key->forward[0] != '\0'))
		return -EINVAL;
	parts[0] = role != NULL ? role : "";
	parts[1] = key->tools;
	parts[2] = key->forward[0] != '\0' ? FORWARD_WORD : "";
	length = snprintf(out, ROLES_TEXT_MAX + 1, "%s%s%s%s%s", parts[0], parts[0][0] && parts[1][0] ? "," : "",
			  parts[1], (parts[0][0] || parts[1][0]) && parts[2][0] ? "," : "", parts[2]);
	return length > 0 && length <= ROLES_TEXT_MAX ? length : -EINVAL;
}

int forward_valid(const char *address)
{
	static const char name[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-";
	static const char number[] = "0123456789abcdefABCDEF:.";
	const char *colon = strrchr(address, ':');
	uint32_t port;
	size_t host;

	if (colon == NULL || strlen(address) > FORWARD_MAX || id_parse(colon + 1, &port) < 0 || port == 0 ||
	    port > 65535)
		return 0;
	host = (size_t)(colon - address);
	if (address[0] == '[')
		return host > 3 && address[host - 1] == ']' && strspn(address + 1, number) == host - 2;
	return host > 0 && address[0] != '-' && strspn(address, name) == host;
}
