/* SPDX-License-Identifier: ISC */
/*
 * Prints the text of the interface: its template (varlink/io.subuidd.Accounts.varlink.in, on standard input) with the
 * members of types and methods filled in from the tables that worker and broker go by. Runs when subuidd is built,
 * and is not installed. Ends with a message when template and tables do not fit: a method or a member that the other
 * one lacks.
 *
 *   type Account (         its members, one a line; a name alone has its type from the table, and the comment above it
 *     @answer List         the members of this method's answer that the type does not name itself, with their notes;
 *     @request Import      ... of its request;
 *     @key, @run           ... of a key, of a run as they are given
 *   )
 *   method Add(@, key: ?NewKey) -> (@, created: bool)        @: what the table says
 *   @errors                every kind of failure, with these members
 */
#include <err.h>
#include <stdio.h>
#include <string.h>

#include "subuidd/wire/wire.h"

#define LINE_MAX_ 120
#define LINES_MAX 128
#define MEMBERS_MAX 64

static const char *const kinds[] = {
	[FIELD_NUMBER] = "int", [FIELD_SIGNED] = "int", [FIELD_TEXT] = "string",
	[FIELD_FLAG] = "bool",  [FIELD_DAY] = "string", [FIELD_WORD] = "string",
};

struct member {
	const struct field *field;
	bool given, written;
};

struct members {
	struct member member[MEMBERS_MAX];
	size_t count;
};

/* Types by the member of an answer that has them, as the template says it. */
static struct {
	const char *member;
	char type[32];
} types[OP_MAX_];

static bool methods_written[OP_MAX_];

static uint32_t method_op(const char *name)
{
	for (uint32_t op = 0; op < OP_MAX_; op++)
		if (wire_message(op) != NULL && strcmp(wire_message(op)->method, name) == 0)
			return op;
	errx(1, "no method %s in the table of messages", name);
}

/* ---- members ---- */

static void add_record(struct members *members, const struct record *record, bool given)
{
	for (size_t i = 0; i < record->count; i++) {
		const struct field *field = &record->fields[i];

		if (field->name == NULL || (field->use & (given ? FIELD_GIVEN : FIELD_TOLD)) == 0)
			continue;
		if (members->count == MEMBERS_MAX)
			errx(1, "too many members");
		members->member[members->count++] = (struct member){ field, given, false };
	}
}

/* A key and a run that are given are objects of their own. */
static void add_parts(struct members *members, const struct wire_part *part, bool given)
{
	for (; part->record != NULL; part++)
		if (!given || (part->record != &key_record && part->record != &run_record))
			add_record(members, part->record, given);
}

static bool may_be_left_out(const struct member *member)
{
	if (member->given)
		return (member->field->use & FIELD_REQUIRED) == 0;
	return (member->field->use & (FIELD_IF_ANY | FIELD_IF_KNOWN)) != 0 || member->field->with != 0;
}

static const char *member_text(const struct member *member, char out[LINE_MAX_])
{
	snprintf(out, LINE_MAX_, "%s: %s%s", member->field->name, may_be_left_out(member) ? "?" : "",
		 kinds[member->field->kind]);
	return out;
}

/* ---- types ---- */

struct block {
	char line[LINES_MAX][2 * LINE_MAX_];
	size_t count;
};

static void read_block(struct block *block)
{
	for (block->count = 0; block->count < LINES_MAX; block->count++) {
		char *line = block->line[block->count];

		if (fgets(line, sizeof(block->line[0]), stdin) == NULL)
			errx(1, "a type does not end");
		line[strcspn(line, "\n")] = '\0';
		if (strcmp(line, ")") == 0)
			return;
	}
	errx(1, "a type is too long");
}

static void members_of(const char *type, const char *line, struct members *members)
{
	if (strcmp(line, "  @key") == 0)
		add_record(members, &key_record, true);
	if (strcmp(line, "  @run") == 0)
		add_record(members, &run_record, true);
	if (strncmp(line, "  @request ", 11) == 0)
		add_parts(members, wire_message(method_op(line + 11))->request, true);
	if (strncmp(line, "  @answer ", 10) == 0) {
		uint32_t op = method_op(line + 10);

		add_parts(members, wire_message(op)->answer, false);
		types[op].member = wire_message(op)->member;
		snprintf(types[op].type, sizeof(types[op].type), "%.31s", type);
	}
}

static struct member *member_named(struct members *members, const char *name)
{
	for (size_t i = 0; i < members->count; i++)
		if (strcmp(members->member[i].field->name, name) == 0)
			return &members->member[i];
	return NULL;
}

static const char *separator_before = "";

static void put_member(const char *text)
{
	printf("%s\n  %s", separator_before, text);
	separator_before = ",";
}

static void put_comment(const char *text, size_t length)
{
	printf("%s\n  # %.*s", separator_before, (int)length, text);
	separator_before = "";
}

static void put_rest(struct members *members)
{
	char text[LINE_MAX_];

	for (size_t i = 0; i < members->count; i++) {
		const char *note = members->member[i].field->note;

		if (members->member[i].written)
			continue;
		for (; note != NULL && *note != '\0'; note += strcspn(note, "\n"), note += *note == '\n')
			put_comment(note, strcspn(note, "\n"));
		put_member(member_text(&members->member[i], text));
	}
}

/* A member that the template names: alone, or with its type, which no table has. */
static void put_named(const char *type, const char *line, struct members *members)
{
	struct member *member;
	char name[2 * LINE_MAX_], text[LINE_MAX_];

	snprintf(name, sizeof(name), "%.*s", (int)strcspn(line, ":"), line);
	member = member_named(members, name);
	if ((strchr(line, ':') == NULL) != (member != NULL))
		errx(1, "type %s: %s is %s", type, name,
		     member != NULL ? "in the table, and has its type from there" : "in no table");
	put_member(member != NULL ? member_text(member, text) : line);
}

static void put_type(const char *type)
{
	struct members members = { .count = 0 };
	static struct block block;

	read_block(&block);
	for (size_t i = 0; i < block.count; i++)
		members_of(type, block.line[i], &members);
	for (size_t i = 0; i < block.count; i++) {
		struct member *member = member_named(&members, block.line[i] + 2);

		if (member != NULL)
			member->written = true;
	}
	printf("type %s (", type);
	separator_before = "";
	for (size_t i = 0; i < block.count; i++) {
		const char *line = block.line[i] + 2;

		if (line[0] == '#')
			put_comment(line + 2, strlen(line + 2));
		else if (line[0] == '@')
			put_rest(&members);
		else
			put_named(type, line, &members);
	}
	puts("\n)");
}

/* ---- methods ---- */

struct signature {
	char word[MEMBERS_MAX][LINE_MAX_]; /* members, ended by the ones that close a list */
	size_t count;
};

static void put_word(struct signature *signature, const char *text, size_t length)
{
	if (signature->count == MEMBERS_MAX || length >= LINE_MAX_)
		errx(1, "too long: %s", text);
	snprintf(signature->word[signature->count++], LINE_MAX_, "%.*s", (int)length, text);
}

static void put_members(struct signature *signature, const struct members *members)
{
	char text[LINE_MAX_];

	for (int left_out = 0; left_out < 2; left_out++)
		for (size_t i = 0; i < members->count; i++)
			if (may_be_left_out(&members->member[i]) == (left_out == 1))
				put_word(signature, member_text(&members->member[i], text), LINE_MAX_ - 1);
}

static const char *type_of(const char *member)
{
	for (uint32_t op = 0; op < OP_MAX_; op++)
		if (types[op].member != NULL && strcmp(types[op].member, member) == 0)
			return types[op].type;
	errx(1, "no type has the members of an answer's %s", member);
}

/* An answer with a member is an object of its own; of a list the last reply has none. */
static void put_answer(struct signature *signature, const struct wire_message *message)
{
	struct members members = { .count = 0 };
	char text[LINE_MAX_];

	if (message->member == NULL) {
		add_parts(&members, message->answer, false);
		put_members(signature, &members);
		return;
	}
	snprintf(text, sizeof(text), "%s: %s%s", message->member, message->list || message->import ? "?" : "",
		 type_of(message->member));
	put_word(signature, text, strlen(text));
}

/* The members between `(` and `)`. */
static void read_list(struct signature *signature, const char *list, const struct wire_message *message, bool answer)
{
	struct members members = { .count = 0 };

	if (!answer)
		add_parts(&members, message->request, true);
	for (size_t length; *list != ')'; list += length, list += strspn(list, ", ")) {
		length = strcspn(list, ",)");
		if (list[0] != '@')
			put_word(signature, list, length);
		else if (answer)
			put_answer(signature, message);
		else
			put_members(signature, &members);
	}
}

static void print_list(const struct signature *signature, size_t *column)
{
	for (size_t i = 0; i < signature->count; i++) {
		const char *end = i + 1 < signature->count ? "," : "";
		size_t length = strlen(signature->word[i]) + strlen(end);

		if (*column + length + 1 > LINE_MAX_) {
			fputs("\n  ", stdout);
			*column = 2;
		} else if (i > 0) {
			putchar(' ');
			*column += 1;
		}
		*column += (size_t)printf("%s%s", signature->word[i], end);
	}
}

static void put_method(const char *line)
{
	static struct signature in, out;
	const char *request = strchr(line, '('), *reply = strstr(line, ") -> (");
	char name[LINE_MAX_];
	size_t column;
	uint32_t op;

	if (request == NULL || reply == NULL || strchr(reply + 6, ')') == NULL)
		errx(1, "not a method: %s", line);
	snprintf(name, sizeof(name), "%.*s", (int)(request - line - 7), line + 7);
	op = method_op(name);
	if (methods_written[op])
		errx(1, "method %s stands there twice", name);
	methods_written[op] = true;
	in.count = out.count = 0;
	if (!wire_message(op)->import)
		read_list(&in, request + 1, wire_message(op), false);
	else
		put_word(&in, request + 1, (size_t)(reply - request - 1)); /* its rows are a type, not its members */
	read_list(&out, reply + 6, wire_message(op), true);
	column = (size_t)printf("method %s(", name);
	print_list(&in, &column);
	column += (size_t)printf(") -> (");
	print_list(&out, &column);
	puts(")");
}

/* ---- the rest ---- */

static void put_errors(const char *members)
{
	for (unsigned failure = FAILURE_NONE + 1; failure < FAILURE_MAX_; failure++)
		printf("error %s %s\n", failure_name((enum failure)failure), members);
}

int main(void)
{
	char line[512];

	while (fgets(line, sizeof(line), stdin) != NULL) {
		line[strcspn(line, "\n")] = '\0';
		if (strncmp(line, "type ", 5) == 0) {
			line[strcspn(line, "(") - 1] = '\0';
			put_type(line + 5);
		} else if (strncmp(line, "method ", 7) == 0) {
			put_method(line);
		} else if (strncmp(line, "@errors ", 8) == 0) {
			put_errors(line + 8);
		} else {
			puts(line);
		}
	}
	for (uint32_t op = 0; op < OP_MAX_; op++)
		if (wire_message(op) != NULL && !methods_written[op])
			errx(1, "the template lacks method %s", wire_message(op)->method);
	return fflush(stdout) == 0 ? 0 : 1;
}
