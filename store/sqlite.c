/* SPDX-License-Identifier: ISC */
/*
 * Opens the SQLite store. Run by the broker (root) on a file that only root can reach. One process has it open
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
#include "store/sqlite.h"

#define TEXT_OF(x) TEXT_OF_(x)
#define TEXT_OF_(x) #x
#define CHECKPOINT_PAGES 1000 /* of the log, then they are brought into the file: SQLite's own default */

/* ---- the file ---- */

/* Anyone who can read the file can read keys and comments; anyone who can write it owns the host. */
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

/* Before SQLite touches the file: otherwise locks of this process would be released with our descriptor. */
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

static const char rules[] = "PRAGMA foreign_keys = ON;"
			    "PRAGMA recursive_triggers = ON;" /* a REPLACE cannot get round the triggers on DELETE */
			    "PRAGMA trusted_schema = OFF;"
			    "PRAGMA cell_size_check = ON;"
			    "PRAGMA temp_store = MEMORY;";

static const char pragmas[] = "PRAGMA locking_mode = EXCLUSIVE;"
			      "PRAGMA synchronous = FULL;"
			      "PRAGMA journal_size_limit = " TEXT_OF(STORE_LOG_SIZE) ";";

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

int store_connection_prepare(sqlite3 *db)
{
	int code = sqlite3_extended_result_codes(db, 1);

	sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	sqlite3_db_config(db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
	sqlite3_db_config(db, SQLITE_DBCONFIG_DQS_DML, 0, NULL);
	sqlite3_db_config(db, SQLITE_DBCONFIG_DQS_DDL, 0, NULL);
	if (code == SQLITE_OK)
		code = store_digest_function(db);
	return code != SQLITE_OK ? code : sqlite3_exec(db, rules, NULL, NULL, NULL);
}

static int connection_set_up(sqlite3 *db, int *from)
{
	int code = store_connection_prepare(db);

	sqlite3_busy_timeout(db, 2000);
	if (code == SQLITE_OK)
		code = sqlite3_exec(db, pragmas, NULL, NULL, NULL);
	if (code == SQLITE_OK)
		code = wal_switch_on(db);
	if (code == SQLITE_OK)
		code = store_log_keep(db);
	return code != SQLITE_OK ? code : store_schema_migrate(db, from);
}

int store_meta_read(struct store *store, enum store_statement id, uint64_t *value)
{
	int64_t number = 0;
	int r = store_one(store, id, NULL, 0, number_read, &number);

	if (r == 0)
		*value = (uint64_t)number;
	return r == -ENOENT ? -EUCLEAN : r;
}

static int meta_load(struct store *store)
{
	return store_meta_read(store, SQL_GENERATION, &store->generation) ?:
		       store_meta_read(store, SQL_IDENTITY, &store->identity);
}

static int open_once(const char *path, struct store **ret)
{
	__attribute__((cleanup(store_closep))) struct store *store = NULL;
	int r = file_prepare(path);
	int code, from = 0;

	if (r < 0)
		return r;
	store = calloc(1, sizeof(*store));
	if (store == NULL)
		return -ENOMEM;
	code = sqlite3_open_v2(
		path, &store->db,
		SQLITE_OPEN_READWRITE | SQLITE_OPEN_PRIVATECACHE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, NULL);
	if (store->db == NULL)
		return -ENOMEM;
	if (code == SQLITE_OK)
		code = connection_set_up(store->db, &from);
	if (code < 0)
		return code;
	r = store_errno(store, code);
	store->log_kept = r == 0;
	if (r == 0)
		r = meta_load(store);
	if (r < 0)
		return r;
	store->first_open = from < STORE_VERSION_MARKED;
	*ret = steal_ptr(&store);
	return 0;
}

/* A file that merely could not be read is not taken for damaged. Real damage shows twice. */
int store_open(const char *path, struct store **ret)
{
	int r = open_once(path, ret), read;

	if (r != -EUCLEAN && r != -ENOTRECOVERABLE)
		return r;
	read = store_files_read(path); /* the file is closed: no lock goes with this descriptor */
	return read < 0 ? read : open_once(path, ret);
}

void store_close(struct store *store)
{
	if (store == NULL)
		return;
	for (unsigned i = 0; i < SQL_STATEMENTS; i++)
		sqlite3_finalize(store->statement[i]);
	if (store->log_kept)
		store_log_close(store->db);
	sqlite3_close(store->db);
	free(store);
}

/* Nobody else has the file open, so everything in the log can be brought into it. */
int store_freeze(struct store *store)
{
	int pages = 0, done = 0;
	int r;

	if (store->open)
		return -EBUSY;
	if (store->frozen > 0) {
		store->frozen++;
		return 0;
	}
	r = store_errno(store, sqlite3_wal_checkpoint_v2(store->db, NULL, SQLITE_CHECKPOINT_FULL, &pages, &done));
	if (r < 0)
		return r;
	if (done < pages)
		return -EBUSY;
	r = store_errno(store, sqlite3_wal_autocheckpoint(store->db, 0));
	store->frozen += r == 0;
	return r;
}

void store_thaw(struct store *store)
{
	if (store->frozen > 0 && --store->frozen == 0)
		sqlite3_wal_autocheckpoint(store->db, CHECKPOINT_PAGES);
}

int store_view(const char *path, struct store **ret)
{
	__attribute__((cleanup(store_closep))) struct store *store = calloc(1, sizeof(*store));
	char uri[PATH_MAX];
	int r;

	if (store == NULL)
		return -ENOMEM;
	if (strpbrk(path, "?#%") != NULL ||
	    snprintf(uri, sizeof(uri), "file:%s?immutable=1&nolock=1", path) >= (int)sizeof(uri))
		return -EINVAL;
	r = sqlite3_open_v2(uri, &store->db,
			    SQLITE_OPEN_READONLY | SQLITE_OPEN_URI | SQLITE_OPEN_PRIVATECACHE | SQLITE_OPEN_NOMUTEX |
				    SQLITE_OPEN_EXRESCODE,
			    NULL);
	if (store->db == NULL)
		return -ENOMEM;
	if (r == SQLITE_OK)
		r = sqlite3_exec(store->db, "PRAGMA temp_store = MEMORY; PRAGMA trusted_schema = OFF;", NULL, NULL,
				 NULL);
	if (r == SQLITE_OK)
		r = store_digest_function(store->db);
	r = store_errno(store, r);
	if (r == 0)
		r = meta_load(store);
	if (r < 0)
		return r;
	*ret = steal_ptr(&store);
	return 0;
}

void store_closep(struct store **store)
{
	int saved = errno;

	store_close(*store);
	errno = saved;
}
