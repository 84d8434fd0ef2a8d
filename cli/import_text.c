/* SPDX-License-Identifier: ISC */
#include "cli/import.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "confine/cleanup.h"

#define LINE_MAX_ (60u * 1024u) /* what one call can carry */

static int refuse(struct failure_text *failure, const char *what, const char *why, const char *todo, int error)
{
	failure_set(failure, FAILURE_INVALID, what, why, todo);
	return error;
}

static unsigned long quotes(const char *text)
{
	unsigned long count = 0;

	for (; *text != '\0'; text++)
		count += *text == '"';
	return count;
}

/* One record without its end of line: in CSV a quoted field may hold some. 1, 0 at the end, -EIO. */
static int record_read(struct import_text *text, char **record, size_t *length)
{
	size_t room = 0;
	char *more = NULL;
	ssize_t got = getline(record, &room, text->file);

	if (got < 0)
		return ferror(text->file) ? -EIO : 0;
	text->line = ++text->next;
	while (text->csv && quotes(*record) % 2 == 1) {
		size_t more_room = 0, used = (size_t)got;
		ssize_t next = used > LINE_MAX_ ? -1 : getline(&more, &more_room, text->file);
		char *joined = next < 0 ? NULL : realloc(*record, used + (size_t)next + 1);

		if (joined != NULL) {
			memcpy(joined + used, more, (size_t)next + 1);
			*record = joined;
			got += next;
			text->next++;
		}
		free(more);
		more = NULL;
		if (joined == NULL)
			break;
	}
	while (got > 0 && ((*record)[got - 1] == '\n' || (*record)[got - 1] == '\r'))
		(*record)[--got] = '\0';
	*length = (size_t)got;
	return 1;
}

/* The next field of RFC 4180, unquoted in place. NULL: ill-formed. *rest NULL: it was the last. */
static char *field_next(char **rest)
{
	char *field = *rest, *from = field, *to = field;

	if (*field != '"') {
		char *comma = strchr(field, ',');

		*rest = comma != NULL ? comma + 1 : NULL;
		if (comma != NULL)
			*comma = '\0';
		return field;
	}
	for (from++; *from != '\0'; from++) {
		if (*from == '"' && from[1] != '"')
			break;
		if (*from == '"')
			from++;
		*to++ = *from;
	}
	if (*from != '"' || (from[1] != ',' && from[1] != '\0'))
		return NULL;
	*rest = from[1] == ',' ? from + 2 : NULL;
	*to = '\0';
	return field;
}

static int header_read(struct import_text *text, char *record, struct failure_text *failure)
{
	char *rest = text->header = strdup(record);

	while (rest != NULL) {
		char *field = field_next(&rest);

		if (field == NULL || text->columns_count == CSV_COLUMNS_MAX)
			return refuse(failure, "header", "not one of CSV", "name the columns in the first line", -EBADMSG);
		field += strspn(field, " \t");
		field[strcspn(field, " \t")] = '\0';
		if (!import_column(field))
			return refuse(failure, field, "there is no such column", "subuid help import lists them",
				      -EBADMSG);
		text->columns[text->columns_count++] = field;
	}
	return 0;
}

/* An empty field is one that is not given. */
static int csv_object(struct import_text *text, char *record, json_t **ret, struct failure_text *failure)
{
	json_t *object = json_object();
	char *rest = record;
	size_t column = 0;

	for (; rest != NULL; column++) {
		char *field = field_next(&rest);

		if (field == NULL || column == text->columns_count) {
			json_decref(object);
			return refuse(failure, "line", field == NULL ? "a quote is not closed" : "more fields than columns",
				      "quote fields that hold a comma", -EINVAL);
		}
		if (field[0] != '\0' && json_object_set_new(object, text->columns[column], json_string(field)) < 0) {
			json_decref(object);
			return refuse(failure, "line", "not UTF-8", "", -EINVAL);
		}
	}
	*ret = object;
	return 1;
}

static int json_line(const char *record, size_t length, json_t **ret, struct failure_text *failure)
{
	json_error_t error;
	json_t *object = json_loadb(record, length, JSON_REJECT_DUPLICATES, &error);

	if (json_is_object(object)) {
		*ret = object;
		return 1;
	}
	json_decref(object);
	return refuse(failure, "line", object == NULL ? error.text : "not a JSON object", "", -EINVAL);
}

int import_text_next(struct import_text *text, json_t **object, struct failure_text *failure)
{
	cleanup_free char *record = NULL;
	size_t length = 0;
	int r;

	do {
		free(record);
		record = NULL;
		r = record_read(text, &record, &length);
	} while (r == 1 && record[strspn(record, " \t")] == '\0');
	if (r <= 0)
		return r;
	if (strlen(record) != length || length > LINE_MAX_)
		return refuse(failure, "line", length > LINE_MAX_ ? "too long" : "a NUL is in it", "", -EINVAL);
	if (!text->begun) {
		text->begun = true;
		text->csv = record[strspn(record, " \t")] != '{';
		if (text->csv) {
			r = header_read(text, record, failure);
			return r < 0 ? r : import_text_next(text, object, failure);
		}
	}
	return text->csv ? csv_object(text, record, object, failure) : json_line(record, length, object, failure);
}

void import_text_free(struct import_text *text)
{
	free(text->header);
	text->header = NULL;
}
