/* SPDX-License-Identifier: ISC */
/* JSON as text: see text.h. Run by the worker, which has no privilege. */
#include "varlink/text.h"

#include <string.h>

static void put(struct json_text *text, const char *bytes, size_t length)
{
	if (text->size - text->used < length) {
		text->failed = true;
		return;
	}
	memcpy(text->bytes + text->used, bytes, length);
	text->used += length;
}

/* A comma, if something precedes it, and `"name":`. */
static void put_name(struct json_text *text, const char *name)
{
	if (text->used > 0 && text->bytes[text->used - 1] != '{')
		put(text, ",", 1);
	if (name[0] == '\0')
		return;
	put(text, "\"", 1);
	put(text, name, strlen(name));
	put(text, "\":", 2);
}

void json_text_begin(struct json_text *text, const char *name)
{
	put_name(text, name);
	put(text, "{", 1);
}

void json_text_end(struct json_text *text)
{
	put(text, "}", 1);
}

/* Printable ASCII that needs no escapes in JSON. */
static bool plain(const char *value, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		unsigned char c = (unsigned char)value[i];

		if (c < 0x20 || c > 0x7e || c == '"' || c == '\\')
			return false;
	}
	return true;
}

bool json_text_string(struct json_text *text, const char *name, const char *value)
{
	size_t length = strlen(value);

	if (!plain(value, length))
		return false;
	put_name(text, name);
	put(text, "\"", 1);
	put(text, value, length);
	put(text, "\"", 1);
	return true;
}

void json_text_value(struct json_text *text, const char *name, json_t *value)
{
	size_t room, length;

	put_name(text, name);
	room = text->size - text->used;
	length = value == NULL ? 0 : json_dumpb(value, text->bytes + text->used, room, JSON_COMPACT | JSON_ENCODE_ANY);
	json_decref(value);
	if (length == 0 || length > room)
		text->failed = true;
	else
		text->used += length;
}

void json_text_number(struct json_text *text, const char *name, int64_t number)
{
	char digits[24], *at = digits + sizeof(digits);
	uint64_t rest = number < 0 ? -(uint64_t)number : (uint64_t)number;

	do
		*--at = (char)('0' + rest % 10);
	while ((rest /= 10) != 0);
	if (number < 0)
		*--at = '-';
	put_name(text, name);
	put(text, at, (size_t)(digits + sizeof(digits) - at));
}

void json_text_flag(struct json_text *text, const char *name, bool flag)
{
	put_name(text, name);
	put(text, flag ? "true" : "false", flag ? 4 : 5);
}
