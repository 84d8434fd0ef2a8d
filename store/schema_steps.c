/* SPDX-License-Identifier: ISC */
/*
 * The schema, as a list of steps: step n takes the file from user_version n to
 * n + 1. A step that was released is never edited; a change is a new step.
 *
 * ids       every block of ids that was ever given out, or that somebody else was seen to hold. Blocks never
 *           overlap and never move; a block that was given out is never deleted, it
 *           becomes a tombstone, and only releasing a tombstone deletes it (invariant 1).
 * gaps      the complement of ids, kept by triggers: a free id is found in one look.
 * usage     what each owner has, kept by triggers; owner '' is everybody together.
 * marks     the highest id that was ever given out in each region of ids, kept by triggers.
 * former_names  how accounts were called before; moving: their directory and link still are.
 * released  ids that were given out and then released by root: they alone are chosen again below a floor (ids.c).
 */
#include <stddef.h>

#include "store/schema_steps.h"

#define TEXT_OF(x) TEXT_OF_(x)
#define TEXT_OF_(x) #x

static const char step_ids[] = "PRAGMA application_id = " TEXT_OF(
	STORE_APPLICATION_ID) ";\n"
			      "CREATE TABLE meta (\n"
			      "	name TEXT PRIMARY KEY,\n"
			      "	value INTEGER NOT NULL\n"
			      ") STRICT, WITHOUT ROWID;\n"
			      "INSERT INTO meta VALUES ('generation', 1);\n"
			      "\n"
			      "CREATE TABLE ids (\n"
			      "	first INTEGER PRIMARY KEY CHECK (first >= 1),\n"
			      "	last INTEGER NOT NULL CHECK (last >= first AND last <= " TOP_ID "),\n"
			      "	kind TEXT NOT NULL CHECK (kind IN ('account', 'range', 'tombstone', 'foreign')),\n"
			      "	since INTEGER NOT NULL,\n"
			      "	held_owner TEXT NOT NULL DEFAULT '',\n" /* of a tombstone: the former holder */
			      "	held_label TEXT NOT NULL DEFAULT '',\n"
			      "	held_owner_uid INTEGER NOT NULL DEFAULT 0,\n"
			      "	UNIQUE (first, kind),\n"
			      "	CHECK (last < 65534 OR first > 65535),\n"    /* nobody, (uid_t)-1 in 16 bits */
			      "	CHECK (kind <> 'account' OR first = last)\n" /* ranges that were adopted are as they
										were */
			      ") STRICT;\n"
			      "CREATE INDEX ids_tombstones ON ids (first) WHERE kind IN ('tombstone', 'foreign');\n"
			      /* Blocks do not overlap, so the one that begins last before our end reaches furthest. */
			      "CREATE TRIGGER ids_overlap BEFORE INSERT ON ids\n"
			      "WHEN (SELECT last FROM ids WHERE first <= NEW.last ORDER BY first DESC LIMIT 1) >= "
			      "NEW.first\n"
			      "BEGIN SELECT RAISE(ABORT, 'these ids are or were given out'); END;\n"
			      "CREATE TRIGGER ids_fixed BEFORE UPDATE OF first, last ON ids\n"
			      "BEGIN SELECT RAISE(ABORT, 'ids never move'); END;\n"
			      "CREATE TRIGGER ids_retire BEFORE UPDATE OF kind ON ids\n"
			      "WHEN NEW.kind <> 'tombstone' OR OLD.kind NOT IN ('account', 'range')\n"
			      "BEGIN SELECT RAISE(ABORT, 'ids only become tombstones'); END;\n"
			      "CREATE TRIGGER ids_release BEFORE DELETE ON ids\n"
			      "WHEN OLD.kind NOT IN ('tombstone', 'foreign')\n"
			      "BEGIN SELECT RAISE(ABORT, 'these ids are in use'); END;\n"
			      "\n"
			      "CREATE TABLE gaps (\n"
			      "	first INTEGER PRIMARY KEY,\n"
			      "	last INTEGER NOT NULL CHECK (last >= first),\n"
			      /* whole blocks of 65536 in it */
			      "	units INTEGER NOT NULL GENERATED ALWAYS AS ((last + 1) / 65536 - (first + 65535) / "
			      "65536) STORED\n"
			      ") STRICT;\n"
			      "CREATE INDEX gaps_units ON gaps (first) WHERE units >= 1;\n"
			      "INSERT INTO gaps (first, last) VALUES (1, 65533), (65536, " TOP_ID ");\n"
			      "CREATE TRIGGER gaps_split AFTER INSERT ON ids BEGIN\n"
			      "	INSERT INTO gaps (first, last) SELECT NEW.last + 1, last FROM gaps\n"
			      "		WHERE first = (SELECT max(first) FROM gaps WHERE first <= NEW.first) AND last "
			      "> NEW.last;\n"
			      "	UPDATE gaps SET last = NEW.first - 1\n"
			      "		WHERE first = (SELECT max(first) FROM gaps WHERE first < NEW.first)\n"
			      "		AND last >= NEW.first;\n"
			      "	DELETE FROM gaps WHERE first = NEW.first;\n"
			      "END;\n"
			      "CREATE TRIGGER gaps_join AFTER DELETE ON ids BEGIN\n"
			      "	INSERT INTO gaps (first, last) VALUES (OLD.first, OLD.last);\n"
			      "	UPDATE gaps SET last = (SELECT last FROM gaps WHERE first = OLD.last + 1)\n"
			      "		WHERE first = OLD.first AND EXISTS (SELECT 1 FROM gaps WHERE first = OLD.last "
			      "+ 1);\n"
			      "	DELETE FROM gaps WHERE first = OLD.last + 1;\n"
			      "	UPDATE gaps SET last = (SELECT last FROM gaps WHERE first = OLD.first)\n"
			      "		WHERE first = (SELECT max(first) FROM gaps WHERE first < OLD.first)\n"
			      "		AND last = OLD.first - 1;\n"
			      "	DELETE FROM gaps WHERE first = OLD.first\n"
			      "		AND (SELECT last FROM gaps WHERE first < OLD.first\n"
			      "			ORDER BY first DESC LIMIT 1) >= OLD.last;\n"
			      "END;\n";

static const char step_accounts[] =
	"CREATE TABLE usage (\n"
	"	owner TEXT PRIMARY KEY,\n"
	"	accounts INTEGER NOT NULL DEFAULT 0 CHECK (accounts >= 0),\n"
	"	units INTEGER NOT NULL DEFAULT 0 CHECK (units >= 0)\n"
	") STRICT, WITHOUT ROWID;\n"
	"\n"
	"CREATE TABLE accounts (\n"
	"	uid INTEGER PRIMARY KEY,\n"
	"	id_kind TEXT NOT NULL GENERATED ALWAYS AS ('account') VIRTUAL,\n"
	"	owner TEXT NOT NULL " OWNER_CHECK ",\n"
	"	owner_uid INTEGER NOT NULL CHECK (owner_uid BETWEEN 0 AND " TOP_ID " AND owner_uid <> uid),\n"
	"	label TEXT NOT NULL\n"
	"		CHECK (label GLOB '[a-z0-9]*' AND label NOT GLOB '*[^a-z0-9_-]*'\n"
	"			AND length(label) <= 31),\n"
	"	state INTEGER NOT NULL CHECK (state BETWEEN 1 AND 4),\n"
	"	flags INTEGER NOT NULL CHECK (flags BETWEEN 0 AND 4294967295),\n"
	"	created INTEGER NOT NULL,\n"
	"	expires_day INTEGER NOT NULL CHECK (expires_day BETWEEN -1 AND 2147483647),\n"
	"	quota INTEGER NOT NULL CHECK (quota >= 0),\n"
	"	comment TEXT NOT NULL CHECK (length(CAST(comment AS BLOB)) <= 127),\n"
	"	UNIQUE (owner, label),\n"
	"	FOREIGN KEY (uid, id_kind) REFERENCES ids (first, kind)\n"
	") STRICT;\n"
	"CREATE INDEX accounts_owner ON accounts (owner);\n" /* and by uid within */
	/* intent, active, removing: an account never goes back */
	"CREATE TRIGGER accounts_forward BEFORE UPDATE OF state ON accounts WHEN NEW.state < OLD.state\n"
	"BEGIN SELECT RAISE(ABORT, 'an account never goes back to an earlier state'); END;\n"
	"CREATE TRIGGER accounts_fixed BEFORE UPDATE OF uid, owner, label, created ON accounts\n"
	"BEGIN SELECT RAISE(ABORT, 'uid, owner and label of an account are fixed'); END;\n"
	"CREATE TRIGGER accounts_more AFTER INSERT ON accounts BEGIN\n"
	"	INSERT INTO usage (owner, accounts) VALUES (NEW.owner, 1), ('', 1)\n"
	"		ON CONFLICT (owner) DO UPDATE SET accounts = accounts + 1;\n"
	"END;\n"
	"CREATE TRIGGER accounts_less AFTER DELETE ON accounts BEGIN\n"
	"	UPDATE usage SET accounts = accounts - 1 WHERE owner IN (OLD.owner, '');\n"
	"	DELETE FROM usage WHERE owner = OLD.owner AND accounts = 0 AND units = 0;\n"
	"END;\n"
	"\n"
	"CREATE TABLE keys (\n"
	"	id INTEGER PRIMARY KEY AUTOINCREMENT CHECK (id BETWEEN 1 AND 4294967295),\n"
	"	uid INTEGER NOT NULL REFERENCES accounts (uid) ON DELETE CASCADE,\n"
	"	role INTEGER NOT NULL CHECK (role BETWEEN 1 AND 4294967295),\n"
	"	options INTEGER NOT NULL CHECK (options BETWEEN 0 AND 4294967295),\n"
	"	created INTEGER NOT NULL,\n"
	"	expires INTEGER NOT NULL CHECK (expires >= 0),\n"
	"	source TEXT NOT NULL\n"
	"		CHECK (length(source) <= 255 AND source NOT GLOB '*[^A-Za-z0-9.:*?!_/,%-]*'),\n"
	"	type TEXT NOT NULL CHECK (length(type) BETWEEN 1 AND 47 AND type NOT GLOB '*[^a-z0-9@.-]*'),\n"
	"	comment TEXT NOT NULL CHECK (length(CAST(comment AS BLOB)) <= 127),\n"
	"	fingerprint TEXT NOT NULL\n"
	"		CHECK (length(fingerprint) <= 63 AND fingerprint NOT GLOB '*[^A-Za-z0-9:+/]*'),\n"
	"	blob TEXT NOT NULL CHECK (length(blob) BETWEEN 1 AND 4095 AND blob NOT GLOB '*[^A-Za-z0-9+/=]*'),\n"
	"	UNIQUE (uid, blob)\n"
	") STRICT;\n"
	"CREATE INDEX keys_uid ON keys (uid);\n"
	"\n"
	"CREATE TABLE ranges (\n"
	"	first INTEGER PRIMARY KEY,\n"
	"	id_kind TEXT NOT NULL GENERATED ALWAYS AS ('range') VIRTUAL,\n"
	"	owner TEXT NOT NULL " OWNER_CHECK ",\n"
	"	owner_uid INTEGER NOT NULL CHECK (owner_uid BETWEEN 0 AND " TOP_ID "),\n"
	"	account_uid INTEGER REFERENCES accounts (uid),\n" /* NULL: the owner's own */
	"	created INTEGER NOT NULL,\n"
	"	FOREIGN KEY (first, id_kind) REFERENCES ids (first, kind)\n"
	") STRICT;\n"
	"CREATE INDEX ranges_owner ON ranges (owner);\n"
	"CREATE INDEX ranges_account ON ranges (account_uid) WHERE account_uid IS NOT NULL;\n"
	"CREATE TRIGGER ranges_owner_is_the_accounts BEFORE INSERT ON ranges\n"
	"WHEN NEW.account_uid IS NOT NULL AND NOT EXISTS (SELECT 1 FROM accounts\n"
	"	WHERE uid = NEW.account_uid AND owner = NEW.owner AND owner_uid = NEW.owner_uid)\n"
	"BEGIN SELECT RAISE(ABORT, 'a range of an account belongs to the owner of that account'); END;\n"
	"CREATE TRIGGER ranges_fixed BEFORE UPDATE ON ranges\n"
	"BEGIN SELECT RAISE(ABORT, 'ranges are given and taken, not changed'); END;\n"
	"CREATE TRIGGER ranges_more AFTER INSERT ON ranges BEGIN\n"
	"	INSERT INTO usage (owner, units) SELECT NEW.owner, (last - first + 65536) / 65536 FROM ids\n"
	"		WHERE first = NEW.first ON CONFLICT (owner) DO UPDATE SET units = units + excluded.units;\n"
	"	INSERT INTO usage (owner, units) SELECT '', (last - first + 65536) / 65536 FROM ids\n"
	"		WHERE first = NEW.first ON CONFLICT (owner) DO UPDATE SET units = units + excluded.units;\n"
	"END;\n"
	"CREATE TRIGGER ranges_less AFTER DELETE ON ranges BEGIN\n"
	"	UPDATE usage SET units = units\n"
	"		- (SELECT (last - first + 65536) / 65536 FROM ids WHERE first = OLD.first)\n"
	"		WHERE owner IN (OLD.owner, '');\n"
	"	DELETE FROM usage WHERE owner = OLD.owner AND accounts = 0 AND units = 0;\n"
	"END;\n"
	"\n"
	"CREATE TABLE removed (\n"
	"	uid INTEGER PRIMARY KEY REFERENCES ids (first),\n" /* not to be released while its data is here */
	"	keep INTEGER NOT NULL CHECK (keep IN (0, 1)),\n"
	"	since INTEGER NOT NULL,\n"
	"	owner TEXT NOT NULL " OWNER_CHECK ",\n"
	"	label TEXT NOT NULL\n"
	") STRICT;\n"
	"CREATE INDEX removed_since ON removed (since) WHERE keep = 0;\n"
	"\n"
	"CREATE TABLE limits (\n"
	"	owner TEXT PRIMARY KEY " OWNER_CHECK ",\n"
	"	accounts INTEGER NOT NULL CHECK (accounts BETWEEN 0 AND 4294967295),\n"
	"	keys INTEGER NOT NULL CHECK (keys BETWEEN 0 AND 4294967295),\n"
	"	ranges INTEGER NOT NULL CHECK (ranges BETWEEN 0 AND 4294967295)\n"
	") STRICT;\n"
	"\n"
	"CREATE TABLE audit (\n"
	"	seq INTEGER PRIMARY KEY AUTOINCREMENT,\n"
	"	time INTEGER NOT NULL,\n"
	"	uid INTEGER NOT NULL,\n"
	"	pid INTEGER NOT NULL,\n"
	"	status INTEGER NOT NULL,\n"
	"	target_uid INTEGER NOT NULL,\n"
	"	caller TEXT NOT NULL,\n"
	"	action TEXT NOT NULL,\n"
	"	target TEXT NOT NULL,\n"
	"	detail TEXT NOT NULL,\n"
	"	owner TEXT NOT NULL\n" /* of the target */
	") STRICT;\n"
	"CREATE INDEX audit_caller ON audit (caller);\n"
	"CREATE INDEX audit_owner ON audit (owner);\n"
	"CREATE TRIGGER audit_fixed BEFORE UPDATE ON audit\n"
	"BEGIN SELECT RAISE(ABORT, 'the audit trail is only added to'); END;\n"
	"CREATE TRIGGER audit_kept BEFORE DELETE ON audit\n"
	"BEGIN SELECT RAISE(ABORT, 'the audit trail is only added to'); END;\n";

static const char *const step_1[] = { step_ids, step_accounts, NULL };

/* Keys that run tools other than rsync (role 5: no rsync), or forward. Existing keys may do as before. */
static const char step_tools[] =
	"ALTER TABLE keys ADD COLUMN tools TEXT NOT NULL DEFAULT ''\n"
	"	CHECK (length(tools) <= 127 AND tools NOT GLOB '*[^a-z0-9,-]*');\n"
	"ALTER TABLE keys ADD COLUMN storage_quota INTEGER NOT NULL DEFAULT 0 CHECK (storage_quota >= 0);\n"
	"ALTER TABLE keys ADD COLUMN forward TEXT NOT NULL DEFAULT ''\n"
	"	CHECK (length(forward) <= 127 AND forward NOT GLOB '*[^][A-Za-z0-9.:-]*')\n"
	"	CHECK (role <> 5 OR tools <> '' OR forward <> '');\n"
	"CREATE INDEX keys_forward ON keys (uid) WHERE forward <> '';\n";

static const char *const step_2[] = { step_tools, NULL };

/* The rows that recovery looks for at each start: few or none among a million. */
static const char step_unfinished[] = "CREATE INDEX accounts_unfinished ON accounts (uid) WHERE state <> 3;\n";

static const char *const step_3[] = { step_unfinished, NULL };

/* Runs of accounts, and for how long one may be silent. -1: unknown. */
static const char step_runs[] =
	"CREATE TABLE runs (\n"
	"	seq INTEGER PRIMARY KEY AUTOINCREMENT,\n"
	"	uid INTEGER NOT NULL REFERENCES accounts (uid) ON DELETE CASCADE,\n"
	"	started INTEGER NOT NULL,\n"
	"	duration INTEGER NOT NULL CHECK (duration >= 0),\n" /* ms */
	"	bytes_in INTEGER NOT NULL CHECK (bytes_in >= -1),\n"
	"	bytes_out INTEGER NOT NULL CHECK (bytes_out >= -1),\n"
	"	files INTEGER NOT NULL CHECK (files >= -1),\n"
	"	key_id INTEGER NOT NULL,\n" /* of a key that may be gone */
	"	status INTEGER NOT NULL,\n"
	"	kind INTEGER NOT NULL CHECK (kind BETWEEN 1 AND 3),\n"
	"	tool TEXT NOT NULL CHECK (length(tool) <= 31),\n"
	"	address TEXT NOT NULL CHECK (length(address) <= 63),\n"
	"	fingerprint TEXT NOT NULL CHECK (length(fingerprint) <= 63),\n"
	"	error TEXT NOT NULL CHECK (length(CAST(error AS BLOB)) <= 255)\n"
	") STRICT;\n"
	"CREATE INDEX runs_uid ON runs (uid);\n" /* and by seq within */
	"CREATE TABLE watches (\n"
	"	uid INTEGER PRIMARY KEY REFERENCES accounts (uid) ON DELETE CASCADE,\n"
	"	last_run INTEGER NOT NULL DEFAULT 0,\n"
	"	last_status INTEGER NOT NULL DEFAULT 0,\n"
	"	last_good INTEGER NOT NULL DEFAULT 0,\n"
	"	alarm INTEGER NOT NULL DEFAULT 0 CHECK (alarm BETWEEN 0 AND 2147483647),\n" /* seconds; 0 never */
	"	since INTEGER NOT NULL DEFAULT 0,\n"                                        /* when the alarm was set */
	"	told INTEGER NOT NULL DEFAULT 0 CHECK (told IN (0, 1)),\n" /* the hook knows that it is silent */
	"	due INTEGER GENERATED ALWAYS AS (CASE WHEN alarm > 0 THEN max(last_good, since) + alarm END) STORED\n"
	") STRICT;\n"
	"CREATE INDEX watches_due ON watches (due) WHERE told = 0 AND due IS NOT NULL;\n"
	"CREATE INDEX watches_told ON watches (due) WHERE told = 1;\n"
	"CREATE TABLE key_uses (\n"
	"	key_id INTEGER PRIMARY KEY REFERENCES keys (id) ON DELETE CASCADE,\n"
	"	used INTEGER NOT NULL\n"
	") STRICT;\n";

static const char *const step_4[] = { step_runs, NULL };

/* The account that had a range: files made under its ids lie in that account's home, and go with it. Until then the
 * range is not released. For ranges that were given back before this was recorded, name and time tell. */
static const char step_held[] =
	"ALTER TABLE ids ADD COLUMN held_account_uid INTEGER NOT NULL DEFAULT 0 CHECK (held_account_uid >= 0);\n"
	"CREATE INDEX removed_name ON removed (owner, label);\n"
	"UPDATE ids SET held_account_uid = coalesce(\n"
	"	(SELECT r.uid FROM removed AS r JOIN ids AS a ON a.first = r.uid\n"
	"		WHERE r.owner = ids.held_owner AND r.label = ids.held_label AND a.since >= ids.since\n"
	"		ORDER BY a.since, a.first LIMIT 1),\n"
	"	(SELECT uid FROM accounts WHERE owner = ids.held_owner AND label = ids.held_label\n"
	"		AND created <= ids.since), 0)\n"
	"	WHERE kind = 'tombstone' AND last > first AND held_label <> '';\n"
	"DROP INDEX removed_name;\n"
	"CREATE INDEX ids_held_account ON ids (held_account_uid) WHERE held_account_uid <> 0;\n"
	"CREATE TRIGGER ids_data_aside BEFORE DELETE ON ids\n"
	"WHEN OLD.held_account_uid <> 0 AND EXISTS (SELECT 1 FROM removed WHERE uid = OLD.held_account_uid)\n"
	"BEGIN SELECT RAISE(ABORT, 'the data of the account that had these ids is set aside'); END;\n";

static const char *const step_5[] = { step_held, NULL };

/* Which store this is, and what it gave out: the high-water mark says the same beside it. */
static const char step_evidence[] =
	"INSERT INTO meta VALUES ('store', random() | 1), ('digest', 0);\n"
	"CREATE TABLE marks (\n"
	"	region INTEGER PRIMARY KEY CHECK (region BETWEEN 0 AND 255),\n"
	"	last INTEGER NOT NULL DEFAULT 0 CHECK (last BETWEEN 0 AND " TOP_ID ")\n"
	") STRICT;\n"
	"WITH RECURSIVE r (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM r WHERE n < 255)\n"
	"	INSERT INTO marks (region) SELECT n FROM r;\n"
	"UPDATE marks SET last = m.last FROM\n"
	"	(SELECT last >> 24 AS region, max(last) AS last FROM ids WHERE kind <> 'foreign' GROUP BY 1) AS m\n"
	"	WHERE marks.region = m.region;\n"
	"UPDATE marks SET last = region << 24 | 16777215 FROM\n" /* blocks over several regions */
	"	(SELECT first >> 24 AS a, last >> 24 AS b FROM ids\n"
	"		WHERE kind <> 'foreign' AND first >> 24 < last >> 24) AS m\n"
	"	WHERE marks.region >= m.a AND marks.region < m.b;\n"
	"CREATE TRIGGER marks_rise AFTER INSERT ON ids WHEN NEW.kind <> 'foreign' BEGIN\n"
	"	UPDATE marks SET last = min(NEW.last, region << 24 | 16777215)\n"
	"		WHERE region BETWEEN NEW.first >> 24 AND NEW.last >> 24\n"
	"		AND last < min(NEW.last, region << 24 | 16777215);\n"
	"END;\n"
	"CREATE TRIGGER marks_never_fall BEFORE UPDATE ON marks WHEN NEW.last < OLD.last OR NEW.region <> OLD.region\n"
	"BEGIN SELECT RAISE(ABORT, 'what was given out stays known'); END;\n"
	"CREATE TRIGGER marks_stay BEFORE DELETE ON marks\n"
	"BEGIN SELECT RAISE(ABORT, 'what was given out stays known'); END;\n"
	"CREATE TABLE released (\n"
	"	first INTEGER PRIMARY KEY,\n"
	"	last INTEGER NOT NULL CHECK (last >= first)\n"
	") STRICT;\n"
	"CREATE TRIGGER released_more AFTER DELETE ON ids BEGIN\n"
	"	INSERT OR REPLACE INTO released VALUES (OLD.first, OLD.last);\n"
	"END;\n"
	"CREATE TRIGGER released_less AFTER INSERT ON ids BEGIN\n"
	"	DELETE FROM released WHERE first = (SELECT max(first) FROM released WHERE first <= NEW.last)\n"
	"		AND last >= NEW.first;\n"
	"END;\n";

static const char *const step_6[] = { step_evidence, NULL };

/*
 * Time that is known to have passed (subuidd/call/known_time.h), so that a wrong clock deletes nothing: in seconds, and
 * when that was written. A removal says what it was then. since = 0: to be deleted at once; why: what is in the way.
 * reserve   always empty: filled and emptied it leaves pages that are free (reserve.c).
 */
static const char step_known_time[] =
	"INSERT INTO meta VALUES ('known_time', 0), ('known_time_at', 0);\n"
	"ALTER TABLE removed ADD COLUMN known INTEGER NOT NULL DEFAULT 0 CHECK (known >= 0);\n"
	"ALTER TABLE removed ADD COLUMN why TEXT NOT NULL DEFAULT '' CHECK (length(CAST(why AS BLOB)) <= 255);\n"
	"CREATE TABLE reserve (room BLOB NOT NULL) STRICT;\n";

static const char *const step_7[] = { step_known_time, NULL };

/* The digest covers three more tables (digest.c): it is made again with the last step, whatever that does. */
static const char *const step_8[] = { NULL };

/* How the owner sees the files (0: as the host's setting says), and how many there may be (0: from the size, -1: any
 * number). */
static const char step_view[] =
	"ALTER TABLE accounts ADD COLUMN view INTEGER NOT NULL DEFAULT 0 CHECK (view BETWEEN 0 AND 2);\n"
	"ALTER TABLE accounts ADD COLUMN files INTEGER NOT NULL DEFAULT 0 CHECK (files >= -1);\n";

static const char *const step_9[] = { step_view, NULL };

/* The digest is of the audit trail and of runs, too. */
static const char *const step_10[] = { NULL };
/* Whom to write to about an account's alarms. */
static const char step_contact[] = "ALTER TABLE accounts ADD COLUMN contact TEXT NOT NULL DEFAULT '' CHECK "
				   "(length(CAST(contact AS BLOB)) <= 127);\n";

static const char *const step_11[] = { step_contact, NULL };

const char *const *const store_schema_steps[] = { step_1,
						  step_2,
						  step_3,
						  step_4,
						  step_5,
						  step_6,
						  step_7,
						  step_8,
						  step_9,
						  step_10,
						  step_11,
						  store_step_refused,
						  store_step_deleted,
						  store_step_names,
						  store_step_told,
						  store_step_kept,
						  store_step_shell,
						  store_step_manage,
						  store_step_passwords,
						  store_step_factors,
						  store_step_bounds,
						  store_step_places,
						  store_step_services };

const int store_schema_steps_count = (int)(sizeof(store_schema_steps) / sizeof(store_schema_steps[0]));
