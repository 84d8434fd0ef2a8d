/* SPDX-License-Identifier: ISC */
/* `subuid setup --homes`: a file system of their own for the homes, which makes snapshots and copies of files at no
 * cost. Run by root. An image or a disk on which anything is found is never written to. */
#include "setup/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/options.h"
#include "cli/program.h"
#include "cli/subuid.h"
#include "confine/cleanup.h"
#include "setup/setup.h"

#define SIZE_LEAST (256u << 20) /* xfs wants 300 MiB, and says so itself */

static const struct disk_kind kinds[] = {
	{ "btrfs", "mkfs.btrfs", "btrfs-progs", "", ",nodiscard", { "mkfs.btrfs", "-q", "-L", DISK_LABEL, "-U" } },
	{ "xfs", "mkfs.xfs", "xfsprogs", ",uquota,pquota", "", { "mkfs.xfs", "-q", "-L", DISK_LABEL, "-m" } },
	{ "ext4",
	  "mkfs.ext4",
	  "e2fsprogs",
	  ",usrquota,prjquota",
	  "",
	  { "mkfs.ext4", "-q", "-E", "quotatype=usrquota:prjquota", "-O", "quota,project", "-L", DISK_LABEL, "-U" } },
};

static const struct disk_kind *kind_of(const char *fs)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (strcmp(kinds[i].fs, fs) == 0)
			return &kinds[i];
	return NULL;
}

int disk_word(const char *word, struct disk *disk)
{
	const char *colon = strrchr(word, ':');
	size_t length = strlen(word);

	*disk = (struct disk){ .kind = &kinds[0], .quotas = true };
	/* names of devices have colons too: what exists is a path as it stands */
	if (access(word, F_OK) != 0 && colon != NULL && option_size(colon + 1, &disk->size) == 0)
		length = (size_t)(colon - word);
	if (word[0] != '/' || length >= sizeof(disk->path) || word[length - 1] == '/' ||
	    strcspn(word, " \t\n\\#") < length)
		return setup_fail(word, "not an absolute path of a file or a device without blanks",
				  "for example --homes /var/lib/subuid-homes.img:50G");
	memcpy(disk->path, word, length);
	if (disk->size != 0 && disk->size < SIZE_LEAST)
		return setup_fail(word, "too small for a file system of homes", "give it 300M or more");
	return 0;
}

/* The value behind "KEY=" on a line of what blkid says. */
static void said(const char *text, const char *key, char *value, size_t size)
{
	const char *at = text;

	value[0] = '\0';
	for (; at != NULL && *at != '\0'; at = strchr(at, '\n'), at = at == NULL ? NULL : at + 1)
		if (strncmp(at, key, strlen(key)) == 0)
			snprintf(value, size, "%.*s", (int)strcspn(at + strlen(key), "\n"), at + strlen(key));
}

struct signature {
	char type[32], label[64], uuid[DISK_UUID_TEXT + 1];
};

/* 1: something is on it, which it describes as far as blkid(8) can; 0: nothing; -1: said why. */
static int signature_look(const char *path, struct signature *signature)
{
	const char *const argv[] = { "blkid", "-p", "-o", "export", path, NULL };
	cleanup_free char *text = NULL;
	int status = command_run(argv, &text);

	*signature = (struct signature){ 0 };
	if (status == 2)
		return 0;
	if (status != 0 && status != 8) /* 8: several, which contradict each other */
		return setup_fail(path, "blkid(8) cannot tell what is on it", "nothing was changed");
	said(text, "TYPE=", signature->type, sizeof(signature->type));
	said(text, "LABEL=", signature->label, sizeof(signature->label));
	said(text, "UUID=", signature->uuid, sizeof(signature->uuid));
	return 1;
}

/* An image or a device that exists. */
static int there_look(struct disk *disk, const struct stat *st)
{
	const struct disk_kind *kind;
	struct signature signature;
	char why[192];
	int r;

	if (disk->size != 0)
		return setup_fail(disk->path, "exists already",
				  "leave out its size, or name a file that is to be made");
	if (!S_ISREG(st->st_mode) && !S_ISBLK(st->st_mode))
		return setup_fail(disk->path, "neither a regular file nor a block device", "name another one");
	if (st->st_uid != 0 || (st->st_mode & S_IWOTH) != 0)
		return setup_fail(disk->path, "others than root can write it", "name another one");
	disk->device = S_ISBLK(st->st_mode);
	disk->exists = true;
	r = signature_look(disk->path, &signature);
	if (r < 0)
		return -1;
	kind = kind_of(signature.type);
	if (r == 1 && strcmp(signature.label, DISK_LABEL) == 0 && kind != NULL) {
		disk->ours = true;
		disk->kind = kind;
		memcpy(disk->uuid, signature.uuid, sizeof(disk->uuid));
		return 0;
	}
	if (r == 0 && disk->device)
		return 0;
	snprintf(why, sizeof(why), "has something on it already%s%s, and nothing is ever overwritten",
		 signature.type[0] != '\0' ? ": " : "", signature.type);
	return setup_fail(disk->path, why,
			  disk->device ? "see `blkid -p`; name another one, or empty it with wipefs(8)" :
					 "name a file that does not exist yet, and its size");
}

static int uuid_new(char uuid[DISK_UUID_TEXT + 1])
{
	cleanup_fd int fd = open("/proc/sys/kernel/random/uuid", O_RDONLY | O_CLOEXEC);

	if (fd < 0 || read(fd, uuid, DISK_UUID_TEXT) != DISK_UUID_TEXT)
		return setup_fail_errno("/proc/sys/kernel/random/uuid", fd < 0 ? -errno : -EIO, "");
	uuid[DISK_UUID_TEXT] = '\0';
	return 0;
}

int disk_look(struct disk *disk, const char *fs)
{
	const struct disk_kind *kind = kind_of(fs != NULL ? fs : "btrfs");
	const char *name;
	cleanup_fd int above = file_directory_open(disk->path, &name);
	struct stat st;
	int r;

	if (kind == NULL)
		return setup_fail(fs, "not a file system for homes", "use btrfs, xfs or ext4");
	if (above < 0 || fstat(above, &st) != 0 || st.st_uid != 0 || (st.st_mode & 0022) != 0)
		return setup_fail(disk->path, above < 0 ? file_why(above) : "others than root can write its directory",
				  "name a file in a directory that root alone can change");
	/* names below /dev/disk are symbolic links, in directories of root's */
	r = fstatat(above, name, &st, strncmp(disk->path, "/dev/", 5) == 0 ? 0 : AT_SYMLINK_NOFOLLOW);
	if (r != 0 && errno != ENOENT)
		return setup_fail_errno(disk->path, -errno, "");
	if (r != 0 && disk->size == 0)
		return setup_fail(disk->path, "does not exist", "say how large it is to be: FILE:SIZE");
	if (r == 0 && there_look(disk, &st) < 0)
		return -1;
	if (disk->ours && fs != NULL && disk->kind != kind)
		return setup_fail(disk->path, "has homes on a file system of another kind", "leave out --fs");
	if (disk->ours)
		return 0;
	if (!command_exists(kind->program))
		return setup_fail(kind->program, "is not installed", kind->package);
	disk->kind = kind;
	return uuid_new(disk->uuid);
}

/* Reserved, not sparse: a disk that fills up later would tear the homes apart. flags: of open(2). */
static int image_reserve(const struct disk *disk, int flags)
{
	const char *name;
	cleanup_fd int above = file_directory_open(disk->path, &name);
	cleanup_fd int fd = above < 0 ? -1 : openat(above, name, O_RDWR | O_NOFOLLOW | O_CLOEXEC | flags, 0600);
	int r;

	if (fd < 0)
		return setup_fail_errno(disk->path, above < 0 ? above : -errno, "");
	r = posix_fallocate(fd, 0, (off_t)disk->size);
	if (r == 0 && (fsync(fd) != 0 || fsync(above) != 0))
		r = errno;
	return r == 0 ? 0 : setup_fail_errno(disk->path, -r, "make it smaller, or put it elsewhere");
}

int disk_make(const struct disk *disk)
{
	const struct disk_kind *kind = disk->kind;
	char uuid[sizeof("uuid=") + DISK_UUID_TEXT];
	const char *argv[16];
	size_t count = 0;

	if (disk->ours)
		return 0;
	if (!disk->exists && image_reserve(disk, O_CREAT | O_EXCL) < 0)
		return -1;
	snprintf(uuid, sizeof(uuid), "%s%s", strcmp(disk->kind->fs, "xfs") == 0 ? "uuid=" : "", disk->uuid);
	for (; count < sizeof(kind->argv) / sizeof(kind->argv[0]) && kind->argv[count] != NULL; count++)
		argv[count] = kind->argv[count];
	argv[count++] = uuid;
	argv[count++] = disk->path;
	argv[count] = NULL;
	if (command_must(argv, "") < 0)
		return -1;
	return disk->exists ? 0 : image_reserve(disk, 0); /* again: mkfs writes zeros by punching holes */
}

/* Whether it is ours by what is in it, whatever a damaged record says: our file system, or nothing was ever written to
 * it. -1: said why. */
static int image_ours(int above, const char *name, const char *path, const char *uuid)
{
	cleanup_fd int fd = openat(above, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct signature signature;
	struct stat st;
	int r;

	if (fd < 0 || fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
		return 0;
	if (lseek(fd, 0, SEEK_DATA) < 0 && errno == ENXIO)
		return 1;
	r = signature_look(path, &signature);
	return r <= 0 ? r : strcmp(signature.label, DISK_LABEL) == 0 && strcmp(signature.uuid, uuid) == 0;
}

int disk_unmake(const char *path, const char *uuid)
{
	const char *name;
	cleanup_fd int above = file_directory_open(path, &name);
	struct stat st;
	int r;

	if (above < 0 || fstatat(above, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
		return 0;
	r = image_ours(above, name, path, uuid);
	if (r < 0)
		return -1;
	if (r == 0) {
		say(path, "stays: it is not the one that was made for the homes");
		return 0;
	}
	if (unlinkat(above, name, 0) != 0)
		return setup_fail_errno(path, -errno, "");
	say(path, "removed");
	return 0;
}

int disk_mounted(const char *directory, char uuid[DISK_UUID_TEXT + 1])
{
	const char *const argv[] = { "findmnt", "-n", "-o", "UUID", "--mountpoint", directory, NULL };
	cleanup_free char *text = NULL;
	int status = command_run(argv, &text);

	if (status == 1)
		return 0;
	if (status != 0)
		return setup_fail(directory, "findmnt(8) cannot tell what is mounted there", "nothing was changed");
	snprintf(uuid, DISK_UUID_TEXT + 1, "%.*s", (int)strcspn(text, " \n"), text);
	return 1;
}

static int mount_with(const struct disk *disk, const char *directory, const char *quotas)
{
	char options[64];
	const char *const argv[] = { "mount", "-t", disk->kind->fs, "-o", options, disk->path, directory, NULL };

	snprintf(options, sizeof(options), "nodev%s%s%s", quotas, disk->device ? "" : ",loop",
		 disk->device ? "" : disk->kind->image);
	return command_run(argv, NULL);
}

/* Kernels that are built without quotas mount nothing that wants them, and no ext4 that has a place for them: then the
 * limits are metered. One that was taken up stays as it is. */
int disk_mount(struct disk *disk, const char *directory)
{
	const struct disk_kind *kind = disk->kind;
	const char *const without[] = { "tune2fs", "-O", "^project,^quota", disk->path, NULL };
	disk->quotas = kind->quotas[0] != '\0' && mount_with(disk, directory, kind->quotas) == 0;
	if (disk->quotas)
		return 0;
	if (strcmp(disk->kind->fs, "ext4") == 0 && !disk->ours)
		(void)command_run(without, NULL);
	return mount_with(disk, directory, "") == 0 ? 0 : setup_fail(disk->path, "cannot be mounted", "see dmesg(1)");
}

void disk_line(const struct disk *disk, const char *directory, char *line, size_t size)
{
	const struct disk_kind *kind = disk->kind;
	char what[PATH_MAX + 8];

	snprintf(what, sizeof(what), "%s%s", disk->device ? "UUID=" : "", disk->device ? disk->uuid : disk->path);
	snprintf(line, size, "%s %s %s nodev,nofail%s%s%s 0 0", what, directory, disk->kind->fs,
		 disk->quotas ? kind->quotas : "", disk->device ? "" : ",loop", disk->device ? "" : kind->image);
}
