/* SPDX-License-Identifier: ISC */
/*
 * The records that messages are made of (messages.c), but for those of accounts, keys and the like (account/records.c),
 * and how their members are called in the interface. Linked into the broker and the worker.
 */
#include "subuidd/wire/records.h"

#define GIVEN FIELD_GIVEN
#define NEEDED (FIELD_GIVEN | FIELD_REQUIRED)
#define TOLD FIELD_TOLD
#define IF_ANY (FIELD_TOLD | FIELD_IF_ANY)
#define ID_MOST (UINT32_MAX - 1)
#define IDS_MOST (LIMIT_RANGES_MAX * INT64_C(65536))
#define TIME_MOST INT64_C(253402300799) /* the end of 9999 */

/* ---- heads ---- */

/* clang-format off */
#define HEAD { NULL, MEMBER(struct request, op), FIELD_NUMBER }, { NULL, MEMBER(struct request, size), FIELD_NUMBER }
#define DRY_RUN(name, use) { name, MEMBER(struct request, dry_run), FIELD_FLAG, use }
static const struct field request_fields[] = { HEAD };
static const struct field change_fields[] = { HEAD, DRY_RUN("dryRun", GIVEN) };
static const struct field rows_fields[] = { HEAD, DRY_RUN(NULL, 0) }; /* it is said once for all rows */
RECORD(request_head, request_fields);
RECORD(change_head, change_fields);
RECORD(rows_head, rows_fields);

#define ANSWERED(member, kind) { NULL, MEMBER(struct answer, member), kind }
static const struct field answer_fields[] = {
	ANSWERED(op, FIELD_NUMBER), ANSWERED(size, FIELD_NUMBER), ANSWERED(row, FIELD_NUMBER),
	ANSWERED(more, FIELD_NUMBER), ANSWERED(cursor, FIELD_NUMBER), ANSWERED(checked, FIELD_NUMBER),
	ANSWERED(total, FIELD_NUMBER), ANSWERED(failure.failure, FIELD_NUMBER), ANSWERED(failure.what, FIELD_TEXT),
	ANSWERED(failure.why, FIELD_TEXT), ANSWERED(failure.todo, FIELD_TEXT),
};
/* clang-format on */
RECORD(answer_head, answer_fields);

/* ---- requests: owner and account ---- */

/* clang-format off */
#define OWNER(use) { "owner", MEMBER(struct request_name, owner), FIELD_TEXT, use, .least = 1, .todo = "say whose it is" }
#define LABEL(use) { "label", MEMBER(struct request_name, label), FIELD_TEXT, use, .least = 1, .todo = "say which account" }
/* clang-format on */

static const struct field name_account_fields[] = { OWNER(GIVEN), LABEL(NEEDED) };
static const struct field name_owner_fields[] = { OWNER(GIVEN), LABEL(0) };
static const struct field name_either_fields[] = { OWNER(GIVEN), LABEL(GIVEN) };
static const struct field name_nobody_fields[] = { OWNER(0), LABEL(0) };
RECORD(name_account, name_account_fields);
RECORD(name_owner, name_owner_fields);
RECORD(name_either, name_either_fields);
RECORD(name_nobody, name_nobody_fields); /* of lists of everything */

/* ---- requests: the rest ---- */

static const struct field add_fields[] = {
	{ NULL, MEMBER(struct request_add, set), FIELD_NUMBER },
	{ "range", MEMBER(struct request_add, range_count), FIELD_NUMBER, GIVEN, .least = 0, .most = IDS_MOST,
	  .why = "more ids than there are" },
};
RECORD(add_record, add_fields);

static const struct field modify_fields[] = { { NULL, MEMBER(struct request_modify, set), FIELD_NUMBER } };
RECORD(modify_record, modify_fields);

static const struct field remove_fields[] = {
	{ "keepHome", MEMBER(struct request_remove, keep_home), FIELD_FLAG, GIVEN },
	{ "purge", MEMBER(struct request_remove, purge), FIELD_FLAG, GIVEN },
};
RECORD(remove_record, remove_fields);

static const struct field kill_fields[] = { { "now", MEMBER(struct request_kill, now), FIELD_FLAG, GIVEN } };
RECORD(kill_record, kill_fields);

static const struct field enter_fields[] = {
	{ "container", MEMBER(struct request_enter, container), FIELD_FLAG, GIVEN },
};
RECORD(enter_record, enter_fields);

static const struct field rename_fields[] = {
	{ "to", MEMBER(struct request_rename, to), FIELD_TEXT, NEEDED, .least = 1,
	  .todo = "say how it is called from now on" },
};
RECORD(rename_record, rename_fields);

static const struct field owner_change_fields[] = {
	{ "from", MEMBER(struct request_owner, from), FIELD_TEXT, NEEDED, .least = 1,
	  .todo = "say whose the accounts were" },
	{ "to", MEMBER(struct request_owner, to), FIELD_TEXT, NEEDED, .least = 1,
	  .todo = "say whose they are from now on" },
	{ "handOver", MEMBER(struct request_owner, hand_over), FIELD_FLAG, GIVEN },
};
RECORD(owner_change_record, owner_change_fields);

static const struct field restore_fields[] = {
	{ "as", MEMBER(struct request_restore, as), FIELD_TEXT, GIVEN },
	{ "uid", MEMBER(struct request_restore, uid), FIELD_NUMBER, GIVEN, .least = 0, .most = ID_MOST },
};
RECORD(restore_record, restore_fields);

static const struct field key_remove_fields[] = {
	{ "id", MEMBER(struct request_key_remove, id), FIELD_NUMBER, GIVEN, .least = 0, .most = UINT32_MAX },
	{ "fingerprint", MEMBER(struct request_key_remove, fingerprint), FIELD_TEXT, GIVEN },
};
RECORD(key_remove_record, key_remove_fields);

static const struct field key_change_fields[] = {
	{ "id", MEMBER(struct request_key_change, id), FIELD_NUMBER, GIVEN, .least = 0, .most = UINT32_MAX },
	{ "fingerprint", MEMBER(struct request_key_change, fingerprint), FIELD_TEXT, GIVEN },
	{ "clearOptions", MEMBER(struct request_key_change, clear_options), FIELD_FLAG, GIVEN },
	{ NULL, MEMBER(struct request_key_change, set), FIELD_NUMBER },
};
RECORD(key_change_record, key_change_fields);

/* The worker alone sees the password; hashes are between it and the broker. */
static const struct field rehash_fields[] = {
	{ "password", MEMBER(struct request_rehash, password), FIELD_TEXT, NEEDED, .least = 1, .todo = "say which" },
	{ NULL, MEMBER(struct request_rehash, was), FIELD_TEXT },
	{ NULL, MEMBER(struct request_rehash, hash), FIELD_TEXT },
};
RECORD(rehash_record, rehash_fields);

/* clang-format off */
#define EFFECTIVE(json, bound) { json, MEMBER(struct account_view, effective.of[bound]), FIELD_NUMBER, IF_ANY }
#define LIST_ALL(use) { "all", MEMBER(struct request_list, all), FIELD_FLAG, use }
#define LIST_BEFORE(use) \
	{ "before", MEMBER(struct request_list, cursor), FIELD_NUMBER, use, .least = 0, .most = INT64_MAX }
#define LIST_CURSOR { NULL, MEMBER(struct request_list, cursor), FIELD_NUMBER }
/* clang-format on */
static const struct field list_fields[] = { LIST_ALL(0), LIST_CURSOR };
static const struct field list_all_fields[] = { LIST_ALL(GIVEN), LIST_CURSOR };
static const struct field list_before_fields[] = { LIST_ALL(GIVEN), LIST_BEFORE(GIVEN) };
RECORD(list_record, list_fields);
RECORD(list_all_record, list_all_fields);
RECORD(list_before_record, list_before_fields);

static const struct field range_add_fields[] = {
	{ "count", MEMBER(struct request_range_add, count), FIELD_NUMBER, NEEDED, .least = 1, .most = IDS_MOST,
	  .why = "not a number of ids", .todo = "ask for 65536 or a multiple of it" },
	{ "after", MEMBER(struct request_range_add, after), FIELD_NUMBER, GIVEN, .least = 0, .most = ID_MOST },
	{ "small", MEMBER(struct request_range_add, small), FIELD_FLAG, GIVEN },
};
RECORD(range_add_record, range_add_fields);

static const struct field range_remove_fields[] = {
	{ "first", MEMBER(struct request_range_remove, first), FIELD_NUMBER, NEEDED, .least = 0, .most = ID_MOST },
};
RECORD(range_remove_record, range_remove_fields);

static const struct field limit_set_fields[] = {
	{ NULL, MEMBER(struct request_limit_set, set), FIELD_NUMBER },
	{ "reset", MEMBER(struct request_limit_set, reset), FIELD_FLAG, GIVEN },
};
RECORD(limit_set_record, limit_set_fields);

static const struct field release_fields[] = {
	{ "first", MEMBER(struct request_release, first), FIELD_NUMBER, NEEDED, .least = 1, .most = ID_MOST },
};
RECORD(release_record, release_fields);

static const char *const repair_words[] = {
	[REPAIR_NONE] = "none",         [REPAIR_INDEX] = "index", [REPAIR_ACCOUNT] = "account",
	[REPAIR_LEFTOVER] = "leftover", [REPAIR_ASK] = "ask",     [REPAIR_FORGET] = "forget",
	[REPAIR_MAX_] = NULL,
};
static const char *const place_words[] = {
	[PLACE_NONE] = "",       [PLACE_ACCOUNT] = "account", [PLACE_MAKING] = "making", [PLACE_REMOVED] = "removed",
	[PLACE_OWNER] = "owner", [PLACE_LINK] = "link",       [PLACE_MAX_] = NULL,
};

static const struct field repair_fields[] = {
	{ "repair", MEMBER(struct request_repair, repair), FIELD_WORD, NEEDED, .words = repair_words, .least = 1,
	  .why = "unknown repair", .todo = "index, account, leftover, ask or forget" },
	{ "place", MEMBER(struct request_repair, place), FIELD_WORD, GIVEN, .words = place_words,
	  .why = "unknown place", .todo = "account, making, removed, owner or link" },
	{ "uid", MEMBER(struct request_repair, uid), FIELD_NUMBER, GIVEN, .least = 0, .most = ID_MOST },
};
RECORD(repair_record, repair_fields);

static const char *const import_words[] = {
	"unknown",
	[IMPORT_ACCOUNT] = "account",
	[IMPORT_KEY] = "key",
	[IMPORT_RANGE] = "range",
	[IMPORT_LIMIT] = "limit",
	[IMPORT_TOMBSTONE] = "tombstone",
	[IMPORT_RUN] = "run",
	[IMPORT_FORMER] = "former",
	[IMPORT_KIND_MAX_] = NULL,
};

/* clang-format off */
#define IMPORT_ID(json, member) \
	{ json, MEMBER(struct request_import, member), FIELD_NUMBER, GIVEN, .least = 0, .most = ID_MOST }
#define IMPORT_TIME(json, member) \
	{ json, MEMBER(struct request_import, member), FIELD_SIGNED, GIVEN, .least = 0, .most = TIME_MOST, \
	  .why = "not a time before the year 10000" }
/* clang-format on */
static const struct field import_fields[] = {
	{ "kind", MEMBER(struct request_import, kind), FIELD_WORD, NEEDED, .words = import_words, .least = 1,
	  .why = "not a kind of row" },
	{ "adopt", MEMBER(struct request_import, flags), FIELD_FLAG, GIVEN, .most = IMPORT_ADOPT },
	{ "line", MEMBER(struct request_import, line), FIELD_NUMBER, NEEDED, .least = 0, .most = ID_MOST },
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
RECORD(import_record, import_fields);

static const struct field import_time_fields[] = {
	IMPORT_TIME("alarmSince", alarm_since), IMPORT_TIME("lastRun", last_run), IMPORT_TIME("lastGood", last_good),
	IMPORT_TIME("created", created),        IMPORT_TIME("lastUsed", used),
};
RECORD(import_times, import_time_fields);

/* ---- answers ---- */

/* By what is mounted: nothing, where there are no views. */
static const char *const mounted_words[] = {
	[VIEW_DEFAULT] = "acl", [VIEW_THEIRS] = "theirs", [VIEW_OWNER] = "owner", NULL
};

/* The keeper of a limit. */
static const char *const keeper_words[] = {
	[KEPT_NONE] = "", [KEPT_METERED] = "metered", [KEPT_FOR_UID] = "uid", [KEPT_BY_DISK] = "disk", NULL,
};

static const char *const owner_state_words[] = {
	[OWNER_STANDS] = "", [OWNER_GONE] = "gone", [OWNER_CHANGED] = "changed", NULL
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
	{ "usedBytes", MEMBER(struct account_view, bytes_used), FIELD_NUMBER, TOLD | FIELD_IF_KNOWN },
	{ "usedFiles", MEMBER(struct account_view, files_used), FIELD_NUMBER, TOLD | FIELD_IF_KNOWN },
	EFFECTIVE("effectiveProcesses", BOUND_PROCESSES),
	EFFECTIVE("effectiveMemory", BOUND_MEMORY),
	EFFECTIVE("effectiveOpenFiles", BOUND_OPEN_FILES),
	EFFECTIVE("effectiveFileSize", BOUND_FILE_SIZE),
	EFFECTIVE("effectiveCpuWeight", BOUND_CPU_WEIGHT),
	EFFECTIVE("effectiveIoWeight", BOUND_IO_WEIGHT),
	EFFECTIVE("effectiveSessions", BOUND_SESSIONS),
	EFFECTIVE("effectiveLogins", BOUND_LOGINS),
	EFFECTIVE("effectiveBandwidth", BOUND_BANDWIDTH),
	{ "quotaKept", MEMBER(struct account_view, bytes_kept), FIELD_WORD, IF_ANY, .words = keeper_words },
	{ "filesKept", MEMBER(struct account_view, files_kept), FIELD_WORD, IF_ANY, .words = keeper_words },
	{ "lastStatus", MEMBER(struct account_view, last_status), FIELD_NUMBER, TOLD,
	  .with = offsetof(struct account_view, last_run) },
	{ "silent", MEMBER(struct account_view, silent), FIELD_FLAG, TOLD },
	{ "told", MEMBER(struct account_view, told), FIELD_FLAG, IF_ANY },
	{ NULL, MEMBER(struct account_view, mended), FIELD_NUMBER },
	{ "ownerState", MEMBER(struct account_view, owner_state), FIELD_WORD, IF_ANY, .words = owner_state_words },
	{ "linkMissing", MEMBER(struct account_view, link_why), FIELD_TEXT, IF_ANY },
};
RECORD(view_record, view_fields);

static const struct field key_used_fields[] = { { "lastUsed", MEMBER(struct answer, key_used), FIELD_SIGNED, IF_ANY } };
RECORD(key_used_record, key_used_fields);

static const struct field adopted_fields[] = { { "adopted", MEMBER(struct answer, range_adopted), FIELD_FLAG,
						 IF_ANY } };
RECORD(adopted_record, adopted_fields);

static const struct field status_fields[] = {
	{ "accounts", MEMBER(struct daemon_status, accounts), FIELD_NUMBER, TOLD },
	{ NULL, MEMBER(struct daemon_status, accounts_free_hint), FIELD_NUMBER },
	{ "purging", MEMBER(struct daemon_status, purging), FIELD_NUMBER, TOLD },
	{ "callerIsContained", MEMBER(struct daemon_status, caller_is_contained), FIELD_FLAG, TOLD },
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
RECORD(status_record, status_fields);

static const char *const removal_words[] = {
	"pending", [FILES_KEPT] = "kept", [FILES_DELETED] = "deleted", [FILES_PENDING] = "pending", NULL,
};
static const struct field removal_fields[] = {
	{ "until", MEMBER(struct removal_view, until), FIELD_SIGNED, IF_ANY },
	{ "restorable", MEMBER(struct removal_view, restorable), FIELD_FLAG, TOLD },
	{ "files", MEMBER(struct removal_view, files), FIELD_WORD, TOLD, .words = removal_words },
	{ "why", MEMBER(struct removal_view, why), FIELD_TEXT, IF_ANY },
};
RECORD(removal_record, removal_fields);

static const struct field ended_fields[] = { { "processes", MEMBER(struct ended_view, processes), FIELD_NUMBER,
					       TOLD } };
RECORD(ended_record, ended_fields);

static const struct field become_fields[] = { { "uid", MEMBER(struct become_view, uid), FIELD_NUMBER, TOLD } };
RECORD(become_record, become_fields);

static const struct field owner_view_fields[] = {
	{ "accounts", MEMBER(struct owner_view, accounts), FIELD_NUMBER, TOLD },
	{ "ranges", MEMBER(struct owner_view, ranges), FIELD_NUMBER, TOLD },
	{ "removed", MEMBER(struct owner_view, removed), FIELD_NUMBER, TOLD },
	{ "linksMissing", MEMBER(struct owner_view, links), FIELD_NUMBER, TOLD },
	{ "why", MEMBER(struct owner_view, why), FIELD_TEXT, IF_ANY },
};
RECORD(owner_view_record, owner_view_fields);

static const struct field removed_fields[] = {
	{ "uid", MEMBER(struct removed_view, uid), FIELD_NUMBER, TOLD },
	{ "restorable", MEMBER(struct removed_view, restorable), FIELD_FLAG, TOLD },
	{ "removed", MEMBER(struct removed_view, removed), FIELD_SIGNED, IF_ANY },
	{ "until", MEMBER(struct removed_view, until), FIELD_SIGNED, IF_ANY },
	{ "owner", MEMBER(struct removed_view, owner), FIELD_TEXT, TOLD },
	{ "label", MEMBER(struct removed_view, label), FIELD_TEXT, TOLD },
	{ "name", MEMBER(struct removed_view, name), FIELD_TEXT, TOLD },
};
RECORD(removed_record, removed_fields);

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
RECORD(finding_record, finding_fields);

static const struct field repaired_fields[] = {
	{ NULL, MEMBER(struct repaired, mended), FIELD_NUMBER },
	{ "done", MEMBER(struct repaired, done), FIELD_TEXT, TOLD },
};
RECORD(repaired_record, repaired_fields);

static const struct field rehash_view_fields[] = { { NULL, MEMBER(struct rehash_view, was), FIELD_TEXT } };
RECORD(rehash_view_record, rehash_view_fields);

static const struct field counter_fields[] = {
	{ "value", MEMBER(struct counter, value), FIELD_NUMBER, TOLD },
	{ "name", MEMBER(struct counter, name), FIELD_TEXT, TOLD },
	{ "of", MEMBER(struct counter, of), FIELD_TEXT, TOLD },
};
RECORD(counter_record, counter_fields);

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
RECORD(import_result_record, import_result_fields);
