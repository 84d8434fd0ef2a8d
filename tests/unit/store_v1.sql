-- SPDX-License-Identifier: ISC
-- A store of schema version 1, as `.dump` writes it: one account, keys 1 and 2; key 3 was removed.
PRAGMA application_id = 1937072489;
PRAGMA foreign_keys = OFF;
BEGIN TRANSACTION;
CREATE TABLE accounts (
	uid INTEGER PRIMARY KEY,
	id_kind TEXT NOT NULL GENERATED ALWAYS AS ('account') VIRTUAL,
	owner TEXT NOT NULL CHECK (owner GLOB '[A-Za-z0-9_]*' AND owner NOT GLOB '*[^A-Za-z0-9_.@-]*' AND length(owner) <= 32),
	owner_uid INTEGER NOT NULL CHECK (owner_uid BETWEEN 0 AND 4294967294 AND owner_uid <> uid),
	label TEXT NOT NULL
		CHECK (label GLOB '[a-z0-9]*' AND label NOT GLOB '*[^a-z0-9_-]*'
			AND length(label) <= 31),
	state INTEGER NOT NULL CHECK (state BETWEEN 1 AND 4),
	flags INTEGER NOT NULL CHECK (flags BETWEEN 0 AND 4294967295),
	created INTEGER NOT NULL,
	expires_day INTEGER NOT NULL CHECK (expires_day BETWEEN -1 AND 2147483647),
	quota INTEGER NOT NULL CHECK (quota >= 0),
	comment TEXT NOT NULL CHECK (length(CAST(comment AS BLOB)) <= 127),
	UNIQUE (owner, label),
	FOREIGN KEY (uid, id_kind) REFERENCES ids (first, kind)
) STRICT;
INSERT INTO "accounts" VALUES(2100000000,'alice',1000,'web1',3,0,1700000000,-1,0,'');
CREATE TABLE audit (
	seq INTEGER PRIMARY KEY AUTOINCREMENT,
	time INTEGER NOT NULL,
	uid INTEGER NOT NULL,
	pid INTEGER NOT NULL,
	status INTEGER NOT NULL,
	target_uid INTEGER NOT NULL,
	caller TEXT NOT NULL,
	action TEXT NOT NULL,
	target TEXT NOT NULL,
	detail TEXT NOT NULL,
	owner TEXT NOT NULL
) STRICT;
CREATE TABLE gaps (
	first INTEGER PRIMARY KEY,
	last INTEGER NOT NULL CHECK (last >= first),
	units INTEGER NOT NULL GENERATED ALWAYS AS ((last + 1) / 65536 - (first + 65535) / 65536) STORED
) STRICT;
INSERT INTO "gaps" VALUES(1,65533);
INSERT INTO "gaps" VALUES(65536,2099999999);
INSERT INTO "gaps" VALUES(2100000001,4294967294);
CREATE TABLE ids (
	first INTEGER PRIMARY KEY CHECK (first >= 1),
	last INTEGER NOT NULL CHECK (last >= first AND last <= 4294967294),
	kind TEXT NOT NULL CHECK (kind IN ('account', 'range', 'tombstone', 'foreign')),
	since INTEGER NOT NULL,
	held_owner TEXT NOT NULL DEFAULT '',
	held_label TEXT NOT NULL DEFAULT '',
	held_owner_uid INTEGER NOT NULL DEFAULT 0,
	UNIQUE (first, kind),
	CHECK (last < 65534 OR first > 65535),
	CHECK (kind <> 'account' OR first = last),
	CHECK (kind <> 'range' OR (first % 65536 = 0 AND (last + 1) % 65536 = 0))
) STRICT;
INSERT INTO "ids" VALUES(2100000000,2100000000,'account',1700000000,'','',0);
CREATE TABLE keys (
	id INTEGER PRIMARY KEY AUTOINCREMENT CHECK (id BETWEEN 1 AND 4294967295),
	uid INTEGER NOT NULL REFERENCES accounts (uid) ON DELETE CASCADE,
	role INTEGER NOT NULL CHECK (role BETWEEN 1 AND 4294967295),
	options INTEGER NOT NULL CHECK (options BETWEEN 0 AND 4294967295),
	created INTEGER NOT NULL,
	expires INTEGER NOT NULL CHECK (expires >= 0),
	source TEXT NOT NULL
		CHECK (length(source) <= 255 AND source NOT GLOB '*[^A-Za-z0-9.:*?!_/,%-]*'),
	type TEXT NOT NULL CHECK (length(type) BETWEEN 1 AND 47 AND type NOT GLOB '*[^a-z0-9@.-]*'),
	comment TEXT NOT NULL CHECK (length(CAST(comment AS BLOB)) <= 127),
	fingerprint TEXT NOT NULL
		CHECK (length(fingerprint) <= 63 AND fingerprint NOT GLOB '*[^A-Za-z0-9:+/]*'),
	blob TEXT NOT NULL CHECK (length(blob) BETWEEN 1 AND 4095 AND blob NOT GLOB '*[^A-Za-z0-9+/=]*'),
	UNIQUE (uid, blob)
) STRICT;
INSERT INTO "keys" VALUES(1,2100000000,1,1,1700000000,0,'','ssh-ed25519','c','SHA256:x','AAAA');
INSERT INTO "keys" VALUES(2,2100000000,3,0,1700000000,0,'10.0.0.1','ssh-ed25519','','SHA256:y','BBBB');
CREATE TABLE limits (
	owner TEXT PRIMARY KEY CHECK (owner GLOB '[A-Za-z0-9_]*' AND owner NOT GLOB '*[^A-Za-z0-9_.@-]*' AND length(owner) <= 32),
	accounts INTEGER NOT NULL CHECK (accounts BETWEEN 0 AND 4294967295),
	keys INTEGER NOT NULL CHECK (keys BETWEEN 0 AND 4294967295),
	ranges INTEGER NOT NULL CHECK (ranges BETWEEN 0 AND 4294967295)
) STRICT, WITHOUT ROWID;
CREATE TABLE meta (
	name TEXT PRIMARY KEY,
	value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO "meta" VALUES('generation',1);
CREATE TABLE ranges (
	first INTEGER PRIMARY KEY,
	id_kind TEXT NOT NULL GENERATED ALWAYS AS ('range') VIRTUAL,
	owner TEXT NOT NULL CHECK (owner GLOB '[A-Za-z0-9_]*' AND owner NOT GLOB '*[^A-Za-z0-9_.@-]*' AND length(owner) <= 32),
	owner_uid INTEGER NOT NULL CHECK (owner_uid BETWEEN 0 AND 4294967294),
	account_uid INTEGER REFERENCES accounts (uid),
	created INTEGER NOT NULL,
	FOREIGN KEY (first, id_kind) REFERENCES ids (first, kind)
) STRICT;
CREATE TABLE removed (
	uid INTEGER PRIMARY KEY REFERENCES ids (first),
	keep INTEGER NOT NULL CHECK (keep IN (0, 1)),
	since INTEGER NOT NULL,
	owner TEXT NOT NULL CHECK (owner GLOB '[A-Za-z0-9_]*' AND owner NOT GLOB '*[^A-Za-z0-9_.@-]*' AND length(owner) <= 32),
	label TEXT NOT NULL
) STRICT;
CREATE TABLE usage (
	owner TEXT PRIMARY KEY,
	accounts INTEGER NOT NULL DEFAULT 0 CHECK (accounts >= 0),
	units INTEGER NOT NULL DEFAULT 0 CHECK (units >= 0)
) STRICT, WITHOUT ROWID;
INSERT INTO "usage" VALUES('',1,0);
INSERT INTO "usage" VALUES('alice',1,0);
CREATE INDEX ids_tombstones ON ids (first) WHERE kind IN ('tombstone', 'foreign');
CREATE INDEX gaps_units ON gaps (first) WHERE units >= 1;
CREATE INDEX accounts_owner ON accounts (owner);
CREATE INDEX keys_uid ON keys (uid);
CREATE INDEX ranges_owner ON ranges (owner);
CREATE INDEX ranges_account ON ranges (account_uid) WHERE account_uid IS NOT NULL;
CREATE INDEX removed_since ON removed (since) WHERE keep = 0;
CREATE INDEX audit_caller ON audit (caller);
CREATE INDEX audit_owner ON audit (owner);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('keys',3);
CREATE TRIGGER ids_overlap BEFORE INSERT ON ids
WHEN (SELECT last FROM ids WHERE first <= NEW.last ORDER BY first DESC LIMIT 1) >= NEW.first
BEGIN SELECT RAISE(ABORT, 'these ids are or were given out'); END;
CREATE TRIGGER ids_fixed BEFORE UPDATE OF first, last ON ids
BEGIN SELECT RAISE(ABORT, 'ids never move'); END;
CREATE TRIGGER ids_retire BEFORE UPDATE OF kind ON ids
WHEN NEW.kind <> 'tombstone' OR OLD.kind NOT IN ('account', 'range')
BEGIN SELECT RAISE(ABORT, 'ids only become tombstones'); END;
CREATE TRIGGER ids_release BEFORE DELETE ON ids
WHEN OLD.kind NOT IN ('tombstone', 'foreign')
BEGIN SELECT RAISE(ABORT, 'these ids are in use'); END;
CREATE TRIGGER gaps_split AFTER INSERT ON ids BEGIN
	INSERT INTO gaps (first, last) SELECT NEW.last + 1, last FROM gaps
		WHERE first = (SELECT max(first) FROM gaps WHERE first <= NEW.first) AND last > NEW.last;
	UPDATE gaps SET last = NEW.first - 1
		WHERE first = (SELECT max(first) FROM gaps WHERE first < NEW.first)
		AND last >= NEW.first;
	DELETE FROM gaps WHERE first = NEW.first;
END;
CREATE TRIGGER gaps_join AFTER DELETE ON ids BEGIN
	INSERT INTO gaps (first, last) VALUES (OLD.first, OLD.last);
	UPDATE gaps SET last = (SELECT last FROM gaps WHERE first = OLD.last + 1)
		WHERE first = OLD.first AND EXISTS (SELECT 1 FROM gaps WHERE first = OLD.last + 1);
	DELETE FROM gaps WHERE first = OLD.last + 1;
	UPDATE gaps SET last = (SELECT last FROM gaps WHERE first = OLD.first)
		WHERE first = (SELECT max(first) FROM gaps WHERE first < OLD.first)
		AND last = OLD.first - 1;
	DELETE FROM gaps WHERE first = OLD.first
		AND (SELECT last FROM gaps WHERE first < OLD.first
			ORDER BY first DESC LIMIT 1) >= OLD.last;
END;
CREATE TRIGGER accounts_forward BEFORE UPDATE OF state ON accounts WHEN NEW.state < OLD.state
BEGIN SELECT RAISE(ABORT, 'an account never goes back to an earlier state'); END;
CREATE TRIGGER accounts_fixed BEFORE UPDATE OF uid, owner, label, created ON accounts
BEGIN SELECT RAISE(ABORT, 'uid, owner and label of an account are fixed'); END;
CREATE TRIGGER accounts_more AFTER INSERT ON accounts BEGIN
	INSERT INTO usage (owner, accounts) VALUES (NEW.owner, 1), ('', 1)
		ON CONFLICT (owner) DO UPDATE SET accounts = accounts + 1;
END;
CREATE TRIGGER accounts_less AFTER DELETE ON accounts BEGIN
	UPDATE usage SET accounts = accounts - 1 WHERE owner IN (OLD.owner, '');
	DELETE FROM usage WHERE owner = OLD.owner AND accounts = 0 AND units = 0;
END;
CREATE TRIGGER ranges_owner_is_the_accounts BEFORE INSERT ON ranges
WHEN NEW.account_uid IS NOT NULL AND NOT EXISTS (SELECT 1 FROM accounts
	WHERE uid = NEW.account_uid AND owner = NEW.owner AND owner_uid = NEW.owner_uid)
BEGIN SELECT RAISE(ABORT, 'a range of an account belongs to the owner of that account'); END;
CREATE TRIGGER ranges_fixed BEFORE UPDATE ON ranges
BEGIN SELECT RAISE(ABORT, 'ranges are given and taken, not changed'); END;
CREATE TRIGGER ranges_more AFTER INSERT ON ranges BEGIN
	INSERT INTO usage (owner, units) SELECT NEW.owner, (last - first + 1) / 65536 FROM ids
		WHERE first = NEW.first ON CONFLICT (owner) DO UPDATE SET units = units + excluded.units;
	INSERT INTO usage (owner, units) SELECT '', (last - first + 1) / 65536 FROM ids
		WHERE first = NEW.first ON CONFLICT (owner) DO UPDATE SET units = units + excluded.units;
END;
CREATE TRIGGER ranges_less AFTER DELETE ON ranges BEGIN
	UPDATE usage SET units = units
		- (SELECT (last - first + 1) / 65536 FROM ids WHERE first = OLD.first)
		WHERE owner IN (OLD.owner, '');
	DELETE FROM usage WHERE owner = OLD.owner AND accounts = 0 AND units = 0;
END;
CREATE TRIGGER audit_fixed BEFORE UPDATE ON audit
BEGIN SELECT RAISE(ABORT, 'the audit trail is only added to'); END;
CREATE TRIGGER audit_kept BEFORE DELETE ON audit
BEGIN SELECT RAISE(ABORT, 'the audit trail is only added to'); END;
INSERT INTO ids VALUES (2100000010, 2100000010, 'tombstone', 100, 'carol', 'web1', 1003);
INSERT INTO ids VALUES (2100000011, 2100000011, 'tombstone', 200, 'carol', 'web1', 1003);
INSERT INTO ids VALUES (1140850688, 1140916223, 'tombstone', 90, 'carol', 'web1', 1003);
INSERT INTO ids VALUES (1140916224, 1140981759, 'tombstone', 100, 'carol', 'web1', 1003);
INSERT INTO ids VALUES (1140981760, 1141047295, 'tombstone', 200, 'carol', 'web1', 1003);
INSERT INTO ids VALUES (1141047296, 1141112831, 'tombstone', 200, 'carol', '', 1003);
INSERT INTO removed VALUES (2100000010, 0, 100, 'carol', 'web1');
INSERT INTO removed VALUES (2100000011, 0, 0, 'carol', 'web1');
COMMIT;
PRAGMA user_version = 1;
