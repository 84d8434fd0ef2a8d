/* SPDX-License-Identifier: ISC */
/*
 * Finds out whether the kernel itself answers for a mount. Owners may mount a file server of theirs, by fusermount3
 * with allow_other, wherever they can write, and every stat(2) there asks that server. So no mount is asked before it
 * has been identified: the kernel says, from the descriptor alone, which mount it is in
 * (/proc/self/fdinfo), and what is mounted there (/proc/self/mountinfo). Run by the broker and its children (root).
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "account/id.h"
#include "confine/cleanup.h"
#include "home/mounts.h"

struct mount {
	uint32_t id, major, minor;
	bool local;
	bool shared, slave; /* where mounts in it propagate to, mount_namespaces(7) */
};

/*
 * All mounts, valid until one changes: poll(2) says when. Otherwise a look at each of a thousand views would read a
 * thousand lines. `file` belongs to the process that opened it: a child that shared it would consume the broker's
 * notifications.
 */
static struct {
	pid_t pid;
	int file;
	struct mount *mounts;
	size_t count;
} table = { .file = -1 };

/* The kernel alone answers for these. Any other is assumed to be one that may not answer. */
static bool type_local(const char *type, size_t length)
{
	static const char *const local[] = { "ext2", "ext3", "ext4",     "xfs",   "btrfs",
					     "zfs",  "f2fs", "bcachefs", "tmpfs", "ramfs" };

	for (size_t i = 0; i < sizeof(local) / sizeof(local[0]); i++)
		if (strlen(local[i]) == length && memcmp(type, local[i], length) == 0)
			return true;
	return false;
}

/* One of the optional fields, which come before the separator; blanks in paths are written as \\040. */
static bool field_there(const char *line, const char *separator, const char *field)
{
	const char *at = strstr(line, field);

	return at != NULL && at < separator;
}

/* The number at *at that this byte ends; *at is then behind that. */
static bool number_take(const char **at, char end, uint32_t *number)
{
	size_t length = strcspn(*at, " :\n");

	if ((*at)[length] != end || id_parse_bytes(*at, length, number) < 0)
		return false;
	*at += length + 1;
	return true;
}

/* "36 35 98:0 /root /mount/point options shared:1 - ext4 /dev/sda1 options", proc_pid_mountinfo(5) */
static bool line_read(const char *line, struct mount *mount)
{
	const char *separator = strstr(line, " - "), *at = line;
	uint32_t parent;

	if (separator == NULL || !number_take(&at, ' ', &mount->id) || !number_take(&at, ' ', &parent) ||
	    !number_take(&at, ':', &mount->major) || !number_take(&at, ' ', &mount->minor))
		return false;
	mount->local = type_local(separator + 3, strcspn(separator + 3, " \n"));
	mount->shared = field_there(line, separator, " shared:");
	mount->slave = !mount->shared && field_there(line, separator, " master:");
	return true;
}

static int mount_add(const struct mount *mount)
{
	if (table.count % 256 == 0) {
		struct mount *mounts = reallocarray(table.mounts, table.count + 256, sizeof(*mounts));

		if (mounts == NULL)
			return -ENOMEM;
		table.mounts = mounts;
	}
	table.mounts[table.count++] = *mount;
	return 0;
}

static int compare(const void *a, const void *b)
{
	const struct mount *x = a, *y = b;

	return (x->id > y->id) - (x->id < y->id);
}

/* Read from the beginning, through a stream of its own: the descriptor stays for poll(2). */
static int table_fill(void)
{
	cleanup_fd int fd = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
	cleanup_free char *line = NULL;
	size_t size = 0;
	FILE *file = fd < 0 ? NULL : fdopen(fd, "re");
	int r = file == NULL ? -errno : 0;

	if (r < 0)
		return r;
	steal_fd(&fd);
	table.count = 0;
	while (r == 0 && getline(&line, &size, file) > 0) {
		struct mount mount;

		if (line_read(line, &mount))
			r = mount_add(&mount);
	}
	if (r == 0 && ferror(file))
		r = -EIO;
	fclose(file);
	if (r == 0)
		qsort(table.mounts, table.count, sizeof(*table.mounts), compare);
	return r;
}

static void table_forget(void)
{
	if (table.file >= 0 && table.pid == getpid())
		close(table.file);
	table.file = -1;
}

static int table_ready(void)
{
	struct pollfd changed = { .events = POLLPRI };
	int r;

	changed.fd = table.file;
	if (table.file >= 0 && table.pid == getpid() && poll(&changed, 1, 0) == 0)
		return 0;
	table_forget();
	/* opened before it is read: the next poll(2) reports changes made meanwhile */
	table.file = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
	if (table.file < 0)
		return -errno;
	table.pid = getpid();
	r = table_fill();
	if (r < 0)
		table_forget();
	return r;
}

/* "mnt_id:\t29" of what the kernel says of a descriptor, without a question to any file system. */
static int descriptor_mount(int fd, uint32_t *id)
{
	char path[40], text[256];
	const char *found;
	cleanup_fd int info = -1;
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	info = open(path, O_RDONLY | O_CLOEXEC);
	n = info < 0 ? -1 : read(info, text, sizeof(text) - 1);
	if (n < 0)
		return -errno;
	text[n] = '\0';
	found = strstr(text, "mnt_id:");
	if (found == NULL)
		return -ENODATA;
	found += strlen("mnt_id:");
	found += strspn(found, "\t");
	return number_take(&found, '\n', id) ? 0 : -EBADMSG;
}

static bool mount_of(int fd, struct mount *ret)
{
	struct mount wanted = { 0 };
	const struct mount *found;

	if (descriptor_mount(fd, &wanted.id) < 0 || table_ready() < 0)
		return false;
	found = bsearch(&wanted, table.mounts, table.count, sizeof(*table.mounts), compare);
	if (found != NULL)
		*ret = *found;
	return found != NULL;
}

bool mount_answers(int fd, int known)
{
	struct mount mount, same;

	if (!mount_of(fd, &mount))
		return false;
	return mount.local || (mount_of(known, &same) && mount.major == same.major && mount.minor == same.minor);
}

int mount_shared(int fd)
{
	struct mount mount;

	return mount_of(fd, &mount) ? mount.shared : -ENODATA;
}

int mount_slave(int fd)
{
	struct mount mount;

	return mount_of(fd, &mount) ? mount.slave : -ENODATA;
}
