/* SPDX-License-Identifier: ISC */
/* Own character tests, not <ctype.h>: the locale of a foreign process must not decide what a name is. */
#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "account/name.h"

static bool lower_or_digit(unsigned char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static bool owner_first(unsigned char c)
{
	return lower_or_digit(c) || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool label_bytes_valid(const char *label, size_t length)
{
	if (length < 1 || length > LABEL_MAX || !lower_or_digit((unsigned char)label[0]))
		return false;
	for (size_t i = 1; i < length; i++) {
		unsigned char c = (unsigned char)label[i];

		if (!lower_or_digit(c) && c != '_' && c != '-')
			return false;
	}
	return true;
}

/* The first byte is never '.', so that neither "." nor ".." can be an owner. */
static bool owner_bytes_valid(const char *owner, size_t length, char separator)
{
	if (length < 1 || length > OWNER_MAX || !owner_first((unsigned char)owner[0]))
		return false;
	for (size_t i = 0; i < length; i++) {
		unsigned char c = (unsigned char)owner[i];

		if (owner[i] == separator)
			return false;
		if (!owner_first(c) && c != '.' && c != '@' && c != '-')
			return false;
	}
	return true;
}

static bool separator_valid(char separator)
{
	return separator != '\0' && strchr(SEPARATORS, separator) != NULL;
}

bool label_valid(const char *label)
{
	return label_bytes_valid(label, strnlen(label, LABEL_MAX + 1));
}

bool owner_name_valid(const char *owner, char separator)
{
	return owner_bytes_valid(owner, strnlen(owner, OWNER_MAX + 1), separator);
}

bool name_has_separator(const char *name)
{
	return strpbrk(name, SEPARATORS) != NULL;
}

int name_split(const char *name, char separator, char *owner, char *label)
{
	size_t length = strnlen(name, ACCOUNT_NAME_MAX + 1), before;
	const char *at;

	if (length > ACCOUNT_NAME_MAX || !separator_valid(separator))
		return -EINVAL;
	at = memchr(name, separator, length);
	if (at == NULL)
		return -EINVAL;
	before = (size_t)(at - name);
	if (!owner_bytes_valid(name, before, separator) || !label_bytes_valid(at + 1, length - before - 1))
		return -EINVAL;
	memcpy(owner, name, before);
	owner[before] = '\0';
	memcpy(label, at + 1, length - before); /* with its NUL */
	return 0;
}

int name_join(const char *owner, char separator, const char *label, char *name)
{
	size_t before, after;

	if (!separator_valid(separator) || !owner_name_valid(owner, separator) || !label_valid(label))
		return -EINVAL;
	before = strlen(owner);
	after = strlen(label);
	memcpy(name, owner, before);
	name[before] = separator;
	memcpy(name + before + 1, label, after + 1);
	return 0;
}

int name_of_holder(const char *owner, char separator, const char *label, char *name)
{
	if (label[0] != '\0')
		return name_join(owner, separator, label, name);
	memcpy(name, owner, strlen(owner) + 1);
	return 0;
}

/* Length that the first byte of a UTF-8 sequence announces, 0 if no sequence begins with it. */
static size_t utf8_length(unsigned char first)
{
	if (first < 0x80)
		return 1;
	if (first < 0xc2)
		return 0;
	if (first < 0xe0)
		return 2;
	if (first < 0xf0)
		return 3;
	return first < 0xf5 ? 4 : 0;
}

/* Bytes of the UTF-8 sequence at text, 0 when it is not one (overlong, surrogate, beyond U+10FFFF,
 * cut short: the NUL at the end is no continuation byte). */
static size_t utf8_decode(const unsigned char *text, uint32_t *code)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t length = utf8_length(text[0]);

	if (length <= 1) {
		*code = text[0];
		return length;
	}
	*code = text[0] & (0x7fu >> length);
	for (size_t i = 1; i < length; i++) {
		if ((text[i] & 0xc0) != 0x80)
			return 0;
		*code = *code << 6 | (text[i] & 0x3fu);
	}
	if (*code < least[length] || (*code >= 0xd800 && *code <= 0xdfff) || *code > 0x10ffff)
		return 0;
	return length;
}

/* Characters that move the cursor, break the line or reorder the text beside them (bidirectional controls make a
 * log line read like another one). */
static bool code_controls(uint32_t code)
{
	return code < 0x20 || (code >= 0x7f && code <= 0x9f) || code == 0x061c || code == 0x200e || code == 0x200f ||
	       (code >= 0x2028 && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069) || code == 0xfeff;
}

bool text_valid(const char *text, size_t max)
{
	if (strnlen(text, max + 1) > max)
		return false;
	for (const unsigned char *at = (const unsigned char *)text; *at != '\0';) {
		uint32_t code;
		size_t length = utf8_decode(at, &code);

		if (length == 0 || code_controls(code))
			return false;
		at += length;
	}
	return true;
}

bool comment_valid(const char *text, size_t max)
{
	return text_valid(text, max) && strchr(text, ':') == NULL;
}

/* Writes the replacement of the first character of text into out (at most 16 bytes, no NUL); *taken: the bytes of text
 * that it replaces. */
static size_t escape_one(const unsigned char *text, char *out, size_t *taken)
{
	static const char hex[] = "0123456789abcdef";
	uint32_t code;
	size_t length = utf8_decode(text, &code), written = 0;

	*taken = length == 0 ? 1 : length;
	if (length != 0 && code == '\\') {
		out[0] = out[1] = '\\';
		return 2;
	}
	if (length != 0 && !code_controls(code)) {
		memcpy(out, text, length);
		return length;
	}
	for (size_t i = 0; i < *taken; i++) {
		out[written++] = '\\';
		out[written++] = 'x';
		out[written++] = hex[text[i] >> 4];
		out[written++] = hex[text[i] & 15];
	}
	return written;
}

char *text_escape(const char *text, char *out, size_t size)
{
	const unsigned char *at = (const unsigned char *)text;
	size_t used = 0;

	while (*at != '\0') {
		char one[16];
		size_t taken, length = escape_one(at, one, &taken);

		if (length >= size - used)
			break;
		memcpy(out + used, one, length);
		used += length;
		at += taken;
	}
	out[used] = '\0';
	return out;
}

bool path_component_plain(const char *text, size_t length)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._@+-";

	if (length == 0 || text[0] == '-' || strspn(text, allowed) < length)
		return false;
	return !(length == 1 && text[0] == '.') && !(length == 2 && text[0] == '.' && text[1] == '.');
}

bool path_plain(const char *path)
{
	if (*path != '/')
		return false;
	while (*path == '/') {
		size_t length = strcspn(path + 1, "/");

		if (!path_component_plain(path + 1, length))
			return false;
		path += 1 + length;
	}
	return true;
}
