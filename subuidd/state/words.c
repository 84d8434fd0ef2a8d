/* SPDX-License-Identifier: ISC */
/* The messages of the state program, for people and as JSON. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>

#include "account/name.h"
#include "subuidd/state/program.h"

int complain(int status, const char *what, const char *why, const char *todo)
{
	char escaped[3][REASON_SIZE];

	fflush(stdout);
	fprintf(stderr, "subuid: %s: %s%s%s\n", text_escape(what, escaped[0], REASON_SIZE),
		text_escape(why, escaped[1], REASON_SIZE), todo[0] != '\0' ? "; " : "",
		text_escape(todo, escaped[2], REASON_SIZE));
	return status;
}

const char *utc_text(int64_t seconds)
{
	static char texts[4][48];
	static unsigned next;
	char *text = texts[next++ % 4];
	time_t when = (time_t)seconds;
	struct tm tm;

	if (gmtime_r(&when, &tm) == NULL || strftime(text, sizeof(texts[0]), "%Y-%m-%d %H:%M UTC", &tm) == 0)
		snprintf(text, sizeof(texts[0]), "second %" PRId64, seconds);
	return text;
}

json_t *header_json(const struct state_header *header)
{
	char store[17];

	snprintf(store, sizeof(store), "%016" PRIx64, header->store);
	return json_pack("{s:s, s:s, s:I, s:i, s:s, s:I, s:I, s:I, s:I}", "host", header->host, "program",
			 header->program, "saved", (json_int_t)header->saved, "schema", (int)header->schema, "store",
			 store, "generation", (json_int_t)header->generation, "accounts", (json_int_t)header->accounts,
			 "keys", (json_int_t)header->keys, "ranges", (json_int_t)header->ranges);
}

void header_print(const struct state_header *header)
{
	printf("The state of %s of %s, by subuidd %s: accounts %" PRIu64 ", keys %" PRIu64 ", ranges %" PRIu64
	       ", generation %" PRIu64 "\n",
	       header->host, utc_text(header->saved), header->program, header->accounts, header->keys, header->ranges,
	       header->generation);
}

void report_add(struct report *report, enum report_kind kind, const char *format, ...)
{
	static const char *const names[] = { "note", "newer", "conflict", "data" };
	static const char *const heads[] = { "note", "newer here", "in the way", "data" };
	unsigned *const counts[] = { &report->notes, &report->newer, &report->conflicts, &report->data };
	char text[1024], clean[2048];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	text_escape(text, clean, sizeof(clean));
	++*counts[kind];
	if (report->json)
		json_array_append_new(report->list, json_pack("{s:s, s:s}", "kind", names[kind], "text", clean));
	else
		printf("%s: %s\n", heads[kind], clean);
}

int json_end(json_t *value)
{
	int r = value == NULL ? -1 : json_dumpf(value, stdout, JSON_INDENT(2));

	json_decref(value);
	if (r == 0)
		putchar('\n');
	return r == 0 && fflush(stdout) == 0 ? STATUS_DONE : complain(STATUS_FAILED, "output", "cannot be written", "");
}
