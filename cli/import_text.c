/* SPDX-License-Identifier: ISC */
/* Cuts a file for `subuid import` into records: CSV with a header line, or one JSON object on each line. */
#include "cli/import.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int refuse(struct failure_text *failure, const char *what, const char *why, const char *todo, int error)
{
	failure_set(failure, FAILURE_INVALID, what, why, todo);
	return error;
}

/* ---- records ---- */

/* The position in a line of CSV: an end of line in quotes belongs to the field. */
enum csv_at { FIELD_BEGIN, PLAIN, QUOTED, QUOTE_IN_QUOTED };

static enum csv_at csv_after(enum csv_at at, int c)
{
	switch (at) {
	case FIELD_BEGIN:
		return c == '"' ? QUOTED : c == ',' ? FIELD_BEGIN : PLAIN;
	case PLAIN:
		return c == ',' ? FIELD_BEGIN : PLAIN;
	case QUOTED:
		return c == '"' ? QUOTE_IN_QUOTED : QUOTED;
	case QUOTE_IN_QUOTED:
		break;
	}
	return c == '"' ? QUOTED : c == ',' ? FIELD_BEGIN : PLAIN;
}

/* A record that is too long is read to its end and dropped: nothing inside it is taken for a line. */
static int record_read(struct import_text *text, size_t *length, struct failure_text *failure)
{
	enum csv_at at = FIELD_BEGIN;
	size_t used = 0;
	bool any = false;
	int c;

	text->line = text->next + 1;
	while ((c = getc_unlocked(text->file)) != EOF) {
		any = true;
		text->next += c == '\n';
		if (c == '\n' && at != QUOTED)
			break;
		if (used <= IMPORT_LINE_MAX)
			text->record[used++] = (char)c;
		if (text->csv)
			at = csv_after(at, c);
	}
	if (c == EOF && ferror(text->file))
		return -EIO;
	if (!any)
		return 0;
	if (at == QUOTED)
		return refuse(failure, "line", "a quote that begins here is not closed",
			      "write a quote in quotes twice", -EINVAL);
	if (used > IMPORT_LINE_MAX)
		return refuse(failure, "line", "too long", "at most 60 KiB are allowed", -EINVAL);
	if (memchr(text->record, '\0', used) != NULL)
		return refuse(failure, "line", "it contains a NUL", "it has to be text in UTF-8", -EINVAL);
	if (used > 0 && text->record[used - 1] == '\r')
		used--;
	text->record[used] = '\0';
	*length = used;
	return 1;
}

/* A byte order mark is passed over; the first character decides between CSV and JSON. */
static int text_begin(struct import_text *text, struct failure_text *failure)
{
	int c = getc(text->file);

	text->line = 1;
	if (c == 0xfe || c == 0xff)
		return refuse(failure, "file", "not UTF-8", "save it as UTF-8", -EBADMSG);
	if (c == 0xef && (getc(text->file) != 0xbb || getc(text->file) != 0xbf))
		return refuse(failure, "file", "neither CSV with a header nor JSON lines",
			      "subuid help import says more", -EBADMSG);
	if (c == 0xef)
		c = getc(text->file);
	for (; c == ' ' || c == '\t' || c == '\r' || c == '\n'; c = getc(text->file))
		text->next += c == '\n';
	text->line = text->next + 1;
	if (c == '[')
		return refuse(failure, "file", "a JSON list", "write one object in each line: jq -c '.[]'", -EBADMSG);
	if (c != EOF)
		ungetc(c, text->file);
	text->csv = c != '{';
	text->begun = true;
	return 0;
}

/* ---- fields ---- */

static char *plain_next(char **rest, const char **why)
{
	char *field = *rest, *comma = strchr(field, ',');

	*rest = comma != NULL ? comma + 1 : NULL;
	if (comma != NULL)
		*comma = '\0';
	if (strchr(field, '"') == NULL)
		return field;
	*why = "a field that is not quoted contains a quote";
	return NULL;
}

/* The next field of RFC 4180, unquoted in place. NULL: ill-formed, *why. *rest NULL: it was the last. */
static char *field_next(char **rest, const char **why)
{
	char *field = *rest, *from = field, *to = field;

	if (*field != '"')
		return plain_next(rest, why);
	for (from++; *from != '\0'; from++) {
		if (*from == '"' && from[1] != '"')
			break;
		if (*from == '"')
			from++;
		*to++ = *from;
	}
	if (*from != '"' || (from[1] != ',' && from[1] != '\0')) {
		*why = "text follows a closing quote";
		return NULL;
	}
	*rest = from[1] == ',' ? from + 2 : NULL;
	*to = '\0';
	return field;
}

static const char quote_todo[] = "quote fields that hold a comma or a quote, and write a quote in them twice";

static int column_add(struct import_text *text, const char *name, struct failure_text *failure)
{
	const char *todo = strpbrk(name, ";\t") != NULL ? "separate them by commas" : "subuid help import lists them";

	for (size_t i = 0; i < text->columns_count; i++)
		if (strcmp(text->columns[i], name) == 0)
			return refuse(failure, name, "there are two columns with this name", "leave one out", -EBADMSG);
	if (name[0] == '\0')
		return refuse(failure, "header", "a column has no name", "name the columns in the first line",
			      -EBADMSG);
	if (!import_column(name) || text->columns_count == CSV_COLUMNS_MAX)
		return refuse(failure, name, "unknown column", todo, -EBADMSG);
	text->columns[text->columns_count++] = name;
	return 0;
}

static int header_read(struct import_text *text, struct failure_text *failure)
{
	char *rest = text->header = strdup(text->record);
	const char *why = "out of memory";
	int r = rest != NULL ? 0 : refuse(failure, "header", why, "", -EBADMSG);

	while (r == 0 && rest != NULL) {
		char *field = field_next(&rest, &why);

		if (field == NULL)
			return refuse(failure, "header", why, "name the columns in the first line", -EBADMSG);
		field += strspn(field, " ");
		for (size_t length = strlen(field); length > 0 && field[length - 1] == ' '; length--)
			field[length - 1] = '\0';
		r = column_add(text, field, failure);
	}
	for (size_t i = 0; i < text->columns_count; i++)
		if (strcmp(text->columns[i], "owner") == 0)
			return r;
	return r < 0 ? r : refuse(failure, "owner", "missing", "name the columns in the first line", -EBADMSG);
}

/* An empty field is not given. 1, 0 if all are empty, or -EINVAL. */
static int csv_object(struct import_text *text, json_t **ret, struct failure_text *failure)
{
	json_t *object = json_object();
	const char *why = NULL;
	char *rest = text->record;
	size_t column = 0;

	for (; why == NULL && rest != NULL; column++) {
		char *field = field_next(&rest, &why);

		if (field != NULL && column == text->columns_count)
			why = "more fields than columns";
		else if (field != NULL && field[0] != '\0' &&
			 json_object_set_new(object, text->columns[column], json_string(field)) < 0)
			why = "not UTF-8";
	}
	if (why == NULL && column < text->columns_count)
		why = "fewer fields than columns"; /* the file may have been cut off */
	if (why == NULL && json_object_size(object) > 0) {
		*ret = object;
		return 1;
	}
	json_decref(object);
	return why == NULL ? 0 : refuse(failure, "line", why, quote_todo, -EINVAL);
}

static int json_line(const struct import_text *text, size_t length, json_t **ret, struct failure_text *failure)
{
	json_error_t error;
	json_t *object = json_loadb(text->record, length, JSON_REJECT_DUPLICATES, &error);

	if (json_is_object(object)) {
		*ret = object;
		return 1;
	}
	json_decref(object);
	return refuse(failure, "line", object == NULL ? error.text : "not a JSON object",
		      "one whole object in each line: jq -c .", -EINVAL);
}

int import_text_next(struct import_text *text, json_t **object, struct failure_text *failure)
{
	size_t length = 0;
	int r = text->begun ? 0 : text_begin(text, failure);

	while (r == 0) {
		bool header = text->csv && text->columns_count == 0;

		r = record_read(text, &length, failure);
		if (r <= 0)
			return r == -EINVAL && header ? -EBADMSG : r;
		if (text->record[strspn(text->record, " \t")] == '\0')
			r = 0;
		else if (header)
			r = header_read(text, failure);
		else
			r = text->csv ? csv_object(text, object, failure) : json_line(text, length, object, failure);
	}
	return r;
}

void import_text_free(struct import_text *text)
{
	free(text->header);
	text->header = NULL;
}
