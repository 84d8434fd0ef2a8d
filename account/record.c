/* SPDX-License-Identifier: ISC */
/* Reading, checking and comparing records by their tables. The broker runs this on what a worker sent. */
#include "account/record.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "account/date.h"

const char *field_option(const struct field *field)
{
	return field->option != NULL ? field->option : field->name;
}

const struct field *record_find(const struct record *record, const char *name)
{
	for (size_t i = 0; i < record->count; i++)
		if (record->fields[i].name != NULL && strcmp(record->fields[i].name, name) == 0)
			return &record->fields[i];
	return NULL;
}

static const void *member(const struct field *field, const void *base)
{
	return (const char *)base + field->offset;
}

static int64_t signed_number(const struct field *field, const void *at)
{
	int32_t small;
	int64_t large;

	if (field->size == sizeof(large)) {
		memcpy(&large, at, sizeof(large));
		return large;
	}
	memcpy(&small, at, sizeof(small));
	return small;
}

/* Numbers of 8 bytes stay as they are: all that are shown or given are below 2^63. */
int64_t field_number(const struct field *field, const void *base)
{
	int64_t number = signed_number(field, member(field, base));

	if (field->kind == FIELD_SIGNED || field->kind == FIELD_DAY)
		return number;
	if (field->size == sizeof(uint32_t))
		number = (uint32_t)number;
	return field->kind == FIELD_FLAG && field->most != 0 ? (number & field->most) != 0 : number;
}

void field_number_put(const struct field *field, void *base, int64_t number)
{
	void *at = (char *)base + field->offset;
	uint32_t small;

	if (field->size == sizeof(number)) {
		memcpy(at, &number, sizeof(number));
		return;
	}
	memcpy(&small, at, sizeof(small));
	if (field->kind == FIELD_FLAG && field->most != 0)
		small = number != 0 ? small | (uint32_t)field->most : small & ~(uint32_t)field->most;
	else
		small = (uint32_t)number;
	memcpy(at, &small, sizeof(small));
}

const char *field_text(const struct field *field, const void *base)
{
	return member(field, base);
}

bool field_empty(const struct field *field, const void *base)
{
	if (field->kind == FIELD_TEXT)
		return field_text(field, base)[0] == '\0';
	if (field->kind == FIELD_DAY) /* not a day with a date */
		return field_number(field, base) < 0 || field_number(field, base) > DATE_DAY_MAX;
	return field_number(field, base) == 0;
}

bool field_left_out(const struct field *field, const void *base)
{
	int64_t with = 1;

	if (field->with != 0)
		memcpy(&with, (const char *)base + field->with, sizeof(with));
	if ((field->use & FIELD_TOLD) == 0 || with == 0)
		return true;
	if ((field->use & FIELD_IF_KNOWN) != 0 && field_number(field, base) == -1)
		return true;
	return (field->use & FIELD_IF_ANY) != 0 && field_empty(field, base);
}

int64_t field_word_find(const struct field *field, const char *word)
{
	for (int64_t i = 0; field->words[i] != NULL; i++)
		if (i >= field->least && strcmp(field->words[i], word) == 0)
			return i;
	return -EINVAL;
}

const char *field_word(const struct field *field, int64_t number)
{
	for (int64_t i = 0; field->words[i] != NULL; i++)
		if (i == number)
			return field->words[i];
	return NULL;
}

static bool number_valid(const struct field *field, int64_t number)
{
	if (field->kind == FIELD_WORD)
		return number >= field->least && field_word(field, number) != NULL;
	if (field->kind == FIELD_FLAG || field->most == 0)
		return true;
	return number >= field->least && number <= field->most; /* unsigned numbers above INT64_MAX are below 0 here */
}

static bool field_valid(const struct field *field, const void *base)
{
	if (field->kind != FIELD_TEXT)
		return number_valid(field, field_number(field, base));
	return field->valid == NULL || field->valid(field_text(field, base));
}

enum failure record_check(const struct record *record, const void *base, uint32_t set, struct failure_text *text)
{
	for (size_t i = 0; i < record->count; i++) {
		const struct field *field = &record->fields[i];

		if ((set & 1u << i) != 0 && !field_valid(field, base))
			return failure_set(text, FAILURE_INVALID, field->name,
					   field->why != NULL ? field->why : "out of range",
					   field->todo != NULL ? field->todo : "");
	}
	return FAILURE_NONE;
}

bool record_sound(const struct record *record, const void *base)
{
	for (size_t i = 0; i < record->count; i++) {
		const struct field *field = &record->fields[i];

		if (field->kind == FIELD_FLAG && field->most == 0 && field_number(field, base) > 1)
			return false;
	}
	return true;
}

const struct field *record_difference(const struct record *record, const void *a, const void *b, uint32_t set)
{
	for (size_t i = 0; i < record->count; i++) {
		const struct field *field = &record->fields[i];
		bool same = field->kind == FIELD_TEXT ? strcmp(field_text(field, a), field_text(field, b)) == 0 :
							field_number(field, a) == field_number(field, b);

		if ((set & 1u << i) != 0 && !same)
			return field;
	}
	return NULL;
}

bool record_equal(const struct record *record, const void *a, const void *b)
{
	uint32_t set = 0;

	for (size_t i = 0; i < record->count; i++)
		set |= (record->fields[i].use & FIELD_WHICH) == 0 ? 1u << i : 0;
	return record_difference(record, a, b, set) == NULL;
}

void record_take(const struct record *record, void *to, const void *from, uint32_t set)
{
	for (size_t i = 0; i < record->count; i++) {
		const struct field *field = &record->fields[i];

		if ((set & 1u << i) != 0)
			memcpy((char *)to + field->offset, member(field, from), field->size);
	}
}

struct unit {
	int64_t of;
	char name;
};

/* "10G", "26h": in the largest unit that leaves nothing over; without one, the number. */
static void units_print(const struct unit *units, int64_t number, char *out)
{
	while (units->of != 0 && number % units->of != 0)
		units++;
	if (units->of != 0)
		snprintf(out, FIELD_PRINT_MAX, "%lld%c", (long long)(number / units->of), units->name);
	else
		snprintf(out, FIELD_PRINT_MAX, "%lld", (long long)number);
}

/* As people write it on the command line. */
static void number_print(const struct field *field, int64_t number, char *out)
{
	static const struct unit sizes[] = { { INT64_C(1) << 50, 'P' }, { INT64_C(1) << 40, 'T' },
					     { INT64_C(1) << 30, 'G' }, { INT64_C(1) << 20, 'M' },
					     { INT64_C(1) << 10, 'K' }, { 0, 0 } };
	static const struct unit spans[] = {
		{ SECONDS_PER_DAY, 'd' }, { 3600, 'h' }, { 60, 'm' }, { 1, 's' }, { 0, 0 }
	};

	if (field->form == FORM_SPAN && number == 0)
		snprintf(out, FIELD_PRINT_MAX, "never");
	else if ((field->form == FORM_COUNT || field->form == FORM_BOUND || field->form == FORM_BOUND_SIZE) &&
		 number == 0)
		snprintf(out, FIELD_PRINT_MAX, "default");
	else if ((field->form == FORM_SIZE && number == 0) || (field->form == FORM_COUNT && number < 0))
		snprintf(out, FIELD_PRINT_MAX, "none");
	else
		units_print(field->form == FORM_SIZE || field->form == FORM_BOUND_SIZE ? sizes :
			    field->form == FORM_SPAN                                   ? spans :
						       &spans[sizeof(spans) / sizeof(spans[0]) - 1],
			    number, out);
}

const char *field_print(const struct field *field, const void *base, char out[FIELD_PRINT_MAX])
{
	int64_t number = field->kind == FIELD_TEXT ? 0 : field_number(field, base);
	const char *word;

	switch (field->kind) {
	case FIELD_TEXT:
		snprintf(out, FIELD_PRINT_MAX, "%.*s", FIELD_PRINT_MAX - 1, field_text(field, base));
		break;
	case FIELD_DAY:
		if (number < 0 || date_format(number, out) < 0)
			snprintf(out, FIELD_PRINT_MAX, "never");
		break;
	case FIELD_WORD:
		word = field_word(field, number);
		snprintf(out, FIELD_PRINT_MAX, "%s", word != NULL ? word : "unknown");
		break;
	default:
		number_print(field, number, out);
	}
	return out;
}

void record_print(const struct record *record, const void *base, uint32_t set, char *out, size_t size)
{
	char value[FIELD_PRINT_MAX];
	size_t used = 0;

	out[0] = '\0';
	for (size_t i = 0; i < record->count && used < size; i++)
		if ((set & 1u << i) != 0)
			used += (size_t)snprintf(
				out + used, size - used, "%s%s %s", used > 0 ? ", " : "", record->fields[i].name,
				field_print(&record->fields[i], base, value)[0] != '\0' ? value : "none");
}

const char *record_names(const struct record *record, const char *lead, const char *prefix, char *out, size_t size)
{
	size_t used = (size_t)snprintf(out, size, "%s", lead);

	for (size_t i = 0; i < record->count && used < size; i++)
		used += (size_t)snprintf(out + used, size - used, "%s%s%s",
					 i == 0                ? "" :
					 i + 1 < record->count ? ", " :
								 " or ",
					 prefix,
					 prefix[0] != '\0' ? field_option(&record->fields[i]) : record->fields[i].name);
	return out;
}
