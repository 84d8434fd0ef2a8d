/* SPDX-License-Identifier: ISC */
/*
 * The shape of every message between worker and broker: which bytes are numbers, which are strings, and that all
 * others (padding of the compiler's too) are 0. It follows from the records that a message is made of. The broker,
 * root, runs this on bytes that a taken-over worker chose.
 */
#include "subuidd/wire/wire.h"

#include <errno.h>
#include <string.h>

static_assert(sizeof(struct request) < UINT16_MAX && sizeof(struct answer) < UINT16_MAX,
	      "16 bits hold all offsets");
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
