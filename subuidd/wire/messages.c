/* SPDX-License-Identifier: ISC */
/*
 * What the messages of each operation are made of, records by records: the one place of it. Linked into the broker and
 * the worker.
 */
#include "subuidd/wire/records.h"

#define PARTS(...) ((const struct wire_part[]){ __VA_ARGS__, { .record = NULL } })
/* clang-format off */
#define IN(type, member, rec) { .at = offsetof(struct type, member), .record = &(rec) }
#define IN_SET(type, member, set, rec) { offsetof(struct type, member), offsetof(struct type, set), &(rec), false }
#define IN_NEEDED(type, member, rec) { offsetof(struct type, member), 0, &(rec), true }
#define SIZE(type, member) (offsetof(struct type, member) + sizeof(((struct type *)0)->member))
/* clang-format on */

#define NO_REQUEST .request = PARTS({ .record = &request_head }), .request_size = offsetof(struct request, name)
/* of a union's member */
#define HEADED(head, member, ...)                                                                                      \
	.request = PARTS({ .record = &(head) }, __VA_ARGS__),                                                          \
	.request_size = offsetof(struct request, name) + sizeof(((struct request *)0)->member)
#define REQUEST(member, ...) HEADED(request_head, member, __VA_ARGS__)
#define NAMED(rec) REQUEST(name, IN(request, name, rec))
/* of an operation that changes something: it can be run dry */
#define CHANGE(member, ...) HEADED(change_head, member, __VA_ARGS__)
#define CHANGE_NAMED(rec) CHANGE(name, IN(request, name, rec))
#define CHANGE_ROWS(member, ...) HEADED(rows_head, member, __VA_ARGS__)
#define LIST(name_rec, rec) .list = true, REQUEST(list, IN(request, list.name, name_rec), IN(request, list, rec))

#define NO_ANSWER .answer = PARTS({ .record = &answer_head }), .answer_size = offsetof(struct answer, account)
/* up to the end of this member */
#define ANSWER(last, ...) .answer = PARTS({ .record = &answer_head }, __VA_ARGS__), .answer_size = SIZE(answer, last)
#define ANSWER_ACCOUNT                                                                                                 \
	.kind = ANSWERS_ACCOUNT, .member = "account",                                                                  \
	ANSWER(account, IN(answer, account.account, account_record), IN(answer, account.account.facts, facts_record),  \
	       IN(answer, account.account, owned_record), IN(answer, account, view_record))
#define ANSWER_KEY                                                                                                     \
	.kind = ANSWERS_KEY, .member = "key",                                                                          \
	ANSWER(key_used, IN(answer, key, key_record), { .record = &key_used_record })
#define ANSWER_TOMBSTONE                                                                                               \
	.member = "range", ANSWER(range_adopted, IN(answer, range, range_record), { .record = &adopted_record })
#define ANSWER_RANGE .kind = ANSWERS_RANGE, ANSWER_TOMBSTONE
#define ANSWER_LIMIT .member = "limit", ANSWER(limit, IN(answer, limit, limit_record))

#define MESSAGE(op, name, who, traits, action, handler, ...) [op] = { .method = name, __VA_ARGS__ },
static const struct wire_message messages[OP_MAX_] = { OPERATIONS(MESSAGE) };

const struct wire_message *wire_message(uint32_t op)
{
	return op < OP_MAX_ && messages[op].method != NULL ? &messages[op] : NULL;
}
