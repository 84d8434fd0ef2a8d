/* SPDX-License-Identifier: ISC */
/*
 * Opening, transactions, errors and statements of the SQLite store. Run by the
 * broker (root) on a file that only root can reach. One process has it open
 * (locking_mode EXCLUSIVE): a second daemon is refused, and readers have the index.
 */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "confine/cleanup.h"
#include "subuidd/store_sqlite.h"

/* Of the file on which SQLite last failed: the journal as a rule, else the database. */
static int last_errno(sqlite3 *db)
{
	sqlite3_file *journal = NULL;
	int last = 0;

	if (sqlite3_file_control(db, "main", SQLITE_FCNTL_JOURNAL_POINTER, &journal) == SQLITE_OK && journal != NULL &&
	    journal->pMethods != NULL)
		journal->pMethods->xFileControl(journal, SQLITE_FCNTL_LAST_ERRNO, &last);
	if (last == 0)
		sqlite3_file_control(db, "main", SQLITE_FCNTL_LAST_ERRNO, &last);
	return last;
}

/* Faults of the disk that SQLite sums up as "I/O error". */
static int errno_of_io(sqlite3 *db, int code)
{
	if (code == SQLITE_IOERR_NOMEM)
		return -ENOMEM;
	switch (last_errno(db)) {
	case ENOSPC:
	case EDQUOT:
	case EFBIG:
		return -ENOSPC;
	case EROFS:
		return -EROFS;
	default:
		return -EIO;
	}
}

static int errno_of_constraint(int code)
{
	switch (code) {
	case SQLITE_CONSTRAINT_FOREIGNKEY:
		return -ENOENT; /* what the row belongs to is not there */
	case SQLITE_CONSTRAINT_CHECK:
	case SQLITE_CONSTRAINT_NOTNULL:
	case SQLITE_CONSTRAINT_DATATYPE:
		return -EINVAL; /* the row is wrong in itself */
	default:
		return -EEXIST;
	}
}

static int errno_of(sqlite3 *db, int code)
{
	switch (code & 0xff) {
	case SQLITE_OK:
	case SQLITE_ROW:
	case SQLITE_DONE:
		return 0;
	case SQLITE_FULL:
		return -ENOSPC;
	case SQLITE_READONLY:
		return -EROFS;
	case SQLITE_IOERR:
		return errno_of_io(db, code);
	case SQLITE_CANTOPEN:
		return sqlite3_system_errno(db) > 0 ? -sqlite3_system_errno(db) : -EIO;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		return -EUCLEAN;
	case SQLITE_CONSTRAINT:
		return errno_of_constraint(code);
	case SQLITE_NOMEM:
		return -ENOMEM;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return -EBUSY;
	case SQLITE_MISMATCH:
		return -EINVAL;
	case SQLITE_PERM:
	case SQLITE_AUTH:
		return -EPERM;
	case SQLITE_TOOBIG:
		return -E2BIG;
	default:
		return -ENOTRECOVERABLE; /* SQLITE_ERROR, SQLITE_MISUSE: schema or program are not what they should be */
	}
}

int store_errno(struct store *store, int code)
{
	int error = errno_of(store->db, code);

	if (error < 0)
		snprintf(store->error, sizeof(store->error), "%s (%s)", sqlite3_errmsg(store->db),
			 sqlite3_errstr(code));
	return error;
}

const char *store_error(const struct store *store)
{
	return store->error;
}

/* ---- the file ---- */

/* Whoever can read the file reads keys and comments; whoever can write it owns the host. */
static int check_ours_alone(int fd)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode) || st.st_uid != geteuid() || (st.st_mode & 077) != 0 || st.st_nlink != 1)
		return -EPERM;
	return 0;
}

static int directory_check(const char *path)
{
	char copy[PATH_MAX];
	struct stat st;

	if (snprintf(copy, sizeof(copy), "%s", path) >= (int)sizeof(copy))
		return -ENAMETOOLONG;
	if (stat(dirname(copy), &st) < 0)
		return -errno;
	return st.st_uid == geteuid() && (st.st_mode & (S_IWGRP | S_IWOTH)) == 0 ? 0 : -EPERM;
}

/* Before SQLite touches the file: locks of this process would go with our descriptor otherwise. */
static int file_prepare(const char *path)
{
	static const char *const beside[] = { "-wal", "-journal", "-shm" };
	cleanup_fd int fd = -1;
	char name[PATH_MAX];
	int r = directory_check(path);

	if (r < 0)
		return r;
	fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0600);
	if (fd < 0)
		return -errno;
	r = check_ours_alone(fd);
	for (unsigned i = 0; r == 0 && i < sizeof(beside) / sizeof(beside[0]); i++) {
		cleanup_fd int other = -1;

		if (snprintf(name, sizeof(name), "%s%s", path, beside[i]) >= (int)sizeof(name))
			return -ENAMETOOLONG;
		other = open(name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
		if (other >= 0)
			r = check_ours_alone(other);
		else if (errno != ENOENT)
			r = -errno;
	}
	return r;
}

/* ---- opening ---- */

static const char pragmas[] = "PRAGMA locking_mode = EXCLUSIVE;"
			      "PRAGMA synchronous = FULL;"
			      "PRAGMA foreign_keys = ON;"
			      "PRAGMA recursive_triggers = ON;" /* a REPLACE cannot get round the triggers on DELETE */
			      "PRAGMA trusted_schema = OFF;"
			      "PRAGMA cell_size_check = ON;"
			      "PRAGMA temp_store = MEMORY;"
			      "PRAGMA journal_size_limit = 16777216;";

static int wal_switch_on(sqlite3 *db)
{
	sqlite3_stmt *statement;
	int code = sqlite3_prepare_v2(db, "PRAGMA journal_mode = WAL", -1, &statement, NULL);

	if (code != SQLITE_OK)
		return code;
	code = sqlite3_step(statement);
	if (code == SQLITE_ROW && strcmp((const char *)sqlite3_column_text(statement, 0), "wal") == 0)
		code = SQLITE_OK;
	else if (code == SQLITE_ROW)
		code = SQLITE_ERROR;
	sqlite3_finalize(statement);
	return code;
}

static int connection_set_up(sqlite3 *db)
{
	int code = sqlite3_extended_result_codes(db, 1);

	sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	sqlite3_db_config(db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
	sqlite3_db_config(db, SQLITE_DBCONFIG_DQS_DML, 0, NULL);
	sqlite3_db_config(db, SQLITE_DBCONFIG_DQS_DDL, 0, NULL);
	sqlite3_busy_timeout(db, 2000);
	if (code == SQLITE_OK)
		code = sqlite3_exec(db, pragmas, NULL, NULL, NULL);
	if (code == SQLITE_OK)
		code = wal_switch_on(db);
	return code != SQLITE_OK ? code : store_schema_migrate(db);
}

static int generation_read(struct store *store, uint64_t *generation)
{
	int error = 0;
	sqlite3_stmt *statement = store_query(store, SQL_GENERATION, NULL, 0, &error);

	if (statement == NULL)
		return error;
	error = store_next(store, statement);
	if (error == 1)
		*generation = (uint64_t)sqlite3_column_int64(statement, 0);
	store_end(statement);
	return error == 1 ? 0 : error == 0 ? -EUCLEAN : error;
}

int store_open(const char *path, struct store **ret)
{
	__attribute__((cleanup(store_closep))) struct store *store = NULL;
	int r = file_prepare(path);
	int code;

	if (r < 0)
		return r;
	store = calloc(1, sizeof(*store));
	if (store == NULL)
		return -ENOMEM;
	code = sqlite3_open_v2(path, &store->db,
			       SQLITE_OPEN_READWRITE | SQLITE_OPEN_PRIVATECACHE | SQLITE_OPEN_EXRESCODE, NULL);
	if (store->db == NULL)
		return -ENOMEM;
	if (code == SQLITE_OK)
		code = connection_set_up(store->db);
	if (code < 0)
		return code;
	r = store_errno(store, code);
	if (r == 0)
		r = generation_read(store, &store->generation);
	if (r < 0)
		return r;
	*ret = steal_ptr(&store);
	return 0;
}

void store_close(struct store *store)
{
	if (store == NULL)
		return;
	for (unsigned i = 0; i < SQL_STATEMENTS; i++)
		sqlite3_finalize(store->statement[i]);
	sqlite3_close(store->db);
	free(store);
}

void store_closep(struct store **store)
{
	int saved = errno;

	store_close(*store);
	errno = saved;
}

/* ---- statements ---- */

static int bind(sqlite3_stmt *statement, const struct store_value *values, size_t count)
{
	int code = SQLITE_OK;

	for (size_t i = 0; code == SQLITE_OK && i < count; i++) {
		int at = (int)i + 1;

		if (values[i].null)
			code = sqlite3_bind_null(statement, at);
		else if (values[i].text != NULL)
			code = sqlite3_bind_text(statement, at, values[i].text, -1, SQLITE_STATIC);
		else
			code = sqlite3_bind_int64(statement, at, values[i].number);
	}
	return code;
}

sqlite3_stmt *store_query(struct store *store, enum store_statement id, const struct store_value *values, size_t count,
			  int *error)
{
	sqlite3_stmt **statement = &store->statement[id];
	int code = SQLITE_OK;

	if (*statement == NULL)
		code = sqlite3_prepare_v3(store->db, store_sql[id], -1, SQLITE_PREPARE_PERSISTENT, statement, NULL);
	if (code == SQLITE_OK)
		code = bind(*statement, values, count);
	if (code == SQLITE_OK)
		return *statement;
	*error = store_errno(store, code);
	return NULL;
}

int store_next(struct store *store, sqlite3_stmt *statement)
{
	int code = sqlite3_step(statement);

	if (code == SQLITE_ROW)
		return 1;
	return code == SQLITE_DONE ? 0 : store_errno(store, code);
}

void store_end(sqlite3_stmt *statement)
{
	sqlite3_reset(statement);
	sqlite3_clear_bindings(statement);
}

int store_run(struct store *store, enum store_statement id, const struct store_value *values, size_t count)
{
	int r = 0;
	sqlite3_stmt *statement = store_query(store, id, values, count, &r);

	if (statement == NULL)
		return r;
	r = store_next(store, statement);
	store_end(statement);
	return r < 0 ? r : 0;
}

int store_changes(const struct store *store)
{
	return sqlite3_changes(store->db);
}

int column_text(sqlite3_stmt *statement, int column, char *out, size_t size)
{
	const unsigned char *text = sqlite3_column_text(statement, column);
	size_t length = text == NULL ? 0 : (size_t)sqlite3_column_bytes(statement, column);

	if (length >= size || (text != NULL && strlen((const char *)text) != length))
		return -EUCLEAN;
	memset(out, 0, size); /* the unused part is 0: the record may go over the wire as it is */
	if (length > 0)
		memcpy(out, text, length);
	return 0;
}

int column_u32(sqlite3_stmt *statement, int column, uint32_t *out)
{
	int64_t number = sqlite3_column_int64(statement, column);

	if (number < 0 || number > UINT32_MAX)
		return -EUCLEAN;
	*out = (uint32_t)number;
	return 0;
}

/* ---- transactions ---- */

int store_begin(struct store *store)
{
	int r;

	if (store->open)
		abort();
	r = store_run(store, SQL_BEGIN, NULL, 0);
	if (r == 0) {
		store->open = true;
		store->changed = false;
	}
	return r;
}

/* SQLite may have rolled back already by itself (disk full, I/O error). */
void store_rollback(struct store *store)
{
	if (!sqlite3_get_autocommit(store->db))
		store_run(store, SQL_ROLLBACK, NULL, 0);
	store->open = false;
	store->changed = false;
}

int store_commit(struct store *store)
{
	bool changed = store->changed;
	int r = 0;

	if (!store->open)
		abort();
	if (sqlite3_get_autocommit(store->db))
		r = -EIO; /* rolled back by SQLite after an error that the caller passed over */
	if (r == 0 && changed)
		r = store_run(store, SQL_GENERATION_RAISE, NULL, 0);
	if (r == 0)
		r = store_run(store, SQL_COMMIT, NULL, 0);
	if (r < 0) {
		store_rollback(store);
		return r;
	}
	store->open = false;
	store->changed = false;
	if (changed)
		store->generation++;
	return 0;
}

uint64_t store_generation(const struct store *store)
{
	return store->generation;
}

int store_save(struct store *store)
{
	if (!store->open)
		abort();
	return store_run(store, SQL_SAVE, NULL, 0);
}

int store_save_end(struct store *store, int result)
{
	char kept[sizeof(store->error)];

	if (result == 0)
		result = store_run(store, SQL_SAVE_END, NULL, 0);
	if (result == 0)
		return 0;
	memcpy(kept, store->error, sizeof(kept));
	if (!sqlite3_get_autocommit(store->db) && store_run(store, SQL_SAVE_UNDO, NULL, 0) == 0)
		store_run(store, SQL_SAVE_END, NULL, 0);
	memcpy(store->error, kept, sizeof(kept)); /* the first fault is the cause */
	return result;
}
