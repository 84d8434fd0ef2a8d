/* SPDX-License-Identifier: ISC */
/* The step of `subuid setup --homes`, and taking it back: what has data in it stays, and stays mounted. Run by root. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/daemon.h"
#include "cli/options.h"
#include "cli/program.h"
#include "cli/subuid.h"
#include "confine/cleanup.h"
#include "confine/path.h"
#include "setup/disk.h"
#include "setup/setup.h"
#include "setup/text.h"

#define FSTAB SYSCONFDIR "/fstab"
#define file_cleanup __attribute__((cleanup(setup_file_done)))

/* 1: nothing of an account is in it; 0: there is; or negative errno. */
static int directory_bare(int parent, const char *name, unsigned depth)
{
	cleanup_dir DIR *directory = NULL;
	const struct dirent *entry;
	cleanup_fd int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	int r = 1;

	directory = fd < 0 ? NULL : fdopendir(fd);
	if (directory == NULL)
		return -errno;
	(void)steal_fd(&fd);
	while (r == 1 && (errno = 0, entry = readdir(directory)) != NULL) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		/* what the daemon and mkfs make */
		if (depth > 0 || (entry->d_name[0] != '.' && strcmp(entry->d_name, "lost+found") != 0))
			return 0;
		r = directory_bare(dirfd(directory), entry->d_name, 1);
		r = r == -ENOTDIR ? 0 : r;
	}
	return r == 1 && errno != 0 ? -errno : r;
}

static int fstab_write(struct setup *setup, const struct setup_file *old, const char *text)
{
	int r;

	say_change(setup, FSTAB, "changed");
	text_diff(stdout, "  ", old->text, text);
	if (setup->dry_run)
		return 0;
	r = file_store(FSTAB, text, old, 0644);
	return r < 0 ? setup_fail(FSTAB, file_why(r), "nothing was changed there") : 0;
}

static int fstab_add(struct setup *setup, const struct disk *disk)
{
	file_cleanup struct setup_file file = { 0 };
	cleanup_free char *text = NULL;
	char line[PATH_MAX + 256];
	int r = file_load(FSTAB, &file);

	disk_line(disk, HOMES_DIR, line, sizeof(line));
	if (r == 0)
		r = fstab_with(file.text, HOMES_DIR, line, &text);
	if (r == -EEXIST)
		return setup_fail(FSTAB, "has a line for " HOMES_DIR " already", "remove it, or leave out --homes");
	if (r < 0 || text == NULL)
		return setup_fail(FSTAB, file_why(r), "");
	return fstab_write(setup, &file, text);
}

static int fstab_remove(struct setup *setup)
{
	file_cleanup struct setup_file file = { 0 };
	cleanup_free char *text = NULL;
	int r = setup->dry_run ? 0 : file_tidy(FSTAB);

	if (r == 0)
		r = file_load(FSTAB, &file);
	if (r == 0)
		r = fstab_without(file.text, &text);
	if (r < 0)
		return setup_fail(FSTAB, file_why(r), "");
	return !file.exists || text == NULL || strcmp(file.text, text) == 0 ? 0 : fstab_write(setup, &file, text);
}

static int systemd_reload(void)
{
	static const char *const argv[] = { "systemctl", "daemon-reload", NULL };

	return systemd_runs() ? command_must(argv, "") : 0;
}

/* The directory of the homes is there, root's, and has nothing in it that a mount would hide. */
static int place_look(const struct setup *setup)
{
	int bare = directory_bare(AT_FDCWD, HOMES_DIR, 0);

	if (bare == 1 || (bare == -ENOENT && setup->dry_run))
		return 0;
	if (bare < 0)
		return setup_fail_errno(HOMES_DIR, bare, "");
	return setup_fail(HOMES_DIR, "has homes in it already, which a mount would hide",
			  "move them: stop subuidd, mount the new file system elsewhere, `cp -a --sparse=always` them, "
			  "and write its line into " FSTAB);
}

/* The daemon has the directory open that will be hidden. */
static int mount_now(struct setup *setup, struct disk *disk)
{
	struct stopped stopped = { 0 };
	cleanup_fd int fd = -1;

	if (daemon_stop(&stopped) != STATUS_DONE || disk_mount(disk, HOMES_DIR) < 0)
		return -1;
	fd = path_open_trusted(HOMES_DIR, O_RDONLY);
	if (fd < 0 || fchown(fd, 0, 0) != 0 || fchmod(fd, 0711) != 0)
		return setup_fail_errno(HOMES_DIR, fd < 0 ? fd : -errno, "");
	if (fstab_add(setup, disk) < 0 || systemd_reload() < 0)
		return -1;
	return daemon_ran(&stopped) && daemon_start(&stopped) != STATUS_DONE ? -1 : 0;
}

static void plan_say(struct setup *setup, const struct disk *disk)
{
	char text[128], size[24];

	if (disk->ours) {
		say(disk->path, "has a file system of homes, which is taken up");
		return;
	}
	snprintf(text, sizeof(text), "made: a file system (%s) for the homes%s%s", disk->kind->fs,
		 disk->exists ? "" : ", ", disk->exists ? "" : size_text(disk->size, size));
	say_change(setup, disk->path, text);
}

int step_homes(struct setup *setup)
{
	char mounted[DISK_UUID_TEXT + 1];
	struct disk disk;
	int r;

	if (setup->homes == NULL)
		return 0;
	if (disk_word(setup->homes, &disk) < 0)
		return -1;
	r = disk_mounted(HOMES_DIR, mounted);
	if (r == 1 && record_has(setup, "homes", HOMES_DIR)) {
		say(HOMES_DIR, "has its own file system");
		return 0;
	}
	if (r == 1)
		return setup_fail(HOMES_DIR, "something is mounted there already", "leave out --homes");
	if (r < 0 || place_look(setup) < 0 || disk_look(&disk, setup->homes_fs) < 0)
		return -1;
	plan_say(setup, &disk);
	if (!setup->dry_run &&
	    record_add(setup, json_pack("{s:s, s:s, s:s, s:s, s:b}", "kind", "homes", "name", HOMES_DIR, "path",
					disk.path, "uuid", disk.uuid, "made", (int)!disk.exists)) < 0)
		return -1;
	if (!setup->dry_run && disk_make(&disk) < 0)
		return -1;
	say_change(setup, HOMES_DIR, "mounted");
	return setup->dry_run ? fstab_add(setup, &disk) : mount_now(setup, &disk);
}

/* 1: it is mounted and has data in it, or something else is; 0: nothing is mounted any more. */
static int unmount_bare(struct setup *setup, const char *uuid)
{
	static const char *const argv[] = { "umount", HOMES_DIR, NULL };
	char mounted[DISK_UUID_TEXT + 1];
	int r = disk_mounted(HOMES_DIR, mounted);

	if (r <= 0)
		return r;
	if (strcmp(mounted, uuid) != 0)
		return 1;
	r = directory_bare(AT_FDCWD, HOMES_DIR, 0);
	if (r != 1)
		return r < 0 ? setup_fail_errno(HOMES_DIR, r, "") : 1;
	say_change(setup, HOMES_DIR, "unmounted");
	return setup->dry_run ? 0 : command_must(argv, "stop what uses it");
}

int homes_revert(struct setup *setup, const json_t *deed)
{
	const char *path = json_string_value(json_object_get(deed, "path"));
	const char *uuid = json_string_value(json_object_get(deed, "uuid"));
	bool made = json_is_true(json_object_get(deed, "made"));
	int r;

	if (path == NULL || path[0] != '/' || uuid == NULL)
		return -1;
	r = unmount_bare(setup, uuid);
	if (r < 0)
		return -1;
	if (r == 1) {
		say(path, "stays, and stays mounted: it has homes in it");
		return 0;
	}
	if (fstab_remove(setup) < 0)
		return -1;
	if (!setup->dry_run && systemd_reload() < 0)
		return -1;
	if (!made)
		return 0;
	if (setup->dry_run) {
		say_change(setup, path, "removed, if it is the one that was made");
		return 0;
	}
	return disk_unmake(path, uuid);
}
