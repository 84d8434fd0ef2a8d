/* SPDX-License-Identifier: ISC */
/* What each setting of subuidd.conf(5) may be, and its default. */
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "account/fields.h"
#include "index/format.h"
#include "account/name.h"
#include "subuidd/base/settings.h"
#include "subuidd/base/settings_file.h"

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

/* What one key means: taken into the member of struct settings at this offset (blocks: into the whole of it). */
struct setting {
	struct settings_key key;
	int (*take)(const struct setting *setting, const char *value, void *out, char *why, size_t size);
	size_t offset, size;
	uint32_t least, most; /* of a number */
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

static int take_number(const struct setting *setting, const char *value, void *out, char *why, size_t size)
{
	uint32_t parsed;

	if (id_parse(value, &parsed) < 0 || parsed < setting->least || parsed > setting->most) {
		snprintf(why, size, "not a number from %u to %u", setting->least, setting->most);
		return -EINVAL;
	}
	memcpy(out, &parsed, sizeof(parsed));
	return 0;
}

static int take_bool(const struct setting *setting, const char *value, void *out, char *why, size_t size)
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

static int take_publish(const struct setting *setting, const char *value, void *out, char *why, size_t size)
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

static int take_view(const struct setting *setting, const char *value, void *out, char *why, size_t size)
{
	uint32_t *view = out, parsed;

	(void)setting;
	if (account_view_parse(value, &parsed) < 0 || parsed == VIEW_DEFAULT)
		return refuse(why, size, "neither theirs nor owner");
	*view = parsed;
	return 0;
}

/* "16K", "1M", "4096"; "none". */
static int take_file_size(const struct setting *setting, const char *value, void *out, char *why, size_t size)
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

static int take_separator(const struct setting *setting, const char *value, void *out, char *why, size_t size)
{
	char *separator = out;

	(void)setting;
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

static int take_directory(const struct setting *setting, const char *value, void *out, char *why, size_t size)
{
	const char *at = value;

	if (strlen(value) >= setting->size)
		return refuse(why, size, "too long");
	if (*at != '/')
		return refuse(why, size, "not an absolute path");
	while (*at == '/') {
		size_t length = strcspn(at + 1, "/");

		if (!component_valid(at + 1, length))
			return refuse(why, size, "not a plain path of [A-Za-z0-9._@+-], without . and .. in it");
		at += 1 + length;
	}
	memcpy(out, value, strlen(value) + 1);
	return 0;
}

static int take_link(const struct setting *setting, const char *value, void *out, char *why, size_t size)
{
	if (strlen(value) >= setting->size || !component_valid(value, strlen(value)))
		return refuse(why, size, "not the name of one directory, of [A-Za-z0-9._@+-]");
	memcpy(out, value, strlen(value) + 1);
	return 0;
}

static int take_group(const struct setting *setting, const char *value, void *out, char *why, size_t size)
{
	if (strlen(value) >= setting->size || !comment_valid(value, setting->size - 1) || strchr(value, ',') != NULL)
		return refuse(why, size, "not the name of a group");
	memcpy(out, value, strlen(value) + 1);
	return 0;
}

/* No hook is one, too. */
static int take_hook(const struct setting *setting, const char *value, void *out, char *why, size_t size)
{
	if (value[0] != '\0')
		return take_directory(setting, value, out, why, size);
	memset(out, 0, setting->size);
	return 0;
}

static int take_account_blocks(const struct setting *setting, const char *value, void *out, char *why, size_t size)
{
	struct settings *s = out;

	(void)setting;
	return blocks_parse(value, false, s->accounts, &s->accounts_count, why, size);
}

static int take_range_blocks(const struct setting *setting, const char *value, void *out, char *why, size_t size)
{
	struct settings *s = out;

	(void)setting;
	return blocks_parse(value, true, s->ranges, &s->ranges_count, why, size);
}

static const struct setting table[KEYS] = {
#define IN(member) offsetof(struct settings, member), sizeof(((struct settings *)0)->member)
	[IDS_ACCOUNTS] = { { "ids", "accounts" }, take_account_blocks, 0, 0, 0, 0 },
	[IDS_RANGES] = { { "ids", "ranges" }, take_range_blocks, 0, 0, 0, 0 },
	[SUBID_PUBLISH] = { { "subid", "publish" }, take_publish, IN(publish), 0, 0 },
	[NAMES_SEPARATOR] = { { "names", "separator" }, take_separator, IN(separator), 0, 0 },
	[NAMES_ENUMERATE] = { { "names", "enumerate" }, take_bool, IN(enumerate), 0, 0 },
	[NAMES_RANGES] = { { "names", "range_names" }, take_bool, IN(range_names), 0, 0 },
	[HOMES_DIRECTORY] = { { "homes", "directory" }, take_directory, IN(homes), 0, 0 },
	[HOMES_LINK] = { { "homes", "link_directory" }, take_link, IN(link_directory), 0, 0 },
	[HOMES_VIEWS] = { { "homes", "views_at_start" }, take_number, IN(views_at_start), 0, 1000000 },
	[HOMES_VIEW] = { { "homes", "view" }, take_view, IN(view), 0, 0 },
	[HOMES_FILES] = { { "homes", "files_per_size" }, take_file_size, IN(files_per_size), 0, 0 },
	[HOMES_GRACE] = { { "homes", "grace_days" }, take_number, IN(grace_days), 0, 36500 },
	[LIMITS_ACCOUNTS] = { { "limits", "accounts" }, take_number, IN(limit_accounts), 0, 100000000 },
	[LIMITS_KEYS] = { { "limits", "keys" }, take_number, IN(limit_keys), 0, 100000 },
	[LIMITS_RANGES] = { { "limits", "ranges" }, take_number, IN(limit_ranges), 0, 32768 },
	[SESSIONS_KEY] = { { "sessions", "per_key" }, take_number, IN(sessions_key), 1, SESSIONS_MAX },
	[SESSIONS_ACCOUNT] = { { "sessions", "per_account" }, take_number, IN(sessions_account), 1, SESSIONS_MAX },
	[SESSIONS_UNUSED] = { { "sessions", "unused_seconds" }, take_number, IN(unused_seconds), 0, 86400 },
	[SESSIONS_SILENCE] = { { "sessions", "silence_seconds" }, take_number, IN(silence_seconds), 0, 604800 },
	[SESSIONS_MEMORY] = { { "sessions", "memory_mib" }, take_number, IN(memory_mib), 64, 524288 },
	[SESSIONS_CPU] = { { "sessions", "cpu_weight" }, take_number, IN(cpu_weight), 1, 10000 },
	[ACCESS_ADMIN_GROUP] = { { "access", "admin_group" }, take_group, IN(admin_group), 0, 0 },
	[ALARM_HOOK] = { { "alarm", "hook" }, take_hook, IN(hook), 0, 0 },
	[STATE_BACKUPS] = { { "state", "backup_directory" }, take_directory, IN(backup_directory), 0, 0 },
	[STATE_KEPT] = { { "state", "backups_kept" }, take_number, IN(backups_kept), 0, 10000 },
	[SERVICE_PER_UID] = { { "service", "connections_per_uid" }, take_number, IN(connections_per_uid), 1, 4096 },
	[SERVICE_CONNECTIONS] = { { "service", "connections" }, take_number, IN(connections), 1, 4096 },
	[SERVICE_IDLE] = { { "service", "idle_seconds" }, take_number, IN(idle_seconds), 1, 3600 },
#undef IN
};

static int take(void *data, unsigned key, const char *value, const char *place, char *why, size_t size)
{
	struct loading *loading = data;

	snprintf(loading->place[key], sizeof(loading->place[key]), "%s", place);
	return table[key].take(&table[key], value, (char *)&loading->settings + table[key].offset, why, size);
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
	struct settings_key keys[KEYS];
	const struct settings_reader reader = { keys, KEYS, take, &loading };
	int r;

	for (unsigned i = 0; i < KEYS; i++)
		keys[i] = table[i].key;
	settings_default(&loading.settings);
	r = settings_files_read(root, &reader, why, size);
	if (r == 0)
		r = settings_check(&loading, why, size);
	if (r < 0)
		return r;
	*settings = loading.settings;
	return 0;
}
