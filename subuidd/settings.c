/* SPDX-License-Identifier: ISC */
/* What each setting of subuidd.conf(5) may be, and its default. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "account/fields.h"
#include "account/index_format.h"
#include "account/name.h"
#include "subuidd/settings.h"
#include "subuidd/settings_file.h"

#define BLOCK_FIRST_MIN 65536u     /* below: system, ordinary users, nobody */
#define BLOCK_LAST_MAX 2147483647u /* above: negative numbers to many programs (CVE-2018-19788) */

enum key {
	IDS_ACCOUNTS,
	IDS_RANGES,
	SUBID_PUBLISH,
	NAMES_SEPARATOR,
	NAMES_ENUMERATE,
	NAMES_RANGES,
	HOMES_DIRECTORY,
	HOMES_LINK,
	HOMES_VIEWS,
	HOMES_VIEW,
	HOMES_FILES,
	HOMES_GRACE,
	LIMITS_ACCOUNTS,
	LIMITS_KEYS,
	LIMITS_RANGES,
	SESSIONS_KEY,
	SESSIONS_ACCOUNT,
	SESSIONS_UNUSED,
	SESSIONS_SILENCE,
	SESSIONS_MEMORY,
	SESSIONS_CPU,
	ACCESS_ADMIN_GROUP,
	ALARM_HOOK,
	STATE_BACKUPS,
	STATE_KEPT,
	SERVICE_PER_UID,
	SERVICE_CONNECTIONS,
	SERVICE_IDLE,
	KEYS
};

static const struct settings_key keys[KEYS] = {
	[IDS_ACCOUNTS] = { "ids", "accounts" },
	[IDS_RANGES] = { "ids", "ranges" },
	[SUBID_PUBLISH] = { "subid", "publish" },
	[NAMES_SEPARATOR] = { "names", "separator" },
	[NAMES_ENUMERATE] = { "names", "enumerate" },
	[NAMES_RANGES] = { "names", "range_names" },
	[HOMES_DIRECTORY] = { "homes", "directory" },
	[HOMES_LINK] = { "homes", "link_directory" },
	[HOMES_VIEWS] = { "homes", "views_at_start" },
	[HOMES_VIEW] = { "homes", "view" },
	[HOMES_FILES] = { "homes", "files_per_size" },
	[HOMES_GRACE] = { "homes", "grace_days" },
	[LIMITS_ACCOUNTS] = { "limits", "accounts" },
	[LIMITS_KEYS] = { "limits", "keys" },
	[LIMITS_RANGES] = { "limits", "ranges" },
	[SESSIONS_KEY] = { "sessions", "per_key" },
	[SESSIONS_ACCOUNT] = { "sessions", "per_account" },
	[SESSIONS_UNUSED] = { "sessions", "unused_seconds" },
	[SESSIONS_SILENCE] = { "sessions", "silence_seconds" },
	[SESSIONS_MEMORY] = { "sessions", "memory_mib" },
	[SESSIONS_CPU] = { "sessions", "cpu_weight" },
	[ACCESS_ADMIN_GROUP] = { "access", "admin_group" },
	[ALARM_HOOK] = { "alarm", "hook" },
	[STATE_BACKUPS] = { "state", "backup_directory" },
	[STATE_KEPT] = { "state", "backups_kept" },
	[SERVICE_PER_UID] = { "service", "connections_per_uid" },
	[SERVICE_CONNECTIONS] = { "service", "connections" },
	[SERVICE_IDLE] = { "service", "idle_seconds" },
};

struct loading {
	struct settings settings;
	char place[KEYS][SETTINGS_PLACE_MAX]; /* where each key was last given; "" default */
};

void settings_default(struct settings *settings)
{
	*settings = (struct settings){
		.accounts = { { 2100000000u, 2147352575u } },
		.accounts_count = 1,
		.ranges = { { 1073741824u, 1879048191u } },
		.ranges_count = 1,
		.separator = SEPARATOR_DEFAULT,
		.range_names = true,
		.homes = "/srv/subuid",
		.link_directory = "subuid",
		.views_at_start = 1000,
		.view = VIEW_THEIRS,
		.files_per_size = 16384,
		.grace_days = 30,
		.limit_accounts = 16,
		.limit_keys = 16,
		.limit_ranges = 16,
		.sessions_key = 16,
		.sessions_account = 32,
		.unused_seconds = 60,
		.silence_seconds = 3600,
		.memory_mib = 1024,
		.cpu_weight = 50,
		.backup_directory = "/var/backups/subuidd",
		.backups_kept = 7,
		.connections_per_uid = 32,
		.connections = 256,
		.idle_seconds = 30,
	};
}

static int refuse(char *why, size_t size, const char *text)
{
	snprintf(why, size, "%s", text);
	return -EINVAL;
}

static int take_number(const char *value, uint32_t min, uint32_t max, uint32_t *number, char *why, size_t size)
{
	uint32_t parsed;

	if (id_parse(value, &parsed) < 0 || parsed < min || parsed > max) {
		snprintf(why, size, "not a number from %u to %u", min, max);
		return -EINVAL;
	}
	*number = parsed;
	return 0;
}

static int take_bool(const char *value, bool *truth, char *why, size_t size)
{
	if (strcmp(value, "yes") == 0 || strcmp(value, "true") == 0)
		*truth = true;
	else if (strcmp(value, "no") == 0 || strcmp(value, "false") == 0)
		*truth = false;
	else
		return refuse(why, size, "neither yes nor no");
	return 0;
}

const char *const publish_names[] = { [PUBLISH_PLUGIN] = "plugin", [PUBLISH_FILES] = "files", [PUBLISH_BOTH] = "both" };

static int take_publish(const char *value, enum publish_to *publish, char *why, size_t size)
{
	for (size_t i = 0; i < sizeof(publish_names) / sizeof(publish_names[0]); i++) {
		if (strcmp(value, publish_names[i]) != 0)
			continue;
		*publish = (enum publish_to)i;
		return 0;
	}
	return refuse(why, size, "neither plugin, files nor both");
}

static int take_view(const char *value, uint32_t *view, char *why, size_t size)
{
	uint32_t parsed;

	if (account_view_parse(value, &parsed) < 0 || parsed == VIEW_DEFAULT)
		return refuse(why, size, "neither theirs nor owner");
	*view = parsed;
	return 0;
}

/* "16K", "1M", "4096"; "none". */
static int take_file_size(const char *value, uint64_t *bytes, char *why, size_t size)
{
	size_t length = strlen(value);
	unsigned shift = length == 0 ? 0 : value[length - 1] == 'K' ? 10 : value[length - 1] == 'M' ? 20 : 0;
	char digits[16];
	uint32_t number;

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

static int take_blocks(const char *value, bool units, struct id_block *blocks, unsigned *count, char *why,
		       size_t size)
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

static int take_separator(const char *value, char *separator, char *why, size_t size)
{
	if (strlen(value) != 1 || strchr(SEPARATORS, value[0]) == NULL)
		return refuse(why, size, "not one of the characters " SEPARATORS);
	*separator = value[0];
	return 0;
}

/* Homes go into passwd entries, link texts and command lines: no byte that means something there. */
static bool component_valid(const char *text, size_t length)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._@+-";

	if (length == 0 || text[0] == '-' || strspn(text, allowed) < length)
		return false;
	return !(length == 1 && text[0] == '.') && !(length == 2 && text[0] == '.' && text[1] == '.');
}

static int take_directory(const char *value, char *directory, size_t max, char *why, size_t size)
{
	const char *at = value;

	if (strlen(value) >= max)
		return refuse(why, size, "too long");
	if (*at != '/')
		return refuse(why, size, "not an absolute path");
	while (*at == '/') {
		size_t length = strcspn(at + 1, "/");

		if (!component_valid(at + 1, length))
			return refuse(why, size, "not a plain path of [A-Za-z0-9._@+-], without . and .. in it");
		at += 1 + length;
	}
	memcpy(directory, value, strlen(value) + 1);
	return 0;
}

static int take_link(const char *value, char *link, size_t max, char *why, size_t size)
{
	if (strlen(value) >= max || !component_valid(value, strlen(value)))
		return refuse(why, size, "not the name of one directory, of [A-Za-z0-9._@+-]");
	memcpy(link, value, strlen(value) + 1);
	return 0;
}

static int take_group(const char *value, char *group, size_t max, char *why, size_t size)
{
	if (strlen(value) >= max || !comment_valid(value, max - 1) || strchr(value, ',') != NULL)
		return refuse(why, size, "not the name of a group");
	memcpy(group, value, strlen(value) + 1);
	return 0;
}

static int take_value(struct settings *s, enum key key, const char *value, char *why, size_t size)
{
	switch (key) {
	case IDS_ACCOUNTS:
		return take_blocks(value, false, s->accounts, &s->accounts_count, why, size);
	case IDS_RANGES:
		return take_blocks(value, true, s->ranges, &s->ranges_count, why, size);
	case SUBID_PUBLISH:
		return take_publish(value, &s->publish, why, size);
	case NAMES_SEPARATOR:
		return take_separator(value, &s->separator, why, size);
	case NAMES_ENUMERATE:
		return take_bool(value, &s->enumerate, why, size);
	case NAMES_RANGES:
		return take_bool(value, &s->range_names, why, size);
	case HOMES_DIRECTORY:
		return take_directory(value, s->homes, sizeof(s->homes), why, size);
	case HOMES_LINK:
		return take_link(value, s->link_directory, sizeof(s->link_directory), why, size);
	case HOMES_VIEWS:
		return take_number(value, 0, 1000000, &s->views_at_start, why, size);
	case HOMES_VIEW:
		return take_view(value, &s->view, why, size);
	case HOMES_FILES:
		return take_file_size(value, &s->files_per_size, why, size);
	case HOMES_GRACE:
		return take_number(value, 0, 36500, &s->grace_days, why, size);
	case LIMITS_ACCOUNTS:
		return take_number(value, 0, 100000000, &s->limit_accounts, why, size);
	case LIMITS_KEYS:
		return take_number(value, 0, 100000, &s->limit_keys, why, size);
	case LIMITS_RANGES:
		return take_number(value, 0, 32768, &s->limit_ranges, why, size);
	case SESSIONS_KEY:
		return take_number(value, 1, SESSIONS_MAX, &s->sessions_key, why, size);
	case SESSIONS_ACCOUNT:
		return take_number(value, 1, SESSIONS_MAX, &s->sessions_account, why, size);
	case SESSIONS_UNUSED:
		return take_number(value, 0, 86400, &s->unused_seconds, why, size);
	case SESSIONS_SILENCE:
		return take_number(value, 0, 604800, &s->silence_seconds, why, size);
	case SESSIONS_MEMORY:
		return take_number(value, 64, 524288, &s->memory_mib, why, size);
	case SESSIONS_CPU:
		return take_number(value, 1, 10000, &s->cpu_weight, why, size);
	case ACCESS_ADMIN_GROUP:
		return take_group(value, s->admin_group, sizeof(s->admin_group), why, size);
	case ALARM_HOOK:
		if (value[0] == '\0') {
			s->hook[0] = '\0';
			return 0;
		}
		return take_directory(value, s->hook, sizeof(s->hook), why, size);
	case STATE_BACKUPS:
		return take_directory(value, s->backup_directory, sizeof(s->backup_directory), why, size);
	case STATE_KEPT:
		return take_number(value, 0, 10000, &s->backups_kept, why, size);
	case SERVICE_PER_UID:
		return take_number(value, 1, 4096, &s->connections_per_uid, why, size);
	case SERVICE_CONNECTIONS:
		return take_number(value, 1, 4096, &s->connections, why, size);
	case SERVICE_IDLE:
		return take_number(value, 1, 3600, &s->idle_seconds, why, size);
	case KEYS:
		break;
	}
	return refuse(why, size, "no such key");
}

static int take(void *data, unsigned key, const char *value, const char *place, char *why, size_t size)
{
	struct loading *loading = data;

	snprintf(loading->place[key], sizeof(loading->place[key]), "%s", place);
	return take_value(&loading->settings, (enum key)key, value, why, size);
}

/* A fault between two keys is reported for the one that somebody set. */
static int refuse_pair(const struct loading *loading, enum key a, enum key b, char *why, size_t size,
		       const char *text)
{
	const char *place = loading->place[a][0] != '\0' ? loading->place[a] : loading->place[b];

	snprintf(why, size, "%s: %s", place, text);
	return -EINVAL;
}

static int settings_check(const struct loading *loading, char *why, size_t size)
{
	const struct settings *s = &loading->settings;

	for (unsigned i = 0; i < s->accounts_count; i++)
		for (unsigned j = 0; j < s->ranges_count; j++)
			if (id_blocks_overlap(s->accounts[i], s->ranges[j]))
				return refuse_pair(loading, IDS_ACCOUNTS, IDS_RANGES, why, size,
						   "the blocks of accounts and ranges overlap");
	if (s->connections_per_uid > s->connections)
		return refuse_pair(loading, SERVICE_PER_UID, SERVICE_CONNECTIONS, why, size,
				   "connections_per_uid is more than connections");
	if (s->sessions_key > s->sessions_account)
		return refuse_pair(loading, SESSIONS_KEY, SESSIONS_ACCOUNT, why, size,
				   "per_key is more than per_account");
	return 0;
}

int settings_load(const char *root, struct settings *settings, char *why, size_t size)
{
	struct loading loading = { 0 };
	const struct settings_reader reader = { keys, KEYS, take, &loading };
	int r;

	settings_default(&loading.settings);
	r = settings_files_read(root, &reader, why, size);
	if (r == 0)
		r = settings_check(&loading, why, size);
	if (r < 0)
		return r;
	*settings = loading.settings;
	return 0;
}
