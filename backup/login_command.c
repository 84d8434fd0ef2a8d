/* SPDX-License-Identifier: ISC */
/*
 * The words between key index and login shell (`push key=12 fp=…`), written and read here, and the line of
 * authorized_keys that carries them. Also what a key may do with a given command. Pure.
 */
#include "backup/login_command.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "account/id.h"
#include "account/key.h"
#include "account/role.h"
#include "backup/file_count.h"

#define QUOTA_MAX (UINT64_C(1) << 60)
#define TIME_MAX INT64_C(253402300799) /* 9999-12-31 23:59:59: the last one that four digits can say */

static const uint32_t option_bits[] = { KEY_NO_DELETE, KEY_NO_OVERWRITE, KEY_NO_FAKE_SUPER, KEY_APPEND_ONLY,
					KEY_READ_ONLY };
#define OPTION_BITS (sizeof(option_bits) / sizeof(option_bits[0]))

static bool all_of(const char *text, const char *extra)
{
	static const char alnum[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

	for (const char *p = text; *p != '\0'; p++)
		if (strchr(alnum, *p) == NULL && strchr(extra, *p) == NULL)
			return false;
	return text[0] != '\0';
}

static bool fingerprint_valid(const char *text)
{
	return strncmp(text, "SHA256:", 7) == 0 && strlen(text) == 7 + 43 && all_of(text + 7, "+/");
}

/* snprintf at *used; false when it does not fit. */
__attribute__((format(printf, 4, 5))) static bool append(char *out, size_t size, size_t *used,
							  const char *format, ...)
{
	va_list list;
	int length;

	va_start(list, format);
	length = vsnprintf(out + *used, size - *used, format, list);
	va_end(list);
	if (length < 0 || (size_t)length >= size - *used)
		return false;
	*used += (size_t)length;
	return true;
}

int login_command_format(const struct ssh_key *key, char *out, size_t size)
{
	char roles[ROLES_TEXT_MAX + 1];
	uint32_t left = key->options;
	size_t used = 0;

	if (roles_format(key, roles) < 0 || !fingerprint_valid(key->fingerprint))
		return -EINVAL;
	if (key->id == UINT32_MAX || key->storage_quota > QUOTA_MAX) /* the parser would not accept it */
		return -EINVAL;
	if (!append(out, size, &used, "%s", roles))
		return -EINVAL;
	for (size_t i = 0; i < OPTION_BITS; i++) {
		if ((left & option_bits[i]) == 0)
			continue;
		left &= ~option_bits[i];
		if (!append(out, size, &used, " %s", key_option_name(option_bits[i])))
			return -EINVAL;
	}
	/* An option that we do not know may have been a restriction. */
	if (left != 0)
		return -EINVAL;
	if (key->storage_quota != 0 && !append(out, size, &used, " quota=%" PRIu64, key->storage_quota))
		return -EINVAL;
	if (!append(out, size, &used, " key=%" PRIu32 " fp=%s", key->id, key->fingerprint))
		return -EINVAL;
	return (int)used;
}

/* Digits, no leading zero, at the most 1 EiB. */
static bool quota_parse(const char *text, uint64_t *quota)
{
	uint64_t value = 0;

	if (text[0] < '1' || text[0] > '9' || strlen(text) > 19)
		return false;
	for (; *text >= '0' && *text <= '9'; text++)
		value = value * 10 + (uint64_t)(*text - '0');
	*quota = value;
	return *text == '\0' && value <= QUOTA_MAX;
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
	if (word == NULL || strncmp(word, "key=", 4) != 0 || id_parse(word + 4, &parsed.key_id) < 0)
		return -EINVAL;
	word = strsep(&rest, " ");
	if (word == NULL || rest != NULL || strncmp(word, "fp=", 3) != 0 || !fingerprint_valid(word + 3))
		return -EINVAL;
	memcpy(parsed.fingerprint, word + 3, strlen(word + 3) + 1);
	*command = parsed;
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
	return append(out, size, used, ",expiry-time=\"%s\"", text);
}

int authorized_keys_line(const struct ssh_key *key, char *out, size_t size)
{
	char command[LOGIN_COMMAND_MAX + 1];
	size_t used = 0;

	if (login_command_format(key, command, sizeof(command)) < 0)
		return -EINVAL;
	if (!all_of(key->type, "-@.") || !all_of(key->blob, "+/="))
		return -EINVAL;
	if (key->from[0] != '\0' && !from_valid(key->from))
		return -EINVAL;
	if (!append(out, size, &used, "restrict") || !append_expiry(out, size, &used, key->expires))
		return -EINVAL;
	if (key->forward[0] != '\0' && !forward_valid(key->forward))
		return -EINVAL;
	if (key->forward[0] != '\0' &&
	    !append(out, size, &used, ",port-forwarding,permitopen=\"%s\"", key->forward))
		return -ENOSPC;
	if (key->from[0] != '\0' && !append(out, size, &used, ",from=\"%s\"", key->from))
		return -ENOSPC;
	if (!append(out, size, &used, ",command=\"%s\" %s %s\n", command, key->type, key->blob))
		return -ENOSPC;
	return (int)used;
}

const char *account_barred(const struct index_account *account, int64_t now)
{
	if ((account->flags & ACCOUNT_LOCKED) != 0)
		return "locked";
	if (account->expires_day >= 0 && now / 86400 >= account->expires_day)
		return "expired";
	return NULL;
}

/* The gates have values of their own where the index says nothing. */
static const char *memory_argument(const struct index_sessions *sessions, struct login_numbers *numbers)
{
	if (sessions->memory == 0)
		return NULL;
	snprintf(numbers->memory, sizeof(numbers->memory), "-memory=%u", sessions->memory * SESSION_MEMORY_MIB);
	return numbers->memory;
}

void login_gate_arguments(const struct login_command *command, const struct index_sessions *sessions, const char *home,
			  const char **argv, struct login_numbers *numbers)
{
	size_t n = 0;

	argv[n++] = "subuid-rrsync";
	argv[n++] = FILE_COUNT_OPTION;
	if (command->role == ROLE_PUSH)
		argv[n++] = "-wo";
	else if (command->role == ROLE_PULL)
		argv[n++] = "-ro";
	else if (command->role == ROLE_BLIND)
		argv[n++] = "-blind";
	if ((command->options & (KEY_NO_DELETE | KEY_APPEND_ONLY)) != 0)
		argv[n++] = "-no-del";
	if ((command->options & (KEY_NO_OVERWRITE | KEY_APPEND_ONLY)) != 0)
		argv[n++] = "-no-overwrite";
	if ((command->options & KEY_NO_FAKE_SUPER) == 0)
		argv[n++] = "-fake-super";
	argv[n] = memory_argument(sessions, numbers);
	if (argv[n] != NULL) {
		snprintf(numbers->timeout, sizeof(numbers->timeout), "-timeout=%" PRIu32, sessions->silence);
		argv[++n] = numbers->timeout;
		n++;
	}
	argv[n++] = "--";
	argv[n++] = home;
	argv[n] = NULL;
}

void login_tool_arguments(const struct login_command *command, const struct index_sessions *sessions, const char *home,
			  const char **argv, struct login_numbers *numbers)
{
	size_t n = 0;

	argv[n++] = "subuid-tool";
	if ((command->options & KEY_APPEND_ONLY) != 0)
		argv[n++] = "-append-only";
	if ((command->options & KEY_READ_ONLY) != 0)
		argv[n++] = "-read-only";
	if (command->storage_quota != 0) {
		snprintf(numbers->quota, sizeof(numbers->quota), "-quota=%" PRIu64, command->storage_quota);
		argv[n++] = numbers->quota;
	}
	argv[n] = memory_argument(sessions, numbers);
	n += argv[n] != NULL;
	argv[n++] = "--";
	argv[n++] = command->tools;
	argv[n++] = home;
	argv[n] = NULL;
}

/* `true` asks whether the host is up: either answers it. */
bool login_command_is_rsync(const struct login_command *command, const char *original)
{
	static const char rsync[] = "rsync";
	size_t word = strcspn(original, " \t");

	if (command->role == ROLE_NONE || command->tools[0] == '\0')
		return command->role != ROLE_NONE;
	return word >= sizeof(rsync) - 1 &&
	       strncmp(original + word - (sizeof(rsync) - 1), rsync, sizeof(rsync) - 1) == 0 &&
	       (word == sizeof(rsync) - 1 || original[word - sizeof(rsync)] == '/');
}

bool login_command_narrow(struct login_command *command, const char *original)
{
	if (!login_command_is_rsync(command, original)) {
		/* a key that may only add could do nothing with it */
		if ((command->options & KEY_APPEND_ONLY) != 0)
			return false;
		command->options |= KEY_READ_ONLY;
		return true;
	}
	if (command->role == ROLE_PULL || strcmp(original, "true") == 0)
		return true;
	if (command->role != ROLE_SYNC || !login_command_looks(original))
		return false;
	command->role = ROLE_PULL;
	return true;
}

/* A word of short options, "-vnlogDtpre.iLsfxCIvu": behind an e are capabilities. */
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
	size_t length;

	for (const char *word = original; *word != '\0'; word += length) {
		word += strspn(word, " \t");
		length = strcspn(word, " \t");
		if (length == 1 && word[0] == '.') /* paths follow */
			return false;
		if (length > 1 && word[0] == '-' && word[1] != '-' && cluster_dry(word, length))
			return true;
		for (size_t i = 0; i < sizeof(looks) / sizeof(looks[0]); i++)
			if (length == strlen(looks[i]) && strncmp(word, looks[i], length) == 0)
				return true;
	}
	return false;
}
