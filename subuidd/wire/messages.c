/* SPDX-License-Identifier: ISC */
/*
 * What the messages of each operation are made of, and how its members are called in the interface: the one place of
 * both. Linked into the broker and the worker.
 */
#include "subuidd/wire/wire.h"

#define GIVEN FIELD_GIVEN
#define NEEDED (FIELD_GIVEN | FIELD_REQUIRED)
#define TOLD FIELD_TOLD
#define IF_ANY (FIELD_TOLD | FIELD_IF_ANY)
#define ID_MOST (UINT32_MAX - 1)
#define IDS_MOST (LIMIT_RANGES_MAX * INT64_C(65536))
#define TIME_MOST INT64_C(253402300799) /* the end of 9999 */

/* ---- heads ---- */

static const struct field request_fields[] = {
	{ NULL, MEMBER(struct request, op), FIELD_NUMBER },
	{ NULL, MEMBER(struct request, size), FIELD_NUMBER },
};
static RECORD(request_head, request_fields);

static const struct field answer_fields[] = {
	{ NULL, MEMBER(struct answer, op), FIELD_NUMBER },
	{ NULL, MEMBER(struct answer, size), FIELD_NUMBER },
	{ NULL, MEMBER(struct answer, row), FIELD_NUMBER },
	{ NULL, MEMBER(struct answer, more), FIELD_NUMBER },
	{ NULL, MEMBER(struct answer, cursor), FIELD_NUMBER },
	{ NULL, MEMBER(struct answer, checked), FIELD_NUMBER },
	{ NULL, MEMBER(struct answer, total), FIELD_NUMBER },
	{ NULL, MEMBER(struct answer, failure.failure), FIELD_NUMBER },
	{ NULL, MEMBER(struct answer, failure.what), FIELD_TEXT },
	{ NULL, MEMBER(struct answer, failure.why), FIELD_TEXT },
	{ NULL, MEMBER(struct answer, failure.todo), FIELD_TEXT },
};
static RECORD(answer_head, answer_fields);

/* ---- requests: owner and account ---- */

#define OWNER(use) { "owner", MEMBER(struct request_name, owner), FIELD_TEXT, use, .least = 1, .todo = "say whose it is" }
#define LABEL(use) { "label", MEMBER(struct request_name, label), FIELD_TEXT, use, .least = 1, .todo = "say which account" }

static const struct field name_account_fields[] = { OWNER(GIVEN), LABEL(NEEDED) };
static const struct field name_owner_fields[] = { OWNER(GIVEN), LABEL(0) };
static const struct field name_either_fields[] = { OWNER(GIVEN), LABEL(GIVEN) };
static const struct field name_nobody_fields[] = { OWNER(0), LABEL(0) };
static RECORD(name_account, name_account_fields);
static RECORD(name_owner, name_owner_fields);
static RECORD(name_either, name_either_fields);
static RECORD(name_nobody, name_nobody_fields); /* of lists of everything */

/* ---- requests: the rest ---- */

static const struct field add_fields[] = {
	{ NULL, MEMBER(struct request_add, set), FIELD_NUMBER },
	{ "range", MEMBER(struct request_add, range_count), FIELD_NUMBER, GIVEN, .least = 0, .most = IDS_MOST,
	  .why = "more ids than there are" },
	{ NULL, MEMBER(struct request_add, has_key), FIELD_FLAG },
};
static RECORD(add_record, add_fields);

static const struct field modify_fields[] = { { NULL, MEMBER(struct request_modify, set), FIELD_NUMBER } };
static RECORD(modify_record, modify_fields);

static const struct field remove_fields[] = {
	{ "keepHome", MEMBER(struct request_remove, keep_home), FIELD_FLAG, GIVEN },
	{ "purge", MEMBER(struct request_remove, purge), FIELD_FLAG, GIVEN },
};
static RECORD(remove_record, remove_fields);

static const struct field key_remove_fields[] = {
	{ "id", MEMBER(struct request_key_remove, id), FIELD_NUMBER, GIVEN, .least = 0, .most = UINT32_MAX },
	{ "fingerprint", MEMBER(struct request_key_remove, fingerprint), FIELD_TEXT, GIVEN },
};
static RECORD(key_remove_record, key_remove_fields);

#define LIST_ALL(use) { "all", MEMBER(struct request_list, all), FIELD_FLAG, use }
#define LIST_BEFORE(use) \
	{ "before", MEMBER(struct request_list, cursor), FIELD_NUMBER, use, .least = 0, .most = INT64_MAX }
#define LIST_CURSOR { NULL, MEMBER(struct request_list, cursor), FIELD_NUMBER }
static const struct field list_fields[] = { LIST_ALL(0), LIST_CURSOR };
static const struct field list_all_fields[] = { LIST_ALL(GIVEN), LIST_CURSOR };
static const struct field list_before_fields[] = { LIST_ALL(GIVEN), LIST_BEFORE(GIVEN) };
static RECORD(list_record, list_fields);
static RECORD(list_all_record, list_all_fields);
static RECORD(list_before_record, list_before_fields);

static const struct field range_add_fields[] = {
	{ "count", MEMBER(struct request_range_add, count), FIELD_NUMBER, NEEDED, .least = 1, .most = IDS_MOST,
	  .why = "not a number of ids", .todo = "ask for 65536 or a multiple of it" },
	{ "after", MEMBER(struct request_range_add, after), FIELD_NUMBER, GIVEN, .least = 0, .most = ID_MOST },
};
static RECORD(range_add_record, range_add_fields);

static const struct field range_remove_fields[] = {
	{ "first", MEMBER(struct request_range_remove, first), FIELD_NUMBER, NEEDED, .least = 0, .most = ID_MOST },
};
static RECORD(range_remove_record, range_remove_fields);

static const struct field limit_set_fields[] = {
	{ NULL, MEMBER(struct request_limit_set, set), FIELD_NUMBER },
	{ "reset", MEMBER(struct request_limit_set, reset), FIELD_FLAG, GIVEN },
};
static RECORD(limit_set_record, limit_set_fields);

static const struct field release_fields[] = {
	{ "first", MEMBER(struct request_release, first), FIELD_NUMBER, NEEDED, .least = 1, .most = ID_MOST },
};
static RECORD(release_record, release_fields);

static const char *const repair_words[] = {
	[REPAIR_NONE] = "none",		[REPAIR_INDEX] = "index", [REPAIR_ACCOUNT] = "account",
	[REPAIR_LEFTOVER] = "leftover", [REPAIR_ASK] = "ask",	  [REPAIR_FORGET] = "forget", [REPAIR_MAX_] = NULL,
};
static const char *const place_words[] = {
	[PLACE_NONE] = "",	     [PLACE_ACCOUNT] = "account", [PLACE_MAKING] = "making",
	[PLACE_REMOVED] = "removed", [PLACE_OWNER] = "owner",	  [PLACE_LINK] = "link", [PLACE_MAX_] = NULL,
};

static const struct field repair_fields[] = {
	{ "repair", MEMBER(struct request_repair, repair), FIELD_WORD, NEEDED, .words = repair_words, .least = 1,
	  .why = "unknown repair", .todo = "index, account, leftover, ask or forget" },
	{ "place", MEMBER(struct request_repair, place), FIELD_WORD, GIVEN, .words = place_words,
	  .why = "unknown place", .todo = "account, making, removed, owner or link" },
	{ "uid", MEMBER(struct request_repair, uid), FIELD_NUMBER, GIVEN, .least = 0, .most = ID_MOST },
	{ "dryRun", MEMBER(struct request_repair, dry_run), FIELD_FLAG, GIVEN },
};
static RECORD(repair_record, repair_fields);

static const char *const import_words[] = {
	"unknown", [IMPORT_ACCOUNT] = "account", [IMPORT_KEY] = "key",		   [IMPORT_RANGE] = "range",
	[IMPORT_LIMIT] = "limit",		 [IMPORT_TOMBSTONE] = "tombstone", [IMPORT_RUN] = "run",
	[IMPORT_KIND_MAX_] = NULL,
};

#define IMPORT_ID(json, member) \
	{ json, MEMBER(struct request_import, member), FIELD_NUMBER, GIVEN, .least = 0, .most = ID_MOST }
#define IMPORT_TIME(json, member) \
	{ json, MEMBER(struct request_import, member), FIELD_SIGNED, GIVEN, .least = 0, .most = TIME_MOST, \
	  .why = "not a time before the year 10000" }
static const struct field import_fields[] = {
	{ "kind", MEMBER(struct request_import, kind), FIELD_WORD, NEEDED, .words = import_words, .least = 1,
	  .why = "not a kind of row" },
	{ "adopt", MEMBER(struct request_import, flags), FIELD_FLAG, GIVEN, .most = IMPORT_ADOPT },
	IMPORT_ID("line", line),
	IMPORT_ID("uid", uid),
	IMPORT_ID("first", first),
	IMPORT_ID("count", count),
	{ "locked", MEMBER(struct request_import, account_flags), FIELD_FLAG, GIVEN, .most = ACCOUNT_LOCKED },
	IMPORT_ID("ownerUid", owner_uid),
	IMPORT_ID("accountUid", account_uid),
	IMPORT_ID("accounts", accounts),
	IMPORT_ID("keys", keys),
	IMPORT_ID("ranges", ranges),
	IMPORT_ID("id", key_id),
	IMPORT_ID("lastStatus", last_status),
	{ "told", MEMBER(struct request_import, told), FIELD_FLAG, GIVEN },
	{ NULL, MEMBER(struct request_import, set), FIELD_NUMBER },
};
static RECORD(import_record, import_fields);

static const struct field import_time_fields[] = {
	IMPORT_TIME("alarmSince", alarm_since), IMPORT_TIME("lastRun", last_run), IMPORT_TIME("lastGood", last_good),
	IMPORT_TIME("created", created),	IMPORT_TIME("lastUsed", used),
};
static RECORD(import_times, import_time_fields);

/* ---- answers ---- */

/* By what is mounted: nothing, where there are no views. */
static const char *const mounted_words[] = { [VIEW_DEFAULT] = "acl", [VIEW_THEIRS] = "theirs", [VIEW_OWNER] = "owner", NULL };

/* The keeper of a limit. */
static const char *const keeper_words[] = {
	[KEPT_NONE] = "", [KEPT_METERED] = "metered", [KEPT_FOR_UID] = "uid", [KEPT_BY_DISK] = "disk", NULL,
};

static const struct field view_fields[] = {
	{ "keys", MEMBER(struct account_view, keys), FIELD_NUMBER, TOLD },
	{ "ranges", MEMBER(struct account_view, ranges), FIELD_NUMBER, TOLD },
	{ NULL, MEMBER(struct account_view, created), FIELD_FLAG },
	{ "effectiveView", MEMBER(struct account_view, view), FIELD_WORD, TOLD, .words = mounted_words },
	{ "name", MEMBER(struct account_view, name), FIELD_TEXT, TOLD },
	{ "home", MEMBER(struct account_view, home), FIELD_TEXT, TOLD },
	{ "link", MEMBER(struct account_view, link), FIELD_TEXT, TOLD },
	{ "lastRun", MEMBER(struct account_view, last_run), FIELD_SIGNED, IF_ANY },
	{ "lastGood", MEMBER(struct account_view, last_good), FIELD_SIGNED, IF_ANY },
	{ "alarmSince", MEMBER(struct account_view, alarm_since), FIELD_SIGNED, IF_ANY,
	  .with = offsetof(struct account_view, account.facts.alarm) },
	{ "filesLimit", MEMBER(struct account_view, files_limit), FIELD_NUMBER, IF_ANY },
	{ "quotaKept", MEMBER(struct account_view, bytes_kept), FIELD_WORD, IF_ANY, .words = keeper_words },
	{ "filesKept", MEMBER(struct account_view, files_kept), FIELD_WORD, IF_ANY, .words = keeper_words },
	{ "lastStatus", MEMBER(struct account_view, last_status), FIELD_NUMBER, TOLD,
	  .with = offsetof(struct account_view, last_run) },
	{ "silent", MEMBER(struct account_view, silent), FIELD_FLAG, TOLD },
	{ "told", MEMBER(struct account_view, told), FIELD_FLAG, IF_ANY },
	{ NULL, MEMBER(struct account_view, mended), FIELD_NUMBER },
};
static RECORD(view_record, view_fields);

static const struct field key_used_fields[] = { { "lastUsed", MEMBER(struct answer, key_used), FIELD_SIGNED, IF_ANY } };
static RECORD(key_used_record, key_used_fields);

static const struct field adopted_fields[] = { { "adopted", MEMBER(struct answer, range_adopted), FIELD_FLAG, IF_ANY } };
static RECORD(adopted_record, adopted_fields);

static const struct field status_fields[] = {
	{ "accounts", MEMBER(struct daemon_status, accounts), FIELD_NUMBER, TOLD },
	{ NULL, MEMBER(struct daemon_status, accounts_free_hint), FIELD_NUMBER },
	{ "purging", MEMBER(struct daemon_status, purging), FIELD_NUMBER, TOLD },
	{ NULL, MEMBER(struct daemon_status, reserved), FIELD_NUMBER },
	{ "views", MEMBER(struct daemon_status, views), FIELD_FLAG, TOLD },
	{ "landlock", MEMBER(struct daemon_status, landlock_abi), FIELD_NUMBER, TOLD },
	{ "generation", MEMBER(struct daemon_status, generation), FIELD_NUMBER, TOLD },
	{ "callerUid", MEMBER(struct daemon_status, caller_uid), FIELD_NUMBER, TOLD },
	{ "callerIsAdmin", MEMBER(struct daemon_status, caller_is_admin), FIELD_FLAG, TOLD },
	{ "caller", MEMBER(struct daemon_status, caller), FIELD_TEXT, TOLD },
	{ "version", MEMBER(struct daemon_status, version), FIELD_TEXT, TOLD },
	{ "homes", MEMBER(struct daemon_status, homes), FIELD_TEXT, TOLD },
	{ "separator", MEMBER(struct daemon_status, separator), FIELD_TEXT, TOLD },
};
static RECORD(status_record, status_fields);

static const char *const removal_words[] = {
	"pending", [FILES_KEPT] = "kept", [FILES_DELETED] = "deleted", [FILES_PENDING] = "pending", NULL,
};
static const struct field removal_fields[] = {
	{ "files", MEMBER(struct removal_view, files), FIELD_WORD, TOLD, .words = removal_words },
	{ "why", MEMBER(struct removal_view, why), FIELD_TEXT, IF_ANY },
};
static RECORD(removal_record, removal_fields);

static const struct field finding_fields[] = {
	{ "subject", MEMBER(struct finding, subject), FIELD_TEXT, TOLD },
	{ "fault", MEMBER(struct finding, fault), FIELD_TEXT, TOLD },
	{ "todo", MEMBER(struct finding, todo), FIELD_TEXT, TOLD },
	{ "repair", MEMBER(struct finding, repair), FIELD_WORD, TOLD, .words = repair_words },
	{ "place", MEMBER(struct finding, place), FIELD_WORD, IF_ANY, .words = place_words },
	{ "uid", MEMBER(struct finding, uid), FIELD_NUMBER, IF_ANY },
	{ "owner", MEMBER(struct finding, owner), FIELD_TEXT, IF_ANY },
	{ "label", MEMBER(struct finding, label), FIELD_TEXT, IF_ANY },
};
static RECORD(finding_record, finding_fields);

static const struct field repaired_fields[] = {
	{ NULL, MEMBER(struct repaired, mended), FIELD_NUMBER },
	{ "done", MEMBER(struct repaired, done), FIELD_TEXT, TOLD },
};
static RECORD(repaired_record, repaired_fields);

static const char *const outcome_words[] = { "not-tried", "made", "present", "failed", NULL };
static const char *const home_words[] = { "", "made", "taken-up", "brought-back", NULL };
static const char *const link_words[] = { "", "made", "there", "there", NULL };
static const struct field import_result_fields[] = {
	{ "line", MEMBER(struct import_result, line), FIELD_NUMBER, TOLD },
	{ "kind", MEMBER(struct import_result, kind), FIELD_WORD, TOLD, .words = import_words },
	{ "outcome", MEMBER(struct import_result, outcome), FIELD_WORD, TOLD, .words = outcome_words },
	{ "id", MEMBER(struct import_result, id), FIELD_NUMBER, IF_ANY },
	{ "home", MEMBER(struct import_result, home), FIELD_WORD, IF_ANY, .words = home_words },
	{ "link", MEMBER(struct import_result, link), FIELD_WORD, IF_ANY, .words = link_words },
};
static RECORD(import_result_record, import_result_fields);

/* ---- messages ---- */

#define PARTS(...) ((const struct wire_part[]){ __VA_ARGS__, { 0, 0, NULL } })
#define IN(type, member, rec) { offsetof(struct type, member), 0, &rec }
#define IN_SET(type, member, set, rec) { offsetof(struct type, member), offsetof(struct type, set), &rec }
#define SIZE(type, member) (offsetof(struct type, member) + sizeof(((struct type *)0)->member))

#define NO_REQUEST .request = PARTS({ 0, 0, &request_head }), .request_size = offsetof(struct request, name)
/* of a union's member */
#define REQUEST(member, ...) \
	.request = PARTS({ 0, 0, &request_head }, __VA_ARGS__), \
	.request_size = offsetof(struct request, name) + sizeof(((struct request *)0)->member)
#define NAMED(rec) REQUEST(name, IN(request, name, rec))
#define LIST(name_rec, rec) .list = true, REQUEST(list, IN(request, list.name, name_rec), IN(request, list, rec))

#define NO_ANSWER .answer = PARTS({ 0, 0, &answer_head }), .answer_size = offsetof(struct answer, account)
/* up to the end of this member */
#define ANSWER(last, ...) .answer = PARTS({ 0, 0, &answer_head }, __VA_ARGS__), .answer_size = SIZE(answer, last)
#define ANSWER_ACCOUNT \
	.member = "account", ANSWER(account, IN(answer, account.account, account_record), \
				    IN(answer, account.account.facts, facts_record), \
				    IN(answer, account.account, owned_record), IN(answer, account, view_record))
#define ANSWER_KEY .member = "key", ANSWER(key_used, IN(answer, key, key_record), { 0, 0, &key_used_record })
#define ANSWER_RANGE .member = "range", ANSWER(range_adopted, IN(answer, range, range_record), { 0, 0, &adopted_record })
#define ANSWER_LIMIT .member = "limit", ANSWER(limit, IN(answer, limit, limit_record))

static const struct wire_message messages[OP_MAX_] = {
	[OP_STATUS] = { "Status", NO_REQUEST, ANSWER(status, IN(answer, status, status_record)) },
	[OP_ACCOUNT_ADD] = { "Add",
			     REQUEST(add, IN(request, add.name, name_account),
				     IN_SET(request, add.facts, add.set, facts_record), IN(request, add, add_record),
				     IN(request, add.key, key_record)),
			     ANSWER_ACCOUNT },
	[OP_ACCOUNT_GET] = { "Get", NAMED(name_account), ANSWER_ACCOUNT },
	[OP_ACCOUNT_LIST] = { "List", LIST(name_owner, list_all_record), ANSWER_ACCOUNT },
	[OP_ACCOUNT_MODIFY] = { "Modify",
				REQUEST(modify, IN(request, modify.name, name_account),
					IN_SET(request, modify.facts, modify.set, facts_record),
					IN(request, modify, modify_record)),
				ANSWER_ACCOUNT },
	[OP_ACCOUNT_LOCK] = { "Lock", NAMED(name_account), ANSWER_ACCOUNT },
	[OP_ACCOUNT_UNLOCK] = { "Unlock", NAMED(name_account), ANSWER_ACCOUNT },
	[OP_ACCOUNT_REMOVE] = { "Remove",
				REQUEST(remove, IN(request, remove.name, name_account), IN(request, remove, remove_record)),
				ANSWER(removal, IN(answer, removal, removal_record)) },
	[OP_ACCOUNT_MOUNT] = { "Mount", NAMED(name_account), ANSWER_ACCOUNT },
	[OP_KEY_ADD] = { "KeyAdd",
			 REQUEST(key_add, IN(request, key_add.name, name_account), IN(request, key_add.key, key_record)),
			 ANSWER_KEY },
	[OP_KEY_LIST] = { "KeyList", LIST(name_either, list_all_record), ANSWER_KEY },
	[OP_KEY_REMOVE] = { "KeyRemove",
			    REQUEST(key_remove, IN(request, key_remove.name, name_account),
				    IN(request, key_remove, key_remove_record)),
			    NO_ANSWER },
	[OP_RANGE_ADD] = { "RangeAdd",
			   REQUEST(range_add, IN(request, range_add.name, name_either),
				   IN(request, range_add, range_add_record)),
			   ANSWER_RANGE },
	[OP_RANGE_LIST] = { "RangeList", LIST(name_owner, list_all_record), ANSWER_RANGE },
	[OP_RANGE_REMOVE] = { "RangeRemove",
			      REQUEST(range_remove, IN(request, range_remove.name, name_owner),
				      IN(request, range_remove, range_remove_record)),
			      NO_ANSWER },
	[OP_LIMIT_GET] = { "LimitGet", NAMED(name_owner), ANSWER_LIMIT },
	[OP_LIMIT_SET] = { "LimitSet",
			   REQUEST(limit_set, IN_SET(request, limit_set.limit, limit_set.set, limit_record),
				   IN(request, limit_set, limit_set_record)),
			   ANSWER_LIMIT },
	[OP_AUDIT_LIST] = { "Audit", LIST(name_owner, list_before_record), .member = "entry",
			    ANSWER(audit, IN(answer, audit, audit_record)) },
	[OP_CHECK] = { "Check", LIST(name_owner, list_all_record), .member = "finding",
		       ANSWER(finding, IN(answer, finding, finding_record)) },
	[OP_TOMBSTONE_RELEASE] = { "Release", REQUEST(release, IN(request, release, release_record)), NO_ANSWER },
	[OP_IMPORT] = { "Import", .import = true, .member = "result",
			REQUEST(import, IN(request, import.name, name_either), IN(request, import, import_record),
				IN_SET(request, import.facts, import.set, facts_record),
				IN(request, import, import_times), IN(request, import.key, key_record),
				IN(request, import.run, run_record)),
			ANSWER(import, IN(answer, import, import_result_record)) },
	[OP_LIMIT_LIST] = { "LimitList", LIST(name_nobody, list_record), ANSWER_LIMIT },
	[OP_TOMBSTONE_LIST] = { "TombstoneList", LIST(name_nobody, list_record), ANSWER_RANGE },
	[OP_RUN_LIST] = { "RunList", LIST(name_either, list_before_record), .member = "run",
			  ANSWER(run, IN(answer, run, run_row_record), IN(answer, run.run, run_record)) },
	[OP_STATE_SAVE] = { "StateSave", NO_REQUEST, NO_ANSWER },
	[OP_REPAIR] = { "Repair",
			REQUEST(repair, IN(request, repair.name, name_either), IN(request, repair, repair_record)),
			ANSWER(repaired, IN(answer, repaired, repaired_record)) },
};

const struct wire_message *wire_message(uint32_t op)
{
	return op < OP_MAX_ && messages[op].method != NULL ? &messages[op] : NULL;
}

const struct request_name *wire_request_name(const struct request *request, bool *required)
{
	const struct wire_message *message = wire_message(request->op);
	const struct wire_part *part = message != NULL ? &message->request[1] : NULL;

	if (part == NULL || (part->record != &name_account && part->record != &name_owner &&
			     part->record != &name_either && part->record != &name_nobody))
		return NULL;
	*required = part->record == &name_account;
	return (const void *)((const char *)request + part->at);
}
