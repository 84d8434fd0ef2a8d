/* SPDX-License-Identifier: ISC */
/* Runs the store's statements, and translates SQLite's errors into errno. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "store/sqlite.h"

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

/* A disk that does not answer is not damage, although SQLite calls both a malformed database when it meets them in the
 * schema. */
static bool disk_failed(sqlite3 *db)
{
	switch (last_errno(db)) {
	case EIO:
	case ENXIO:
	case ENODATA: /* of a medium */
	case ETIMEDOUT:
	case EREMOTEIO:
		return true;
	default:
		return false;
	}
}

bool store_disk_failed(const struct store *store)
{
	return disk_failed(store->db);
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
		return -ENOENT; /* the row that it belongs to does not exist */
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
		return disk_failed(db) ? -EIO : -EUCLEAN;
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
		/* SQLITE_ERROR, SQLITE_MISUSE: schema or program are wrong */
		return disk_failed(db) ? -EIO : -ENOTRECOVERABLE;
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
	char sql[STORE_SQL_MAX];
	int code = SQLITE_OK;

	if (*statement == NULL)
		code = sqlite3_prepare_v3(store->db, store_sql_text(id, sql), -1, SQLITE_PREPARE_PERSISTENT, statement,
					  NULL);
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

int store_list(struct store *store, enum store_statement id, const struct store_value *values, size_t count,
	       store_reader read, void *rows, size_t size)
{
	int n = 0, r = 0;
	sqlite3_stmt *row = store_query(store, id, values, count, &r);

	if (row == NULL)
		return r;
	while ((r = store_next(store, row)) == 1) {
		r = read(row, (char *)rows + (size_t)n * size);
		if (r < 0)
			break;
		n++;
	}
	store_end(row);
	return r < 0 ? r : n;
}

int store_ascending(int n, const uint32_t *number, size_t size, uint32_t after)
{
	for (int i = 0; i < n; i++) {
		uint32_t next;

		memcpy(&next, (const char *)number + (size_t)i * size, sizeof(next));
		if (next <= after)
			return -EUCLEAN;
		after = next;
	}
	return n;
}

int store_one(struct store *store, enum store_statement id, const struct store_value *values, size_t count,
	      store_reader read, void *out)
{
	int r = 0;
	sqlite3_stmt *row = store_query(store, id, values, count, &r);

	if (row == NULL)
		return r;
	r = store_next(store, row);
	if (r == 1)
		r = read(row, out);
	else if (r == 0)
		r = -ENOENT;
	store_end(row);
	return r;
}

int number_read(sqlite3_stmt *row, void *number)
{
	*(int64_t *)number = sqlite3_column_int64(row, 0);
	return 0;
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

int column_of(sqlite3_stmt *statement, int column, char *out, size_t size, const char *set)
{
	char found[STORE_TEXT_MAX];
	int r = size > sizeof(found) ? -EUCLEAN : column_text(statement, column, found, size);

	if (r == 0 && found[strspn(found, set)] != '\0')
		r = -EUCLEAN;
	if (r == 0)
		memcpy(out, found, size);
	return r;
}

int column_owner(sqlite3_stmt *statement, int column, char out[OWNER_MAX + 1])
{
	int r = column_text(statement, column, out, OWNER_MAX + 1);

	return r == 0 && !owner_name_valid(out, '\0') ? -EUCLEAN :
							r; /* no separator: any of them has been the setting */
}

int column_label(sqlite3_stmt *statement, int column, char out[LABEL_MAX + 1])
{
	int r = column_text(statement, column, out, LABEL_MAX + 1);

	return r == 0 && !label_valid(out) ? -EUCLEAN : r;
}

int column_u32(sqlite3_stmt *statement, int column, uint32_t *out)
{
	int64_t number = sqlite3_column_int64(statement, column);

	if (number < 0 || number > UINT32_MAX)
		return -EUCLEAN;
	*out = (uint32_t)number;
	return 0;
}
