/* SPDX-License-Identifier: ISC */
/*
 * The words between key index and login shell (`push key=12 fp=…`), written and read here, and the line of
 * authorized_keys that carries them. Also decides what a key may do with a given command. Pure.
 */
#include "backup/login_command.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "account/date.h"
#include "account/id.h"
#include "account/key.h"
#include "account/key_words.h"
#include "account/role.h"
#include "account/shell.h"
#include "account/login_line.h"
#include "backup/probe.h"
#include "backup/report.h"

#define PROCESSES_DIVIDED 32
#define TIME_MAX INT64_C(253402300799) /* 9999-12-31 23:59:59: the last one that four digits can say */

static bool all_of(const char *text, const char *extra)
{
	static const char alnum[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

	for (const char *p = text; *p != '\0'; p++)
		if (strchr(alnum, *p) == NULL && strchr(extra, *p) == NULL)
			return false;
	return text[0] != '\0';
}

/* As the key was when it was written. */
static bool isolation_fits(const struct login_command *parsed)
{
	struct ssh_key key = { .role = parsed->role, .options = parsed->options };
	const char *todo;

	memcpy(key.tools, parsed->tools, sizeof(key.tools));
	memcpy(key.net, parsed->net, sizeof(key.net));
	memcpy(key.command, parsed->line, sizeof(key.command));
	return shell_conflict(&key, &todo) == NULL;
}

/* Digits, no leading zero, at most 1 EiB. */
static bool quota_parse(const char *text, uint64_t *quota)
{
	uint64_t value = 0;

	if (text[0] < '1' || text[0] > '9' || strlen(text) > 19)
		return false;
	for (; *text >= '0' && *text <= '9'; text++)
		value = value * 10 + (uint64_t)(*text - '0');
	*quota = value;
	return *text == '\0' && value <= KEY_QUOTA_MAX;
}

int login_command_parse(const char *text, struct login_command *command)
{
	struct login_command parsed = { 0 };
	char copy[LOGIN_COMMAND_MAX + 1], *rest = copy, *word;
	struct roles roles;
	uint32_t bit;

	if (strlen(text) > LOGIN_COMMAND_MAX)
		return -EINVAL;
	memcpy(copy, text, strlen(text) + 1);
	word = strsep(&rest, " ");
	if (roles_parse(word, &roles) < 0)
		return -EINVAL;
	parsed.role = roles.role;
	parsed.forward = roles.forward;
	memcpy(parsed.tools, roles.tools, sizeof(parsed.tools));
	while ((word = strsep(&rest, " ")) != NULL && key_option_parse(word, &bit) == 0) {
		if ((parsed.options & bit) != 0)
			return -EINVAL;
		parsed.options |= bit;
	}
	if (word != NULL && strncmp(word, "quota=", 6) == 0) {
		if (!quota_parse(word + 6, &parsed.storage_quota))
			return -EINVAL;
		word = strsep(&rest, " ");
	}
	if (word != NULL && strncmp(word, "net=", 4) == 0) {
		if (!ports_valid(word + 4) || word[4] == '\0')
			return -EINVAL;
		memcpy(parsed.net, word + 4, strlen(word + 4) + 1);
		word = strsep(&rest, " ");
	}
	if (word != NULL && strncmp(word, "run=", 4) == 0) {
		if (!login_line_read(word + 4, parsed.line))
			return -EINVAL;
		word = strsep(&rest, " ");
	}
	if (word == NULL || strncmp(word, "key=", 4) != 0 || id_parse(word + 4, &parsed.key_id) < 0)
		return -EINVAL;
	word = strsep(&rest, " ");
	if (word == NULL || rest != NULL || strncmp(word, "fp=", 3) != 0 || !fingerprint_shaped(word + 3) ||
	    !isolation_fits(&parsed))
		return -EINVAL;
	memcpy(parsed.fingerprint, word + 3, strlen(word + 3) + 1);
	*command = parsed;
	return 0;
}

/* The two words are those of every key. */
int login_manage_parse(const char *text, const char **words)
{
	static const char program[] = MANAGE_PROGRAM " ";
	char as_role[LOGIN_COMMAND_MAX + 1];
	struct login_command ignored;

	if (strncmp(text, program, sizeof(program) - 1) != 0 || strlen(text) > LOGIN_COMMAND_MAX)
		return -EINVAL;
	snprintf(as_role, sizeof(as_role), "manage %s", text + sizeof(program) - 1);
	if (login_command_parse(as_role, &ignored) < 0 || ignored.options != 0 || ignored.storage_quota != 0)
		return -EINVAL;
	*words = text + sizeof(program) - 1;
	return 0;
}

static bool append_expiry(char *out, size_t size, size_t *used, int64_t expires)
{
	time_t when = expires > TIME_MAX ? TIME_MAX : expires;
	char text[32];
	struct tm tm;

	if (expires == 0)
		return true;
	if (expires < 0 || gmtime_r(&when, &tm) == NULL || strftime(text, sizeof(text), "%Y%m%d%H%M%SZ", &tm) != 15)
		return false;
	return words_append(out, size, used, ",expiry-time=\"%s\"", text);
}

int authorized_keys_line(const struct ssh_key *key, char *out, size_t size)
{
	char command[LOGIN_COMMAND_MAX + 1];
	size_t used = 0;

	if (key_words_format(key, command, sizeof(command)) < 0)
		return -EINVAL;
	if (!all_of(key->type, "-@.") || !all_of(key->blob, "+/="))
		return -EINVAL;
	if (key->from[0] != '\0' && !from_valid(key->from))
		return -EINVAL;
	if (!words_append(out, size, &used, "restrict") || !append_expiry(out, size, &used, key->expires))
		return -EINVAL;
	if (key->forward[0] != '\0' && !forward_valid(key->forward))
		return -EINVAL;
	if (key->forward[0] != '\0' &&
	    !words_append(out, size, &used, ",port-forwarding,permitopen=\"%s\"", key->forward))
		return -ENOSPC;
	if ((key->options & KEY_TTY) != 0 && !words_append(out, size, &used, ",pty"))
		return -ENOSPC;
	if (key->from[0] != '\0' && !words_append(out, size, &used, ",from=\"%s\"", key->from))
		return -ENOSPC;
	if (!words_append(out, size, &used, ",command=\"%s\" %s %s\n", command, key->type, key->blob))
		return -ENOSPC;
	return (int)used;
}

/* The gates have values of their own if the index has none. */
static const char *memory_argument(const struct index_sessions *sessions, struct login_numbers *numbers)
{
	if (sessions->memory == 0)
		return NULL;
	snprintf(numbers->memory, sizeof(numbers->memory), "-memory=%u", sessions->memory * SESSION_MEMORY_MIB);
	return numbers->memory;
}

/* Processes are counted by uid: those of a key that only reads, which a client may have taken over, leave half of them
 * to the others of the account. Few are not divided. */
static uint64_t processes_of(const struct account_bounds *bounds, bool reads)
{
	const uint64_t all = bounds->of.of[BOUND_PROCESSES];

	return reads && all >= PROCESSES_DIVIDED ? all / 2 : all;
}

/* Those of them that are not the gates' own. How many they are. */
static size_t bound_arguments(const struct account_bounds *bounds, bool reads, const char **argv,
			      struct login_numbers *numbers)
{
	const struct {
		const char *name;
		uint64_t value, usual;
	} all[] = {
		{ "-processes", processes_of(bounds, reads), BOUND_PROCESSES_DEFAULT },
		{ "-open-files", bounds->of.of[BOUND_OPEN_FILES], BOUND_OPEN_FILES_DEFAULT },
		{ "-file-size", bounds->of.of[BOUND_FILE_SIZE], 0 },
		{ "-memory-bound", bounds->process_memory, 0 },
	};
	size_t n = 0;

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		if (all[i].value == 0 || all[i].value == all[i].usual)
			continue;
		snprintf(numbers->bounds[n], sizeof(numbers->bounds[n]), "%s=%" PRIu64, all[i].name, all[i].value);
		argv[n] = numbers->bounds[n];
		n++;
	}
	return n;
}

void login_gate_arguments(const struct login_command *command, const struct index_host *host,
			  const struct account_bounds *bounds, const char *home, const char **argv,
			  struct login_numbers *numbers)
{
	const uint64_t bandwidth = bounds->of.of[BOUND_BANDWIDTH];
	size_t n = 0;

	argv[n++] = "subuid-rrsync";
	argv[n++] = REPORT_OPTION;
	if (command->role == ROLE_PUSH)
		argv[n++] = "-wo";
	else if (command->role == ROLE_PULL)
		argv[n++] = "-ro";
	else if (command->role == ROLE_BLIND)
		argv[n++] = "-blind";
	if (command->role == ROLE_PULL)
		argv[n++] = "-snapshots";
	if ((command->options & (KEY_NO_DELETE | KEY_APPEND_ONLY)) != 0)
		argv[n++] = "-no-del";
	if ((command->options & (KEY_NO_OVERWRITE | KEY_APPEND_ONLY)) != 0)
		argv[n++] = "-no-overwrite";
	if ((command->options & KEY_NO_FAKE_SUPER) == 0)
		argv[n++] = "-fake-super";
	argv[n++] = "-absolute"; /* one name for one place, whichever tool the client has it from */
	argv[n] = memory_argument(&host->sessions, numbers);
	if (argv[n] != NULL) {
		snprintf(numbers->timeout, sizeof(numbers->timeout), "-timeout=%" PRIu32, host->sessions.silence);
		argv[++n] = numbers->timeout;
		n++;
	}
	n += bound_arguments(bounds, command->role == ROLE_PULL, argv + n, numbers);
	if (bandwidth != 0 && bandwidth >> 10 < INT32_MAX) {
		snprintf(numbers->bandwidth, sizeof(numbers->bandwidth), "-bwlimit=%" PRIu64, (bandwidth + 1023) >> 10);
		argv[n++] = numbers->bandwidth;
	}
	argv[n++] = "--";
	argv[n++] = home;
	argv[n] = NULL;
}

/* How many they are. */
static size_t shell_options(const struct login_command *command, unsigned shell, const char **argv,
			    struct login_numbers *numbers)
{
	size_t n = 0;

	if (!tools_isolated(command->tools))
		return 0;
	snprintf(numbers->shell, sizeof(numbers->shell), "-shell=%s", shell_name(shell));
	argv[n++] = numbers->shell;
	if ((command->options & KEY_TTY) != 0)
		argv[n++] = "-tty";
	snprintf(numbers->net, sizeof(numbers->net), "-net=%s", command->net);
	if (command->net[0] != '\0')
		argv[n++] = numbers->net;
	snprintf(numbers->line, sizeof(numbers->line), "-line=%s", command->line);
	if (command->line[0] != '\0')
		argv[n++] = numbers->line;
	return n;
}

void login_tool_arguments(const struct login_command *command, const struct index_host *host,
			  const struct account_bounds *bounds, const char *takes, const char *home, const char **argv,
			  struct login_numbers *numbers)
{
	size_t n = 0;

	argv[n++] = "subuid-tool";
	argv[n++] = REPORT_OPTION;
	if ((command->options & KEY_APPEND_ONLY) != 0)
		argv[n++] = "-append-only";
	if ((command->options & KEY_READ_ONLY) != 0)
		argv[n++] = "-read-only";
	if (command->storage_quota != 0) {
		snprintf(numbers->quota, sizeof(numbers->quota), "-quota=%" PRIu64, command->storage_quota);
		argv[n++] = numbers->quota;
	}
	argv[n] = memory_argument(&host->sessions, numbers);
	n += argv[n] != NULL;
	n += bound_arguments(bounds, (command->options & KEY_READ_ONLY) != 0, argv + n, numbers);
	n += shell_options(command, host->session_shell, argv + n, numbers);
	snprintf(numbers->key, sizeof(numbers->key), "-key=%" PRIu32, command->key_id);
	argv[n++] = numbers->key;
	argv[n++] = takes;
	argv[n++] = "--";
	argv[n++] = command->tools;
	argv[n++] = home;
	argv[n] = NULL;
}

bool login_command_names_rsync(const char *original)
{
	static const char rsync[] = "rsync";
	size_t word = strcspn(original, " \t");

	return word >= sizeof(rsync) - 1 &&
	       strncmp(original + word - (sizeof(rsync) - 1), rsync, sizeof(rsync) - 1) == 0 &&
	       (word == sizeof(rsync) - 1 || original[word - sizeof(rsync)] == '/');
}

bool login_command_isolated(const struct login_command *command, const char *original)
{
	return tools_isolated(command->tools) && (original == NULL || !login_command_is_rsync(command, original));
}

/* A probe asks whether the host is up: either answers it. */
bool login_command_is_rsync(const struct login_command *command, const char *original)
{
	if (command->role == ROLE_NONE || command->tools[0] == '\0')
		return command->role != ROLE_NONE;
	return login_command_names_rsync(original);
}

/* The next word of a command, or NULL: paths follow, which begin with a dot of their own. */
static const char *option_next(const char **rest, size_t *length)
{
	const char *word = *rest + strspn(*rest, " \t");

	*length = strcspn(word, " \t");
	*rest = word + *length;
	return *length == 0 || (*length == 1 && word[0] == '.') ? NULL : word;
}

bool login_command_serves_rsync(const char *original)
{
	static const char server[] = "--server";
	const char *word;
	size_t length;

	while ((word = option_next(&original, &length)) != NULL)
		if (length == sizeof(server) - 1 && memcmp(word, server, length) == 0)
			return true;
	return false;
}

bool login_command_narrow(struct login_command *command, const char *original)
{
	if (!login_command_is_rsync(command, original)) {
		/* a key that may only add could not use it */
		if ((command->options & KEY_APPEND_ONLY) != 0)
			return false;
		command->options |= KEY_READ_ONLY;
		return true;
	}
	if (command->role == ROLE_PULL || probe_is(original))
		return true;
	if (command->role != ROLE_SYNC || !login_command_looks(original))
		return false;
	command->role = ROLE_PULL;
	return true;
}

/* A word of short options, "-vnlogDtpre.iLsfxCIvu": after an e there are capabilities. */
static bool cluster_dry(const char *word, size_t length)
{
	for (size_t i = 1; i < length && word[i] != 'e'; i++)
		if (word[i] == 'n')
			return true;
	return false;
}

bool login_command_looks(const char *original)
{
	static const char *const looks[] = { "--sender", "--dry-run", "--list-only" };
	const char *word;
	size_t length;

	while ((word = option_next(&original, &length)) != NULL) {
		if (length > 1 && word[0] == '-' && word[1] != '-' && cluster_dry(word, length))
			return true;
		for (size_t i = 0; i < sizeof(looks) / sizeof(looks[0]); i++)
			if (length == strlen(looks[i]) && strncmp(word, looks[i], length) == 0)
				return true;
	}
	return false;
}
