/* SPDX-License-Identifier: ISC */
/*
 * The settings of subuidd.conf(5): which there are, their defaults and bounds, and what two of them may not say
 * together. settings_value.c reads the values, settings_file.c the files. Run by the broker and the state program
 * (root), and by `subuidd --check-config`.
 */
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysinfo.h>

#include "account/fields.h"
#include "index/format.h"
#include "account/name.h"
#include "home/sessions.h"
#include "account/password.h"
#include "subuidd/base/settings.h"
#include "subuidd/base/settings_value.h"

#define ACCOUNT_MEMORY_DEFAULT 4096u /* MiB: what one session may have, nearly */
#define ACCOUNT_MEMORY_LEAST 256u

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
	SESSIONS_LONGEST,
	SESSIONS_GRACE,
	SESSIONS_MEMORY,
	SESSIONS_ACCOUNT_MEMORY,
	SESSIONS_CPU,
	SESSIONS_PROCESSES,
	SESSIONS_OPEN_FILES,
	SESSIONS_FILE_SIZE,
	SESSIONS_IO,
	SESSIONS_LOGINS,
	SESSIONS_BANDWIDTH,
	SESSIONS_SHELL,
	SESSIONS_PRIVATE,
	SESSIONS_TMP,
	SESSIONS_HIDE,
	SESSIONS_BIND,
	PASSWORDS_ENABLED,
	PASSWORDS_COST,
	PASSWORDS_TRIES,
	ACCESS_ADMIN_GROUP,
	ALARM_HOOK,
	ALARM_VANISHED,
	ALARM_DELETED,
	ALARM_CHANGED,
	ALARM_QUOTA,
	ALARM_KEY_UNUSED,
	ALARM_KEY_EXPIRES,
	ALARM_EXPIRES,
	STATE_BACKUPS,
	STATE_KEPT,
	SERVICE_PER_UID,
	SERVICE_CONNECTIONS,
	SERVICE_IDLE,
	KEYS
};

struct loading {
	struct settings settings;
	char place[KEYS][SETTINGS_PLACE_MAX]; /* where each key was last given; "" default */
};

/* Half of a small host: one account is not to have all of it. */
static uint32_t account_memory_default(void)
{
	struct sysinfo host;
	uint64_t half;

	if (sysinfo(&host) != 0)
		return ACCOUNT_MEMORY_DEFAULT;
	half = (uint64_t)host.totalram * host.mem_unit / 2 >> 20;
	if (half >= ACCOUNT_MEMORY_DEFAULT)
		return ACCOUNT_MEMORY_DEFAULT;
	return half < ACCOUNT_MEMORY_LEAST ? ACCOUNT_MEMORY_LEAST : (uint32_t)half / 16 * 16;
}

void settings_bounds(const struct settings *settings, struct bounds *bounds)
{
	*bounds = (struct bounds){ .of = {
					   [BOUND_PROCESSES] = settings->processes,
					   [BOUND_MEMORY] = (uint64_t)settings->account_memory_mib << 20,
					   [BOUND_OPEN_FILES] = settings->open_files,
					   [BOUND_FILE_SIZE] = (uint64_t)settings->file_size_mib << 20,
					   [BOUND_CPU_WEIGHT] = settings->cpu_weight,
					   [BOUND_IO_WEIGHT] = settings->io_weight,
					   [BOUND_SESSIONS] = settings->sessions_account,
					   [BOUND_LOGINS] = settings->logins_minute,
					   [BOUND_BANDWIDTH] = (uint64_t)settings->bandwidth_kib << 10,
				   } };
}

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
		.session_grace = 2,
		.memory_mib = 1024,
		.account_memory_mib = account_memory_default(),
		.cpu_weight = 50,
		.processes = BOUND_PROCESSES_DEFAULT,
		.open_files = BOUND_OPEN_FILES_DEFAULT,
		.io_weight = 50,
		.sessions_private = true,
		.tmp_mib = SESSION_TMP_DEFAULT,
		.hide = SESSION_HIDE_DEFAULT,
		.password_cost = 5,
		.password_tries = 10,
		.vanished_good = true,
		.deleted_share = 50,
		.quota_used = true,
		.key_expires_days = 14,
		.expires_days = 14,
		.backup_directory = "/var/backups/subuidd",
		.backups_kept = 7,
		.connections_per_uid = 32,
		.connections = 256,
		.idle_seconds = 30,
	};
}

static const struct setting table[KEYS] = {
#define IN(member) offsetof(struct settings, member), sizeof(((struct settings *)0)->member)
	[IDS_ACCOUNTS] = { { "ids", "accounts" }, setting_account_blocks, 0, 0, 0, 0 },
	[IDS_RANGES] = { { "ids", "ranges" }, setting_range_blocks, 0, 0, 0, 0 },
	[SUBID_PUBLISH] = { { "subid", "publish" }, setting_publish, IN(publish), 0, 0 },
	[NAMES_SEPARATOR] = { { "names", "separator" }, setting_separator, IN(separator), 0, 0 },
	[NAMES_ENUMERATE] = { { "names", "enumerate" }, setting_bool, IN(enumerate), 0, 0 },
	[NAMES_RANGES] = { { "names", "range_names" }, setting_bool, IN(range_names), 0, 0 },
	[HOMES_DIRECTORY] = { { "homes", "directory" }, setting_directory, IN(homes), 0, 0 },
	[HOMES_LINK] = { { "homes", "link_directory" }, setting_link, IN(link_directory), 0, 0 },
	[HOMES_VIEWS] = { { "homes", "views_at_start" }, setting_number, IN(views_at_start), 0, 1000000 },
	[HOMES_VIEW] = { { "homes", "view" }, setting_view, IN(view), 0, 0 },
	[HOMES_FILES] = { { "homes", "files_per_size" }, setting_file_size, IN(files_per_size), 0, 0 },
	[HOMES_GRACE] = { { "homes", "grace_days" }, setting_number, IN(grace_days), 0, 36500 },
	[LIMITS_ACCOUNTS] = { { "limits", "accounts" }, setting_number, IN(limit_accounts), 0, 100000000 },
	[LIMITS_KEYS] = { { "limits", "keys" }, setting_number, IN(limit_keys), 0, 100000 },
	[LIMITS_RANGES] = { { "limits", "ranges" }, setting_number, IN(limit_ranges), 0, 32768 },
	[SESSIONS_KEY] = { { "sessions", "per_key" }, setting_number, IN(sessions_key), 1, SESSIONS_MAX },
	[SESSIONS_ACCOUNT] = { { "sessions", "per_account" }, setting_number, IN(sessions_account), 1, SESSIONS_MAX },
	[SESSIONS_UNUSED] = { { "sessions", "unused_seconds" }, setting_number, IN(unused_seconds), 0, 86400 },
	[SESSIONS_SILENCE] = { { "sessions", "silence_seconds" }, setting_number, IN(silence_seconds), 0, 604800 },
	[SESSIONS_LONGEST] = { { "sessions", "longest_hours" }, setting_number, IN(session_hours), 0, UINT8_MAX },
	[SESSIONS_GRACE] = { { "sessions", "grace_seconds" },
			     setting_number,
			     IN(session_grace),
			     0,
			     SESSIONS_GRACE_MAX },
	[SESSIONS_MEMORY] = { { "sessions", "memory_mib" }, setting_number, IN(memory_mib), 64, 524288 },
	[SESSIONS_ACCOUNT_MEMORY] = { { "sessions", "account_memory_mib" },
				      setting_account_memory,
				      IN(account_memory_mib),
				      64,
				      524288 },
	[SESSIONS_CPU] = { { "sessions", "cpu_weight" }, setting_number, IN(cpu_weight), 1, 10000 },
	[SESSIONS_PROCESSES] = { { "sessions", "processes" }, setting_number, IN(processes), 16, BOUND_PROCESSES_MAX },
	[SESSIONS_OPEN_FILES] = { { "sessions", "open_files" },
				  setting_number,
				  IN(open_files),
				  64,
				  BOUND_OPEN_FILES_MAX },
	[SESSIONS_FILE_SIZE] = { { "sessions", "file_size_mib" }, setting_number, IN(file_size_mib), 0, 1073741824 },
	[SESSIONS_IO] = { { "sessions", "io_weight" }, setting_number, IN(io_weight), 1, BOUND_WEIGHT_MAX },
	[SESSIONS_LOGINS] = { { "sessions", "logins_minute" }, setting_number, IN(logins_minute), 0, LOGINS_MAX },
	[SESSIONS_BANDWIDTH] = { { "sessions", "bandwidth_kib" }, setting_number, IN(bandwidth_kib), 0, 1073741824 },
	[SESSIONS_SHELL] = { { "sessions", "shell" }, setting_shell, IN(session_shell), 0, 0 },
	[SESSIONS_PRIVATE] = { { "sessions", "private" }, setting_bool, IN(sessions_private), 0, 0 },
	[SESSIONS_TMP] = { { "sessions", "tmp_mib" }, setting_number, IN(tmp_mib), 1, SESSION_TMP_MAX },
	[SESSIONS_HIDE] = { { "sessions", "hide" }, setting_hide, IN(hide), 0, 0 },
	[SESSIONS_BIND] = { { "sessions", "bind" }, setting_binds, IN(bind), 0, 0 },
	[PASSWORDS_ENABLED] = { { "passwords", "enabled" }, setting_bool, IN(passwords), 0, 0 },
	[PASSWORDS_COST] = { { "passwords", "cost" },
			     setting_number,
			     IN(password_cost),
			     PASSWORD_COST_LEAST,
			     PASSWORD_COST_MOST },
	[PASSWORDS_TRIES] = { { "passwords", "tries" }, setting_number, IN(password_tries), 1, 1000 },
	[ACCESS_ADMIN_GROUP] = { { "access", "admin_group" }, setting_group, IN(admin_group), 0, 0 },
	[ALARM_HOOK] = { { "alarm", "hook" }, setting_hook, IN(hook), 0, 0 },
	[ALARM_VANISHED] = { { "alarm", "vanished_is_good" }, setting_bool, IN(vanished_good), 0, 0 },
	[ALARM_DELETED] = { { "alarm", "deleted_percent" }, setting_number, IN(deleted_share), 0, 100 },
	[ALARM_CHANGED] = { { "alarm", "changed_percent" }, setting_number, IN(changed_share), 0, 100 },
	[ALARM_QUOTA] = { { "alarm", "quota_used" }, setting_bool, IN(quota_used), 0, 0 },
	[ALARM_KEY_UNUSED] = { { "alarm", "key_unused_days" }, setting_number, IN(key_unused_days), 0, 36500 },
	[ALARM_KEY_EXPIRES] = { { "alarm", "key_expires_days" }, setting_number, IN(key_expires_days), 0, 36500 },
	[ALARM_EXPIRES] = { { "alarm", "account_expires_days" }, setting_number, IN(expires_days), 0, 36500 },
	[STATE_BACKUPS] = { { "state", "backup_directory" }, setting_directory, IN(backup_directory), 0, 0 },
	[STATE_KEPT] = { { "state", "backups_kept" }, setting_number, IN(backups_kept), 0, 10000 },
	[SERVICE_PER_UID] = { { "service", "connections_per_uid" }, setting_number, IN(connections_per_uid), 1, 4096 },
	[SERVICE_CONNECTIONS] = { { "service", "connections" }, setting_number, IN(connections), 1, 4096 },
	[SERVICE_IDLE] = { { "service", "idle_seconds" }, setting_number, IN(idle_seconds), 1, 3600 },
#undef IN
};

static int take(void *data, unsigned key, const char *value, const char *place, char *why, size_t size)
{
	struct loading *loading = data;

	snprintf(loading->place[key], sizeof(loading->place[key]), "%s", place);
	return table[key].take(&table[key], value, (char *)&loading->settings + table[key].offset, why, size);
}

/* A fault between two keys is reported for the one that somebody set. */
static int refuse_pair(const struct loading *loading, enum key a, enum key b, char *why, size_t size, const char *text)
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

/* To a message that says only what is wrong, and where. */
static void todo_add(char *why, size_t size)
{
	static const char todo[] = "; correct it, subuidd.conf(5) says what may stand there";
	size_t used = strnlen(why, size);

	if (used > 0 && strstr(why, "; ") == NULL && size - used > sizeof(todo))
		memcpy(why + used, todo, sizeof(todo));
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
	if (r < 0) {
		todo_add(why, size);
		return r;
	}
	*settings = loading.settings;
	return 0;
}
