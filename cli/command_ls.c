/* SPDX-License-Identifier: ISC */
/* subuid ls: lists the files of an account as the server had them. Runs as the owner, in the namespace of the
 * account. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/account_path.h"
#include "cli/print.h"
#include "cli/stored.h"
#include "cli/subuid.h"
#include "confine/cleanup.h"

struct listing {
	int home;
	struct container_ids ids;
	bool recursive;
	struct table table;
	json_t *rows; /* with --json */
	char **left;  /* directories to come */
	size_t left_count;
	int status;
};

static void failed(struct listing *listing, const char *path, int error)
{
	const char *why = strerrordesc_np(error < 0 ? -error : error);

	complain(path, why != NULL ? why : "cannot be read", "");
	listing->status = STATUS_FAILED;
}

/* The account's own number does not name a user of the server; one of its ranges is that of a container's user. */
static void owner_cell(struct listing *listing, const struct stored_entry *entry, uint32_t id)
{
	const int64_t inside = entry->has_stored ? -1 : container_id(&listing->ids, id);
	char text[24];

	if (inside < 0) {
		table_number(&listing->table, id);
		return;
	}
	snprintf(text, sizeof(text), inside == 0 ? "-" : "+%lld", (long long)inside);
	table_cell(&listing->table, text);
}

static void row_table(struct listing *listing, const char *path, const struct stored_entry *entry)
{
	static char name[2 * PATH_MAX + 8];
	char text[32];

	stored_mode_text(entry->server.mode, text);
	table_cell(&listing->table, text);
	owner_cell(listing, entry, entry->server.uid);
	owner_cell(listing, entry, entry->server.gid);
	snprintf(text, sizeof(text), "%llu", (unsigned long long)entry_size(entry));
	if (stored_is_device(entry->server.mode))
		snprintf(text, sizeof(text), "%u,%u", entry->server.major, entry->server.minor);
	table_cell(&listing->table, text);
	table_cell(&listing->table, time_text(entry->disk.st_mtim.tv_sec));
	snprintf(name, sizeof(name), "%s%s%s", path, S_ISLNK(entry->server.mode) ? " -> " : "", entry->target);
	table_cell(&listing->table, name);
}

static const char *kind_name(mode_t mode)
{
	return S_ISDIR(mode)  ? "directory" :
	       S_ISLNK(mode)  ? "link" :
	       S_ISCHR(mode)  ? "character-device" :
	       S_ISBLK(mode)  ? "block-device" :
	       S_ISFIFO(mode) ? "fifo" :
	       S_ISSOCK(mode) ? "socket" :
				"file";
}

static void row_json(struct listing *listing, const char *path, const struct stored_entry *entry)
{
	char mode[8];
	json_t *row = json_object();

	snprintf(mode, sizeof(mode), "%04o", (unsigned)(entry->server.mode & 07777));
	json_object_set_new(row, "path", json_string(shown(path)));
	json_object_set_new(row, "kind", json_string(kind_name(entry->server.mode)));
	json_object_set_new(row, "mode", json_string(mode));
	json_object_set_new(row, "stored", json_boolean(entry->has_stored));
	json_object_set_new(row, "uid", json_integer(entry->server.uid));
	json_object_set_new(row, "gid", json_integer(entry->server.gid));
	if (!entry->has_stored && container_id(&listing->ids, entry->server.uid) >= 0)
		json_object_set_new(row, "containerUid", json_integer(container_id(&listing->ids, entry->server.uid)));
	if (!entry->has_stored && container_id(&listing->ids, entry->server.gid) >= 0)
		json_object_set_new(row, "containerGid", json_integer(container_id(&listing->ids, entry->server.gid)));
	json_object_set_new(row, "size", json_integer((json_int_t)entry_size(entry)));
	json_object_set_new(row, "modified", json_integer(entry->disk.st_mtim.tv_sec));
	if (S_ISLNK(entry->server.mode))
		json_object_set_new(row, "target", json_string(shown(entry->target)));
	if (stored_is_device(entry->server.mode))
		json_object_set_new(row, "device", json_sprintf("%u,%u", entry->server.major, entry->server.minor));
	json_array_append_new(listing->rows, row);
}

static void row(struct listing *listing, const char *path, const struct stored_entry *entry)
{
	if (listing->rows != NULL)
		row_json(listing, path, entry);
	else
		row_table(listing, path, entry);
}

/* Directories found last are listed first: depth first, without a descriptor for each level. */
static void later(struct listing *listing, const char *path)
{
	char **more = reallocarray(listing->left, listing->left_count + 1, sizeof(*more));
	char *copy = strdup(path);

	if (more != NULL)
		listing->left = more;
	if (more == NULL || copy == NULL) {
		free(copy);
		failed(listing, path, ENOMEM);
		return;
	}
	listing->left[listing->left_count++] = copy;
}

static int named(const struct dirent *entry)
{
	return strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
}

static void child(struct listing *listing, int dir, const char *path, const char *name)
{
	static struct stored_entry entry;
	char whole[PATH_MAX];
	bool top = !listing->recursive || strcmp(path, ".") == 0;
	int r;

	if (snprintf(whole, sizeof(whole), "%s%s%s", top ? "" : path, top ? "" : "/", name) >= (int)sizeof(whole)) {
		failed(listing, name, ENAMETOOLONG);
		return;
	}
	r = entry_open(dir, name, &entry);
	if (r < 0) {
		failed(listing, whole, r);
		return;
	}
	row(listing, whole, &entry);
	if (listing->recursive && S_ISDIR(entry.server.mode))
		later(listing, whole);
	entry_close(&entry);
}

static int names_compare(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static void directory(struct listing *listing, const char *path)
{
	cleanup_fd int dir = -1;
	struct dirent **names = NULL;
	struct stored_entry entry;
	int n, r = entry_open(listing->home, path, &entry);

	if (r < 0) {
		failed(listing, path, r);
		return;
	}
	dir = entry.fd;
	n = scandirat(dir, ".", &names, named, names_compare);
	if (n < 0)
		failed(listing, path, errno);
	for (int i = 0; i < n; i++) {
		child(listing, dir, path, names[i]->d_name);
		free(names[i]);
	}
	free(names);
}

static void list(struct listing *listing, const char *path)
{
	static struct stored_entry entry;
	int r = entry_open(listing->home, path, &entry);

	if (r < 0) {
		failed(listing, path, r);
		return;
	}
	if (!S_ISDIR(entry.server.mode)) {
		row(listing, path, &entry);
		entry_close(&entry);
		return;
	}
	entry_close(&entry);
	directory(listing, path);
	while (listing->left_count > 0) {
		cleanup_free char *next = listing->left[--listing->left_count];

		directory(listing, next);
	}
	free(listing->left);
}

int command_ls(int argc, char **argv)
{
	static const char *const heads[] = { "MODE", ">OWNER", ">GROUP", ">SIZE", "MODIFIED", "NAME", NULL };
	static struct account_path place;
	struct exec_account entered = { .account = { .uid = 0 } };
	static struct listing listing = { .home = -1 };
	int c, status = STATUS_DONE;

	listing.table = (struct table)TABLE(heads);
	while ((c = option_next("ls", argc, argv, &status)) > 0)
		listing.recursive |= c == 'R';
	if (c < 0)
		return status;
	if (account_path_parse(argv[optind], &place) == 0) /* if not, the next one says why */
		status = container_ids_find(place.name, &listing.ids);
	if (status == STATUS_DONE)
		status = account_path_enter(argv[optind], &place, &entered, &listing.home);
	if (status != STATUS_DONE)
		return status;
	listing.rows = common.json ? json_array() : NULL;
	list(&listing, place.path);
	status = common.json ? print_json(listing.rows) : table_print(&listing.table);
	json_decref(listing.rows);
	close(listing.home);
	return status != STATUS_DONE ? status : listing.status;
}
