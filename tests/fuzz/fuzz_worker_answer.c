/* SPDX-License-Identifier: ISC */
/*
 * The broker's answers as JSON: any that has the shape of a message becomes exactly what the interface declares, member
 * by member and type by type, fits into a message and reads back as the same.
 *
 * Input: the operation, the account's name ended by 0xff, then pieces of the answer: offset (2 bytes), length (1),
 * bytes.
 */
#include "tests/fuzz/fuzz.h"

#include "account/date.h"
#include "worker/import.h"
#include "worker/worker.h"

extern const char interface_text[];

/* ---- the interface */

enum type { STRING, INT, BOOL, STRINGS, OTHER };

struct member {
	char name[32], named[32]; /* the type, if it is OTHER */
	enum type type;
	bool optional;
};

static enum type type_of(const char *text)
{
	static const char *const types[] = {
		[STRING] = "string", [INT] = "int", [BOOL] = "bool", [STRINGS] = "[]string"
	};

	for (int i = STRING; i < OTHER; i++)
		if (strcmp(types[i], text) == 0)
			return (enum type)i;
	return OTHER;
}

/* Members between parentheses. */
static size_t members_of(const char *at, struct member *members, size_t max)
{
	char text[64];
	size_t count = 0;
	int used;

	must(*at++ == '(');
	for (;;) {
		at += strspn(at, " ,\n");
		if (*at == '#') {
			at += strcspn(at, "\n");
			continue;
		}
		if (*at == ')')
			return count;
		must(count < max && sscanf(at, "%31[A-Za-z]: %63[][?A-Za-z]%n", members[count].name, text, &used) == 2);
		members[count].optional = text[0] == '?';
		snprintf(members[count].named, sizeof(members[count].named), "%.31s", text + (text[0] == '?'));
		members[count].type = type_of(members[count].named);
		count++;
		at += used;
	}
}

static const char *declared(const char *form, const char *name)
{
	char start[64];
	const char *at;

	snprintf(start, sizeof(start), "\n%s %s", form, name);
	at = strstr(interface_text, start);
	must(at != NULL);
	return at + strlen(start);
}

static void check_object(json_t *object, const char *at);

static bool has_type(json_t *value, const struct member *member)
{
	size_t i;
	json_t *item;

	switch (member->type) {
	case STRING:
		return json_is_string(value);
	case INT:
		return json_is_integer(value);
	case BOOL:
		return json_is_boolean(value);
	case STRINGS:
		json_array_foreach(value, i, item)
			must(json_is_string(item));
		return json_is_array(value);
	default:
		check_object(value, declared("type", member->named) + 1);
		return true;
	}
}

/* An object that has what is declared at this place, and nothing else. */
static void check_object(json_t *object, const char *at)
{
	struct member members[64];
	size_t count = members_of(at, members, 64), there = 0;

	must(json_is_object(object));
	for (size_t i = 0; i < count; i++) {
		json_t *value = json_object_get(object, members[i].name);

		must(value != NULL || members[i].optional);
		must(value == NULL || has_type(value, &members[i]));
		there += value != NULL;
	}
	must(there == json_object_size(object));
}

/* ---- answers */

static bool utf8(const char *text)
{
	json_t *value = json_string(text);

	json_decref(value);
	return value != NULL;
}

static void check_message(json_t *parameters)
{
	static char bytes[VARLINK_MESSAGE_MAX];
	size_t length = json_dumpb(parameters, bytes, sizeof(bytes), JSON_COMPACT);
	json_t *again = NULL;

	must(length > 0 && length < sizeof(bytes) - 128); /* an envelope is around it */
	must(varlink_decode(bytes, length, &again) == 0 && json_equal(parameters, again));
	json_decref(again);
}

static void answer_take(struct input *input, uint32_t op, struct answer *answer)
{
	memset(answer, 0, sizeof(*answer));
	while (input->left > 3) {
		size_t offset = take_number(input, 2) % sizeof(*answer), length = take_byte(input);

		for (size_t i = 0; i < length && input->left > 0; i++)
			((uint8_t *)answer)[(offset + i) % sizeof(*answer)] = take_byte(input);
	}
	wire_answer_clean(answer, op);
	answer->op = op;
	answer->size = (uint32_t)wire_answer_size(op);
	must(wire_answer_check(answer, wire_answer_size(op)) == 0);
}

static void check_account(const struct answer *answer, json_t *account)
{
	const struct account *a = &answer->account.account;

	if (account == NULL)
		return;
	must(json_integer_value(json_object_get(account, "uid")) == a->uid);
	must(json_is_true(json_object_get(account, "locked")) == ((a->flags & ACCOUNT_LOCKED) != 0));
	must((json_object_get(account, "expires") != NULL) ==
	     (a->facts.expires_day >= 0 && a->facts.expires_day <= DATE_DAY_MAX));
	must(!utf8(a->owner) || strcmp(json_string_value(json_object_get(account, "owner")), a->owner) == 0);
}

/* In just as many bytes as the message has. */
static void check_answer(const struct answer *whole, uint32_t op, const char *account)
{
	struct answer *answer = take_copy(whole, sizeof(*whole));
	json_t *o = worker_answer(answer, account);

	if (o == NULL) { /* one word each, as they were checked when they came in */
		must(wire_message(op)->kind == ANSWERS_KEY && !(utf8(answer->key.type) && utf8(answer->key.blob)));
	} else {
		const char *out = strstr(declared("method", wire_message(op)->method), "-> (");

		must(out != NULL);
		check_object(o, out + 3);
		check_message(o);
		check_account(answer, json_object_get(o, "account"));
	}
	json_decref(o);
	free(answer);
}

static void check_failure(const struct failure_text *text)
{
	json_t *o = worker_answer_failure(text);

	check_object(o, declared("error", "Failed") + 1);
	check_message(o);
	json_decref(o);
}

static void check_import(const struct answer *answer)
{
	json_t *o;

	if (answer->import.kind == 0 || answer->import.kind >= IMPORT_KIND_MAX_ ||
	    answer->import.outcome >= IMPORT_OUTCOME_MAX_)
		return;
	o = worker_import_result(&answer->import, &answer->failure);
	must(o != NULL);
	check_object(o, strstr(declared("method", "Import"), "-> (") + 3);
	check_message(o);
	json_decref(o);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input input = { data, size };
	uint32_t op = 1 + take_byte(&input) % (OP_MAX_ - 1);
	char *name = take_text(&input);
	struct answer answer;

	json_object_seed(1);
	if (strlen(name) > ACCOUNT_NAME_MAX)
		name[ACCOUNT_NAME_MAX] = '\0';
	answer_take(&input, op, &answer);
	if (op == OP_IMPORT)
		check_import(&answer);
	else
		check_answer(&answer, op, name);
	check_failure(&answer.failure);
	free(name);
	return 0;
}
