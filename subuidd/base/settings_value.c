/* SPDX-License-Identifier: ISC */
/* What the value of a setting may be, kind by kind, and why it is refused. Run by whoever reads them, see settings.c.
 */
#include "subuidd/base/settings_value.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "account/shell.h"
#include "account/fields.h"
#include "account/name.h"
#include "confine/cleanup.h"
#include "index/session_rules.h"
#include "subuidd/base/settings.h"

#define BLOCK_FIRST_MIN 65536u     /* below: system, ordinary users, nobody */
#define BLOCK_LAST_MAX 2147483647u /* above: negative numbers to many programs (CVE-2018-19788) */

static int refuse(char *why, size_t size, const char *text)
{
	snprintf(why, size, "%s", text);
	return -EINVAL;
}

int setting_number(const struct setting *setting, const char *value, void *out, char *why, size_t size)
{
	uint32_t parsed;

	if (id_parse(value, &parsed) < 0 || parsed < setting->least || parsed > setting->most) {
		snprintf(why, size, "not a number from %u to %u", setting->least, setting->most);
		return -EINVAL;
	}
	memcpy(out, &parsed, sizeof(parsed));
	return 0;
}

/* None is one, too. */
int setting_account_memory(const struct setting *setting, const char *value, void *out, char *why, size_t size)
{
	uint32_t none = 0;

	if (strcmp(value, "0") == 0)
		memcpy(out, &none, sizeof(none));
	else if (setting_number(setting, value, out, why, size) < 0) {
		snprintf(why, size, "neither 0 nor a number from %u to %u", setting->least, setting->most);
		return -EINVAL;
	}
	return 0;
}

int setting_bool(const struct setting *setting, const char *value, void *out, char *why, size_t size)
{
	bool *truth = out;

	(void)setting;
	if (strcmp(value, "yes") == 0 || strcmp(value, "true") == 0)
		*truth = true;
	else if (strcmp(value, "no") == 0 || strcmp(value, "false") == 0)
		*truth = false;
	else
		return refuse(why, size, "neither yes nor no");
	return 0;
}

const char *const publish_names[] = { [PUBLISH_PLUGIN] = "plugin", [PUBLISH_FILES] = "files", [PUBLISH_BOTH] = "both" };

int setting_publish(const struct setting *setting, const char *value, void *out, char *why, size_t size)
{
	enum publish_to *publish = out;

	(void)setting;
	for (size_t i = 0; i < sizeof(publish_names) / sizeof(publish_names[0]); i++) {
		if (strcmp(value, publish_names[i]) != 0)
			continue;
		*publish = (enum publish_to)i;
		return 0;
	}
	return refuse(why, size, "neither plugin, files nor both");
}

int setting_view(const struct setting *setting, const char *value, void *out, char *why, size_t size)
{
	uint32_t *view = out, parsed;

	(void)setting;
	if (account_view_parse(value, &parsed) < 0 || parsed == VIEW_DEFAULT)
		return refuse(why, size, "neither theirs nor owner");
	*view = parsed;
	return 0;
}

int setting_shell(const struct setting *setting, const char *value, void *out, char *why, size_t size)
{
	(void)setting;
	return shell_parse(value, out) < 0 ? refuse(why, size, "neither bash, dash nor busybox") : 0;
}

/* "16K", "1M", "4096"; "none". */
int setting_file_size(const struct setting *setting, const char *value, void *out, char *why, size_t size)
{
	uint64_t *bytes = out;
	size_t length = strlen(value);
	unsigned shift = length == 0 ? 0 : value[length - 1] == 'K' ? 10 : value[length - 1] == 'M' ? 20 : 0;
	char digits[16];
	uint32_t number;

	(void)setting;
	if (strcmp(value, "none") == 0) {
		*bytes = 0;
		return 0;
	}
	if (snprintf(digits, sizeof(digits), "%.*s", (int)(length - (shift != 0)), value) >= (int)sizeof(digits) ||
	    id_parse(digits, &number) < 0 || (uint64_t)number << shift < 256 || (uint64_t)number << shift > 1u << 30)
		return refuse(why, size, "not a size from 256 to 1024M, such as 16K, nor none");
	*bytes = (uint64_t)number << shift;
	return 0;
}

static int block_check(struct id_block block, bool units, char *why, size_t size)
{
	if (block.first < BLOCK_FIRST_MIN)
		return refuse(why, size, "ids below 65536 belong to the system and to ordinary users");
	if (block.last > BLOCK_LAST_MAX)
		return refuse(why, size, "ids above 2147483647 are negative numbers to many programs");
	if (units && (block.first % RANGE_UNIT != 0 || (block.last + 1) % RANGE_UNIT != 0))
		return refuse(why, size, "a block does not start and end at a multiple of 65536");
	return 0;
}

static int blocks_parse(const char *value, bool units, struct id_block *blocks, unsigned *count, char *why, size_t size)
{
	struct id_block parsed[SETTINGS_BLOCKS_MAX];
	char copy[1024], *rest = copy, *word;
	unsigned n = 0;

	if (snprintf(copy, sizeof(copy), "%s", value) >= (int)sizeof(copy))
		return refuse(why, size, "too long");
	while ((word = strsep(&rest, " \t,")) != NULL) {
		if (*word == '\0')
			continue;
		if (n == SETTINGS_BLOCKS_MAX)
			return refuse(why, size, "more than 16 blocks");
		if (id_block_parse(word, &parsed[n]) < 0)
			return refuse(why, size, "not a list of blocks such as 2100000000-2147352575");
		if (block_check(parsed[n], units, why, size) < 0)
			return -EINVAL;
		for (unsigned i = 0; i < n; i++)
			if (id_blocks_overlap(parsed[i], parsed[n]))
				return refuse(why, size, "two blocks overlap");
		n++;
	}
	if (n == 0)
		return refuse(why, size, "no block");
	memcpy(blocks, parsed, n * sizeof(parsed[0]));
	*count = n;
	return 0;
}

int setting_separator(const struct setting *setting, const char *value, void *out, char *why, size_t size)
{
	char *separator = out;

	(void)setting;
	if (strlen(value) != 1 || strchr(SEPARATORS, value[0]) == NULL)
		return refuse(why, size, "not one of the characters " SEPARATORS);
	*separator = value[0];
	return 0;
}

int setting_directory(const struct setting *setting, const char *value, void *out, char *why, size_t size)
{
	if (strlen(value) >= setting->size)
		return refuse(why, size, "too long");
	if (*value != '/')
		return refuse(why, size, "not an absolute path");
	if (!path_plain(value))
		return refuse(why, size, "not a plain path of [A-Za-z0-9._@+-], without . and .. in it");
	memcpy(out, value, strlen(value) + 1);
	return 0;
}

/* A text that a guest will parse: here only whether it can. */
static int setting_paths(const struct setting *setting, const char *value, void *out,
			 int (*parse)(const char *text, struct session_rules *rules))
{
	cleanup_free struct session_rules *rules = malloc(sizeof(*rules));

	if (rules == NULL || strlen(value) >= setting->size || parse(value, rules) < 0)
		return -EINVAL;
	memcpy(out, value, strlen(value) + 1);
	return 0;
}

int setting_hide(const struct setting *setting, const char *value, void *out, char *why, size_t size)
{
	if (setting_paths(setting, value, out, session_hide_parse) < 0)
		return refuse(why, size, "not a list of at most 32 absolute, plain paths such as /home /srv");
	return 0;
}

int setting_binds(const struct setting *setting, const char *value, void *out, char *why, size_t size)
{
	if (setting_paths(setting, value, out, session_bind_parse) < 0)
		return refuse(why, size,
			      "not a list of at most 32 absolute, plain paths such as /srv/shared ro, /srv/drop rw");
	return 0;
}

int setting_link(const struct setting *setting, const char *value, void *out, char *why, size_t size)
{
	if (strlen(value) >= setting->size || !path_component_plain(value, strlen(value)))
		return refuse(why, size, "not the name of one directory, of [A-Za-z0-9._@+-]");
	memcpy(out, value, strlen(value) + 1);
	return 0;
}

int setting_group(const struct setting *setting, const char *value, void *out, char *why, size_t size)
{
	if (strlen(value) >= setting->size || !comment_valid(value, setting->size - 1) || strchr(value, ',') != NULL)
		return refuse(why, size, "not the name of a group");
	memcpy(out, value, strlen(value) + 1);
	return 0;
}

/* No hook is one, too. */
int setting_hook(const struct setting *setting, const char *value, void *out, char *why, size_t size)
{
	if (value[0] != '\0')
		return setting_directory(setting, value, out, why, size);
	memset(out, 0, setting->size);
	return 0;
}

int setting_account_blocks(const struct setting *setting, const char *value, void *out, char *why, size_t size)
{
	struct settings *s = out;

	(void)setting;
	return blocks_parse(value, false, s->accounts, &s->accounts_count, why, size);
}

int setting_range_blocks(const struct setting *setting, const char *value, void *out, char *why, size_t size)
{
	struct settings *s = out;

	(void)setting;
	return blocks_parse(value, true, s->ranges, &s->ranges_count, why, size);
}
