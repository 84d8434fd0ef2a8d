/* SPDX-License-Identifier: ISC */
/* subuid copy: out of an account, harmless. Runs as the owner, or as root, in the namespace of the account. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli/account_path.h"
#include "cli/copy.h"
#include "cli/options.h"
#include "cli/print.h"
#include "cli/subuid.h"
#include "confine/cleanup.h"
#include "confine/path.h"

#define PROGRESS_NS 200000000

struct shown_progress {
	bool terminal;
	struct timespec last;
};

static void progress_clear(const struct shown_progress *progress)
{
	if (progress->terminal)
		fputs("\r\033[K", stderr);
}

static void tell_failed(void *data, const char *path, int error)
{
	const char *why = strerrordesc_np(error);

	progress_clear(data);
	complain(path, why != NULL ? why : "cannot be copied", "");
}

/* A line for each entry, with what the copy does not keep: owners, setuid, devices. */
static void tell_listed(void *data, const char *path, const struct stored_entry *entry, bool left)
{
	char mode[12], size[32], owner[32] = "-";

	progress_clear(data);
	stored_mode_text(entry->server.mode, mode);
	if (entry->has_stored)
		snprintf(owner, sizeof(owner), "%u %u", entry->server.uid, entry->server.gid);
	snprintf(size, sizeof(size), "%llu", (unsigned long long)entry_size(entry));
	if (stored_is_device(entry->server.mode))
		snprintf(size, sizeof(size), "%u,%u", entry->server.major, entry->server.minor);
	printf("%s  %-11s  %10s  %s  %s%s", mode, owner, size, time_text(entry->disk.st_mtim.tv_sec), shown(path),
	       S_ISLNK(entry->server.mode) ? " -> " : "");
	printf("%s%s\n", S_ISLNK(entry->server.mode) ? shown(entry->target) : "", left ? "  (left out)" : "");
}

static void tell_progress(void *data, const struct copy_counts *counts)
{
	struct shown_progress *progress = data;
	struct timespec now;
	char size[24];

	if (!progress->terminal)
		return;
	clock_gettime(CLOCK_MONOTONIC, &now);
	if ((now.tv_sec - progress->last.tv_sec) * 1000000000LL + now.tv_nsec - progress->last.tv_nsec < PROGRESS_NS)
		return;
	progress->last = now;
	fprintf(stderr, "\r\033[K%llu files, %s", (unsigned long long)counts->files, size_text(counts->bytes, size));
	fflush(stderr);
}

static int refuse(const char *path, int error, const char *todo)
{
	const char *why = strerrordesc_np(error < 0 ? -error : error);

	complain(path, why != NULL ? why : "cannot be used", todo);
	return STATUS_FAILED;
}

/* The directory that will contain DEST, and its name there. */
static int parent_open(const char *path, char name[NAME_MAX + 1])
{
	char parent[PATH_MAX];
	size_t length = strlen(path);
	const char *slash, *last;
	int fd;

	while (length > 1 && path[length - 1] == '/')
		length--;
	if (length == 0 || length >= sizeof(parent))
		return -ENAMETOOLONG;
	memcpy(parent, path, length);
	parent[length] = '\0';
	slash = strrchr(parent, '/');
	last = slash == NULL ? parent : slash + 1;
	length = strlen(last);
	if (length > NAME_MAX)
		return -ENAMETOOLONG;
	memcpy(name, last, length + 1);
	if (name[0] == '\0' || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return -EEXIST;
	parent[slash == NULL ? 0 : slash == parent ? 1 : (size_t)(slash - parent)] = '\0';
	fd = open(parent[0] != '\0' ? parent : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* DEST is new: nobody else can have put anything into it, and no link of that name is followed. */
static int target_make(int parent, const char *name)
{
	int fd;

	if (mkdirat(parent, name, 0700) != 0)
		return -errno;
	fd = path_open_beneath(parent, name, O_RDONLY | O_DIRECTORY, 0);
	return fd;
}

static int copy_out(struct copy *copy, int home, const char *path, const char *dest)
{
	static struct stored_entry entry;
	char name[NAME_MAX + 1];
	cleanup_fd int parent = parent_open(dest, name), target = -1;
	int r = parent < 0 ? parent : 0;

	if (r < 0)
		return refuse(dest, r, "name the file or directory to make");
	r = entry_open(home, path, &entry);
	if (r < 0)
		return refuse(path, r, "`subuid ls` shows what exists");
	if (S_ISDIR(entry.server.mode)) {
		target = target_make(parent, name);
		r = target < 0 ? target : 0;
		if (r == 0)
			copy_tree(copy, entry.fd, target);
	} else {
		r = copy_one(copy, &entry, parent, name);
		if (r >= 0 && copy->listed != NULL)
			copy->listed(copy->data, path, &entry, r == 1);
	}
	entry_close(&entry);
	return r == -EEXIST ? refuse(dest, r, "nothing is overwritten: choose another name") :
	       r < 0        ? refuse(dest, r, "") :
			      STATUS_DONE;
}

static int tell_json(const struct copy_counts *counts)
{
	json_t *said = json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "files", (json_int_t)counts->files,
				 "directories", (json_int_t)counts->directories, "links", (json_int_t)counts->links,
				 "bytes", (json_int_t)counts->bytes, "devicesLeftOut", (json_int_t)counts->devices_left,
				 "linksLeftOut", (json_int_t)counts->links_left, "failed", (json_int_t)counts->failed);
	int status = print_json(said);

	json_decref(said);
	return status;
}

static int tell(const struct copy *copy, bool caller_is_root, const char *name, const char *dest)
{
	const struct copy_counts *counts = &copy->counts;
	char size[24];

	if (common.json)
		return tell_json(counts);
	printf("%llu files, %s in %s\n", (unsigned long long)counts->files, size_text(counts->bytes, size),
	       shown(dest));
	if (counts->devices_left > 0)
		printf("Left out: %llu devices, sockets or pipes\n", (unsigned long long)counts->devices_left);
	if (counts->links_left > 0)
		printf("Left out: %llu links that lead elsewhere; `subuid ls` shows where\n",
		       (unsigned long long)counts->links_left);
	if (copy->untrusted)
		printf("The files in it belong to the account. To delete it: %s%s%s%s\n",
		       caller_is_root ? "rm -r " : "subuid exec ", caller_is_root ? "" : shown(name),
		       caller_is_root ? "" : " -- rm -r ", shown(dest));
	return STATUS_DONE;
}

int command_copy(int argc, char **argv)
{
	static struct account_path place;
	struct exec_account entered = { .account = { .uid = 0 } };
	struct shown_progress progress = { .terminal = isatty(STDERR_FILENO) };
	struct copy copy = { .failed = tell_failed, .progress = tell_progress, .data = &progress };
	bool caller_is_root = getuid() == 0; /* in the namespace everybody is 0 */
	cleanup_fd int home = -1;
	int c, status = STATUS_DONE;

	while ((c = option_next("copy", argc, argv, &status)) > 0)
		if (c == 'l')
			copy.listed = tell_listed;
		else
			copy.untrusted = true;
	if (c < 0)
		return status;
	if (copy.listed != NULL && common.json)
		return usage_error("--list", "is not for programs", "`subuid ls -R --json` lists an account for them");
	status = account_path_enter(argv[optind], &place, &entered, &home);
	if (status != STATUS_DONE)
		return status;
	copy.uid = entered.account.uid;
	status = copy_out(&copy, home, place.path, argv[optind + 1]);
	progress_clear(&progress);
	if (status == STATUS_DONE)
		status = tell(&copy, caller_is_root, place.name, argv[optind + 1]);
	return status == STATUS_DONE && copy.counts.failed > 0 ? STATUS_FAILED : status;
}
