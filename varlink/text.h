/* SPDX-License-Identifier: ISC */
/*
 * JSON written straight as text, for lists of a million rows: no tree is built for a row that nobody looks at. The
 * output is what jansson would write for the same members. Pure.
 */
#ifndef VARLINK_TEXT_H
#define VARLINK_TEXT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct json_text {
	char *bytes;
	size_t size, used;
	bool failed; /* it did not fit, or memory ran out */
};

#define JSON_TEXT(buffer)                                                                                              \
	{                                                                                                              \
		.bytes = (buffer), .size = sizeof(buffer)                                                              \
	}

/* An object begins and ends; between them its members. name "": it is no member of another object. */
void json_text_begin(struct json_text *text, const char *name);
void json_text_end(struct json_text *text);

/* Members, whose names are plain words. A string of only printable ASCII; false: it is not, and nothing was written.
 */
bool json_text_string(struct json_text *text, const char *name, const char *value);
void json_text_value(struct json_text *text, const char *name,
		     json_t *value); /* takes the reference; NULL: no memory */
void json_text_number(struct json_text *text, const char *name, int64_t number);
void json_text_flag(struct json_text *text, const char *name, bool flag);

#endif
