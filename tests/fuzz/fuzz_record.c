/* SPDX-License-Identifier: ISC */
/*
 * Records and JSON, both ways. Any record is told alike as a tree and as text, and what a peer may give of it reads
 * back as the same; any JSON that is taken for a record is the same record when that was told and is read again.
 *
 * Input: which record, how many bytes of it are there (2 bytes), they, JSON.
 */
#include "tests/fuzz/fuzz.h"

#include "account/account.h"
#include "account/run.h"
#include "worker/record_json.h"

#define TELLING 16384

union any {
	struct account account;
	struct ssh_key key;
	struct id_range range;
	struct limit limit;
	struct audit_entry audit;
	struct run_row run;
};

static const struct record *const records[] = {
	&facts_record, &account_record, &owned_record,   &key_record, &range_record,
	&limit_record, &audit_record,   &run_row_record, &run_record,
};

static bool utf8(const char *text)
{
	json_t *value = json_string(text);

	json_decref(value);
	return value != NULL;
}

static void *member(const struct field *field, union any *base)
{
	return (char *)base + field->offset;
}

/* Texts are padded with NUL, the last byte always. */
static void settle(const struct record *record, union any *base)
{
	for (size_t i = 0; i < record->count; i++) {
		const struct field *field = &record->fields[i];
		char *text = member(field, base);
		size_t length = field->kind == FIELD_TEXT ? strnlen(text, field->size - 1u) : 0;

		if (field->kind == FIELD_TEXT)
			memset(text + length, 0, field->size - length);
	}
}

/* ---- told as a tree and as text */

static json_t *told(const struct record *record, const union any *base)
{
	json_t *object = json_object();

	must(object != NULL && !record_put(object, record, base));
	return object;
}

static void told_alike(const struct record *record, const union any *base)
{
	static char bytes[TELLING];
	struct json_text text = JSON_TEXT(bytes);
	json_t *tree = told(record, base), *again;

	json_text_begin(&text, "");
	record_text(&text, record, base);
	json_text_end(&text);
	must(!text.failed);
	again = json_loadb(bytes, text.used, JSON_REJECT_DUPLICATES, NULL);
	must(again != NULL && json_equal(tree, again));
	json_decref(again);
	json_decref(tree);
}

/* ---- and read back */

static bool readable(const struct record *record, size_t i, const union any *base)
{
	const struct field *field = &record->fields[i];
	struct failure_text failure;

	if (field->kind == FIELD_TEXT)
		return utf8(field_text(field, base)) && strlen(field_text(field, base)) >= (size_t)field->least;
	if ((field->use & FIELD_IF_KNOWN) != 0 && field_number(field, base) == -1)
		return true;
	return record_check(record, base, 1u << i, &failure) == FAILURE_NONE &&
	       (field->kind == FIELD_DAY || field->least < 0 || field_number(field, base) >= 0);
}

/* The rows that a peer may give; what no peer can, says nothing from now on. */
static uint32_t readable_all(const struct record *record, union any *base)
{
	uint32_t given = 0;

	for (size_t i = 0; i < record->count; i++) {
		const struct field *field = &record->fields[i];

		if ((field->use & FIELD_GIVEN) == 0)
			continue;
		given |= 1u << i;
		if (readable(record, i, base))
			continue;
		if (field->kind == FIELD_TEXT)
			memset(member(field, base), 0, field->size);
		else
			field_number_put(field, base, field->kind == FIELD_DAY ? -1 : 0);
	}
	return given;
}

/* What nobody said is unknown, where that is something else than 0. */
static void forget(const struct record *record, uint32_t set, union any *base)
{
	for (size_t i = 0; i < record->count; i++)
		if ((record->fields[i].use & FIELD_IF_KNOWN) != 0 && (set & 1u << i) == 0)
			field_number_put(&record->fields[i], base, -1);
}

static void reads_back(const struct record *record, union any *base)
{
	uint32_t given = readable_all(record, base), set = 0;
	json_t *object = told(record, base);
	struct failure_text failure;
	union any again;

	memset(&again, 0, sizeof(again));
	must(record_parse(record, object, &again, &set, &failure) == 0);
	must((set & ~given) == 0);
	for (size_t i = 0; i < record->count; i++)
		if ((given & 1u << i) != 0 && (record->fields[i].use & FIELD_REQUIRED) == 0)
			must(((set & 1u << i) != 0) == !field_left_out(&record->fields[i], base));
	forget(record, set, &again);
	must(record_difference(record, base, &again, given) == NULL);
	json_decref(object);
}

/* ---- any JSON */

static void taken_is_told(const struct record *record, json_t *object)
{
	union any first, second;
	uint32_t set = 0, again = 0;
	struct failure_text failure = { 0 };
	json_t *tree;

	memset(&first, 0, sizeof(first));
	memset(&second, 0, sizeof(second));
	if (record_parse(record, object, &first, &set, &failure) < 0) {
		must(failure.failure == FAILURE_INVALID && failure.what[0] != '\0' && failure.why[0] != '\0');
		return;
	}
	forget(record, set, &first);
	tree = told(record, &first);
	must(record_parse(record, tree, &second, &again, &failure) == 0);
	forget(record, again, &second);
	must(memcmp(&first, &second, sizeof(first)) == 0);
	readable_all(record, &second); /* none of it had to go */
	must(memcmp(&first, &second, sizeof(first)) == 0);
	json_decref(tree);
}

static void take_record(struct input *input, const struct record *record, union any *base)
{
	size_t length = take_number(input, 2) % (sizeof(*base) + 1);

	memset(base, 0, sizeof(*base));
	for (size_t i = 0; i < length && input->left > 0; i++)
		((uint8_t *)base)[i] = take_byte(input);
	settle(record, base);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input input = { data, size };
	const struct record *record = records[take_byte(&input) % (sizeof(records) / sizeof(records[0]))];
	union any base;
	json_t *object;

	json_object_seed(1);
	take_record(&input, record, &base);
	told_alike(record, &base);
	reads_back(record, &base);
	object = json_loadb((const char *)input.at, input.left, 0, NULL);
	if (json_is_object(object))
		taken_is_told(record, object);
	json_decref(object);
	return 0;
}
