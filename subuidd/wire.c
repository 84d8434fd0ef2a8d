/* SPDX-License-Identifier: ISC */
/*
 * The shape of every message between worker and broker, as tables: which bytes
 * are numbers, which are strings, and that all others (padding of the compiler's
 * too) are 0. The broker, root, runs this on bytes that a taken-over worker chose.
 */
#include "subuidd/wire.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

/* One member; those of a message are in the order of their offsets. */
struct wire_field {
	uint16_t offset;
	uint16_t size;
	bool string;
};

struct wire_shape {
	uint16_t size; /* of the whole message */
	const struct wire_field *fields; /* ended by size 0 */
};

static_assert(sizeof(struct request) < UINT16_MAX && sizeof(struct answer) < UINT16_MAX,
	      "16 bits hold all offsets");

#define NUMBER(type, member) { offsetof(struct type, member), sizeof(((struct type *)0)->member), false }
#define STRING(type, member) { offsetof(struct type, member), sizeof(((struct type *)0)->member), true }

/* Of a struct within the message. */
#define WITHIN(type, outer) __typeof__(((struct type *)0)->outer)
#define OFFSET(type, outer, member) (offsetof(struct type, outer) + offsetof(WITHIN(type, outer), member))
#define NUMBER_IN(type, outer, member) \
	{ OFFSET(type, outer, member), sizeof(((struct type *)0)->outer.member), false }
#define STRING_IN(type, outer, member) \
	{ OFFSET(type, outer, member), sizeof(((struct type *)0)->outer.member), true }

#define FACTS(msg, at)                                                                                     \
	NUMBER_IN(msg, at, set), NUMBER_IN(msg, at, expires_day), NUMBER_IN(msg, at, quota),               \
		NUMBER_IN(msg, at, files), NUMBER_IN(msg, at, view), STRING_IN(msg, at, comment)
#define REQUEST_HEAD NUMBER(request, op), NUMBER(request, size)
#define NAME(at) STRING_IN(request, at, owner), STRING_IN(request, at, label)
#define SSH_KEY(msg, at)                                                                                   \
	NUMBER_IN(msg, at, id), NUMBER_IN(msg, at, uid), NUMBER_IN(msg, at, role),                         \
		NUMBER_IN(msg, at, options), NUMBER_IN(msg, at, created), NUMBER_IN(msg, at, expires),     \
		NUMBER_IN(msg, at, storage_quota), STRING_IN(msg, at, tools), STRING_IN(msg, at, forward), \
		STRING_IN(msg, at, from), STRING_IN(msg, at, type), STRING_IN(msg, at, comment),           \
		STRING_IN(msg, at, fingerprint), STRING_IN(msg, at, blob)
#define RUN(msg, at)                                                                                               \
	NUMBER_IN(msg, at, magic), NUMBER_IN(msg, at, started), NUMBER_IN(msg, at, duration_ms),                   \
		NUMBER_IN(msg, at, bytes_in), NUMBER_IN(msg, at, bytes_out), NUMBER_IN(msg, at, files),            \
		NUMBER_IN(msg, at, key_id), NUMBER_IN(msg, at, status), NUMBER_IN(msg, at, kind),                  \
		NUMBER_IN(msg, at, reserved), STRING_IN(msg, at, tool), STRING_IN(msg, at, address),               \
		STRING_IN(msg, at, fingerprint), STRING_IN(msg, at, error)
#define LIMIT(msg, at)                                                                                     \
	NUMBER_IN(msg, at, accounts), NUMBER_IN(msg, at, keys), NUMBER_IN(msg, at, ranges),                \
		NUMBER_IN(msg, at, is_default), STRING_IN(msg, at, owner)
#define END { 0, 0, false }

static const struct wire_field request_none[] = { REQUEST_HEAD, END };
static const struct wire_field request_name[] = { REQUEST_HEAD, NAME(name), END };
static const struct wire_field request_add[] = {
	REQUEST_HEAD, NAME(add.name), FACTS(request, add.facts), NUMBER(request, add.range_count),
	NUMBER(request, add.has_key), SSH_KEY(request, add.key), END,
};
static const struct wire_field request_modify[] = {
	REQUEST_HEAD, NAME(modify.name), FACTS(request, modify.facts), NUMBER(request, modify.alarm), END,
};
static const struct wire_field request_remove[] = {
	REQUEST_HEAD, NAME(remove.name), NUMBER(request, remove.keep_home), NUMBER(request, remove.purge), END,
};
static const struct wire_field request_key_add[] = {
	REQUEST_HEAD, NAME(key_add.name), SSH_KEY(request, key_add.key), END,
};
static const struct wire_field request_key_remove[] = {
	REQUEST_HEAD, NAME(key_remove.name), NUMBER(request, key_remove.id),
	STRING(request, key_remove.fingerprint), END,
};
static const struct wire_field request_list[] = { /* its `padding` is no member: it has to be 0 */
	REQUEST_HEAD, NAME(list.name), NUMBER(request, list.all), NUMBER(request, list.cursor), END,
};
static const struct wire_field request_range_add[] = {
	REQUEST_HEAD, NAME(range_add.name), NUMBER(request, range_add.count),
	NUMBER(request, range_add.after), END,
};
static const struct wire_field request_range_remove[] = {
	REQUEST_HEAD, NAME(range_remove.name), NUMBER(request, range_remove.first), END,
};
static const struct wire_field request_limit_set[] = {
	REQUEST_HEAD, LIMIT(request, limit_set.limit), NUMBER(request, limit_set.set),
	NUMBER(request, limit_set.reset), END,
};
static const struct wire_field request_repair[] = {
	REQUEST_HEAD, NAME(repair.name), NUMBER(request, repair.repair), NUMBER(request, repair.place),
	NUMBER(request, repair.uid), NUMBER(request, repair.dry_run), END,
};
static const struct wire_field request_release[] = { REQUEST_HEAD, NUMBER(request, release.first), END };

static const struct wire_field request_import[] = {
	REQUEST_HEAD, NAME(import.name), NUMBER(request, import.kind), NUMBER(request, import.flags),
	NUMBER(request, import.line), NUMBER(request, import.uid),
	NUMBER(request, import.first), NUMBER(request, import.count),
	NUMBER(request, import.account_flags), NUMBER(request, import.owner_uid),
	NUMBER(request, import.account_uid), NUMBER(request, import.accounts), NUMBER(request, import.keys),
	NUMBER(request, import.ranges), NUMBER(request, import.key_id), NUMBER(request, import.last_status),
	NUMBER(request, import.told), FACTS(request, import.facts), NUMBER(request, import.alarm),
	NUMBER(request, import.alarm_since), NUMBER(request, import.last_run), NUMBER(request, import.last_good),
	NUMBER(request, import.created), NUMBER(request, import.used),
	SSH_KEY(request, import.key), RUN(request, import.run), END,
};

#define ANSWER_HEAD                                                                                          \
	NUMBER(answer, op), NUMBER(answer, size), NUMBER(answer, row), NUMBER(answer, more),                 \
		NUMBER(answer, cursor), NUMBER(answer, checked), NUMBER(answer, total), NUMBER(answer, failure.failure), \
		STRING(answer, failure.what), STRING(answer, failure.why), STRING(answer, failure.todo)

static const struct wire_field answer_none[] = { ANSWER_HEAD, END };
static const struct wire_field answer_account[] = {
	ANSWER_HEAD, NUMBER(answer, account.account.uid), NUMBER(answer, account.account.owner_uid),
	NUMBER(answer, account.account.state), NUMBER(answer, account.account.flags),
	NUMBER(answer, account.account.created), NUMBER(answer, account.account.expires_day),
	NUMBER(answer, account.account.view), NUMBER(answer, account.account.quota),
	NUMBER(answer, account.account.files),
	STRING(answer, account.account.owner), STRING(answer, account.account.label),
	STRING(answer, account.account.comment), NUMBER(answer, account.keys), NUMBER(answer, account.ranges),
	NUMBER(answer, account.created), NUMBER(answer, account.view), STRING(answer, account.name),
	STRING(answer, account.home), STRING(answer, account.link), NUMBER(answer, account.last_run),
	NUMBER(answer, account.last_good), NUMBER(answer, account.alarm), NUMBER(answer, account.alarm_since),
	NUMBER(answer, account.files_limit), NUMBER(answer, account.bytes_kept), NUMBER(answer, account.files_kept),
	NUMBER(answer, account.last_status), NUMBER(answer, account.silent), NUMBER(answer, account.told),
	NUMBER(answer, account.mended), END,
};
static const struct wire_field answer_key[] = { ANSWER_HEAD, SSH_KEY(answer, key), NUMBER(answer, key_used), END };
static const struct wire_field answer_run[] = {
	ANSWER_HEAD, NUMBER(answer, run.seq), NUMBER(answer, run.uid), NUMBER(answer, run.reserved),
	RUN(answer, run.run), END,
};
static const struct wire_field answer_range[] = {
	ANSWER_HEAD, NUMBER(answer, range.first), NUMBER(answer, range.count), NUMBER(answer, range.owner_uid),
	NUMBER(answer, range.account_uid), NUMBER(answer, range.created), STRING(answer, range.owner),
	STRING(answer, range.label), NUMBER(answer, range_adopted), END,
};
static const struct wire_field answer_limit[] = { ANSWER_HEAD, LIMIT(answer, limit), END };
static const struct wire_field answer_audit[] = {
	ANSWER_HEAD, NUMBER(answer, audit.seq), NUMBER(answer, audit.time), NUMBER(answer, audit.uid),
	NUMBER(answer, audit.pid), NUMBER(answer, audit.status), NUMBER(answer, audit.target_uid),
	STRING(answer, audit.caller), STRING(answer, audit.action), STRING(answer, audit.target),
	STRING(answer, audit.detail), END,
};
static const struct wire_field answer_status[] = {
	ANSWER_HEAD, NUMBER(answer, status.accounts), NUMBER(answer, status.accounts_free_hint),
	NUMBER(answer, status.purging), NUMBER(answer, status.reserved),
	NUMBER(answer, status.views), NUMBER(answer, status.landlock_abi), NUMBER(answer, status.generation),
	NUMBER(answer, status.caller_uid), NUMBER(answer, status.caller_is_admin), STRING(answer, status.caller),
	STRING(answer, status.version), STRING(answer, status.homes), STRING(answer, status.separator), END,
};
static const struct wire_field answer_removal[] = {
	ANSWER_HEAD, NUMBER(answer, removal.files), STRING(answer, removal.why), END,
};
static const struct wire_field answer_finding[] = {
	ANSWER_HEAD, STRING(answer, finding.subject), STRING(answer, finding.fault),
	STRING(answer, finding.todo), NUMBER(answer, finding.repair), NUMBER(answer, finding.place),
	NUMBER(answer, finding.uid), STRING(answer, finding.owner), STRING(answer, finding.label), END,
};
static const struct wire_field answer_repaired[] = {
	ANSWER_HEAD, NUMBER(answer, repaired.mended), STRING(answer, repaired.done), END,
};

static const struct wire_field answer_import[] = {
	ANSWER_HEAD, NUMBER(answer, import.line), NUMBER(answer, import.kind), NUMBER(answer, import.outcome),
	NUMBER(answer, import.id), NUMBER(answer, import.home), NUMBER(answer, import.link), END,
};

#define SIZE_OF(type, first, member) (offsetof(struct type, first) + sizeof(((struct type *)0)->member))
#define REQUEST(member, fields) { SIZE_OF(request, name, member), fields }
#define ANSWER(member, fields) { SIZE_OF(answer, account, member), fields }
#define ANSWER_TO(last, fields) { offsetof(struct answer, last) + sizeof(((struct answer *)0)->last), fields }
#define REQUEST_EMPTY { offsetof(struct request, name), request_none }
#define ANSWER_EMPTY { offsetof(struct answer, account), answer_none }

static const struct wire_shape requests[OP_MAX_] = {
	[OP_STATUS] = REQUEST_EMPTY,
	[OP_ACCOUNT_ADD] = REQUEST(add, request_add),
	[OP_ACCOUNT_GET] = REQUEST(name, request_name),
	[OP_ACCOUNT_LIST] = REQUEST(list, request_list),
	[OP_ACCOUNT_MODIFY] = REQUEST(modify, request_modify),
	[OP_ACCOUNT_LOCK] = REQUEST(name, request_name),
	[OP_ACCOUNT_UNLOCK] = REQUEST(name, request_name),
	[OP_ACCOUNT_REMOVE] = REQUEST(remove, request_remove),
	[OP_ACCOUNT_MOUNT] = REQUEST(name, request_name),
	[OP_KEY_ADD] = REQUEST(key_add, request_key_add),
	[OP_KEY_LIST] = REQUEST(list, request_list),
	[OP_KEY_REMOVE] = REQUEST(key_remove, request_key_remove),
	[OP_RANGE_ADD] = REQUEST(range_add, request_range_add),
	[OP_RANGE_LIST] = REQUEST(list, request_list),
	[OP_RANGE_REMOVE] = REQUEST(range_remove, request_range_remove),
	[OP_LIMIT_GET] = REQUEST(name, request_name),
	[OP_LIMIT_SET] = REQUEST(limit_set, request_limit_set),
	[OP_AUDIT_LIST] = REQUEST(list, request_list),
	[OP_CHECK] = REQUEST(list, request_list),
	[OP_TOMBSTONE_RELEASE] = REQUEST(release, request_release),
	[OP_IMPORT] = REQUEST(import, request_import),
	[OP_LIMIT_LIST] = REQUEST(list, request_list),
	[OP_TOMBSTONE_LIST] = REQUEST(list, request_list),
	[OP_RUN_LIST] = REQUEST(list, request_list),
	[OP_STATE_SAVE] = REQUEST_EMPTY,
	[OP_REPAIR] = REQUEST(repair, request_repair),
};

static const struct wire_shape answers[OP_MAX_] = {
	[OP_STATUS] = ANSWER(status, answer_status),
	[OP_ACCOUNT_ADD] = ANSWER(account, answer_account),
	[OP_ACCOUNT_GET] = ANSWER(account, answer_account),
	[OP_ACCOUNT_LIST] = ANSWER(account, answer_account),
	[OP_ACCOUNT_MODIFY] = ANSWER(account, answer_account),
	[OP_ACCOUNT_LOCK] = ANSWER(account, answer_account),
	[OP_ACCOUNT_UNLOCK] = ANSWER(account, answer_account),
	[OP_ACCOUNT_REMOVE] = ANSWER(removal, answer_removal),
	[OP_ACCOUNT_MOUNT] = ANSWER(account, answer_account),
	[OP_KEY_ADD] = ANSWER_TO(key_used, answer_key),
	[OP_KEY_LIST] = ANSWER_TO(key_used, answer_key),
	[OP_KEY_REMOVE] = ANSWER_EMPTY,
	[OP_RANGE_ADD] = ANSWER_TO(range_adopted, answer_range),
	[OP_RANGE_LIST] = ANSWER_TO(range_adopted, answer_range),
	[OP_RANGE_REMOVE] = ANSWER_EMPTY,
	[OP_LIMIT_GET] = ANSWER(limit, answer_limit),
	[OP_LIMIT_SET] = ANSWER(limit, answer_limit),
	[OP_AUDIT_LIST] = ANSWER(audit, answer_audit),
	[OP_CHECK] = ANSWER(finding, answer_finding),
	[OP_TOMBSTONE_RELEASE] = ANSWER_EMPTY,
	[OP_IMPORT] = ANSWER(import, answer_import),
	[OP_LIMIT_LIST] = ANSWER(limit, answer_limit),
	[OP_TOMBSTONE_LIST] = ANSWER_TO(range_adopted, answer_range),
	[OP_RUN_LIST] = ANSWER(run, answer_run),
	[OP_STATE_SAVE] = ANSWER_EMPTY,
	[OP_REPAIR] = ANSWER(repaired, answer_repaired),
};

size_t wire_request_size(uint32_t op)
{
	return op < OP_MAX_ ? requests[op].size : 0;
}

size_t wire_answer_size(uint32_t op)
{
	return op < OP_MAX_ ? answers[op].size : 0;
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

static int shape_check(const unsigned char *message, const struct wire_shape *shape)
{
	size_t at = 0;

	for (const struct wire_field *field = shape->fields; field->size != 0; field++) {
		if (!all_zero(message + at, field->offset - at))
			return -EPROTO;
		if (field->string && !string_sound(message + field->offset, field->size))
			return -EPROTO;
		at = (size_t)field->offset + field->size;
	}
	return all_zero(message + at, shape->size - at) ? 0 : -EPROTO;
}

/* Both directions begin with op and size. */
static int message_check(const void *message, size_t size, const struct wire_shape *shapes)
{
	uint32_t head[2];

	if (size < sizeof(head))
		return -EPROTO;
	memcpy(head, message, sizeof(head));
	if (head[0] >= OP_MAX_ || shapes[head[0]].size == 0)
		return -EPROTO;
	if (size != shapes[head[0]].size || head[1] != size)
		return -EPROTO;
	return shape_check(message, &shapes[head[0]]);
}

static_assert(offsetof(struct request, op) == 0 && offsetof(struct request, size) == 4, "head of a request");
static_assert(offsetof(struct answer, op) == 0 && offsetof(struct answer, size) == 4, "head of an answer");

int wire_request_check(const void *message, size_t size)
{
	return message_check(message, size, requests);
}

int wire_answer_check(const void *message, size_t size)
{
	return message_check(message, size, answers);
}

void wire_answer_clean(struct answer *answer, uint32_t op)
{
	unsigned char *bytes = (unsigned char *)answer;
	size_t at = 0;

	if (wire_answer_size(op) == 0)
		return;
	for (const struct wire_field *field = answers[op].fields; field->size != 0; field++) {
		memset(bytes + at, 0, field->offset - at);
		at = (size_t)field->offset + field->size;
		if (field->string) {
			char *text = (char *)bytes + field->offset;
			size_t length = strnlen(text, (size_t)field->size - 1);

			memset(text + length, 0, field->size - length);
		}
	}
	memset(bytes + at, 0, answers[op].size - at);
}
