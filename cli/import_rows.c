/* SPDX-License-Identifier: ISC */
/* One line of a file for `subuid import` becomes rows of the method Import: CSV, JSON written by people, and
 * exports. Pure. */
#include "cli/import.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "account/key.h"
#include "account/record.h"
#include "cli/facts.h"
#include "cli/options.h"
#include "cli/print.h"

static int refuse(struct failure_text *failure, const char *what, const char *why, const char *todo)
{
	failure_set(failure, FAILURE_INVALID, what, why, todo);
	return -EINVAL;
}

/* A new row of this line, appended: borrowed. */
static json_t *row_new(json_t *rows, unsigned long line, const char *kind, const json_t *object, bool label)
{
	json_t *row = json_pack("{s:I, s:s}", "line", (json_int_t)line, "kind", kind);

	json_object_set(row, "owner", json_object_get(object, "owner"));
	if (label && json_object_get(object, "label") != NULL)
		json_object_set(row, "label", json_object_get(object, "label"));
	json_array_append_new(rows, row);
	return row;
}

/* A number, or digits (CSV has no numbers). */
static int number_of(const json_t *value, const char *name, json_int_t first, json_int_t last, json_int_t *number,
		     struct failure_text *failure)
{
	uint64_t parsed = 0;
	char why[64];

	if (json_is_integer(value) && json_integer_value(value) >= first && json_integer_value(value) <= last) {
		*number = json_integer_value(value);
		return 0;
	}
	if (json_is_string(value) &&
	    option_number(json_string_value(value), (uint64_t)first, (uint64_t)last, &parsed) == 0) {
		*number = (json_int_t)parsed;
		return 0;
	}
	snprintf(why, sizeof(why), "not a number from %lld to %lld", (long long)first, (long long)last);
	return refuse(failure, name, why, "");
}

/* ---- the account ---- */

/* Past days are allowed too: expired accounts are restored as such. */
static int put_fact(json_t *row, const struct field *field, const json_t *value, struct failure_text *failure)
{
	json_t *taken = fact_value_import(field, value);

	if (taken == NULL)
		return refuse(failure, field->name, field->why, field->todo);
	json_object_set_new(row, field->name, taken);
	return 0;
}

static int put_flag(json_t *row, const char *name, const json_t *value, struct failure_text *failure)
{
	const char *text = json_string_value(value);
	bool yes = json_is_true(value) || (text != NULL && (strcmp(text, "true") == 0 || strcmp(text, "yes") == 0));

	if (!yes && !json_is_false(value) && (text == NULL || (strcmp(text, "false") != 0 && strcmp(text, "no") != 0)))
		return refuse(failure, name, "neither true nor false", "");
	json_object_set_new(row, name, json_boolean(yes));
	return 0;
}

static int account_row(const json_t *object, unsigned long line, json_t *rows, struct failure_text *failure)
{
	json_t *row = row_new(rows, line, "account", object, true), *value;
	json_int_t uid = 0;
	int r = 0;

	if ((value = json_object_get(object, "uid")) != NULL) {
		r = number_of(value, "uid", 1, UINT32_MAX - 1, &uid, failure);
		json_object_set_new(row, "uid", json_integer(uid));
	}
	if (r == 0 && (value = json_object_get(object, "locked")) != NULL)
		r = put_flag(row, "locked", value, failure);
	for (size_t i = 0; r == 0 && i < facts_record.count; i++)
		if ((value = json_object_get(object, facts_record.fields[i].name)) != NULL)
			r = put_fact(row, &facts_record.fields[i], value, failure);
	return r;
}

/* ---- keys ---- */

/* "no-delete,no-overwrite" as a list. */
static json_t *words_of(const json_t *value)
{
	json_t *list = json_array();
	char *copy, *rest, *word;

	copy = rest = strdup(json_string_value(value));
	while (rest != NULL && (word = strsep(&rest, ", ;")) != NULL)
		if (word[0] != '\0')
			json_array_append_new(list, json_string(word));
	free(copy);
	return list;
}

/* Private keys in particular are refused here, and sent nowhere. */
static int key_check(const json_t *key, struct failure_text *failure)
{
	const char *text = json_string_value(json_object_get(key, "key"));
	struct ssh_key parsed = { 0 };
	enum key_error error;

	if (text == NULL)
		return refuse(failure, "key", "not a line of text", "the line of the .pub file");
	error = key_parse(text, strlen(text), &parsed);
	return error == KEY_OK ? 0 : refuse(failure, "key", key_error_text(error), key_error_todo(error));
}

static int put_size(json_t *row, const char *name, const json_t *value, struct failure_text *failure)
{
	json_t *bytes = fact_value_import(&facts_record.fields[FACT_QUOTA], value);

	if (bytes == NULL)
		return refuse(failure, name, "not a size", "a number of bytes, or for example \"10G\"");
	json_object_set_new(row, name, bytes);
	return 0;
}

/* Settings for keys in the object apply to each key that does not set them itself. */
static int key_facts(const json_t *object, json_t *key, struct failure_text *failure)
{
	static const char *const members[] = { "role", "options", "from", "forward", "command", "net", "storageQuota" };
	json_t *value;

	for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++)
		if (json_object_get(key, members[i]) == NULL && (value = json_object_get(object, members[i])) != NULL)
			json_object_set(key, members[i], value);
	if (json_is_string(json_object_get(key, "options")))
		json_object_set_new(key, "options", words_of(json_object_get(key, "options")));
	value = json_object_get(key, "storageQuota");
	return value != NULL ? put_size(key, "storageQuota", value, failure) : 0;
}

/* A key is its line, or an object of its own (NewKey). */
static int key_row(const json_t *object, const json_t *key, unsigned long line, json_t *rows,
		   struct failure_text *failure)
{
	json_t *row = row_new(rows, line, "key", object, true), *whole;
	int r;

	if (json_is_string(key))
		whole = json_pack("{s:s}", "key", json_string_value(key));
	else if (json_is_object(key))
		whole = json_copy((json_t *)(uintptr_t)key);
	else
		return refuse(failure, "key", "not a key", "the line of the .pub file");
	r = key_facts(object, whole, failure);
	if (r == 0)
		r = key_check(whole, failure);
	json_object_set_new(row, "key", whole);
	return r;
}

/* Users would think that a restriction without a key is in force. */
static int keys_not_meant(const json_t *object, struct failure_text *failure)
{
	static const char *const members[] = { "role", "options", "from", "forward", "command", "net", "storageQuota" };

	for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++)
		if (json_object_get(object, members[i]) != NULL)
			return refuse(failure, members[i], "it belongs to a key, and there is none",
				      "give the key, or leave it out");
	return 0;
}

static int keys_rows(const json_t *object, unsigned long line, json_t *rows, struct failure_text *failure)
{
	json_t *one = json_object_get(object, "key"), *list = json_object_get(object, "keys"), *key;
	size_t i;
	int r = one != NULL ? key_row(object, one, line, rows, failure) : 0;

	if (list != NULL && !json_is_array(list))
		return refuse(failure, "keys", "not a list", "");
	if (one == NULL && list == NULL)
		return keys_not_meant(object, failure);
	json_array_foreach(list, i, key)
		if (r == 0)
			r = key_row(object, key, line, rows, failure);
	return r;
}

/* ---- limits and ranges ---- */

/* "accounts=50 keys=4 ranges=2" as an object: each word once, and no other. */
static json_t *limits_of(const json_t *value)
{
	json_t *words = words_of(value), *word, *limits = json_object();
	size_t i;

	json_array_foreach(words, i, word) {
		const char *text = json_string_value(word), *is = strchr(text, '=');
		char name[16];

		if (is == NULL || is == text || (size_t)(is - text) >= sizeof(name))
			break;
		snprintf(name, sizeof(name), "%.*s", (int)(is - text), text);
		if (json_object_get(limits, name) != NULL)
			break;
		json_object_set_new(limits, name, json_string(is + 1));
	}
	if (i < json_array_size(words))
		json_object_clear(limits);
	json_decref(words);
	return limits;
}

static int limit_row(const json_t *object, unsigned long line, json_t *rows, struct failure_text *failure)
{
	static const char *const members[] = { "accounts", "keys", "ranges" };
	const size_t count = sizeof(members) / sizeof(members[0]);
	json_t *limits = json_object_get(object, "limits");
	json_t *row = row_new(rows, line, "limit", object, false);
	int r = 0;

	limits = json_is_string(limits) ? limits_of(limits) : json_incref(limits);
	for (size_t i = 0; r == 0 && i < count; i++) {
		json_int_t number = 0;
		json_t *value = json_object_get(limits, members[i]);

		if (value == NULL || json_object_size(limits) != count)
			r = refuse(failure, "limits", "not accounts, keys and ranges, each once",
				   "for example accounts=50 keys=4 ranges=2");
		else
			r = number_of(value, "limits", 0, INT32_MAX, &number, failure);
		json_object_set_new(row, members[i], json_integer(number));
	}
	json_decref(limits);
	return r;
}

/* {"first": 1073741824, "count": 65536} of "1073741824:65536", or of "65536" and 65536: anywhere. */
static json_t *range_of(const json_t *value)
{
	const char *text = json_string_value(value), *colon = text != NULL ? strchr(text, ':') : NULL;

	if (json_is_object(value))
		return json_incref((json_t *)(uintptr_t)value);
	if (colon == NULL)
		return json_pack("{s:O}", "count", value);
	return json_pack("{s:s#, s:s}", "first", text, (int)(colon - text), "count", colon + 1);
}

static int range_row(const json_t *object, const json_t *value, unsigned long line, json_t *rows,
		     struct failure_text *failure)
{
	json_t *row = row_new(rows, line, "range", object, true);
	json_t *range = range_of(value), *at = json_object_get(range, "first");
	json_int_t first = 0, count = 0;
	int r = at != NULL ? number_of(at, "first of the ranges", 1, UINT32_MAX - 1, &first, failure) : 0;

	if (r == 0)
		r = number_of(json_object_get(range, "count"), "ranges", 1, UINT32_MAX - 1, &count, failure);
	if (r == 0 && json_object_size(range) != (at != NULL ? 2 : 1))
		r = refuse(failure, "ranges", "not a range", "{\"first\": 1073741824, \"count\": 65536}");
	if (first != 0)
		json_object_set_new(row, "first", json_integer(first));
	json_object_set_new(row, "count", json_integer(count));
	json_decref(range);
	return r;
}

static int ranges_rows(const json_t *object, unsigned long line, json_t *rows, struct failure_text *failure)
{
	json_t *value = json_object_get(object, "ranges"), *list, *one;
	size_t i;
	int r = 0;

	if (json_is_string(value))
		list = words_of(value);
	else
		list = json_is_array(value) ? json_incref(value) : json_pack("[O]", value);
	json_array_foreach(list, i, one)
		if (r == 0)
			r = range_row(object, one, line, rows, failure);
	json_decref(list);
	return r;
}

/* ---- */

bool import_column(const char *name)
{
	static const char *const known[] = { "owner", "label",   "uid",    "key",     "keys",
					     "role",  "options", "from",   "forward", "command",
					     "net",   "limits",  "ranges", "locked",  "storageQuota" };

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (strcmp(name, known[i]) == 0)
			return true;
	return record_find(&facts_record, name) != NULL;
}

/* null means not given. */
static void nulls_drop(json_t *object)
{
	const char *name;
	void *next;
	json_t *value;

	json_object_foreach_safe(object, next, name, value)
		if (json_is_null(value))
			json_object_del(object, name);
}

/* A column that nobody reads would silently not be imported. */
static int members_known(json_t *object, struct failure_text *failure)
{
	const char *name;
	json_t *value;

	json_object_foreach(object, name, value)
		if (!import_column(name))
			return refuse(failure, name[0] != '\0' ? name : "a name", "unknown column",
				      "subuid help import lists them");
	return 0;
}

static int label_check(const json_t *object, struct failure_text *failure)
{
	static const char *const of_account[] = { "uid", "key", "keys", "locked" };
	bool said = false;

	for (size_t i = 0; i < sizeof(of_account) / sizeof(of_account[0]); i++)
		said |= json_object_get(object, of_account[i]) != NULL;
	for (size_t i = 0; i < facts_record.count; i++)
		said |= json_object_get(object, facts_record.fields[i].name) != NULL;
	if (said)
		return refuse(failure, "label", "missing", "without a label only limits and ranges can be given");
	if (json_object_get(object, "limits") == NULL && json_object_get(object, "ranges") == NULL)
		return refuse(failure, "label", "missing", "name the account");
	return 0;
}

static int header_check(const json_t *object, struct failure_text *failure)
{
	json_t *format = json_object_get(object, "format");

	if (!json_is_integer(format) || json_integer_value(format) < 1)
		return refuse(failure, "format", "not a number", "export once more");
	if (json_integer_value(format) > IMPORT_FORMAT)
		return refuse(failure, "format", "this file was written by a newer subuid",
			      "install that version here first");
	return 0;
}

int import_rows(json_t *object, unsigned long line, json_t *rows, struct failure_text *failure)
{
	const char *kind;
	int r;

	nulls_drop(object);
	kind = json_string_value(json_object_get(object, "kind"));
	if (kind != NULL && strcmp(kind, IMPORT_HEADER) == 0)
		return header_check(object, failure);
	if (json_object_get(object, "kind") != NULL) { /* a row already: of an export */
		json_object_set_new(object, "line", json_integer((json_int_t)line));
		return json_array_append(rows, object) < 0 ? -EINVAL : 0;
	}
	r = members_known(object, failure);
	if (r == 0 && !json_is_string(json_object_get(object, "owner")))
		r = refuse(failure, "owner", "missing", "name the owner");
	if (r == 0 && json_object_get(object, "limits") != NULL)
		r = limit_row(object, line, rows, failure);
	if (r < 0)
		return r;
	if (json_object_get(object, "label") == NULL)
		r = label_check(object, failure);
	else
		r = account_row(object, line, rows, failure);
	if (r == 0)
		r = keys_rows(object, line, rows, failure);
	if (r == 0 && json_object_get(object, "ranges") != NULL)
		r = ranges_rows(object, line, rows, failure);
	return r;
}
