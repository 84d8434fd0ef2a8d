/* SPDX-License-Identifier: ISC */
/* What a key may do, as words. Run by authorized-keys, and in foreign processes by pam_subuid. */
#include "account/key_words.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "account/login_line.h"
#include "account/role.h"
#include "account/shell.h"

bool fingerprint_shaped(const char *text)
{
	static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

	return strncmp(text, "SHA256:", 7) == 0 && strlen(text) == 7 + 43 && strspn(text + 7, alphabet) == 43;
}

bool words_append(char *out, size_t size, size_t *used, const char *format, ...)
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

/* An option without a name may have been a restriction: false. */
static bool append_options(char *out, size_t size, size_t *used, uint32_t options)
{
	for (uint32_t bit = 1; bit != 0; bit <<= 1) {
		const char *name = key_option_name(bit);

		if ((options & bit) != 0 && (name == NULL || !words_append(out, size, used, " %s", name)))
			return false;
	}
	return true;
}

static bool append_run(char *out, size_t size, size_t *used, const char *line)
{
	char coded[LOGIN_LINE_CODED + 1];

	login_line_code(line, coded);
	return words_append(out, size, used, " run=%s", coded);
}

/* What the roles shell and command have beside their names. */
static bool append_isolation(char *out, size_t size, size_t *used, const struct ssh_key *key)
{
	const char *todo;

	if (shell_conflict(key, &todo) != NULL || !command_valid(key->command) || !ports_valid(key->net))
		return false;
	if (key->net[0] != '\0' && !words_append(out, size, used, " net=%s", key->net))
		return false;
	return key->command[0] == '\0' || append_run(out, size, used, key->command);
}

int key_words_format(const struct ssh_key *key, char *out, size_t size)
{
	char roles[ROLES_TEXT_MAX + 1];
	const bool owners = key->owner[0] != '\0';
	size_t used = 0;

	if (roles_format(key, roles) < 0 || !fingerprint_shaped(key->fingerprint))
		return -EINVAL;
	if (owners && (key->role != ROLE_MANAGE || key->options != 0 || key->storage_quota != 0))
		return -EINVAL;
	if (key->id == UINT32_MAX || key->storage_quota > KEY_QUOTA_MAX) /* the parser would not accept it */
		return -EINVAL;
	if (!words_append(out, size, &used, "%s", owners ? MANAGE_PROGRAM : roles))
		return -EINVAL;
	if (!append_options(out, size, &used, key->options))
		return -EINVAL;
	if (key->storage_quota != 0 && !words_append(out, size, &used, " quota=%" PRIu64, key->storage_quota))
		return -EINVAL;
	if (!append_isolation(out, size, &used, key))
		return -EINVAL;
	if (!words_append(out, size, &used, " key=%" PRIu32 " fp=%s", key->id, key->fingerprint))
		return -EINVAL;
	return (int)used;
}
