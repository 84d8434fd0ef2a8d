/* SPDX-License-Identifier: ISC */
/* Messages between worker and broker: only the exact shape passes. */
#include <errno.h>
#include <setjmp.h>
#include <stdbool.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "subuidd/wire/wire.h"

static size_t request_begin(struct request *request, uint32_t op)
{
	memset(request, 0, sizeof(*request));
	request->op = op;
	request->size = (uint32_t)wire_request_size(op);
	return request->size;
}

static size_t answer_begin(struct answer *answer, uint32_t op)
{
	memset(answer, 0, sizeof(*answer));
	answer->op = op;
	answer->size = (uint32_t)wire_answer_size(op);
	return answer->size;
}

static void empty_message_of_every_op_passes(void **state)
{
	struct request request;
	struct answer answer;

	(void)state;
	for (uint32_t op = OP_STATUS; op < OP_MAX_; op++) {
		size_t size = request_begin(&request, op);

		assert_in_range(size, 8, sizeof(request));
		assert_int_equal(wire_request_check(&request, size), 0);
		size = answer_begin(&answer, op);
		assert_in_range(size, offsetof(struct answer, account), sizeof(answer));
		assert_int_equal(wire_answer_check(&answer, size), 0);
	}
}

static void unknown_op_is_refused(void **state)
{
	static const uint32_t ops[] = { 0, OP_MAX_, OP_MAX_ + 1, 0x80000000u, UINT32_MAX };
	struct request request;
	struct answer answer;

	(void)state;
	for (size_t i = 0; i < sizeof(ops) / sizeof(ops[0]); i++) {
		assert_int_equal(wire_request_size(ops[i]), 0);
		assert_int_equal(wire_answer_size(ops[i]), 0);
		for (size_t size = 0; size <= sizeof(request); size += 8) {
			memset(&request, 0, sizeof(request));
			request.op = ops[i];
			request.size = (uint32_t)size;
			assert_int_equal(wire_request_check(&request, size), -EPROTO);
		}
		memset(&answer, 0, sizeof(answer));
		answer.op = ops[i];
		assert_int_equal(wire_answer_check(&answer, 0), -EPROTO);
	}
}

static void any_other_size_is_refused(void **state)
{
	struct request request;

	(void)state;
	for (uint32_t op = OP_STATUS; op < OP_MAX_; op++) {
		size_t right = request_begin(&request, op);

		for (size_t size = 0; size <= sizeof(request); size++)
			assert_int_equal(wire_request_check(&request, size), size == right ? 0 : -EPROTO);
		request.size++;
		assert_int_equal(wire_request_check(&request, right), -EPROTO);
		assert_int_equal(wire_request_check(&request, right + 1), -EPROTO);
	}
}

#define FILL(member) memset((member), 'x', sizeof(member) - 1)

static void fill_key(struct ssh_key *key)
{
	key->id = key->uid = key->role = key->options = UINT32_MAX;
	key->created = key->expires = -1;
	key->storage_quota = UINT64_MAX;
	FILL(key->tools);
	FILL(key->forward);
	FILL(key->command);
	FILL(key->net);
	FILL(key->from);
	FILL(key->type);
	FILL(key->comment);
	FILL(key->fingerprint);
	FILL(key->blob);
	FILL(key->hash);
	FILL(key->owner);
}

static void fill_limit(struct limit *limit)
{
	limit->accounts = limit->keys = limit->ranges = limit->is_default = UINT32_MAX;
	FILL(limit->owner);
	memset(&limit->bounds, 0xff, sizeof(limit->bounds));
}

static void fill_run(struct run *run)
{
	memset(run, 0xff, offsetof(struct run, tool));
	FILL(run->tool);
	FILL(run->address);
	FILL(run->fingerprint);
	FILL(run->error);
}

static void fill_facts(struct facts *facts)
{
	facts->view = facts->factors = facts->services = UINT32_MAX;
	facts->alarm = UINT64_MAX;
	facts->expires_day = -1;
	facts->quota = UINT64_MAX;
	facts->files = -1;
	FILL(facts->comment);
	FILL(facts->contact);
	memset(&facts->bounds, 0xff, sizeof(facts->bounds));
}

static void fill_import(struct request_import *row)
{
	row->kind = row->flags = row->line = row->uid = row->first = row->count = UINT32_MAX;
	row->set = UINT32_MAX;
	row->account_flags = row->owner_uid = row->accounts = row->keys = row->ranges = UINT32_MAX;
	row->account_uid = row->key_id = row->last_status = row->told = UINT32_MAX;
	fill_facts(&row->facts);
	row->created = row->used = row->alarm_since = row->last_run = row->last_good = -1;
	fill_key(&row->key);
	fill_run(&row->run);
}

/* Operations that change something. In a message of any other the flag would have to be 0. */
static bool may_be_dry(uint32_t op)
{
	static const uint32_t ops[] = {
		OP_ACCOUNT_ADD,  OP_ACCOUNT_MODIFY,    OP_ACCOUNT_LOCK,   OP_ACCOUNT_UNLOCK,    OP_ACCOUNT_REMOVE,
		OP_KEY_ADD,      OP_KEY_REMOVE,        OP_RANGE_ADD,      OP_RANGE_REMOVE,      OP_LIMIT_SET,
		OP_IMPORT,       OP_TOMBSTONE_RELEASE, OP_REPAIR,         OP_KEY_CHANGE,        OP_ACCOUNT_RENAME,
		OP_OWNER_CHANGE, OP_ACCOUNT_RESTORE,   OP_MANAGE_KEY_ADD, OP_MANAGE_KEY_REMOVE, OP_ACCOUNT_FREEZE,
		OP_ACCOUNT_THAW, OP_ACCOUNT_KILL,
	};

	for (size_t i = 0; i < sizeof(ops) / sizeof(ops[0]); i++)
		if (ops[i] == op)
			return true;
	return false;
}

static void fill_request(struct request *request)
{
	request->dry_run = may_be_dry(request->op) ? UINT32_MAX : 0;
	if (request->op == OP_STATUS || request->op == OP_STATE_SAVE)
		return;
	if (request->op == OP_OWNER_CHANGE) {
		FILL(request->owner.from);
		FILL(request->owner.to);
		request->owner.hand_over = UINT32_MAX;
		return;
	}
	if (request->op == OP_TOMBSTONE_RELEASE) {
		request->release.first = UINT32_MAX;
		return;
	}
	if (request->op == OP_LIMIT_SET) {
		fill_limit(&request->limit_set.limit);
		request->limit_set.set = request->limit_set.reset = UINT32_MAX;
		return;
	}
	FILL(request->name.owner);
	FILL(request->name.label);
	switch (request->op) {
	case OP_ACCOUNT_ADD:
		fill_facts(&request->add.facts);
		request->add.set = request->add.range_count = UINT32_MAX;
		fill_key(&request->add.key);
		break;
	case OP_ACCOUNT_MODIFY:
		fill_facts(&request->modify.facts);
		request->modify.set = UINT32_MAX;
		break;
	case OP_ACCOUNT_REMOVE:
		request->remove.keep_home = request->remove.purge = UINT32_MAX;
		break;
	case OP_ACCOUNT_KILL:
		request->kill.now = UINT32_MAX;
		break;
	case OP_ACCOUNT_ENTER:
		request->enter.container = UINT32_MAX;
		break;
	case OP_ACCOUNT_RENAME:
		FILL(request->rename.to);
		break;
	case OP_KEY_ADD:
	case OP_MANAGE_KEY_ADD:
		fill_key(&request->key_add.key);
		break;
	case OP_KEY_REMOVE:
	case OP_MANAGE_KEY_REMOVE:
		request->key_remove.id = UINT32_MAX;
		FILL(request->key_remove.fingerprint);
		break;
	case OP_ACCOUNT_RESTORE:
		request->restore.uid = UINT32_MAX;
		FILL(request->restore.as);
		break;
	case OP_KEY_CHANGE:
		request->key_change.id = request->key_change.clear_options = request->key_change.set = UINT32_MAX;
		FILL(request->key_change.fingerprint);
		fill_key(&request->key_change.key);
		break;
	case OP_IMPORT:
		fill_import(&request->import);
		break;
	case OP_REPAIR:
		request->repair.repair = request->repair.place = request->repair.uid = UINT32_MAX;
		break;
	case OP_RANGE_ADD:
		request->range_add.count = UINT32_MAX;
		request->range_add.after = UINT32_MAX;
		request->range_add.small = UINT32_MAX;
		break;
	case OP_RANGE_REMOVE:
		request->range_remove.first = UINT32_MAX;
		break;
	case OP_PASSWORD_REHASH:
		FILL(request->rehash.password);
		FILL(request->rehash.was);
		FILL(request->rehash.hash);
		break;
	case OP_ACCOUNT_LIST:
	case OP_KEY_LIST:
	case OP_MANAGE_KEY_LIST:
	case OP_RANGE_LIST:
	case OP_AUDIT_LIST:
	case OP_LIMIT_LIST:
	case OP_TOMBSTONE_LIST:
	case OP_FORMER_LIST:
	case OP_RUN_LIST:
	case OP_COUNTER_LIST:
	case OP_REMOVED_LIST:
	case OP_CHECK:
		request->list.all = UINT32_MAX;
		request->list.cursor = UINT64_MAX;
		break;
	default:
		break;
	}
}

static void fill_account(struct account_view *view)
{
	view->account.uid = view->account.owner_uid = view->account.state = view->account.flags = UINT32_MAX;
	view->account.created = -1;
	view->account.facts.expires_day = -1;
	view->account.facts.view = view->account.facts.factors = view->account.facts.services = UINT32_MAX;
	view->account.facts.quota = view->files_limit = UINT64_MAX;
	view->bytes_kept = view->files_kept = UINT32_MAX;
	view->bytes_used = view->files_used = UINT64_MAX;
	view->account.facts.files = -1;
	FILL(view->account.owner);
	FILL(view->account.label);
	FILL(view->account.facts.comment);
	FILL(view->account.facts.contact);
	memset(&view->account.facts.bounds, 0xff, sizeof(view->account.facts.bounds));
	memset(&view->effective, 0xff, sizeof(view->effective));
	view->keys = view->ranges = view->created = view->view = UINT32_MAX;
	FILL(view->name);
	FILL(view->home);
	FILL(view->link);
	view->last_run = view->last_good = view->alarm_since = -1;
	view->account.facts.alarm = UINT64_MAX;
	view->last_status = view->silent = view->told = view->mended = view->owner_state = UINT32_MAX;
	FILL(view->link_why);
}

static void fill_rest_of_answer(struct answer *answer)
{
	switch (answer->op) {
	case OP_STATUS:
		memset(&answer->status, 0xff, offsetof(struct daemon_status, caller));
		FILL(answer->status.caller);
		FILL(answer->status.version);
		FILL(answer->status.homes);
		FILL(answer->status.separator);
		break;
	case OP_KEY_ADD:
	case OP_KEY_CHANGE:
	case OP_KEY_LIST:
	case OP_MANAGE_KEY_ADD:
	case OP_MANAGE_KEY_LIST:
		fill_key(&answer->key);
		answer->key_used = -1;
		break;
	case OP_PASSWORD_REHASH:
		FILL(answer->rehash.was);
		break;
	case OP_RUN_LIST:
		memset(&answer->run, 0xff, offsetof(struct run_row, run));
		fill_run(&answer->run.run);
		break;
	case OP_RANGE_ADD:
	case OP_RANGE_LIST:
	case OP_TOMBSTONE_LIST:
	case OP_FORMER_LIST:
		memset(&answer->range, 0xff, offsetof(struct id_range, owner));
		FILL(answer->range.owner);
		FILL(answer->range.label);
		answer->range_adopted = UINT32_MAX;
		break;
	case OP_LIMIT_GET:
	case OP_LIMIT_SET:
	case OP_LIMIT_LIST:
		fill_limit(&answer->limit);
		break;
	case OP_IMPORT:
		memset(&answer->import, 0xff, sizeof(answer->import));
		break;
	case OP_AUDIT_LIST:
		memset(&answer->audit, 0xff, offsetof(struct audit_entry, caller));
		FILL(answer->audit.caller);
		FILL(answer->audit.action);
		FILL(answer->audit.target);
		FILL(answer->audit.detail);
		break;
	case OP_ACCOUNT_REMOVE:
		answer->removal.until = -1;
		answer->removal.files = answer->removal.restorable = UINT32_MAX;
		FILL(answer->removal.why);
		break;
	case OP_ACCOUNT_KILL:
		answer->ended.processes = UINT32_MAX;
		break;
	case OP_ACCOUNT_BECOME:
		answer->become.uid = UINT32_MAX;
		break;
	case OP_OWNER_CHANGE:
		answer->owner.accounts = answer->owner.ranges = answer->owner.removed = answer->owner.links =
			UINT32_MAX;
		FILL(answer->owner.why);
		break;
	case OP_REMOVED_LIST:
		memset(&answer->removed, 0xff, offsetof(struct removed_view, owner));
		FILL(answer->removed.owner);
		FILL(answer->removed.label);
		FILL(answer->removed.name);
		break;
	case OP_CHECK:
		FILL(answer->finding.subject);
		FILL(answer->finding.fault);
		FILL(answer->finding.todo);
		answer->finding.repair = answer->finding.place = answer->finding.uid = UINT32_MAX;
		FILL(answer->finding.owner);
		FILL(answer->finding.label);
		break;
	case OP_REPAIR:
		answer->repaired.mended = UINT32_MAX;
		FILL(answer->repaired.done);
		break;
	case OP_COUNTER_LIST:
		answer->counter.value = UINT64_MAX;
		FILL(answer->counter.name);
		FILL(answer->counter.of);
		break;
	default:
		break;
	}
}

static void fill_answer(struct answer *answer)
{
	answer->row = answer->more = UINT32_MAX;
	answer->cursor = answer->checked = answer->total = UINT64_MAX;
	answer->failure.failure = UINT32_MAX;
	FILL(answer->failure.what);
	FILL(answer->failure.why);
	FILL(answer->failure.todo);
	if (answer->op == OP_ACCOUNT_ADD || (answer->op >= OP_ACCOUNT_GET && answer->op <= OP_ACCOUNT_UNLOCK) ||
	    answer->op == OP_ACCOUNT_MOUNT || answer->op == OP_ACCOUNT_RENAME || answer->op == OP_ACCOUNT_RESTORE ||
	    answer->op == OP_ACCOUNT_FREEZE || answer->op == OP_ACCOUNT_THAW)
		fill_account(&answer->account);
	else
		fill_rest_of_answer(answer);
}

/* Every member may hold any number and a string of its full length: a member
 * that a table forgot would have to be 0. */
static void full_message_of_every_op_passes(void **state)
{
	struct request request;
	struct answer answer;

	(void)state;
	for (uint32_t op = OP_STATUS; op < OP_MAX_; op++) {
		size_t size = request_begin(&request, op);

		fill_request(&request);
		assert_int_equal(wire_request_check(&request, size), 0);
		size = answer_begin(&answer, op);
		fill_answer(&answer);
		assert_int_equal(wire_answer_check(&answer, size), 0);
	}
}

typedef int (*check_function)(const void *message, size_t size);

/* full: every member filled, numbers with 0xff, strings with 'x'. In an empty message a
 * lone byte 0xff is part of a number or the first of a string, or it is refused: the last
 * byte of a string, a byte behind a string's end, padding between and after members. In a
 * full one a string byte set to NUL leaves bytes behind the end. */
static void stray_bytes(const void *empty, const void *full, size_t size, check_function check)
{
	unsigned char bytes[sizeof(struct request) + sizeof(struct answer)];
	const unsigned char *f = full;

	for (size_t i = 8; i < size; i++) {
		bool first = f[i] == 'x' && f[i - 1] != 'x';

		memcpy(bytes, empty, size);
		bytes[i] = 0xff;
		assert_int_equal(check(bytes, size), f[i] == 0xff || first ? 0 : -EPROTO);
		if (f[i] != 'x' || i + 1 == size || f[i + 1] != 'x')
			continue;
		memcpy(bytes, full, size);
		bytes[i] = 0;
		assert_int_equal(check(bytes, size), -EPROTO);
	}
}

static void stray_bytes_are_refused(void **state)
{
	struct request request, full_request;
	struct answer answer, full_answer;

	(void)state;
	for (uint32_t op = OP_STATUS; op < OP_MAX_; op++) {
		size_t size = request_begin(&request, op);

		request_begin(&full_request, op);
		fill_request(&full_request);
		stray_bytes(&request, &full_request, size, wire_request_check);
		size = answer_begin(&answer, op);
		answer_begin(&full_answer, op);
		fill_answer(&full_answer);
		stray_bytes(&answer, &full_answer, size, wire_answer_check);
	}
}

static void unended_string_is_refused(void **state)
{
	struct request request;
	struct answer answer;
	size_t size = request_begin(&request, OP_ACCOUNT_GET);

	(void)state;
	memset(request.name.label, 'a', sizeof(request.name.label));
	assert_int_equal(wire_request_check(&request, size), -EPROTO);
	size = answer_begin(&answer, OP_ACCOUNT_REMOVE);
	memset(answer.failure.todo, 'a', sizeof(answer.failure.todo));
	assert_int_equal(wire_answer_check(&answer, size), -EPROTO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(empty_message_of_every_op_passes), cmocka_unit_test(unknown_op_is_refused),
		cmocka_unit_test(any_other_size_is_refused),        cmocka_unit_test(full_message_of_every_op_passes),
		cmocka_unit_test(stray_bytes_are_refused),          cmocka_unit_test(unended_string_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
