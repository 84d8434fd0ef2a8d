/* SPDX-License-Identifier: ISC */
/*
 * What a taken-over worker may send: bytes become a request only when every check of the
 * broker has passed, and then what the operations rely on must hold. First byte: 0 raw, else
 * the op of a message of the right size that the rest is laid over.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "account/id.h"
#include "account/key.h"
#include "account/name.h"
#include "account/role.h"
#include "subuidd/wire/request.h"
#include "tests/fuzz/fuzz.h"

static void must_end(const char *text, size_t size)
{
	must(memchr(text, '\0', size) != NULL);
}

static void key_holds(const struct ssh_key *key)
{
	must(role_name((enum role)key->role) != NULL ||
	     (key->role == ROLE_NONE && (key->tools[0] != '\0' || key->forward[0] != '\0')));
	must(strchr(key->from, '"') == NULL && strchr(key->from, '\n') == NULL);
	must(strchr(key->type, ' ') == NULL && strchr(key->blob, ' ') == NULL);
	must(strlen(key->type) > 0 && strlen(key->blob) > 0);
	must(key->fingerprint[0] == '\0' && key->id == 0 && key->uid == 0);
}

static void request_holds(const struct request *request)
{
	const struct request_name *name = request_name(request);

	if (name != NULL) {
		must_end(name->owner, sizeof(name->owner));
		must_end(name->label, sizeof(name->label));
		must(strchr(name->owner, '/') == NULL && strchr(name->label, '/') == NULL);
		must(strcmp(name->label, "..") != 0 && strcmp(name->owner, "..") != 0);
		must(strchr(name->owner, SEPARATOR_DEFAULT) == NULL);
	}
	if (request->op == OP_ACCOUNT_ADD) {
		must(label_valid(request->add.name.label));
		must((uint64_t)request_units(request->add.range_count) * RANGE_UNIT <= UINT32_MAX);
		if (request->add.key.type[0] != '\0')
			key_holds(&request->add.key);
	}
	if (request->op == OP_KEY_ADD || request->op == OP_MANAGE_KEY_ADD)
		key_holds(&request->key_add.key);
	if (request->op == OP_RANGE_ADD)
		must(request_units(request->range_add.count) >= 1);
	if (request->op == OP_LIMIT_SET)
		must(owner_name_valid(request->limit_set.limit.owner, SEPARATOR_DEFAULT));
}

static size_t request_make(struct request *request, const uint8_t *data, size_t size)
{
	size_t length;

	memset(request, 0, sizeof(*request));
	if (data[0] == 0) {
		length = size - 1 < sizeof(*request) ? size - 1 : sizeof(*request);
		memcpy(request, data + 1, length);
		return length;
	}
	request->op = data[0];
	request->size = (uint32_t)wire_request_size(data[0]);
	length = request->size > offsetof(struct request, name) ? request->size - offsetof(struct request, name) : 0;
	memcpy(&request->name, data + 1, size - 1 < length ? size - 1 : length);
	return request->size;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct failure_text text = { 0 };
	struct request *request;
	size_t length;

	if (size == 0)
		return 0;
	request = malloc(sizeof(*request));
	if (request == NULL)
		return 0;
	length = request_make(request, data, size);
	if (wire_request_check(request, length) == 0) {
		must(request->op > 0 && request->op < OP_MAX_ && request->size == length);
		if (request_sound(request) == 0) {
			if (request_shape(request, SEPARATOR_DEFAULT, &text) == FAILURE_NONE)
				request_holds(request);
			else
				must(text.failure == FAILURE_INVALID && text.what[0] != '\0' && text.why[0] != '\0');
		}
	}
	free(request);
	return 0;
}
