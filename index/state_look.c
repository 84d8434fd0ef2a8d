/* SPDX-License-Identifier: ISC */
/* Run as root: by a child of the broker that has a deadline, and by `subuid doctor`. */
#include "index/state_look.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "account/advice.h"
#include "account/passwd.h"
#include "index/index.h"
#include "confine/cleanup.h"

#define TEXT_MAX 256
#define READ_SIZE (1024 * 1024)

struct look {
	state_fault_found found;
	void *data;
	unsigned faults;
};

static __attribute__((format(printf, 5, 6))) void tell(struct look *look, const char *path, bool derived,
						       const char *todo, const char *format, ...)
{
	char text[TEXT_MAX];
	struct state_fault fault = { .path = path, .fault = text, .todo = todo, .derived = derived };
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	look->faults++;
	look->found(look->data, &fault);
}

static const char *error_text(int error)
{
	const char *text = strerrordesc_np(abs(error));

	return text != NULL ? text : "failed";
}

/* ---- files ---- */

enum {
	MAY_LACK = 1u << 0,
	MAY_BE_LINK = 1u << 1, /* belongs to root, down to the disk */
	DERIVED = 1u << 2,
	NOT_WRITABLE = 1u << 3, /* mode: it may have fewer bits, but no others; else exactly this mode */
};

static const struct file_rule {
	const char *path;
	mode_t type, mode;
	const char *group; /* NULL: any */
	unsigned flags;
	const char *missing; /* what to do if it does not exist */
} rules[] = {
	{ STATE_DIR, S_IFDIR, 0755, NULL, 0, "run subuid setup" },
	{ STATE_DIR "/state.db", S_IFREG, 0600, NULL, 0,
	  "do not stop subuidd, it may still have it open: subuid state save FILE, and then subuid state load FILE" },
	{ STATE_DIR "/state.db-wal", S_IFREG, 0600, NULL, MAY_LACK, "" },
	{ STATE_DIR "/state.db-shm", S_IFREG, 0600, NULL, MAY_LACK, "" },
	{ STATE_DIR "/state.db-journal", S_IFREG, 0600, NULL, MAY_LACK, "" },
	{ STATE_DIR "/high-water", S_IFREG, 0600, NULL, MAY_LACK, "" },
	{ INDEX_PATH, S_IFREG, 0644, "root", DERIVED, "subuid check --repair rebuilds it" },
	{ KEYS_PATH, S_IFREG, 0640, "subuidd-keys", DERIVED, "subuid check --repair rebuilds it" },
	{ PASSWORDS_PATH, S_IFREG, 0640, "subuidd-verify", MAY_LACK, "" },
	{ STATE_DIR "/spool", S_IFDIR, 01730, "subuids", 0,
	  "restart subuidd, which makes it; until then no runs are recorded" },
	{ SYSCONFDIR "/subuidd.conf", S_IFREG, 0755, NULL, MAY_LACK | MAY_BE_LINK | NOT_WRITABLE, "" },
	{ SYSCONFDIR "/subuidd.conf.d", S_IFDIR, 0755, NULL, MAY_LACK | MAY_BE_LINK | NOT_WRITABLE, "" },
	{ VENDORDIR "/subuidd.conf", S_IFREG, 0755, NULL, MAY_LACK | MAY_BE_LINK | NOT_WRITABLE, "" },
	{ VENDORDIR "/subuidd.conf.d", S_IFDIR, 0755, NULL, MAY_LACK | MAY_BE_LINK | NOT_WRITABLE, "" },
};

static const char *type_text(mode_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFDIR:
		return "a directory";
	case S_IFLNK:
		return "a symbolic link";
	case S_IFREG:
		return "a file";
	default:
		return "neither file nor directory";
	}
}

static void wrong_type(struct look *look, const struct file_rule *rule, const struct stat *st)
{
	char todo[TEXT_MAX];

	if ((rule->flags & DERIVED) != 0)
		snprintf(todo, sizeof(todo), "subuid check --repair moves it aside and rebuilds the index; or: %s %s%s",
			 S_ISDIR(st->st_mode) ? "rmdir" : "rm", rule->path,
			 S_ISDIR(st->st_mode) ? " (mv it away when it is not empty), and restart subuidd" :
						", and restart subuidd");
	else
		snprintf(todo, sizeof(todo), "move %s away, and restore the right file in its place", rule->path);
	tell(look, rule->path, (rule->flags & DERIVED) != 0, todo, "is %s", type_text(st->st_mode));
}

static bool mode_right(const struct file_rule *rule, mode_t mode)
{
	mode &= 07777;
	return (rule->flags & NOT_WRITABLE) != 0 ? (mode & 022) == 0 : mode == rule->mode;
}

/* group: that it has to have, NULL: any. */
static void wrong_mode(struct look *look, const struct file_rule *rule, const struct stat *st,
		       const struct group *group)
{
	bool derived = (rule->flags & DERIVED) != 0;
	char todo[TEXT_MAX];

	if (st->st_uid != 0 || (group != NULL && group->gr_gid != st->st_gid)) {
		snprintf(todo, sizeof(todo), "chown root:%s %s", rule->group != NULL ? rule->group : "root",
			 rule->path);
		tell(look, rule->path, derived, todo, "belongs to uid %u and group %u", (unsigned)st->st_uid,
		     (unsigned)st->st_gid);
	}
	if (mode_right(rule, st->st_mode))
		return;
	if ((rule->flags & NOT_WRITABLE) != 0) {
		snprintf(todo, sizeof(todo), "chmod go-w %s", rule->path);
		tell(look, rule->path, derived, todo, "has mode %04o: users other than root can write it",
		     st->st_mode & 07777);
	} else {
		snprintf(todo, sizeof(todo), "chmod %04o %s", rule->mode, rule->path);
		tell(look, rule->path, derived, todo, "has mode %04o and not %04o", st->st_mode & 07777, rule->mode);
	}
}

/* True: it is there and of the right kind. */
static bool rule_look(struct look *look, const struct file_rule *rule)
{
	entry_cleanup struct host_entry entry = { 0 };
	bool known =
		rule->group != NULL && group_find(rule->group, &entry) == 0; /* if the group is in doubt, any will do */
	int flags = (rule->flags & MAY_BE_LINK) != 0 ? 0 : AT_SYMLINK_NOFOLLOW;
	bool derived = (rule->flags & DERIVED) != 0;
	struct stat st;

	if (fstatat(AT_FDCWD, rule->path, &st, flags) != 0) {
		const char *advice = advice_for(errno);

		if (errno == ENOENT && (rule->flags & MAY_LACK) != 0)
			return false;
		if (errno == ENOENT)
			tell(look, rule->path, derived, rule->missing, "is missing");
		else
			tell(look, rule->path, false, advice != NULL ? advice : "", "cannot be examined: %s",
			     error_text(errno));
		return false;
	}
	if ((st.st_mode & S_IFMT) != rule->type) {
		wrong_type(look, rule, &st);
		return false;
	}
	wrong_mode(look, rule, &st, known ? &entry.group : NULL);
	return true;
}

/* Every process maps index and keys: a page that the disk cannot deliver shows here in a read, not as a fault in a
 * mapping. */
static void read_through(struct look *look, const char *path)
{
	cleanup_fd int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
	cleanup_free char *buffer = malloc(READ_SIZE);
	const char *advice;
	ssize_t got;

	if (fd < 0 && errno == ENOENT)
		return;
	do
		got = fd < 0 || buffer == NULL ? -1 : read(fd, buffer, READ_SIZE);
	while (got > 0);
	advice = got < 0 ? advice_for(errno) : NULL;
	if (got < 0)
		tell(look, path, false, advice != NULL ? advice : "", "cannot be read: %s", error_text(errno));
}

/* The daemon's other sources of settings, beside the two files. */
static void drop_ins_look(struct look *look, const char *directory)
{
	cleanup_dir DIR *dir = opendir(directory);
	char path[PATH_MAX];
	const struct dirent *entry;

	while (dir != NULL && (entry = readdir(dir)) != NULL) {
		const struct file_rule rule = { path, S_IFREG, 0755, NULL, MAY_LACK | MAY_BE_LINK | NOT_WRITABLE, "" };
		size_t length = strlen(entry->d_name);

		if (entry->d_name[0] == '.' || length <= 5 || strcmp(entry->d_name + length - 5, ".conf") != 0)
			continue;
		if (snprintf(path, sizeof(path), "%s/%s", directory, entry->d_name) < (int)sizeof(path))
			rule_look(look, &rule);
	}
}

unsigned state_look_files(const char *homes, state_fault_found found, void *data)
{
	const struct file_rule of_homes = { homes, S_IFDIR,     0711,
					    NULL,  MAY_BE_LINK, "mount the file system that it is on" };
	struct look look = { .found = found, .data = data };

	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++)
		if (rule_look(&look, &rules[i]) && (rules[i].flags & DERIVED) != 0)
			read_through(&look, rules[i].path);
	rule_look(&look, &of_homes);
	drop_ins_look(&look, SYSCONFDIR "/subuidd.conf.d");
	drop_ins_look(&look, VENDORDIR "/subuidd.conf.d");
	return look.faults;
}

/* ---- disks ---- */

bool state_full(uint64_t free, uint64_t total, uint64_t few, uint64_t few_any)
{
	if (total == 0) /* has no such number */
		return false;
	return free < few_any || (free < few && free < total / 100 * FULL_PERCENT);
}

/* Whether a file, one without a name, can be made there: a disk that fails, or that became read-only by itself, need
 * not show this otherwise. 0 or the errno. */
static int file_refused(const char *path)
{
	cleanup_fd int fd = open(path, O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);

	return fd < 0 ? errno : 0;
}

static void disk_look(struct look *look, const char *path, const char *what)
{
	struct statvfs fs;
	const char *advice;
	uint64_t free;
	int refused;

	if (statvfs(path, &fs) != 0) {
		advice = advice_for(errno);
		if (errno != ENOENT)
			tell(look, path, false, advice != NULL ? advice : "", "the file system does not answer: %s",
			     error_text(errno));
		return;
	}
	free = (uint64_t)fs.f_bavail * fs.f_frsize;
	refused = file_refused(path);
	if (refused == EIO)
		tell(look, path, false, advice_for(EIO), "no file can be made on the file system (%s): %s", what,
		     error_text(EIO));
	if ((fs.f_flag & ST_RDONLY) != 0 || refused == EROFS)
		tell(look, path, false, advice_for(EROFS), "the file system (%s) is read-only", what);
	if (state_full(free, (uint64_t)fs.f_blocks * fs.f_frsize, FULL_BYTES, FULL_BYTES_ANY))
		tell(look, path, false, advice_for(ENOSPC),
		     "the file system (%s) is full: %llu MiB of %llu MiB are free (less than %u %% and %llu MiB, or "
		     "%llu MiB)",
		     what, (unsigned long long)(free >> 20),
		     (unsigned long long)((uint64_t)fs.f_blocks * fs.f_frsize >> 20), FULL_PERCENT,
		     (unsigned long long)(FULL_BYTES >> 20), (unsigned long long)(FULL_BYTES_ANY >> 20));
	if (state_full(fs.f_favail, fs.f_files, FULL_INODES, FULL_INODES_ANY))
		tell(look, path, false, "remove files that are not needed: no inodes are left for new ones",
		     "the file system (%s) is full: %llu of %llu inodes are free (less than %u %% and %u, or %u)", what,
		     (unsigned long long)fs.f_favail, (unsigned long long)fs.f_files, FULL_PERCENT, FULL_INODES,
		     FULL_INODES_ANY);
}

unsigned state_look_disks(const char *homes, state_fault_found found, void *data)
{
	const struct {
		const char *path, *what;
	} disks[] = { { STATE_DIR, "store, index, spool" }, { STATE_DIR "/spool", "spool" }, { homes, "homes" } };
	struct look look = { .found = found, .data = data };
	dev_t seen[sizeof(disks) / sizeof(disks[0])];
	size_t count = 0;

	for (size_t i = 0; i < sizeof(disks) / sizeof(disks[0]); i++) {
		struct stat st = { .st_dev = 0 };
		bool known = false;

		if (stat(disks[i].path, &st) == 0)
			for (size_t k = 0; k < count; k++)
				known |= seen[k] == st.st_dev;
		if (!known)
			disk_look(&look, disks[i].path, disks[i].what);
		seen[count++] = st.st_dev;
	}
	return look.faults;
}
