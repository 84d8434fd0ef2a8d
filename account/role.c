/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "account/role.h"

static const struct {
	const char *name;
	enum role role;
} roles[] = {
	{"push", ROLE_PUSH},
	{"pull", ROLE_PULL},
	{"sync", ROLE_SYNC},
};

static const struct {
	const char *name;
	uint32_t bit;
} options[] = {
	{"no-delete", KEY_NO_DELETE},
	{"no-overwrite", KEY_NO_OVERWRITE},
	{"no-fake-super", KEY_NO_FAKE_SUPER},
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

const char *role_name(enum role role)
{
	for (size_t i = 0; i < COUNT(roles); i++)
		if (roles[i].role == role)
			return roles[i].name;
	return NULL;
}

int role_parse(const char *name, enum role *role)
{
	for (size_t i = 0; i < COUNT(roles); i++)
		if (strcmp(roles[i].name, name) == 0) {
			*role = roles[i].role;
			return 0;
		}
	return -EINVAL;
}

const char *key_option_name(uint32_t bit)
{
	for (size_t i = 0; i < COUNT(options); i++)
		if (options[i].bit == bit)
			return options[i].name;
	return NULL;
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
