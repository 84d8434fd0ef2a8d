/* SPDX-License-Identifier: ISC */
/*
 * Internal to the SQLite backend of store.h: the connection, its statements and how its errors become errnos. Included
 * only by store/ and its tests.
 */
#ifndef SUBUIDD_STORE_SQLITE_H
#define SUBUIDD_STORE_SQLITE_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/store.h"

/* One bound value. */
struct store_value {
	const char *text; /* NULL: the number */
	int64_t number;
	bool null;
};

/* Every statement that runs after opening; the text is in sql.c. Prepared once and kept. */
enum store_statement {
	SQL_BEGIN,
	SQL_COMMIT,
	SQL_ROLLBACK,
	SQL_SAVE,
	SQL_SAVE_END,
	SQL_SAVE_UNDO,
	SQL_GENERATION,
	SQL_GENERATION_RAISE,
	SQL_GENERATION_AT_LEAST,
	SQL_IDENTITY,
	SQL_DIGEST,
	SQL_MARKS,
	SQL_ID_INSERT,
	SQL_ID_RETIRE,
	SQL_ID_DELETE,
	SQL_ID_HIGHEST,
	SQL_FREE_AT,
	SQL_FREE_AFTER,
	SQL_FREE_SMALL_AFTER,
	SQL_FREE_UNIT_AFTER,
	SQL_RELEASED_AT,
	SQL_RELEASED_AFTER,
	SQL_RELEASED_FORGET,
	SQL_ID_HOLDER,
	SQL_TOMBSTONE_INSERT,
	SQL_TOMBSTONE_LIST,
	SQL_TOMBSTONE_LIST_ACCOUNT,
	SQL_ACCOUNT_INSERT,
	SQL_ACCOUNT_GET,
	SQL_ACCOUNT_BY_UID,
	SQL_ACCOUNT_UPDATE,
	SQL_ACCOUNT_DELETE,
	SQL_ACCOUNT_LIST,
	SQL_ACCOUNT_LIST_OWNER,
	SQL_ACCOUNT_LIST_UNFINISHED,
	SQL_ACCOUNT_LIST_BY_OWNER,
	SQL_ACCOUNT_LISTED,
	SQL_ACCOUNT_LISTED_OWNER,
	SQL_ACCOUNT_BELONGINGS,
	SQL_USAGE,
	SQL_KEY_INSERT,
	SQL_KEY_GET,
	SQL_KEY_UPDATE,
	SQL_KEY_DELETE,
	SQL_KEY_LIST,
	SQL_KEY_LIST_UID,
	SQL_KEY_FORWARDS,
	SQL_KEY_HASH,
	SQL_KEY_REHASH,
	SQL_KEY_PASSWORDS,
	SQL_KEY_HIGHEST,
	SQL_KEY_HIGHEST_BEGIN,
	SQL_KEY_HIGHEST_RAISE,
	SQL_KEY_BY_FINGERPRINT,
	SQL_MANAGE_INSERT,
	SQL_MANAGE_GET,
	SQL_MANAGE_DELETE,
	SQL_MANAGE_LIST,
	SQL_MANAGE_LIST_OWNER,
	SQL_MANAGE_FOLLOW,
	SQL_MANAGE_LEAVE,
	SQL_RANGE_INSERT,
	SQL_RANGE_PLACE,
	SQL_RANGE_BEHIND,
	SQL_RANGE_SHIFT,
	SQL_RANGE_UNSETTLED,
	SQL_RANGE_SETTLE,
	SQL_RANGE_GET,
	SQL_RANGE_DELETE,
	SQL_RANGE_LIST,
	SQL_RANGE_LIST_OWNER,
	SQL_RANGE_LIST_ACCOUNT,
	SQL_RANGE_OF_ACCOUNT,
	SQL_REMOVED_INSERT,
	SQL_REMOVED_DUE,
	SQL_REMOVED_GET,
	SQL_REMOVED_DELETE,
	SQL_FORMER_INSERT,
	SQL_FORMER_BEGIN,
	SQL_FORMER_BEGIN_OWNER,
	SQL_FORMER_PRESENT,
	SQL_FORMER_PRESENT_OWNER,
	SQL_FORMER_DONE,
	SQL_FORMER_MOVING,
	SQL_FORMER_GET,
	SQL_FORMER_OF,
	SQL_FORMER_KEY,
	SQL_FORMER_KEYS,
	SQL_FORMER_TAKEN,
	SQL_FORMER_LIST,
	SQL_FORMER_DUE,
	SQL_FORMER_FORGET,
	SQL_ACCOUNT_RENAME,
	SQL_ACCOUNT_MOVED,
	SQL_OWNER_ACCOUNTS,
	SQL_OWNER_RANGES,
	SQL_OWNER_LIMIT,
	SQL_OWNER_REMOVED,
	SQL_OWNER_IDS,
	SQL_OWNER_CLASH,
	SQL_OWNER_BEGIN,
	SQL_OWNER_END,
	SQL_REMOVED_LIST,
	SQL_REMOVED_LIST_OWNER,
	SQL_KEPT_ACCOUNT,
	SQL_KEPT_RANGES,
	SQL_KEPT_BEFORE,
	SQL_KEPT_DELETE,
	SQL_KEPT_FORMER,
	SQL_LIMIT_GET,
	SQL_LIMIT_SET,
	SQL_LIMIT_LIST,
	SQL_LIMIT_DELETE,
	SQL_AUDIT_INSERT,
	SQL_AUDIT_LIST,
	SQL_AUDIT_LIST_OWNER,
	SQL_RUN_INSERT,
	SQL_RUN_TRIM,
	SQL_RUN_LIST,
	SQL_RUN_LIST_ALL,
	SQL_RUN_SAME,
	SQL_RUN_COUNT,
	SQL_RUN_MOST,
	SQL_WATCH_GET,
	SQL_WATCH_RAN,
	SQL_WATCH_PUT,
	SQL_WATCH_ALARM,
	SQL_WATCH_SILENT,
	SQL_WATCH_WELL,
	SQL_WATCH_NEXT,
	SQL_WATCH_TOLD,
	SQL_WATCH_TOLD_TOGETHER,
	SQL_KEY_USE,
	SQL_KEY_USED,
	SQL_TOLD_GET,
	SQL_TOLD_PUT,
	SQL_TOLD_DELETE,
	SQL_TOLD_FORGET,
	SQL_KNOWN_TIME,
	SQL_KNOWN_TIME_SET,
	SQL_REMOVED_WHY,
	SQL_REMOVED_PURGING,
	SQL_FREE_PAGES,
	SQL_BYTES,
	SQL_RESERVE_FILL,
	SQL_RESERVE_EMPTY,
	SQL_STATEMENTS
};

extern const char *const store_sql[SQL_STATEMENTS];

/* sql_text.c: the text of a statement, with the columns of facts in the place of {facts}. out: STORE_SQL_MAX bytes. */
#define STORE_SQL_MAX 2048
const char *store_sql_text(enum store_statement id, char out[STORE_SQL_MAX]);
/* facts.c: the facts of an account as values, into values[0..FACTS-1]: how many. They are read back from the columns
 * that begin at `column`: the column behind them, or -EUCLEAN. */
size_t store_facts_values(const struct facts *facts, struct store_value *values);
int store_facts_read(sqlite3_stmt *row, int column, struct facts *facts);
/* A store_reader of first, last, owner_uid, account_uid, since, owner and label; the last two may be "". */
int store_range_read(sqlite3_stmt *row, void *range);

/* Brings the schema to the newest version, one transaction a step; *from is the version that the file had. An SQLite
 * result code, or -EPROTO: the file was written by a newer program, or by another one altogether. */
int store_schema_migrate(sqlite3 *db, int *from);
#define STORE_VERSION_MARKED 6  /* from here on there is a high-water mark beside it */
int store_schema_version(void); /* of this program */
/* Records the hash of the schema's texts, in the transaction that made them. An SQLite result code. */
int store_schema_seal(sqlite3 *db);
/* Whether they still match: SQLITE_OK (also if no hash was recorded), SQLITE_CORRUPT, or another result code. */
int store_schema_check(sqlite3 *db);

/* The rules of every connection, whichever file it has: the constraints are enforced, the schema is only data. An
 * SQLite result code. */
int store_connection_prepare(sqlite3 *db);

/* reserve.c: the log is allocated in full, kept by that connection, and cleared when it is closed, right afterwards.
 * 0 (also when there is no room for it) or negative errno. */
#ifdef FUZZING /* there thousands of stores are written and read in a second */
#define STORE_LOG_SIZE 262144
#define STORE_FILE_CHUNK 65536
#else
#define STORE_LOG_SIZE 16777216
#define STORE_FILE_CHUNK 1048576 /* bytes by which the file grows */
#endif
int store_log_keep(sqlite3 *db);
void store_log_close(sqlite3 *db);

/* digest.c: the columns that are added up for each table, the function that the triggers call, and making the
 * triggers and the sum again (in the transaction of the newest step of the schema). SQLite result codes. */
#define STORE_DIGEST_COLUMNS 28
struct store_digest {
	const char *table, *columns[STORE_DIGEST_COLUMNS];
};
extern const struct store_digest store_digests[];
extern const size_t store_digests_count;
int store_digest_function(sqlite3 *db);
int store_digest_install(sqlite3 *db);
/* Whether the rows are those that the store was sealed with, before a step seals it again; columns and tables are
 * those that its own triggers name. SQLITE_OK (also for a store without a seal), SQLITE_CORRUPT, or another result
 * code. */
int store_digest_prove(sqlite3 *db);
int store_digest_sum(sqlite3 *db, uint64_t *sum);

struct store {
	sqlite3 *db;
	sqlite3_stmt *statement[SQL_STATEMENTS];
	bool open;       /* between begin and commit or rollback */
	bool changed;    /* something that is published was changed, in this transaction */
	bool log_kept;   /* store_log_keep() */
	bool first_open; /* store_first_open() */
	bool raised;     /* the generation by more than one, in this transaction */
	bool given;      /* ids, in this transaction: given_marks says up to where */
	unsigned frozen; /* how often */
	uint64_t generation, identity;
	uint32_t given_marks[HIGH_WATER_REGIONS], floor[HIGH_WATER_REGIONS];
	const struct store_witness *witness;
	char error[512];
};

/* clang-format off */
#define NUMBER(x) { .number = (int64_t)(x) }
#define TEXT(x) { .text = (x) }
#define NUMBER_OR_NULL(x) { .number = (int64_t)(x), .null = (x) == 0 }
#define VALUES(...)                                     \
	(const struct store_value[]){ __VA_ARGS__ }, \
		sizeof((const struct store_value[]){ __VA_ARGS__ }) / sizeof(struct store_value)
/* clang-format on */

/* Negative errno of an SQLite (extended) result code; keeps its text for store_error(). */
int store_errno(struct store *store, int code);
/* Whether SQLite has met a disk that does not answer (EIO and the like): then apparent damage is doubt. */
bool store_disk_failed(const struct store *store);

/* Runs a statement that gives no rows. 0 or negative errno. */
int store_run(struct store *store, enum store_statement id, const struct store_value *values, size_t count);

/* Starts a query. Then store_next(): 1 a row, 0 the end, or negative errno; store_end() in every case.
 * NULL: it could not start, *error says why. */
sqlite3_stmt *store_query(struct store *store, enum store_statement id, const struct store_value *values, size_t count,
			  int *error);
int store_next(struct store *store, sqlite3_stmt *statement);
void store_end(sqlite3_stmt *statement);

/* Rows changed by the last store_run(). */
int store_changes(const struct store *store);

/* One row into *out, which is touched only on success: 0 or negative errno. */
typedef int (*store_reader)(sqlite3_stmt *row, void *out);
/* All rows of a query into an array of elements of this size: how many, or negative errno. The query sets the maximum.
 */
int store_list(struct store *store, enum store_statement id, const struct store_value *values, size_t count,
	       store_reader read, void *rows, size_t size);
/* The result of store_list(), or -EUCLEAN: the numbers of its n rows (in the first at `number`) do not ascend from
 * `after`. The query asks for that, but in a damaged index it may not hold, and a caller that goes on after the
 * last row would never come to an end. */
int store_ascending(int n, const uint32_t *number, size_t size, uint32_t after);
/* The first row: 0, -ENOENT, or another negative errno. */
int store_one(struct store *store, enum store_statement id, const struct store_value *values, size_t count,
	      store_reader read, void *out);
int store_account_read(sqlite3_stmt *row, void *account); /* account.c */
int number_read(sqlite3_stmt *row, void *number);         /* int64_t: the first column */
/* A number of the table meta. 0; -EUCLEAN: it is missing; another negative errno. */
int store_meta_read(struct store *store, enum store_statement id, uint64_t *value);
/* run.c: reads the facts about an account's runs, from this column on (NULL reads as 0); its uid stays as it is. */
int store_watch_columns(sqlite3_stmt *row, int from, struct watch *watch);

/* A column of a row. -EUCLEAN if it does not fit: then our own constraints were bypassed. */
int column_text(sqlite3_stmt *statement, int column, char *out, size_t size);
int column_u32(sqlite3_stmt *statement, int column, uint32_t *out);

/* Text that becomes part of a path or of a line for sshd is checked again when it is read: a damaged page bypasses
 * the constraints. If it is refused, out is filled, but useless. */
#define STORE_TEXT_MAX (KEY_BLOB_MAX + 1)
int column_of(sqlite3_stmt *statement, int column, char *out, size_t size,
	      const char *set); /* characters of set alone */
int column_owner(sqlite3_stmt *statement, int column, char out[OWNER_MAX + 1]);
int column_label(sqlite3_stmt *statement, int column, char out[LABEL_MAX + 1]);

/* As store_save_end(), for a change of something that is published. */
int store_save_publish(struct store *store, int result);
/* One statement by itself; the second one has to change something, or returns -ENOENT. */
int store_change(struct store *store, enum store_statement id, const struct store_value *values, size_t count);
int store_change_one(struct store *store, enum store_statement id, const struct store_value *values, size_t count);

/* marks.c: ids that are given out in this transaction, for the witness. */
void store_ids_given(struct store *store, uint32_t first, uint32_t last);
/* 1: all of these ids may be chosen although some are at or below the floor; 0: *next says where to look next (2^32:
 * nowhere). Negative errno. */
int store_floor_allows(struct store *store, uint32_t first, uint64_t size, uint64_t *next);

/* The row of the table of all ids; see schema_steps.c. */
int store_id_insert(struct store *store, uint32_t first, uint32_t last, const char *kind, int64_t when);
/* The end of an account or range: `delete` removes its row, its ids stay as a tombstone that says who held them
 * (first, owner, label, owner_uid; of a range account_uid). */
int store_retire(struct store *store, enum store_statement delete, const struct id_range *held, int64_t when);

/* readable.c: 0, or negative errno of the disk. Either by path, for file and log, which this process must not have
 * open; or for the open file. */
int store_files_read(const char *path);
int store_file_read(sqlite3 *db);

#endif
