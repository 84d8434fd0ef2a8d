/* SPDX-License-Identifier: ISC */
#include "cli/import.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "account/date.h"
#include "account/key.h"
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
static int number_of(const json_t *value, const char *name, uint64_t last, json_int_t *number,
		     struct failure_text *failure)
{
	uint64_t parsed = 0;

	if (json_is_integer(value) && json_integer_value(value) >= 0 && (uint64_t)json_integer_value(value) <= last) {
		*number = json_integer_value(value);
		return 0;
	}
	if (!json_is_string(value) || option_number(json_string_value(value), 0, last, &parsed) < 0)
		return refuse(failure, name, "not a number in its bounds", "");
	*number = (json_int_t)parsed;
	return 0;
}

/* ---- the account ---- */

static int put_quota(json_t *row, const json_t *value, struct failure_text *failure)
{
	uint64_t bytes = 0;

	if (json_is_string(value) && option_size(json_string_value(value), &bytes) < 0)
		return refuse(failure, "quota", "not a size", "for example 10G");
	if (!json_is_string(value) && (!json_is_integer(value) || json_integer_value(value) < 0))
		return refuse(failure, "quota", "not a size", "a number of bytes, or for example \"10G\"");
	json_object_set_new(row, "quota",
			    json_integer(json_is_string(value) ? (json_int_t)bytes : json_integer_value(value)));
	return 0;
}

/* A day that has passed is one too: accounts that have expired are restored as such. */
static int put_expires(json_t *row, const json_t *value, struct failure_text *failure)
{
	char date[DATE_TEXT_MAX + 1] = "";
	const char *text = json_string_value(value);
	int32_t day = -1;

	if (text == NULL ||
	    (date_parse(text, &day) < 0 && option_date(text, time(NULL) / SECONDS_PER_DAY, &day) < 0))
		return refuse(failure, "expires", "not a day", "for example 2031-12-31 or +30d");
	if (day >= 0)
		date_format(day, date);
	json_object_set_new(row, "expires", json_string(date));
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
		r = number_of(value, "uid", UINT32_MAX - 1, &uid, failure);
		json_object_set_new(row, "uid", json_integer(uid));
	}
	if (r == 0 && (value = json_object_get(object, "quota")) != NULL)
		r = put_quota(row, value, failure);
	if (r == 0 && (value = json_object_get(object, "expires")) != NULL)
		r = put_expires(row, value, failure);
	if (r == 0 && (value = json_object_get(object, "locked")) != NULL)
		r = put_flag(row, "locked", value, failure);
	if ((value = json_object_get(object, "comment")) != NULL)
		json_object_set(row, "comment", value);
	return r;
}

/* ---- keys ---- */

/* "no-delete,no-overwrite" or a list. */
static json_t *options_of(const json_t *value)
{
	json_t *list = json_array();
	char *copy, *rest, *word;

	if (!json_is_string(value)) {
		json_decref(list);
		return json_incref((json_t *)(uintptr_t)value);
	}
	copy = rest = strdup(json_string_value(value));
	while (rest != NULL && (word = strsep(&rest, ", ;")) != NULL)
		if (word[0] != '\0')
			json_array_append_new(list, json_string(word));
	free(copy);
	return list;
}

/* Private keys above all are refused here, and sent nowhere. */
static int key_check(const json_t *key, struct failure_text *failure)
{
	const char *text = json_string_value(json_object_get(key, "key"));
	struct ssh_key parsed = {0};
	enum key_error error;

	if (text == NULL)
		return refuse(failure, "key", "not a line of text", "the line of the .pub file");
	error = key_parse(text, strlen(text), &parsed);
	return error == KEY_OK ? 0 : refuse(failure, "key", key_error_text(error), key_error_todo(error));
}

/* A key is its line, with what else the object says of keys, or an object of its own (NewKey). */
static int key_row(const json_t *object, json_t *key, unsigned long line, json_t *rows,
		   struct failure_text *failure)
{
	static const char *const members[] = {"role", "from", "forward", "storageQuota"};
	json_t *row = row_new(rows, line, "key", object, true), *whole = json_incref(key), *value;
	int r;

	if (json_is_string(key)) {
		json_decref(whole);
		whole = json_pack("{s:O}", "key", key);
		for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++)
			if ((value = json_object_get(object, members[i])) != NULL)
				json_object_set(whole, members[i], value);
		if ((value = json_object_get(object, "options")) != NULL)
			json_object_set_new(whole, "options", options_of(value));
	}
	r = json_is_object(whole) ? key_check(whole, failure) : refuse(failure, "key", "not a key", "");
	json_object_set_new(row, "key", whole);
	return r;
}

static int keys_rows(const json_t *object, unsigned long line, json_t *rows, struct failure_text *failure)
{
	json_t *one = json_object_get(object, "key"), *list = json_object_get(object, "keys"), *key;
	size_t i;
	int r = one != NULL ? key_row(object, one, line, rows, failure) : 0;

	if (list != NULL && !json_is_array(list))
		return refuse(failure, "keys", "not a list", "");
	json_array_foreach(list, i, key) if (r == 0) r = key_row(object, key, line, rows, failure);
	return r;
}

/* ---- limits and ranges ---- */

static int limit_row(const json_t *object, unsigned long line, json_t *rows, struct failure_text *failure)
{
	static const char *const members[] = {"accounts", "keys", "ranges"};
	const json_t *limits = json_object_get(object, "limits");
	json_t *row = row_new(rows, line, "limit", object, false);
	const char *text = json_string_value(limits);

	for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
		const char *at = text != NULL ? strstr(text, members[i]) : NULL;
		size_t length = strlen(members[i]);
		json_int_t number = 0;
		json_t *value = json_incref(json_object_get(limits, members[i]));

		if (at != NULL && at[length] == '=')
			value = json_stringn(at + length + 1, strspn(at + length + 1, "0123456789"));
		if (value == NULL)
			return refuse(failure, "limits", "not all of them are there", "accounts=50 keys=4 ranges=2");

		int r = number_of(value, "limits", INT32_MAX, &number, failure);

		json_decref(value);
		if (r < 0)
			return r;
		json_object_set_new(row, members[i], json_integer(number));
	}
	return 0;
}

/* "65536" anywhere, "1073741824:65536" there. */
static int range_row(const json_t *object, const json_t *value, unsigned long line, json_t *rows,
		     struct failure_text *failure)
{
	json_t *row = row_new(rows, line, "range", object, true);
	const char *text = json_string_value(value), *colon = text != NULL ? strchr(text, ':') : NULL;
	json_int_t first = 0, count = 0;
	json_t *part;
	int r = 0;

	if (json_is_object(value)) {
		r = number_of(json_object_get(value, "first"), "first", UINT32_MAX - 1, &first, failure);
		if (r == 0)
			r = number_of(json_object_get(value, "count"), "count", UINT32_MAX - 1, &count, failure);
	} else if (colon != NULL) {
		part = json_stringn(text, (size_t)(colon - text));
		r = number_of(part, "ranges", UINT32_MAX - 1, &first, failure);
		json_decref(part);
		part = json_string(colon + 1);
		if (r == 0)
			r = number_of(part, "ranges", UINT32_MAX - 1, &count, failure);
		json_decref(part);
	} else {
		r = number_of(value, "ranges", UINT32_MAX - 1, &count, failure);
	}
	if (first != 0)
		json_object_set_new(row, "first", json_integer(first));
	json_object_set_new(row, "count", json_integer(count));
	return r;
}

static int ranges_rows(const json_t *object, unsigned long line, json_t *rows, struct failure_text *failure)
{
	json_t *value = json_object_get(object, "ranges"), *list, *one;
	size_t i;
	int r = 0;

	if (json_is_string(value))
		list = options_of(value);
	else
		list = json_is_array(value) ? json_incref(value) : json_pack("[O]", value);
	json_array_foreach(list, i, one) if (r == 0) r = range_row(object, one, line, rows, failure);
	json_decref(list);
	return r;
}

/* ---- */

bool import_column(const char *name)
{
	static const char *const known[] = {"owner", "label",	"uid",	   "key",     "keys",	 "role",   "options",
					    "from",  "forward", "comment", "expires", "quota",	 "limits", "ranges",
					    "locked", "storageQuota"};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (strcmp(name, known[i]) == 0)
			return true;
	return false;
}

/* A column that nobody reads would be something that is silently not imported. */
static int members_known(json_t *object, struct failure_text *failure)
{
	const char *name;
	json_t *value;

	json_object_foreach(object, name, value) if (!import_column(name))
		return refuse(failure, name, "there is no such column", "subuid help import lists them");
	return 0;
}

static int label_check(const json_t *object, struct failure_text *failure)
{
	static const char *const of_account[] = {"uid", "key", "keys", "comment", "expires", "quota", "locked"};

	for (size_t i = 0; i < sizeof(of_account) / sizeof(of_account[0]); i++)
		if (json_object_get(object, of_account[i]) != NULL)
			return refuse(failure, "label", "missing", "only limits and ranges are an owner's own");
	if (json_object_get(object, "limits") == NULL && json_object_get(object, "ranges") == NULL)
		return refuse(failure, "label", "missing", "say which account");
	return 0;
}

int import_rows(json_t *object, unsigned long line, json_t *rows, struct failure_text *failure)
{
	int r;

	if (json_object_get(object, "kind") != NULL) { /* a row already: of an export */
		json_object_set_new(object, "line", json_integer((json_int_t)line));
		return json_array_append(rows, object) < 0 ? -EINVAL : 0;
	}
	r = members_known(object, failure);
	if (r == 0 && !json_is_string(json_object_get(object, "owner")))
		r = refuse(failure, "owner", "missing", "say whose it is");
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
