/* SPDX-License-Identifier: ISC */
/*
 * Any file for `subuid import`, from its first byte to the rows that the broker is sent. Whatever the client takes
 * for a line becomes rows with that line's number; whatever the worker understands of them is what the broker
 * demands of a worker. Bytes of the second kind are rows themselves, as a client of another program may send them.
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/import.h"
#include "subuidd/wire/request.h"
#include "worker/import.h"
#include "tests/fuzz/fuzz.h"
#include "cli/subuid.h"

struct common common; /* the program's own: cli/arguments.c */

static void worker_takes(json_t *row)
{
	static struct request request;
	struct failure_text failure = { 0 };

	if (worker_parse_import(row, &request, &failure) < 0) {
		must(failure.why[0] != '\0');
		return;
	}
	must(wire_request_check(&request, request.size) == 0);
	must(request_sound(&request) == 0);
}

static void line_is_taken(json_t *object, unsigned long line)
{
	struct failure_text failure = { 0 };
	json_t *rows = json_array(), *row;
	size_t i;

	if (import_rows(object, line, rows, &failure) < 0) {
		must(failure.what[0] != '\0' && failure.why[0] != '\0');
	} else {
		const char *kind = json_string_value(json_object_get(object, "kind"));

		must(json_array_size(rows) > 0 || json_object_get(object, "ranges") != NULL ||
		     (kind != NULL && strcmp(kind, IMPORT_HEADER) == 0));
		json_array_foreach(rows, i, row) {
			must(json_integer_value(json_object_get(row, "line")) == (json_int_t)line);
			worker_takes(row);
		}
	}
	json_decref(rows);
}

static void file_is_read(const uint8_t *data, size_t size)
{
	static struct import_text text;
	struct failure_text failure = { 0 };
	unsigned long before = 0, ends = 1;
	json_t *object = NULL;
	int r;

	for (size_t i = 0; i < size; i++)
		ends += data[i] == '\n';
	memset(&text, 0, sizeof(text));
	text.file = fmemopen((void *)(uintptr_t)data, size, "rb");
	must(text.file != NULL);
	while ((r = import_text_next(&text, &object, &failure)) == 1 || r == -EINVAL) {
		must(text.line > before && text.line <= ends);
		before = text.line;
		if (r == -EINVAL) {
			must(failure.why[0] != '\0');
			continue;
		}
		must(json_is_object(object) && json_object_size(object) > 0 ? true : !text.csv);
		line_is_taken(object, text.line);
		json_decref(object);
	}
	must(r == 0 || (r == -EBADMSG && failure.why[0] != '\0'));
	import_text_free(&text);
	fclose(text.file);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	json_t *row;

	if (size < 2)
		return 0;
	if (data[0] != 'R') {
		file_is_read(data, size);
		return 0;
	}
	row = json_loadb((const char *)data + 1, size - 1, JSON_REJECT_DUPLICATES, NULL);
	if (row != NULL)
		worker_takes(row);
	json_decref(row);
	return 0;
}
