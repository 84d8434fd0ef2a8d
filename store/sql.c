/* SPDX-License-Identifier: ISC */
/* The statements of the store. Each is a look-up by index, except the lists of everything, which read on from where
 * the last batch ended: tests/unit/test_store.c asks the query planner. */
#include "store/sqlite.h"

/* {facts}: the columns of facts_record; {facts?8}: ?8, ?9, ... for them; {facts=6}: column = ?6, ...; {factsj1}:
 * members of k.content; {bounds}: the bounds among them (store_sql_text()). */
#define ACCOUNT_OWN "uid, owner_uid, state, flags, created, owner, label"
#define ACCOUNT_SELECT                                                                                                 \
	"SELECT " ACCOUNT_OWN ", coalesce((SELECT alarm FROM watches WHERE watches.uid = accounts.uid), 0), {facts}"   \
	" FROM accounts"
/* The belongings of the account a: counted in the indexes alone, with the facts about its runs (w, perhaps
 * none). */
#define BELONGINGS                                                                                                     \
	"(SELECT count(*) FROM keys INDEXED BY keys_uid WHERE uid = a.uid),"                                           \
	" (SELECT count(*) FROM ranges INDEXED BY ranges_account WHERE account_uid = a.uid),"                          \
	" w.last_run, w.last_status, w.last_good, w.alarm, w.since, w.told, w.due"
#define LISTED_SELECT                                                                                                  \
	"SELECT a.uid, a.owner_uid, a.state, a.flags, a.created, a.owner, a.label, coalesce(w.alarm, 0), "             \
	"{facts}, " BELONGINGS " FROM accounts AS a"
#define KEY_COLUMNS                                                                                                    \
	"id, uid, role, options, created, expires, source, type, comment, fingerprint, blob,"                          \
	" tools, forward, storage_quota, command, net"
/* those of a key of an account, and whose it is */
#define MANAGE_COLUMNS                                                                                                 \
	"id, owner_uid, 0, 0, created, expires, source, type, comment, fingerprint, blob, '', '', 0, '', '', owner"
#define TOMBSTONE_COLUMNS "first, last, held_owner_uid, held_account_uid, since, held_owner, held_label"
#define RUN_COLUMNS                                                                                                    \
	"seq, started, duration, bytes_in, bytes_out, files, key_id, status, kind, tool, address, fingerprint, error," \
	" deleted"
#define RANGE_SELECT                                                                                                   \
	"SELECT r.first, i.last, r.owner_uid, r.account_uid, r.created, r.owner, a.label, r.place, r.behind_uids,"     \
	" r.behind_gids FROM ranges AS r"                                                                              \
	" JOIN ids AS i ON i.first = r.first LEFT JOIN accounts AS a ON a.uid = r.account_uid "
#define FORMER_COLUMNS "f.seq, f.owner, f.label, f.uid, f.owner_uid, f.since, f.known, f.moving"
#define FORMER_INSERT "INSERT INTO former_names (owner, label, uid, owner_uid, since, known, moving)"
/* the newest comes first */
#define FORMER_NAMED "FROM former_names AS f INDEXED BY former_names_name"
#define AUDIT_COLUMNS "seq, time, uid, pid, status, target_uid, caller, action, target, detail"

const char *const store_sql[SQL_STATEMENTS] = {
	[SQL_BEGIN] = "BEGIN IMMEDIATE",
	[SQL_COMMIT] = "COMMIT",
	[SQL_ROLLBACK] = "ROLLBACK",
	[SQL_SAVE] = "SAVEPOINT part",
	[SQL_SAVE_END] = "RELEASE part",
	[SQL_SAVE_UNDO] = "ROLLBACK TO part",
	[SQL_GENERATION] = "SELECT value FROM meta WHERE name = 'generation'",
	[SQL_GENERATION_RAISE] = "UPDATE meta SET value = value + 1 WHERE name = 'generation'",

	[SQL_GENERATION_AT_LEAST] = "UPDATE meta SET value = max(value, ?1) WHERE name = 'generation'",
	[SQL_IDENTITY] = "SELECT value FROM meta WHERE name = 'store'",
	[SQL_DIGEST] = "SELECT value FROM meta WHERE name = 'digest'",
	[SQL_MARKS] = "SELECT region, last FROM marks WHERE region >= 0 ORDER BY region",

	[SQL_ID_INSERT] = "INSERT INTO ids (first, last, kind, since) VALUES (?1, ?2, ?3, ?4)",
	[SQL_ID_RETIRE] = "UPDATE ids SET kind = 'tombstone', since = ?2, held_owner = ?3, held_label = ?4,"
			  " held_owner_uid = ?5, held_account_uid = ?6 WHERE first = ?1",
	[SQL_ID_DELETE] = "DELETE FROM ids WHERE first = ?1 AND kind IN ('tombstone', 'foreign')",
	[SQL_ID_HIGHEST] = "SELECT last FROM ids WHERE first <= ?1 ORDER BY first DESC LIMIT 1",
	[SQL_FREE_AT] = "SELECT first, last FROM gaps WHERE first <= ?1 ORDER BY first DESC LIMIT 1",
	[SQL_FREE_AFTER] = "SELECT first, last FROM gaps WHERE first > ?1 ORDER BY first LIMIT 1",
	[SQL_FREE_SMALL_AFTER] = "SELECT first, last FROM gaps WHERE first > ?1 AND first <= ?2 ORDER BY first",
	[SQL_FREE_UNIT_AFTER] = "SELECT first, last FROM gaps INDEXED BY gaps_units"
				" WHERE units >= 1 AND first > ?1 AND first <= ?2 ORDER BY first",
	[SQL_RELEASED_AT] = "SELECT first, last FROM released WHERE first <= ?1 ORDER BY first DESC LIMIT 1",
	[SQL_RELEASED_AFTER] = "SELECT first, last FROM released WHERE first > ?1 ORDER BY first LIMIT 1",
	[SQL_RELEASED_FORGET] = "DELETE FROM released",
	[SQL_ID_HOLDER] = "SELECT " TOMBSTONE_COLUMNS ", kind FROM ids"
			  " WHERE first <= ?1 ORDER BY first DESC LIMIT 1",
	[SQL_TOMBSTONE_INSERT] = "INSERT INTO ids (first, last, kind, since, held_owner, held_label, held_owner_uid,"
				 " held_account_uid) VALUES (?1, ?2, 'tombstone', ?3, ?4, ?5, ?6, ?7)",
	[SQL_TOMBSTONE_LIST] = "SELECT " TOMBSTONE_COLUMNS " FROM ids"
			       " INDEXED BY ids_tombstones"
			       " WHERE kind IN ('tombstone', 'foreign') AND first > ?1 ORDER BY first LIMIT ?2",
	[SQL_TOMBSTONE_LIST_ACCOUNT] = "SELECT " TOMBSTONE_COLUMNS " FROM ids"
				       " INDEXED BY ids_held_account"
				       " WHERE held_account_uid = ?1 AND held_account_uid <> 0 AND first > ?2"
				       " ORDER BY first LIMIT ?3",

	[SQL_ACCOUNT_INSERT] = "INSERT INTO accounts (" ACCOUNT_OWN ", {facts})"
			       " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, {facts?8})",
	[SQL_ACCOUNT_GET] = ACCOUNT_SELECT " WHERE owner = ?1 AND label = ?2",
	[SQL_ACCOUNT_BY_UID] = ACCOUNT_SELECT " WHERE uid = ?1",
	[SQL_ACCOUNT_UPDATE] = "UPDATE accounts SET owner_uid = ?2, state = ?3, flags = ?4, {facts=5} WHERE uid = ?1",
	[SQL_ACCOUNT_DELETE] = "DELETE FROM accounts WHERE uid = ?1",
	[SQL_ACCOUNT_LIST] = ACCOUNT_SELECT " WHERE uid > ?1 ORDER BY uid LIMIT ?2",
	[SQL_ACCOUNT_LIST_OWNER] = ACCOUNT_SELECT " INDEXED BY accounts_owner"
						  " WHERE owner = ?3 AND uid > ?1 ORDER BY uid LIMIT ?2",
	[SQL_ACCOUNT_LIST_UNFINISHED] = ACCOUNT_SELECT " INDEXED BY accounts_unfinished"
						       " WHERE state <> 3 AND uid > ?1 ORDER BY uid LIMIT ?2",
	[SQL_ACCOUNT_LIST_BY_OWNER] = ACCOUNT_SELECT " INDEXED BY accounts_owner"
						     " WHERE (owner, uid) > (?3, ?1) ORDER BY owner, uid LIMIT ?2",
	[SQL_ACCOUNT_LISTED] = LISTED_SELECT " LEFT JOIN watches AS w ON w.uid = a.uid"
					     " WHERE a.uid > ?1 ORDER BY a.uid LIMIT ?2",
	[SQL_ACCOUNT_LISTED_OWNER] = LISTED_SELECT " INDEXED BY accounts_owner LEFT JOIN watches AS w ON w.uid = a.uid"
						   " WHERE a.owner = ?3 AND a.uid > ?1 ORDER BY a.uid LIMIT ?2",
	[SQL_ACCOUNT_BELONGINGS] = "SELECT " BELONGINGS " FROM accounts AS a LEFT JOIN watches AS w ON w.uid = a.uid"
				   " WHERE a.uid = ?1",
	[SQL_USAGE] = "SELECT accounts, units FROM usage WHERE owner = ?1",

	[SQL_KEY_INSERT] = "INSERT INTO keys (uid, role, options, created, expires, source, type, comment,"
			   " fingerprint, blob, tools, forward, storage_quota, command, net, id, hash)"
			   " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17)",
	/* the highest that a key ever had */
	[SQL_KEY_HIGHEST] = "SELECT seq FROM sqlite_sequence WHERE name = 'keys'",
	[SQL_KEY_HIGHEST_BEGIN] = "INSERT INTO sqlite_sequence (name, seq) SELECT 'keys', 0"
				  " WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = 'keys')",
	[SQL_KEY_HIGHEST_RAISE] = "UPDATE sqlite_sequence SET seq = max(seq, ?1) WHERE name = 'keys'",
	[SQL_KEY_BY_FINGERPRINT] = "SELECT id FROM keys INDEXED BY keys_uid WHERE uid = ?1 AND fingerprint = ?2"
				   " ORDER BY id LIMIT 1",
	[SQL_KEY_GET] = "SELECT " KEY_COLUMNS " FROM keys WHERE id = ?1",
	[SQL_KEY_UPDATE] =
		"UPDATE keys SET role = ?2, options = ?3, expires = ?4, source = ?5, type = ?6, comment = ?7,"
		" fingerprint = ?8, blob = ?9, tools = ?10, forward = ?11, storage_quota = ?12,"
		" command = ?13, net = ?14 WHERE id = ?1",
	[SQL_KEY_DELETE] = "DELETE FROM keys WHERE id = ?1",
	[SQL_KEY_LIST] = "SELECT " KEY_COLUMNS " FROM keys WHERE id > ?1 ORDER BY id LIMIT ?2",
	[SQL_KEY_LIST_UID] = "SELECT " KEY_COLUMNS " FROM keys INDEXED BY keys_uid"
			     " WHERE uid = ?3 AND id > ?1 ORDER BY id LIMIT ?2",

	[SQL_KEY_FORWARDS] = "SELECT 1 FROM keys INDEXED BY keys_forward WHERE uid = ?1 AND forward <> '' LIMIT 1",

	[SQL_KEY_HASH] = "SELECT hash FROM keys WHERE id = ?1",
	[SQL_KEY_REHASH] = "UPDATE keys SET hash = ?3 WHERE id = ?1 AND hash = ?2",
	[SQL_KEY_PASSWORDS] = "SELECT 1 FROM keys INDEXED BY keys_password WHERE uid = ?1 AND hash <> '' LIMIT 1",
	[SQL_MANAGE_INSERT] = "INSERT INTO manage_keys (owner, owner_uid, created, expires, source, type, comment,"
			      " fingerprint, blob) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
	[SQL_MANAGE_GET] = "SELECT " MANAGE_COLUMNS " FROM manage_keys WHERE id = ?1",
	[SQL_MANAGE_DELETE] = "DELETE FROM manage_keys WHERE id = ?1",
	[SQL_MANAGE_LIST] = "SELECT " MANAGE_COLUMNS " FROM manage_keys WHERE id > ?1 ORDER BY id LIMIT ?2",
	[SQL_MANAGE_LIST_OWNER] = "SELECT " MANAGE_COLUMNS " FROM manage_keys WHERE id > ?1 AND owner = ?3"
				  " AND (?4 = 0 OR owner_uid = ?4) ORDER BY id LIMIT ?2",
	/* the same person under another name or uid; and another one, whom the former one's keys must not admit */
	[SQL_MANAGE_FOLLOW] = "UPDATE OR REPLACE manage_keys SET owner = ?3, owner_uid = ?4"
			      " WHERE owner = ?1 AND owner_uid = ?2",
	[SQL_MANAGE_LEAVE] = "DELETE FROM manage_keys WHERE owner = ?1 AND owner_uid = ?2",

	[SQL_RANGE_INSERT] = "INSERT INTO ranges (first, owner, owner_uid, account_uid, created, place,"
			     " behind_uids, behind_gids) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
	[SQL_RANGE_PLACE] = "SELECT coalesce(max(place), -1) + 1 FROM ranges WHERE owner = ?1 AND account_uid IS ?2",
	[SQL_RANGE_BEHIND] = "SELECT coalesce(min(place), -1) FROM ranges WHERE owner = ?1 AND account_uid IS NULL"
			     " AND behind_uids > ?2",
	[SQL_RANGE_SHIFT] = "UPDATE ranges SET place = place + 1, behind_uids = max(behind_uids - 1, 0),"
			    " behind_gids = max(behind_gids - 1, 0)"
			    " WHERE owner = ?1 AND account_uid IS NULL AND place >= ?2",
	[SQL_RANGE_UNSETTLED] = RANGE_SELECT "WHERE r.first > ?1 AND (r.behind_uids = 65535 OR r.behind_gids = 65535)"
					     " ORDER BY r.first LIMIT ?2",
	[SQL_RANGE_SETTLE] = "UPDATE ranges SET behind_uids = ?2, behind_gids = ?3 WHERE first = ?1",
	[SQL_RANGE_GET] = RANGE_SELECT "WHERE r.first = ?1",
	[SQL_RANGE_DELETE] = "DELETE FROM ranges WHERE first = ?1",
	[SQL_RANGE_LIST] = RANGE_SELECT "WHERE r.first > ?1 ORDER BY r.first LIMIT ?2",
	[SQL_RANGE_LIST_OWNER] = RANGE_SELECT "WHERE r.owner = ?3 AND r.first > ?1 ORDER BY r.first LIMIT ?2",
	[SQL_RANGE_LIST_ACCOUNT] = RANGE_SELECT "WHERE r.account_uid = ?3 AND r.first > ?1 ORDER BY r.first LIMIT ?2",
	[SQL_RANGE_OF_ACCOUNT] = "SELECT first FROM ranges WHERE account_uid = ?1 LIMIT 1",

	[SQL_REMOVED_INSERT] = "INSERT INTO removed (uid, keep, since, owner, label, known)"
			       " VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
	[SQL_REMOVED_DUE] = "SELECT uid, keep, since, owner, label, known, why FROM removed INDEXED BY removed_since"
			    " WHERE keep = 0 AND since < ?1 AND (since = 0 OR known < ?5) AND (since, uid) > (?3, ?4)"
			    " ORDER BY since, uid LIMIT ?2",
	[SQL_REMOVED_GET] = "SELECT uid, keep, since, owner, label, known, why FROM removed WHERE uid = ?1",
	[SQL_REMOVED_DELETE] = "DELETE FROM removed WHERE uid = ?1",
	[SQL_REMOVED_LIST] = "SELECT uid, keep, since, owner, label, known, why FROM removed"
			     " WHERE uid > ?1 ORDER BY uid LIMIT ?2",
	[SQL_REMOVED_LIST_OWNER] = "SELECT uid, keep, since, owner, label, known, why FROM removed"
				   " INDEXED BY removed_owner WHERE owner = ?3 AND uid > ?1 ORDER BY uid LIMIT ?2",
	/* whose it is now says its tombstone */
	[SQL_KEPT_ACCOUNT] = "SELECT k.uid, i.held_owner_uid, 3, json_extract(k.content, '$.flags'),"
			     " json_extract(k.content, '$.created'), i.held_owner, i.held_label,"
			     " coalesce((SELECT json_extract(content, '$.alarm') FROM kept"
			     " WHERE uid = k.uid AND source = 'watches'), 0), {factsj1}"
			     " FROM kept AS k JOIN ids AS i ON i.first = k.uid"
			     " WHERE k.uid = ?1 AND k.source = 'accounts'",
	[SQL_KEPT_RANGES] = "SELECT number, json_extract(content, '$.last'), json_extract(content, '$.owner_uid'), uid,"
			    " json_extract(content, '$.created'), json_extract(content, '$.owner'), NULL,"
			    " json_extract(content, '$.place'), json_extract(content, '$.behind_uids'),"
			    " json_extract(content, '$.behind_gids') FROM kept"
			    " WHERE uid = ?1 AND source = 'ranges' AND number > ?2 ORDER BY number LIMIT ?3",
	[SQL_KEPT_BEFORE] =
		"SELECT EXISTS (SELECT 1 FROM removed AS r INDEXED BY removed_since CROSS JOIN kept AS k"
		" WHERE r.keep = 0 AND r.since BETWEEN 1 AND ?1 AND k.uid = r.uid AND k.source = 'accounts')",
	[SQL_KEPT_DELETE] = "DELETE FROM kept WHERE uid = ?1",
	[SQL_KEPT_FORMER] = FORMER_INSERT
	" SELECT json_extract(j.value, '$.owner'), json_extract(j.value, '$.label'), k.uid,"
	" json_extract(j.value, '$.owner_uid'), json_extract(j.value, '$.since'), json_extract(j.value, '$.known'), 0"
	" FROM kept AS k, json_each(k.content, '$.former') AS j WHERE k.uid = ?1 AND k.source = 'accounts'",

	[SQL_FORMER_INSERT] = FORMER_INSERT " VALUES (?1, ?2, ?3, ?4, ?5, ?6, 0)",
	[SQL_FORMER_BEGIN] = FORMER_INSERT " SELECT owner, label, uid, owner_uid, ?2, ?3, 1 FROM accounts"
					   " WHERE uid = ?1 AND state = 3",
	[SQL_FORMER_BEGIN_OWNER] =
		FORMER_INSERT " SELECT owner, label, uid, owner_uid, ?3, ?4, 1 FROM accounts INDEXED BY accounts_owner"
			      " WHERE owner = ?1 AND owner_uid = ?2 AND state = 3",
	/* the name that it has is not a former one */
	[SQL_FORMER_PRESENT] = "DELETE FROM former_names WHERE uid = ?1 AND moving = 0 AND (owner, label) ="
			       " (SELECT owner, label FROM accounts WHERE accounts.uid = ?1)",
	[SQL_FORMER_PRESENT_OWNER] = "DELETE FROM former_names WHERE owner = ?1 AND moving = 0 AND EXISTS"
				     " (SELECT 1 FROM accounts AS a WHERE a.uid = former_names.uid AND a.owner = ?1"
				     " AND a.owner_uid = ?2 AND a.label = former_names.label)",
	[SQL_FORMER_DONE] = "UPDATE former_names SET moving = 0 WHERE uid = ?1 AND moving = 1",
	[SQL_FORMER_MOVING] = "SELECT " FORMER_COLUMNS " FROM former_names AS f WHERE uid = ?1 AND moving = 1",
	[SQL_FORMER_GET] = "SELECT " FORMER_COLUMNS " " FORMER_NAMED " WHERE owner = ?1 AND label = ?2"
			   " ORDER BY seq DESC LIMIT 1",
	[SQL_FORMER_OF] = "SELECT " FORMER_COLUMNS " FROM former_names AS f"
			  " WHERE owner = ?1 AND label = ?2 AND uid = ?3",
	[SQL_FORMER_KEY] = "SELECT " FORMER_COLUMNS " " FORMER_NAMED " CROSS JOIN keys AS k"
			   " WHERE f.owner = ?1 AND f.label = ?2 AND f.uid <> ?3 AND k.uid = f.uid AND k.blob = ?4"
			   " ORDER BY f.seq DESC LIMIT 1",
	[SQL_FORMER_KEYS] = "SELECT " FORMER_COLUMNS " " FORMER_NAMED " CROSS JOIN keys AS k"
			    " WHERE f.owner = ?1 AND f.label = ?2 AND f.uid <> ?3 AND k.uid = f.uid AND EXISTS"
			    " (SELECT 1 FROM keys AS mine WHERE mine.uid = ?3 AND mine.blob = k.blob)"
			    " ORDER BY f.seq DESC LIMIT 1",
	[SQL_FORMER_TAKEN] = "SELECT " FORMER_COLUMNS " FROM former_names AS f INDEXED BY former_names_uid"
			     " CROSS JOIN accounts AS a CROSS JOIN keys AS k"
			     " WHERE f.uid = ?1 AND a.owner = f.owner AND a.label = f.label AND a.uid <> f.uid"
			     " AND k.uid = f.uid AND EXISTS"
			     " (SELECT 1 FROM keys AS other WHERE other.uid = a.uid AND other.blob = k.blob) LIMIT 1",
	[SQL_FORMER_LIST] = "SELECT " FORMER_COLUMNS " FROM former_names AS f WHERE seq > ?1 ORDER BY seq LIMIT ?2",
	[SQL_FORMER_DUE] = "SELECT " FORMER_COLUMNS " FROM former_names AS f INDEXED BY former_names_since"
			   " WHERE moving = 0 AND since < ?1 AND known < ?2 ORDER BY since LIMIT ?3",
	[SQL_FORMER_FORGET] = "DELETE FROM former_names WHERE seq = ?1 AND moving = 0",
	[SQL_ACCOUNT_RENAME] = "UPDATE accounts SET state = 2, label = ?2 WHERE uid = ?1 AND state = 3",
	[SQL_ACCOUNT_MOVED] = "UPDATE accounts SET state = 3 WHERE uid = ?1 AND state = 2",
	[SQL_OWNER_BEGIN] = "INSERT INTO changing (owner, owner_uid) VALUES (?1, ?2)",
	[SQL_OWNER_END] = "DELETE FROM changing",
	[SQL_OWNER_ACCOUNTS] = "UPDATE accounts SET state = 2, owner = ?3, owner_uid = ?4"
			       " WHERE owner = ?1 AND owner_uid = ?2 AND state = 3",
	/* behind what the new owner has */
	[SQL_OWNER_RANGES] = "UPDATE ranges SET owner = ?3, owner_uid = ?4, place = place + CASE WHEN ?1 = ?3 THEN 0"
			     " ELSE (SELECT coalesce(max(place), -1) + 1 FROM ranges WHERE owner = ?3) END"
			     " WHERE owner = ?1 AND owner_uid = ?2",
	/* the new owner's own limits stay as they were set */
	[SQL_OWNER_LIMIT] = "UPDATE OR IGNORE limits SET owner = ?2 WHERE owner = ?1",
	[SQL_OWNER_REMOVED] = "UPDATE removed SET owner = ?3 WHERE owner = ?1"
			      " AND (SELECT held_owner_uid FROM ids WHERE first = removed.uid) = ?2",
	[SQL_OWNER_IDS] = "UPDATE ids SET held_owner = ?3, held_owner_uid = ?4"
			  " WHERE held_owner = ?1 AND held_owner <> '' AND held_owner_uid = ?2",
	[SQL_OWNER_CLASH] = ACCOUNT_SELECT " INDEXED BY accounts_owner WHERE owner = ?3 AND uid > ?1"
					   " AND EXISTS (SELECT 1 FROM accounts AS b WHERE b.owner = ?4"
					   " AND b.label = accounts.label) ORDER BY uid LIMIT ?2",

	[SQL_LIMIT_GET] = "SELECT accounts, keys, ranges, owner, rowid, {bounds} FROM limits WHERE owner = ?1",
	[SQL_LIMIT_SET] = "INSERT INTO limits (owner, accounts, keys, ranges, {bounds})"
			  " VALUES (?1, ?2, ?3, ?4, {bounds?5})"
			  " ON CONFLICT (owner) DO UPDATE SET accounts = excluded.accounts, keys = excluded.keys,"
			  " ranges = excluded.ranges, {bounds=5}",
	[SQL_LIMIT_LIST] = "SELECT accounts, keys, ranges, owner, rowid, {bounds} FROM limits WHERE rowid > ?1 ORDER "
			   "BY rowid LIMIT ?2",
	[SQL_LIMIT_DELETE] = "DELETE FROM limits WHERE owner = ?1",

	/* The target's owner: of the account, or of the tombstone that it became. */
	[SQL_AUDIT_INSERT] = "INSERT INTO audit (time, uid, pid, status, target_uid, caller, action, target,"
			     " detail, owner) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9,"
			     " coalesce((SELECT owner FROM accounts WHERE uid = ?5),"
			     " (SELECT held_owner FROM ids WHERE first = ?5 AND kind = 'tombstone'), ?10))",
	[SQL_AUDIT_LIST] = "SELECT " AUDIT_COLUMNS " FROM audit WHERE seq < ?1 ORDER BY seq DESC LIMIT ?2",
	[SQL_AUDIT_LIST_OWNER] =
		"SELECT " AUDIT_COLUMNS " FROM audit WHERE seq IN ("
		"SELECT * FROM (SELECT seq FROM audit WHERE caller = ?3 AND seq < ?1 ORDER BY seq DESC LIMIT ?2)"
		" UNION "
		"SELECT * FROM (SELECT seq FROM audit WHERE owner = ?3 AND seq < ?1 ORDER BY seq DESC LIMIT ?2)"
		") ORDER BY seq DESC LIMIT ?2",

	[SQL_RUN_INSERT] = "INSERT INTO runs (uid, started, duration, bytes_in, bytes_out, files, key_id, status, kind,"
			   " tool, address, fingerprint, error, deleted)"
			   " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)",
	[SQL_RUN_MOST] = "SELECT coalesce(max(files), 0) FROM runs INDEXED BY runs_uid WHERE uid = ?1 AND kind = 1",
	[SQL_RUN_TRIM] = "DELETE FROM runs WHERE seq = (SELECT seq FROM runs INDEXED BY runs_uid WHERE uid = ?1"
			 " ORDER BY seq DESC LIMIT 1 OFFSET ?2)",
	[SQL_RUN_LIST] = "SELECT " RUN_COLUMNS " FROM runs INDEXED BY runs_uid"
			 " WHERE uid = ?1 AND seq < ?2 ORDER BY seq DESC LIMIT ?3",
	[SQL_RUN_LIST_ALL] = "SELECT " RUN_COLUMNS ", uid FROM runs WHERE seq > ?1 ORDER BY seq LIMIT ?2",
	/* the same run, whatever ids its key has; started first, which nearly no two have in common */
	[SQL_RUN_SAME] =
		"SELECT 1 FROM runs INDEXED BY runs_uid WHERE uid = ?1 AND started = ?2 AND duration = ?3"
		" AND bytes_in = ?4 AND bytes_out = ?5 AND files = ?6 AND status = ?7 AND kind = ?8"
		" AND tool = ?9 AND address = ?10 AND fingerprint = ?11 AND error = ?12 AND deleted = ?13 LIMIT 1",
	[SQL_RUN_COUNT] = "SELECT count(*) FROM runs INDEXED BY runs_uid WHERE uid = ?1",
	[SQL_WATCH_GET] = "SELECT uid, last_run, last_status, last_good, alarm, since, told, due FROM watches"
			  " WHERE uid = ?1",
	/* Runs end in any order, and are taken from the spool in any. */
	[SQL_WATCH_RAN] = "INSERT INTO watches (uid, last_run, last_status, last_good) VALUES (?1, ?2, ?3, ?4)"
			  " ON CONFLICT (uid) DO UPDATE SET"
			  " last_status = iif(excluded.last_run >= last_run, excluded.last_status, last_status),"
			  " last_run = max(last_run, excluded.last_run),"
			  " last_good = max(last_good, excluded.last_good)",
	[SQL_WATCH_PUT] = "INSERT INTO watches (uid, last_run, last_status, last_good, alarm, since, told)"
			  " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
	[SQL_WATCH_ALARM] = "INSERT INTO watches (uid, alarm, since) VALUES (?1, ?2, ?3)"
			    " ON CONFLICT (uid) DO UPDATE SET since = excluded.since, alarm = excluded.alarm,"
			    " told = iif(excluded.alarm = 0, 0, told)",
	[SQL_WATCH_SILENT] = "SELECT uid, last_run, last_status, last_good, alarm, since, told, due FROM watches"
			     " INDEXED BY watches_due WHERE told = 0 AND due IS NOT NULL AND due <= ?1"
			     " AND (due, uid) > (?2, ?3) ORDER BY due, uid LIMIT ?4",
	[SQL_WATCH_WELL] = "SELECT uid, last_run, last_status, last_good, alarm, since, told, due FROM watches"
			   " INDEXED BY watches_told WHERE told = 1 AND due > ?1"
			   " AND (due, uid) > (?2, ?3) ORDER BY due, uid LIMIT ?4",
	[SQL_WATCH_NEXT] = "SELECT due FROM watches INDEXED BY watches_due WHERE told = 0 AND due IS NOT NULL"
			   " AND due > ?1 ORDER BY due LIMIT 1",
	[SQL_WATCH_TOLD_TOGETHER] = "UPDATE watches SET told = ?2 WHERE told <> ?2 AND (due <= ?3) = ?2"
				    " AND uid IN (SELECT uid FROM accounts WHERE owner = ?1 AND contact = ?4)",
	[SQL_WATCH_TOLD] = "UPDATE watches SET told = ?2 WHERE uid = ?1",
	[SQL_KEY_USE] = "INSERT INTO key_uses (key_id, used) SELECT id, ?3 FROM keys WHERE id = ?1 AND uid = ?2"
			" ON CONFLICT (key_id) DO UPDATE SET used = max(used, excluded.used)",
	[SQL_KEY_USED] = "SELECT used FROM key_uses WHERE key_id = ?1",

	[SQL_TOLD_GET] = "SELECT mark FROM told WHERE uid = ?1 AND kind = ?2 AND key_id = ?3",
	[SQL_TOLD_PUT] = "INSERT INTO told (uid, kind, key_id, mark) VALUES (?1, ?2, ?3, ?4)"
			 " ON CONFLICT (uid, kind, key_id) DO UPDATE SET mark = excluded.mark",
	[SQL_TOLD_DELETE] = "DELETE FROM told WHERE uid = ?1 AND kind = ?2 AND key_id = ?3",
	[SQL_TOLD_FORGET] = "DELETE FROM told WHERE kind = ?2 AND uid IN (SELECT uid FROM accounts WHERE owner = ?1)",

	[SQL_KNOWN_TIME] = "SELECT (SELECT value FROM meta WHERE name = 'known_time'),"
			   " (SELECT value FROM meta WHERE name = 'known_time_at')",
	[SQL_KNOWN_TIME_SET] = "UPDATE meta SET value = iif(name = 'known_time', ?1, ?2)"
			       " WHERE name IN ('known_time', 'known_time_at')",
	[SQL_REMOVED_WHY] = "UPDATE removed SET why = ?2 WHERE uid = ?1 AND why <> ?2",
	[SQL_REMOVED_PURGING] = "SELECT count(*) FROM removed INDEXED BY removed_since WHERE keep = 0 AND since = 0"
				" AND (?1 = '' OR owner = ?1)",

	[SQL_FREE_PAGES] = "PRAGMA freelist_count",
	[SQL_BYTES] = "SELECT (page_count - freelist_count) * page_size FROM pragma_page_count, pragma_freelist_count,"
		      " pragma_page_size",
	[SQL_RESERVE_FILL] = "INSERT INTO reserve (room) VALUES (zeroblob(?1))",
	[SQL_RESERVE_EMPTY] = "DELETE FROM reserve",
};
