/* SPDX-License-Identifier: ISC */
/*
 * The tables of the records. A new field of accounts is a member of struct facts and a bit (account.h), a row here and
 * a step of the store's schema; everything else goes by the row.
 */
#include <string.h>

#include "account/account.h"
#include "account/date.h"
#include "account/fields.h"
#include "account/record.h"
#include "account/run.h"
#include "account/shell.h"

#define SIZE_MOST (INT64_C(1) << 60)
#define CHANGED (FIELD_GIVEN | FIELD_TOLD)

static bool comment_fits(const char *text)
{
	return comment_valid(text, COMMENT_MAX);
}

/* An address that a mailer's command line and header take as one word: RFC 5321's quoted local parts and literals are
 * left out. */
static bool contact_fits(const char *text)
{
	static const char word[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.!#$%&'*+/=?^_`{|}~-";
	size_t local = strspn(text, word), domain = text[local] == '@' ? strspn(text + local + 1, word) : 0;

	if (text[0] == '\0')
		return true;
	return text[0] != '-' && local > 0 && domain > 0 && text[local + 1 + domain] == '\0' &&
	       strlen(text) <= CONTACT_MAX;
}

static const char *const services_words[] = { "no", "yes", NULL };
static const char *const factors_words[] = { "any", "both", NULL };
/* clang-format off */
#define BOUND(type, bound, json, word, stored, written, last, text)                                                    \
	{ (json), MEMBER(type, bounds.of[(bound)]), FIELD_NUMBER, CHANGED | FIELD_IF_ANY, (written), .least = 0, .most = (last), \
	  .column = (stored), .option = (word), .value = (written) == FORM_BOUND ? "N|default" : "SIZE|default",           \
	  .why = (written) == FORM_BOUND ? "not a number up to " #last : "not a size that can be a bound",             \
	  .todo = (written) == FORM_BOUND ? "for example 64, or default" : "for example 512M, or default",             \
	  .note = "left out: as the limit of the owner says, or this host", .help = (text) }
#define BOUND_N(type, bound, json, word, stored, last, text) BOUND(type, bound, json, word, stored, FORM_BOUND, last, text)
#define BOUND_SIZE(type, bound, json, word, stored, last, text)                                                        \
	BOUND(type, bound, json, word, stored, FORM_BOUND_SIZE, last, text)
/* clang-format on */

/* The bounds of an account and, for each account, of an owner's limit: one row for both. */
#define PROCESSES(type)                                                                                                \
	BOUND_N(type, BOUND_PROCESSES, "processes", "processes", "processes", 4194304,                                 \
		"the most processes and threads at once")
#define MEMORY(type)                                                                                                   \
	BOUND_SIZE(type, BOUND_MEMORY, "memory", "memory", "memory", SIZE_MOST,                                        \
		   "the most memory of all its processes, and of each")
#define OPEN_FILES(type)                                                                                               \
	BOUND_N(type, BOUND_OPEN_FILES, "openFiles", "open-files", "open_files", 1048576,                              \
		"the most open files of a process")
#define FILE_SIZE(type)                                                                                                \
	BOUND_SIZE(type, BOUND_FILE_SIZE, "fileSize", "file-size", "file_size", SIZE_MOST,                             \
		   "the largest file that it may write")
#define CPU_WEIGHT(type)                                                                                               \
	BOUND_N(type, BOUND_CPU_WEIGHT, "cpuWeight", "cpu-weight", "cpu_weight", 10000,                                \
		"its share of the CPU beside others, who have 100\n(cgroups)")
#define IO_WEIGHT(type)                                                                                                \
	BOUND_N(type, BOUND_IO_WEIGHT, "ioWeight", "io-weight", "io_weight", 10000, "the same of the disks (cgroups)")
#define SESSIONS(type)                                                                                                 \
	BOUND_N(type, BOUND_SESSIONS, "sessions", "sessions", "sessions", 1024, "the most connections at once")
#define LOGINS(type) BOUND_N(type, BOUND_LOGINS, "logins", "logins", "logins", 1000, "the most logins in a minute")
#define BANDWIDTH(type)                                                                                                \
	BOUND_SIZE(type, BOUND_BANDWIDTH, "bandwidth", "bandwidth", "bandwidth", INT64_C(1) << 40,                     \
		   "the most bytes a second of a run, each way")

static const char *const state_words[] = { "unknown", "intent", "moving", "active", "removing", NULL };
static const char *const run_words[] = { "unknown", "backup", "read", "probe", "refused", NULL };

static const struct field facts_fields[] = {
	[FACT_EXPIRES] = { "expires", MEMBER(struct facts, expires_day), FIELD_DAY, CHANGED | FIELD_IF_ANY, .least = -1,
			   .most = DATE_DAY_MAX, .column = "expires_day", .why = "not a day",
			   .todo = "write it as YYYY-MM-DD, for example 2031-12-31", .value = "DATE|never",
			   .note = "YYYY-MM-DD, unusable from that day (UTC) on",
			   .help = "unusable from that day on: YYYY-MM-DD, +30d, +4w" },
	[FACT_QUOTA] = { "quota", MEMBER(struct facts, quota), FIELD_NUMBER, CHANGED | FIELD_IF_ANY, FORM_SIZE,
			 .least = 0, .most = SIZE_MOST, .column = "quota", .why = "not a size up to 1 EiB",
			 .todo = "for example 10G, or none", .value = "SIZE|none",
			 .help = "the most that its files may take: 500M, 10G, 1T" },
	[FACT_FILES] = { "files", MEMBER(struct facts, files), FIELD_SIGNED, CHANGED | FIELD_IF_ANY, FORM_COUNT,
			 .least = FILES_NONE, .most = FILES_MAX, .column = "files", .why = "not a number of files",
			 .todo = "for example 200000, none or default", .value = "N|none|default",
			 .note = "as it was set: -1 any number; left out: from the quota",
			 .help = "the most names in it (inodes); default: as many as\nfollow from the quota" },
	[FACT_VIEW] = { "view", MEMBER(struct facts, view), FIELD_WORD, CHANGED, .words = account_view_words,
			.column = "view", .why = "not a view", .todo = "theirs, owner or default",
			.value = "theirs|owner|default",
			.note = "as it was set: \"theirs\", \"owner\" or \"default\" (the setting of the host)",
			.help = "how its owner sees its files: as another user's, or as\n"
				"their own. With owner, pushed files can act as the\n"
				"owner (git, vim, all that trusts files by their owner)" },
	[FACT_ALARM] = { "alarm", MEMBER(struct facts, alarm), FIELD_NUMBER, CHANGED | FIELD_IF_ANY, FORM_SPAN,
			 .least = 0, .most = INT32_MAX, .why = "not a time with its unit",
			 .todo = "for example 26h, 3d or never", .value = "TIME|never",
			 .note = "seconds of silence after which there is an alarm; 0 never",
			 .help = "raise an alarm if no backup has succeeded for this long: 26h, 3d" },
	[FACT_COMMENT] = { "comment", MEMBER(struct facts, comment), FIELD_TEXT, CHANGED | FIELD_IF_ANY,
			   .valid = comment_fits, .column = "comment",
			   .why = "too long, or with a colon or a control character in it",
			   .todo = "at most 127 bytes of printable UTF-8 without ':'", .value = "TEXT",
			   .help = "a remark; an empty one removes it" },
	[FACT_CONTACT] = { "contact", MEMBER(struct facts, contact), FIELD_TEXT, CHANGED | FIELD_IF_ANY,
			   .valid = contact_fits, .column = "contact", .why = "not a mail address",
			   .todo = "for example ops@example.org; an empty one removes it", .value = "ADDRESS",
			   .note = "whom to write to about its alarms",
			   .help = "whom to write to about its alarms; an empty one\nremoves it" },
	[FACT_FACTORS] = { "factors", MEMBER(struct facts, factors), FIELD_WORD, CHANGED | FIELD_IF_ANY,
			   .words = factors_words, .column = "factors", .why = "neither any nor both",
			   .todo = "both: a login needs a key and a password", .value = "any|both",
			   .note = "\"both\": a login needs a key and a password; left out: one of them",
			   .help = "both: a login needs a key and a password, and may\ndo what the key may; any: one "
				   "of them is enough" },
	[FACT_SERVICES] = { "services", MEMBER(struct facts, services), FIELD_WORD, CHANGED | FIELD_IF_ANY,
			    .words = services_words, .column = "services", .why = "neither yes nor no",
			    .todo = "yes: it may have a service manager (root alone allows it)", .value = "yes|no",
			    .note = "\"yes\": it may have a service manager and linger; root alone says so",
			    .help = "yes: it may have a service manager of its own and\nlinger; root alone allows it" },
	[FACT_BOUNDS + BOUND_PROCESSES] = PROCESSES(struct facts),
	[FACT_BOUNDS + BOUND_MEMORY] = MEMORY(struct facts),
	[FACT_BOUNDS + BOUND_OPEN_FILES] = OPEN_FILES(struct facts),
	[FACT_BOUNDS + BOUND_FILE_SIZE] = FILE_SIZE(struct facts),
	[FACT_BOUNDS + BOUND_CPU_WEIGHT] = CPU_WEIGHT(struct facts),
	[FACT_BOUNDS + BOUND_IO_WEIGHT] = IO_WEIGHT(struct facts),
	[FACT_BOUNDS + BOUND_SESSIONS] = SESSIONS(struct facts),
	[FACT_BOUNDS + BOUND_LOGINS] = LOGINS(struct facts),
	[FACT_BOUNDS + BOUND_BANDWIDTH] = BANDWIDTH(struct facts),
};
RECORD(facts_record, facts_fields);
_Static_assert(sizeof(facts_fields) / sizeof(facts_fields[0]) == FACTS, "a row for each fact");

static const struct field account_fields[] = {
	{ "uid", MEMBER(struct account, uid), FIELD_NUMBER, FIELD_TOLD },
	{ "ownerUid", MEMBER(struct account, owner_uid), FIELD_NUMBER, FIELD_TOLD },
	{ "state", MEMBER(struct account, state), FIELD_WORD, FIELD_TOLD, .words = state_words },
	{ "locked", MEMBER(struct account, flags), FIELD_FLAG, FIELD_TOLD, .most = ACCOUNT_LOCKED },
	{ "frozen", MEMBER(struct account, flags), FIELD_FLAG, FIELD_TOLD | FIELD_IF_ANY, .most = ACCOUNT_FROZEN },
	{ "full", MEMBER(struct account, flags), FIELD_FLAG, FIELD_TOLD | FIELD_IF_ANY, .most = ACCOUNT_FULL },
	{ "created", MEMBER(struct account, created), FIELD_SIGNED, FIELD_TOLD },
};
RECORD(account_record, account_fields);

static const struct field owned_fields[] = {
	{ "owner", MEMBER(struct account, owner), FIELD_TEXT, FIELD_TOLD },
	{ "label", MEMBER(struct account, label), FIELD_TEXT, FIELD_TOLD },
};
RECORD(owned_record, owned_fields);

static const struct field key_fields[] = {
	[KEY_ROW_ID] = { "id", MEMBER(struct ssh_key, id), FIELD_NUMBER, FIELD_TOLD | FIELD_WHICH },
	[KEY_ROW_UID] = { "uid", MEMBER(struct ssh_key, uid), FIELD_NUMBER, FIELD_TOLD | FIELD_WHICH },
	[KEY_ROW_ROLE] = { NULL, MEMBER(struct ssh_key, role), FIELD_NUMBER },
	[KEY_ROW_OPTIONS] = { NULL, MEMBER(struct ssh_key, options), FIELD_NUMBER },
	[KEY_ROW_CREATED] = { "created", MEMBER(struct ssh_key, created), FIELD_SIGNED, FIELD_TOLD | FIELD_WHICH },
	[KEY_ROW_EXPIRES] = { "expires", MEMBER(struct ssh_key, expires), FIELD_SIGNED, CHANGED | FIELD_IF_ANY,
			      .least = 0, .most = (int64_t)DATE_DAY_MAX * SECONDS_PER_DAY,
			      .why = "not a time before the year 10000" },
	[KEY_ROW_QUOTA] = { "storageQuota", MEMBER(struct ssh_key, storage_quota), FIELD_NUMBER, CHANGED | FIELD_IF_ANY,
			    FORM_SIZE, .least = 0, .most = SIZE_MOST, .why = "not a size up to 1 EiB" },
	[KEY_ROW_TOOLS] = { NULL, MEMBER(struct ssh_key, tools), FIELD_TEXT },
	[KEY_ROW_FORWARD] = { "forward", MEMBER(struct ssh_key, forward), FIELD_TEXT, FIELD_TOLD | FIELD_IF_ANY },
	[KEY_ROW_COMMAND] = { "command", MEMBER(struct ssh_key, command), FIELD_TEXT, CHANGED | FIELD_IF_ANY,
			      .valid = command_valid, .why = "not a command line",
			      .todo = "at most 255 bytes of printable UTF-8 in one line",
			      .note = "of the role command: the line that is run" },
	[KEY_ROW_NET] = { "net", MEMBER(struct ssh_key, net), FIELD_TEXT, CHANGED | FIELD_IF_ANY, .valid = ports_valid,
			  .why = "not a list of ports", .todo = "for example 443 or 443,5432",
			  .note = "of shell and command: the TCP ports that they may connect to" },
	[KEY_ROW_FROM] = { "from", MEMBER(struct ssh_key, from), FIELD_TEXT, FIELD_TOLD | FIELD_IF_ANY },
	[KEY_ROW_TYPE] = { "type", MEMBER(struct ssh_key, type), FIELD_TEXT, FIELD_TOLD | FIELD_WHICH },
	[KEY_ROW_COMMENT] = { "comment", MEMBER(struct ssh_key, comment), FIELD_TEXT, FIELD_TOLD | FIELD_IF_ANY },
	[KEY_ROW_FINGERPRINT] = { "fingerprint", MEMBER(struct ssh_key, fingerprint), FIELD_TEXT,
				  FIELD_TOLD | FIELD_WHICH },
	[KEY_ROW_BLOB] = { NULL, MEMBER(struct ssh_key, blob), FIELD_TEXT, FIELD_WHICH },
	[KEY_ROW_HASH] = { NULL, MEMBER(struct ssh_key, hash), FIELD_TEXT, FIELD_WHICH },
	[KEY_ROW_OWNER] = { "owner", MEMBER(struct ssh_key, owner), FIELD_TEXT,
			    FIELD_TOLD | FIELD_IF_ANY | FIELD_WHICH },
};
RECORD(key_record, key_fields);
_Static_assert(sizeof(key_fields) / sizeof(key_fields[0]) == KEY_ROWS, "a row for each member of a key");

static const struct field range_fields[] = {
	{ "first", MEMBER(struct id_range, first), FIELD_NUMBER, FIELD_TOLD },
	{ "count", MEMBER(struct id_range, count), FIELD_NUMBER, FIELD_TOLD },
	{ "ownerUid", MEMBER(struct id_range, owner_uid), FIELD_NUMBER, FIELD_TOLD },
	{ "accountUid", MEMBER(struct id_range, account_uid), FIELD_NUMBER, FIELD_TOLD | FIELD_IF_ANY },
	{ "created", MEMBER(struct id_range, created), FIELD_SIGNED, FIELD_TOLD },
	{ "place", MEMBER(struct id_range, place), FIELD_NUMBER, FIELD_TOLD },
	{ "owner", MEMBER(struct id_range, owner), FIELD_TEXT, FIELD_TOLD },
	{ "label", MEMBER(struct id_range, label), FIELD_TEXT, FIELD_TOLD | FIELD_IF_ANY },
};
RECORD(range_record, range_fields);

static const struct field limit_fields[] = {
	{ "accounts", MEMBER(struct limit, accounts), FIELD_NUMBER, CHANGED, .least = 0, .most = LIMIT_ACCOUNTS_MAX,
	  .why = "too high", .todo = "at most 10000000 accounts" },
	{ "keys", MEMBER(struct limit, keys), FIELD_NUMBER, CHANGED, .least = 0, .most = LIMIT_KEYS_MAX,
	  .why = "too high", .todo = "at most 1024 keys" },
	{ "ranges", MEMBER(struct limit, ranges), FIELD_NUMBER, CHANGED, .least = 0, .most = LIMIT_RANGES_MAX,
	  .why = "too high", .todo = "at most 32768 ranges" },
	{ "default", MEMBER(struct limit, is_default), FIELD_FLAG, FIELD_TOLD },
	{ "owner", MEMBER(struct limit, owner), FIELD_TEXT, CHANGED | FIELD_REQUIRED, .todo = "name the owner" },
	PROCESSES(struct limit),
	MEMORY(struct limit),
	OPEN_FILES(struct limit),
	FILE_SIZE(struct limit),
	CPU_WEIGHT(struct limit),
	IO_WEIGHT(struct limit),
	SESSIONS(struct limit),
	LOGINS(struct limit),
	BANDWIDTH(struct limit),
};
RECORD(limit_record, limit_fields);
_Static_assert(sizeof(limit_fields) / sizeof(limit_fields[0]) == LIMIT_ROW_BOUNDS + BOUNDS, "the last rows are bounds");

static const struct field audit_fields[] = {
	{ "seq", MEMBER(struct audit_entry, seq), FIELD_NUMBER, FIELD_TOLD },
	{ "time", MEMBER(struct audit_entry, time), FIELD_SIGNED, FIELD_TOLD },
	{ "uid", MEMBER(struct audit_entry, uid), FIELD_NUMBER, FIELD_TOLD },
	{ "pid", MEMBER(struct audit_entry, pid), FIELD_SIGNED, FIELD_TOLD },
	{ NULL, MEMBER(struct audit_entry, status), FIELD_NUMBER },
	{ NULL, MEMBER(struct audit_entry, target_uid), FIELD_NUMBER },
	{ "caller", MEMBER(struct audit_entry, caller), FIELD_TEXT, FIELD_TOLD },
	{ "action", MEMBER(struct audit_entry, action), FIELD_TEXT, FIELD_TOLD },
	{ "target", MEMBER(struct audit_entry, target), FIELD_TEXT, FIELD_TOLD },
	{ "detail", MEMBER(struct audit_entry, detail), FIELD_TEXT, FIELD_TOLD },
};
RECORD(audit_record, audit_fields);

static const struct field run_row_fields[] = {
	{ "seq", MEMBER(struct run_row, seq), FIELD_NUMBER, FIELD_TOLD },
	{ "uid", MEMBER(struct run_row, uid), FIELD_NUMBER, FIELD_TOLD | FIELD_IF_ANY },
	{ NULL, MEMBER(struct run_row, reserved), FIELD_NUMBER },
};
RECORD(run_row_record, run_row_fields);

static const struct field run_fields[] = {
	{ NULL, MEMBER(struct run, magic), FIELD_NUMBER },
	{ "started", MEMBER(struct run, started), FIELD_SIGNED, CHANGED | FIELD_REQUIRED },
	{ "durationMs", MEMBER(struct run, duration_ms), FIELD_NUMBER, CHANGED | FIELD_REQUIRED },
	{ "bytesIn", MEMBER(struct run, bytes_in), FIELD_NUMBER, CHANGED | FIELD_IF_KNOWN },
	{ "bytesOut", MEMBER(struct run, bytes_out), FIELD_NUMBER, CHANGED | FIELD_IF_KNOWN },
	{ "files", MEMBER(struct run, files), FIELD_NUMBER, CHANGED | FIELD_IF_KNOWN },
	{ "deleted", MEMBER(struct run, deleted), FIELD_NUMBER, CHANGED | FIELD_IF_KNOWN },
	{ "keyId", MEMBER(struct run, key_id), FIELD_NUMBER, CHANGED },
	{ "status", MEMBER(struct run, status), FIELD_NUMBER, CHANGED | FIELD_REQUIRED },
	{ "kind", MEMBER(struct run, kind), FIELD_WORD, CHANGED | FIELD_REQUIRED, .words = run_words,
	  .why = "not backup, read, probe or refused" },
	{ NULL, MEMBER(struct run, reserved), FIELD_NUMBER },
	{ "tool", MEMBER(struct run, tool), FIELD_TEXT, CHANGED | FIELD_REQUIRED },
	{ "address", MEMBER(struct run, address), FIELD_TEXT, CHANGED | FIELD_IF_ANY },
	{ "fingerprint", MEMBER(struct run, fingerprint), FIELD_TEXT, CHANGED },
	{ "error", MEMBER(struct run, error), FIELD_TEXT, CHANGED | FIELD_IF_ANY },
};
RECORD(run_record, run_fields);
