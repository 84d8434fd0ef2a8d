/* SPDX-License-Identifier: ISC */
/*
 * What is checked of every message between worker and broker by the records that it is made of: which bytes are
 * numbers, which are strings, and that all others (padding of the compiler's too) are 0; then the values. The broker,
 * root, runs this on bytes that a taken-over worker chose.
 */
#include "subuidd/wire/wire.h"

#include <errno.h>
#include <string.h>

#include "account/name.h"
#include "subuidd/wire/request.h"

static_assert(sizeof(struct request) < UINT16_MAX && sizeof(struct answer) < UINT16_MAX, "16 bits hold all offsets");
static_assert(offsetof(struct request, op) == 0 && offsetof(struct request, size) == 4, "head of a request");
static_assert(offsetof(struct answer, op) == 0 && offsetof(struct answer, size) == 4, "head of an answer");

size_t wire_request_size(uint32_t op)
{
	const struct wire_message *message = wire_message(op);

	return message != NULL ? message->request_size : 0;
}

size_t wire_answer_size(uint32_t op)
{
	const struct wire_message *message = wire_message(op);

	return message != NULL ? message->answer_size : 0;
}

/* ---- bytes ---- */

static bool all_zero(const unsigned char *bytes, size_t size)
{
	return size == 0 || (bytes[0] == 0 && memcmp(bytes, bytes + 1, size - 1) == 0);
}

/* Ends inside its array, and nothing is hidden behind its end. */
static bool string_sound(const unsigned char *bytes, size_t size)
{
	const unsigned char *end = memchr(bytes, 0, size);

	return end != NULL && all_zero(end, size - (size_t)(end - bytes));
}

static int field_check(const unsigned char *message, const struct field *field, size_t begin, size_t at)
{
	if (!all_zero(message + at, begin - at))
		return -EPROTO;
	return field->kind != FIELD_TEXT || string_sound(message + begin, field->size) ? 0 : -EPROTO;
}

static int shape_check(const unsigned char *message, const struct wire_part *parts, size_t size)
{
	size_t at = 0;

	for (const struct wire_part *part = parts; part->record != NULL; part++)
		for (size_t i = 0; i < part->record->count; i++) {
			const struct field *field = &part->record->fields[i];
			size_t begin = (size_t)part->at + field->offset;

			if (begin < at) /* other bits of the same number */
				continue;
			if (field_check(message, field, begin, at) < 0)
				return -EPROTO;
			at = begin + field->size;
		}
	return all_zero(message + at, size - at) ? 0 : -EPROTO;
}

/* Both directions begin with op and size. */
static const struct wire_message *message_find(const void *bytes, size_t size, uint32_t *claimed)
{
	uint32_t head[2];

	if (size < sizeof(head))
		return NULL;
	memcpy(head, bytes, sizeof(head));
	*claimed = head[1];
	return wire_message(head[0]);
}

int wire_request_check(const void *bytes, size_t size)
{
	uint32_t claimed = 0;
	const struct wire_message *message = message_find(bytes, size, &claimed);

	if (message == NULL || size != message->request_size || claimed != size)
		return -EPROTO;
	return shape_check(bytes, message->request, size);
}

int wire_answer_check(const void *bytes, size_t size)
{
	uint32_t claimed = 0;
	const struct wire_message *message = message_find(bytes, size, &claimed);

	if (message == NULL || size != message->answer_size || claimed != size)
		return -EPROTO;
	return shape_check(bytes, message->answer, size);
}

static void text_clean(char *text, size_t size)
{
	size_t length = strnlen(text, size - 1);

	memset(text + length, 0, size - length);
}

void wire_answer_clean(struct answer *answer, uint32_t op)
{
	const struct wire_message *message = wire_message(op);
	unsigned char *bytes = (unsigned char *)answer;
	size_t at = 0;

	if (message == NULL)
		return;
	for (const struct wire_part *part = message->answer; part->record != NULL; part++)
		for (size_t i = 0; i < part->record->count; i++) {
			const struct field *field = &part->record->fields[i];
			size_t begin = (size_t)part->at + field->offset;

			if (begin < at)
				continue;
			memset(bytes + at, 0, begin - at);
			at = begin + field->size;
			if (field->kind == FIELD_TEXT)
				text_clean((char *)bytes + begin, field->size);
		}
	memset(bytes + at, 0, message->answer_size - at);
}

/* ---- values ---- */

static bool flags_sound(const struct request *request)
{
	for (const struct wire_part *part = wire_message(request->op)->request; part->record != NULL; part++)
		if (!record_sound(part->record, (const char *)request + part->at))
			return false;
	return true;
}

int request_sound(const struct request *request)
{
	const struct wire_message *message = wire_message(request->op);

	return flags_sound(request) && (message->sound == NULL || message->sound(request)) ? 0 : -EPROTO;
}

static const struct record *name_record(const struct request *request)
{
	const struct wire_message *message = wire_message(request->op);

	return message != NULL ? message->request[1].record : NULL;
}

const struct request_name *request_name(const struct request *request)
{
	const struct record *record = name_record(request);

	if (record != &name_account && record != &name_owner && record != &name_either && record != &name_nobody)
		return NULL;
	return (const void *)((const char *)request + wire_message(request->op)->request[1].at);
}

static bool labelled(const struct request *request)
{
	const struct wire_message *message = wire_message(request->op);

	return name_record(request) == &name_account ||
	       (name_record(request) == &name_either && message->list && !request->list.all) ||
	       (message->labelled != NULL && message->labelled(request));
}

/* Of an import, whose rows are many, by what they say. */
static enum failure name_shape(const struct request *request, const struct request_name *name, char separator,
			       struct failure_text *text)
{
	const bool many = wire_message(request->op)->import;

	if (name->owner[0] != '\0' && !owner_name_valid(name->owner, separator))
		return failure_set(text, FAILURE_INVALID, many ? name->owner : "owner", request_owner_why, "");
	if (name->label[0] == '\0' && !labelled(request))
		return FAILURE_NONE;
	if (!label_valid(name->label))
		return failure_set(text, FAILURE_INVALID, many && name->label[0] != '\0' ? name->label : "label",
				   request_label_why, "");
	return FAILURE_NONE;
}

/* Each member in its bounds, as its record says; of facts and limits those that were given. */
static enum failure members_shape(const struct request *request, struct failure_text *text)
{
	enum failure failure = FAILURE_NONE;

	for (const struct wire_part *part = wire_message(request->op)->request;
	     part->record != NULL && failure == FAILURE_NONE; part++) {
		uint32_t set = UINT32_MAX;

		if (part->set_at != 0)
			memcpy(&set, (const char *)request + part->set_at, sizeof(set));
		failure = record_check(part->record, (const char *)request + part->at, set, text);
	}
	return failure;
}

enum failure request_shape(const struct request *request, char separator, struct failure_text *text)
{
	const struct wire_message *message = wire_message(request->op);
	const struct request_name *name = request_name(request);
	enum failure failure = members_shape(request, text);

	if (failure == FAILURE_NONE && name != NULL)
		failure = name_shape(request, name, separator, text);
	if (failure == FAILURE_NONE && name != NULL && message->list && request->list.all && name->owner[0] != '\0')
		failure = failure_set(text, FAILURE_INVALID, "all", "given together with an owner", "choose one");
	if (failure == FAILURE_NONE && message->shape != NULL)
		failure = message->shape(request, separator, text);
	return failure;
}
