/* SPDX-License-Identifier: ISC */
/* Homes and views on real file systems: layout, crashes at every system call, what each uid can and cannot do. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include "confine/identity.h"
#include "confine/view.h"
#include "tests/unit/home_fixture.h"

static int setup_made(void **state)
{
	(void)state;
	assert_int_equal(home_make(&homes, &web1), 0);
	return 0;
}

static int teardown_made(void **state)
{
	char text[256];

	(void)state;
	assert_int_equal(home_view_close(&homes, &web1), 0);
	snprintf(text, sizeof(text), "rm -rf %s/homes/alice %s/homes/.removed/* %s/homes/.making/[0-9]*", fixture_top,
		 fixture_top, fixture_top);
	assert_int_equal(system(text), 0);
	return 0;
}

static int setup_view(void **state)
{
	setup_made(state);
	assert_int_equal(home_view_open(&homes, &web1, OWNER_GID), 0);
	return 0;
}

static void assert_node(const char *path, uid_t uid, gid_t gid, mode_t mode)
{
	struct stat st;

	assert_int_equal(lstat(path, &st), 0);
	assert_int_equal(st.st_uid, uid);
	assert_int_equal(st.st_gid, gid);
	assert_int_equal(st.st_mode, mode);
}

static void assert_sound(void)
{
	char why[256] = "";

	/* all but the view, which is not mounted */
	assert_int_equal(home_check(&homes, &web1, why, sizeof(why)), homes.views ? -ENOTCONN : -EACCES);
}

static void the_layout_is_as_designed(void **state)
{
	(void)state;
	assert_true(homes.views);
	assert_node(at("homes"), 0, 0, S_IFDIR | 0711);
	assert_node(at("homes/.removed"), 0, 0, S_IFDIR | 0700);
	assert_node(at("homes/.making"), 0, 0, S_IFDIR | 0700);
	assert_node(at("homes/alice"), 0, 0, S_IFDIR | 0711);
	assert_node(at("homes/alice/web1"), 0, WEB1_UID, S_IFDIR | 0710);
	assert_node(at("homes/alice/web1/home"), WEB1_UID, WEB1_UID, S_IFDIR | 0700);
	assert_node(at("homes/alice/web1/view"), 0, 0, S_IFDIR);
	assert_int_equal(count_entries(at("homes/.making")), 2); /* what views were tried with */
	assert_sound();
	if (strcmp(fixture_type, "btrfs") == 0) {
		struct stat st;

		assert_int_equal(stat(at("homes/alice/web1/home"), &st), 0);
		assert_int_equal(st.st_ino, 256);
	}
}

static void making_it_again_changes_nothing(void **state)
{
	(void)state;
	write_file(at("homes/alice/web1/home/data"), "data", 0600, WEB1_UID);
	assert_int_equal(home_view_open(&homes, &web1, OWNER_GID), 0);
	assert_int_equal(home_make(&homes, &web1), 0);
	assert_true(view_mounted(homes.fd, "alice/web1/view"));
	assert_node(at("homes/alice/web1/home/data"), WEB1_UID, WEB1_UID, S_IFREG | 0600);
	assert_int_equal(home_unmake(&homes, &web1), -ENOTEMPTY);
	assert_node(at("homes/alice/web1/home/data"), WEB1_UID, WEB1_UID, S_IFREG | 0600);
}

/* An administrator gave the account, or the owner, a file system of its own: also after the daemon has started. */
static void the_view_is_of_what_is_mounted_there(void **state)
{
	static const char *const places[] = { "homes/alice/web1/home", "homes/alice" };

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		char text[256];

		snprintf(text, sizeof(text), "cp -a %s/%s %s/own", fixture_top, places[i], fixture_top);
		assert_int_equal(system(text), 0);
		assert_int_equal(mount(at("own"), at("%s", places[i]), NULL, MS_BIND, NULL), 0);
		write_file(at("homes/alice/web1/home/mounted"), "x", 0600, WEB1_UID);
		assert_int_equal(home_view_open(&homes, &web1, OWNER_GID), 0);
		assert_node(at("homes/alice/web1/view/mounted"), OWNER_UID, OWNER_GID, S_IFREG | 0600);
		assert_int_equal(home_view_close(&homes, &web1), 0);
		assert_int_equal(umount2(at("%s", places[i]), MNT_DETACH), 0);
		assert_int_equal(access(at("homes/alice/web1/home/mounted"), F_OK), -1);
		snprintf(text, sizeof(text), "rm -rf %s/own", fixture_top);
		assert_int_equal(system(text), 0);
	}
}

/* The files are the account's there, and nothing of them acts. */
static void their_view_shows_whose_it_is(void **state)
{
	struct account theirs = web1;
	struct statvfs fs;
	char why[256];

	(void)state;
	theirs.facts.view = VIEW_THEIRS;
	write_file(at("homes/alice/web1/home/open"), "x", 0644, WEB1_UID);
	assert_int_equal(home_view_open(&homes, &theirs, OWNER_GID), 0);
	assert_node(at("homes/alice/web1/view/open"), WEB1_UID, WEB1_UID, S_IFREG | 0644);
	assert_node(at("homes/alice/web1/home"), WEB1_UID, WEB1_UID, S_IFDIR | 0755);
	assert_int_equal(statvfs(at("homes/alice/web1/view"), &fs), 0);
	assert_int_equal(fs.f_flag & (ST_NOSUID | ST_NODEV | ST_NOEXEC | 0x2000),
			 ST_NOSUID | ST_NODEV | ST_NOEXEC | 0x2000);
	assert_int_equal(symlink("open", at("homes/alice/web1/home/link")), 0);
	assert_int_equal(open(at("homes/alice/web1/view/link"), O_RDONLY | O_CLOEXEC), -1);
	assert_int_equal(errno, ELOOP);
	assert_int_equal(unlink(at("homes/alice/web1/home/link")), 0);
	assert_int_equal(home_check(&homes, &theirs, why, sizeof(why)), 0);
	/* what was pushed is not opened, and neither is the home while its view is right */
	assert_node(at("homes/alice/web1/home/open"), WEB1_UID, WEB1_UID, S_IFREG | 0644);
	assert_int_equal(chmod(at("homes/alice/web1/home"), 0700), 0);
	assert_int_equal(home_view_open(&homes, &theirs, OWNER_GID), 0);
	assert_node(at("homes/alice/web1/home"), WEB1_UID, WEB1_UID, S_IFDIR | 0700);
}

/* Of the account or, where that says nothing, of the host: each is a fault where the other is to be, and is replaced.
 */
static void a_view_of_the_other_kind_is_replaced(void **state)
{
	char why[256];

	(void)state;
	for (uint32_t i = 0; i < 4; i++) {
		uint32_t before = i % 2 ? VIEW_THEIRS : VIEW_OWNER, after = i % 2 ? VIEW_OWNER : VIEW_THEIRS;
		uint32_t *setting = i < 2 ? &web1.facts.view : &homes.view;

		*setting = before;
		assert_int_equal(home_view_open(&homes, &web1, OWNER_GID), 0);
		assert_int_equal(home_check(&homes, &web1, why, sizeof(why)), 0);
		*setting = after;
		assert_int_equal(home_check(&homes, &web1, why, sizeof(why)), -ESTALE);
		assert_int_equal(home_view_open(&homes, &web1, OWNER_GID), 0);
		assert_int_equal(home_check(&homes, &web1, why, sizeof(why)), 0);
		assert_int_equal(home_view_close(&homes, &web1), 0);
		web1.facts.view = VIEW_DEFAULT;
	}
	homes.view = VIEW_OWNER;
}

static void what_is_anothers_is_refused(void **state)
{
	struct account other = web1;
	char why[256];

	(void)state;
	other.uid = WEB2_UID;
	assert_int_equal(home_make(&homes, &other), -EEXIST);
	assert_int_equal(home_unmake(&homes, &other), 0);
	assert_int_equal(home_set_aside(&homes, &other), -ENOENT);
	assert_int_equal(home_view_open(&homes, &other, OWNER_GID), -EEXIST);
	assert_sound();

	/* a home of somebody else's in a directory of ours */
	assert_int_equal(chown(at("homes/alice/web1/home"), THIRD_UID, THIRD_UID), 0);
	assert_int_equal(home_make(&homes, &web1), -EEXIST);
	assert_int_equal(home_view_open(&homes, &web1, OWNER_GID), -EPERM);
	assert_int_equal(home_check(&homes, &web1, why, sizeof(why)), -EPERM);
	assert_non_null(strstr(why, "does not belong"));

	/* names that are no component of a path */
	strcpy(other.label, "../x");
	assert_int_equal(home_make(&homes, &other), -EINVAL);
	strcpy(other.label, "x");
	strcpy(other.owner, ".removed");
	assert_int_equal(home_make(&homes, &other), -EINVAL);
	strcpy(other.owner, "a/b");
	assert_int_equal(home_make(&homes, &other), -EINVAL);
}

static void check_finds_what_is_wrong(void **state)
{
	char why[256];

	(void)state;
	assert_int_equal(chmod(at("homes/alice/web1"), 0755), 0);
	assert_int_equal(home_check(&homes, &web1, why, sizeof(why)), -EPERM);
	assert_int_equal(home_make(&homes, &web1), 0);
	assert_sound();
	assert_int_equal(chmod(at("homes/alice"), 0777), 0);
	assert_int_equal(home_check(&homes, &web1, why, sizeof(why)), -EPERM);
	assert_int_equal(home_make(&homes, &web1), -EPERM);
	assert_int_equal(chmod(at("homes/alice"), 0711), 0);
	assert_int_equal(chmod(at("homes/alice/web1/view"), 0755), 0);
	assert_int_equal(home_check(&homes, &web1, why, sizeof(why)), -EPERM);
	assert_int_equal(chmod(at("homes/alice/web1/view"), 0), 0);
	assert_int_equal(home_view_open(&homes, &web1, OWNER_GID), 0);
	assert_int_equal(home_check(&homes, &web1, why, sizeof(why)), 0);
	/* the right directory, shown to the wrong uid */
	web1.owner_uid = THIRD_UID;
	assert_true(home_check(&homes, &web1, why, sizeof(why)) < 0);
	web1.owner_uid = OWNER_UID;
}

/* Runs home_make and kills it at its n-th stop at a system call. False: it was done before. */
static bool make_killed_at(int n)
{
	int status, stops = 0;
	pid_t pid = fork();

	if (pid == 0) {
		const struct account *account = &web1;

		ptrace(PTRACE_TRACEME, 0, NULL, NULL);
		raise(SIGSTOP);
		_exit(home_make(&homes, &web1) == 0 && home_sync(&homes, &account, 1) == 0 ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	ptrace(PTRACE_SETOPTIONS, pid, NULL, PTRACE_O_EXITKILL);
	while (stops++ < n) {
		assert_int_equal(ptrace(PTRACE_SYSCALL, pid, NULL, NULL), 0);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		if (WIFEXITED(status)) {
			assert_int_equal(WEXITSTATUS(status), 0);
			return false;
		}
	}
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return true;
}

/* Invariant 3: killed anywhere, it is whole or not there, and can be finished and undone. */
static void killed_at_every_system_call_it_can_be_finished_and_undone(void **state)
{
	int n = 1;

	(void)state;
	for (bool undo = false; make_killed_at(n); n += undo, undo = !undo) {
		char why[256];
		int r = home_check(&homes, &web1, why, sizeof(why));

		if (r != -ENOENT)
			assert_int_equal(r, -ENOTCONN);
		if (!undo) {
			assert_int_equal(home_make(&homes, &web1), 0);
			assert_sound();
		}
		assert_int_equal(home_unmake(&homes, &web1), 0);
		assert_int_equal(count_entries(at("homes/.making")), 2); /* what views were tried with */
		assert_int_equal(count_entries(at("homes")), 2);
	}
	print_message("%s: %d points\n", fixture_type, n);
	assert_true(n > 40);
}

static int as_owner_read_everything(void *data)
{
	char text[8] = "";
	int fd;

	(void)data;
	fd = open(at("homes/alice/web1/view/private"), O_RDONLY);
	if (fd < 0 || read(fd, text, 6) != 6 || strcmp(text, "secret") != 0)
		return 1;
	if (open(at("homes/alice/web1/view/closed/file"), O_RDONLY) >= 0)
		return 2;
	if (chmod(at("homes/alice/web1/view/closed"), 0700) != 0)
		return 3;
	if (open(at("homes/alice/web1/view/closed/file"), O_RDONLY) < 0)
		return 4;
	if (chmod(at("homes/alice/web1/view/closed"), 0) != 0)
		return 5;
	if (open(at("homes/alice/web1/home"), O_RDONLY) >= 0)
		return 6;
	if (open(at("homes/alice/web1/view/made"), O_WRONLY | O_CREAT | O_EXCL, 0640) < 0)
		return 7;
	return rename(at("homes/alice/web1/view/made"), at("homes/alice/web1/view/closed2")) == 0 ? 0 : 8;
}

static void the_owner_reads_and_restores_whatever_the_modes_are(void **state)
{
	(void)state;
	write_file(at("homes/alice/web1/home/private"), "secret", 0600, WEB1_UID);
	assert_int_equal(mkdir(at("homes/alice/web1/home/closed"), 0700), 0);
	write_file(at("homes/alice/web1/home/closed/file"), "secret", 0, WEB1_UID);
	assert_int_equal(chmod(at("homes/alice/web1/home/closed/file"), 0400), 0);
	assert_int_equal(chown(at("homes/alice/web1/home/closed"), WEB1_UID, WEB1_UID), 0);
	assert_int_equal(chmod(at("homes/alice/web1/home/closed"), 0), 0);
	assert_int_equal(run_as(OWNER_UID, false, as_owner_read_everything, NULL), 0);
	/* the owner's new file belongs to the sub-account on disk */
	assert_node(at("homes/alice/web1/home/closed2"), WEB1_UID, WEB1_UID, S_IFREG | 0640);
	assert_node(at("homes/alice/web1/home/closed"), WEB1_UID, WEB1_UID, S_IFDIR);
}

static int as_account_use_common_group(void *data)
{
	(void)data;
	if (mkdir(at("homes/alice/web1/home/dir"), 0700) != 0 || mkdir(at("homes/alice/web1/home/dir/in"), 0700) != 0)
		return 1;
	return chown(at("homes/alice/web1/home/dir"), (uid_t)-1, COMMON_GID) == 0 &&
			       chmod(at("homes/alice/web1/home/dir"), 0) == 0 ?
		       0 :
		       2;
}

static int as_owner_change_common_group(void *data)
{
	(void)data;
	if (chmod(at("homes/alice/web1/view/dir"), 0700) != 0)
		return errno == EOVERFLOW ? 50 : 1;
	return rmdir(at("homes/alice/web1/view/dir/in")) == 0 && rmdir(at("homes/alice/web1/view/dir")) == 0 ? 0 : 2;
}

static void files_of_the_common_group_are_the_owners_too(void **state)
{
	(void)state;
	assert_int_equal(run_as(WEB1_UID, true, as_account_use_common_group, NULL), 0);
	/* the control: without the second line of the map the owner is helpless */
	homes.common_gid = VIEW_NO_GROUP;
	assert_int_equal(home_view_close(&homes, &web1), 0);
	assert_int_equal(home_view_open(&homes, &web1, OWNER_GID), 0);
	assert_int_equal(run_as(OWNER_UID, false, as_owner_change_common_group, NULL), 50);
	homes.common_gid = COMMON_GID;
	assert_int_equal(home_view_close(&homes, &web1), 0);
	assert_int_equal(home_view_open(&homes, &web1, OWNER_GID), 0);
	assert_int_equal(run_as(OWNER_UID, false, as_owner_change_common_group, NULL), 0);
}

static int as_owner_be_hurt(void *data)
{
	char path[512];
	int status;

	(void)data;
	if (open(at("homes/alice/web1/view/link"), O_RDONLY) >= 0 || errno != ELOOP)
		return 1;
	if (open(at("homes/alice/web1/view/linkdir/passwd"), O_RDONLY) >= 0 || errno != ELOOP)
		return 2;
	if (readlink(at("homes/alice/web1/view/link"), path, sizeof(path)) != 11)
		return 3;
	if (open(at("homes/alice/web1/view/null"), O_RDONLY) >= 0 || errno != EACCES)
		return 4;
	/* the control first: set-uid does work on this file system */
	snprintf(path, sizeof(path), "test $(%s -u) = %u", at("homes/alice/web1/home/id"), WEB1_UID);
	status = system(path);
	if (status != 0)
		return 5;
	snprintf(path, sizeof(path), "test $(%s -u) = %u", at("homes/alice/web1/view/id"), OWNER_UID);
	status = system(path);
	return status == 0 ? 0 : 6;
}

static void nothing_in_the_view_can_hurt_the_owner(void **state)
{
	char text[512];

	(void)state;
	assert_int_equal(symlink("/etc/passwd", at("homes/alice/web1/home/link")), 0);
	assert_int_equal(symlink("/etc", at("homes/alice/web1/home/linkdir")), 0);
	assert_int_equal(mknod(at("homes/alice/web1/home/null"), S_IFCHR | 0666, makedev(1, 3)), 0);
	assert_int_equal(chmod(at("homes/alice/web1/home/null"), 0666), 0);
	snprintf(text, sizeof(text), "cp /usr/bin/id %s", at("homes/alice/web1/home/id"));
	assert_int_equal(system(text), 0);
	assert_int_equal(chown(at("homes/alice/web1/home/id"), WEB1_UID, WEB1_UID), 0);
	assert_int_equal(chmod(at("homes/alice/web1/home/id"), 04755), 0);
	assert_int_equal(chmod(at("homes/alice/web1/home"), 0755), 0);
	assert_int_equal(run_as(OWNER_UID, false, as_owner_be_hurt, NULL), 0);
}

static int as_third_enter(void *data)
{
	(void)data;
	if (open(at("homes/alice/web1/home"), O_PATH) >= 0 || open(at("homes/alice/web1/view"), O_PATH) >= 0)
		return 1;
	if (open(at("homes/alice/web1"), O_RDONLY) >= 0 || open(at("homes/alice"), O_RDONLY) >= 0)
		return 2;
	return errno == EACCES ? 0 : 3;
}

static int as_account_open_wide(void *data)
{
	(void)data;
	return chmod(at("homes/alice/web1/home"), 0777) == 0 ? 0 : 1;
}

static int as_account_escape(void *data)
{
	(void)data;
	if (mkdir(at("homes/alice/web1/x"), 0700) == 0 || rename(at("homes/alice/web1/home"), at("homes/alice/x")) == 0)
		return 1;
	if (rmdir(at("homes/alice/web1/view")) == 0 || symlink("/", at("homes/alice/web1/y")) == 0)
		return 2;
	if (open(at("homes/alice/web1"), O_RDONLY) >= 0 || open(at("homes/alice"), O_RDONLY) >= 0 ||
	    open(at("homes"), O_RDONLY) >= 0)
		return 3;
	if (chmod(at("homes/alice/web1"), 0777) == 0 || open(at("homes/alice/web2/home"), O_PATH) >= 0)
		return 4;
	if (open(at("homes/alice/web1/home/mine"), O_WRONLY | O_CREAT, 0600) < 0)
		return 5;
	/* through the view it is nobody: not even its own files can be made there */
	return open(at("homes/alice/web1/view/mine2"), O_WRONLY | O_CREAT, 0600) < 0 ? 0 : 6;
}

static void a_third_uid_cannot_enter_whatever_mode_home_has(void **state)
{
	(void)state;
	assert_int_equal(run_as(WEB1_UID, false, as_account_open_wide, NULL), 0);
	assert_int_equal(run_as(THIRD_UID, false, as_third_enter, NULL), 0);
	assert_int_equal(run_as(WEB2_UID, true, as_third_enter, NULL), 0);
}

static void the_account_cannot_leave_its_home(void **state)
{
	(void)state;
	assert_int_equal(home_make(&homes, &web2), 0);
	assert_int_equal(run_as(WEB1_UID, true, as_account_open_wide, NULL), 0);
	assert_int_equal(run_as(WEB1_UID, true, as_account_escape, NULL), 0);
}

static int as_owner_look_unmounted(void *data)
{
	(void)data;
	return open(at("homes/alice/web1/view"), O_RDONLY) < 0 && errno == EACCES ? 0 : 1;
}

static void an_unmounted_view_is_permission_denied_and_not_empty(void **state)
{
	(void)state;
	assert_int_equal(run_as(OWNER_UID, false, as_owner_look_unmounted, NULL), 0);
}

static void a_wrong_view_is_replaced(void **state)
{
	struct stat st;

	(void)state;
	assert_int_equal(home_view_close(&homes, &web1), 0);
	assert_false(view_mounted(homes.fd, "alice/web1/view"));
	assert_int_equal(home_view_close(&homes, &web1), 0);
	/* a plain bind mount, without id map and restrictions */
	assert_int_equal(mount(at("homes/alice/web1/home"), at("homes/alice/web1/view"), NULL, MS_BIND, NULL), 0);
	assert_int_equal(home_view_open(&homes, &web1, OWNER_GID), 0);
	assert_int_equal(stat(at("homes/alice/web1/view"), &st), 0);
	assert_int_equal(st.st_uid, OWNER_UID);
	assert_int_equal(st.st_gid, OWNER_GID);
	assert_int_equal(home_view_open(&homes, &web1, OWNER_GID), 0);
	assert_int_equal(home_view_close(&homes, &web1), 0);
	assert_false(view_mounted(homes.fd, "alice/web1/view"));
}

static int mounts_below(const char *needle)
{
	FILE *file = fopen("/proc/self/mountinfo", "re");
	char line[1024];
	int count = 0;

	assert_non_null(file);
	while (fgets(line, sizeof(line), file) != NULL)
		count += strstr(line, needle) != NULL;
	fclose(file);
	return count;
}

/* In a host whose mounts are shared, others see the view; and what is mounted below the one stays out of the other. */
static void the_view_propagates_and_is_its_own(void **state)
{
	int status;
	pid_t pid;

	(void)state;
	assert_int_equal(home_view_close(&homes, &web1), 0);
	assert_int_equal(mount(NULL, fixture_top, NULL, MS_SHARED, NULL), 0);
	pid = fork();
	if (pid == 0) {
		if (unshare(CLONE_NEWNS) != 0)
			_exit(3);
		/* a descriptor into the mounts of this namespace */
		homes.fd = open(at("homes"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		homes.alone = -1; /* is the other one's; and so it is where the kernel has none */
		if (home_view_open(&homes, &web1, OWNER_GID) != 0)
			_exit(1);
		mkdir(at("homes/alice/web1/home/sub"), 0700);
		_exit(mount("tmpfs", at("homes/alice/web1/home/sub"), "tmpfs", 0, NULL) == 0 ? 0 : 2);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(mounts_below("homes/alice/web1/view"), 1);
	assert_int_equal(mounts_below("homes/alice/web1/home/sub"), 1);
	umount2(at("homes/alice/web1/home/sub"), MNT_DETACH);
	assert_int_equal(home_view_close(&homes, &web1), 0);
	assert_int_equal(mount(NULL, fixture_top, NULL, MS_PRIVATE, NULL), 0);
}

static int as_owner_use_acl(void *data)
{
	(void)data;
	return open(at("homes/alice/web1/home/plain"), O_RDWR) >= 0 &&
			       open(at("homes/alice/web1/home"), O_RDONLY) >= 0 ?
		       0 :
		       1;
}

static int as_account_make_plain(void *data)
{
	(void)data;
	return open(at("homes/alice/web1/home/plain"), O_WRONLY | O_CREAT, 0666) >= 0 ? 0 : 1;
}

static void without_views_the_owner_has_acls(void **state)
{
	char why[256];

	(void)state;
	homes.views = false;
	assert_sound();
	assert_int_equal(home_view_open(&homes, &web1, OWNER_GID), 0);
	assert_int_equal(home_check(&homes, &web1, why, sizeof(why)), 0);
	assert_int_equal(run_as(WEB1_UID, false, as_account_make_plain, NULL), 0);
	assert_int_equal(run_as(OWNER_UID, false, as_owner_use_acl, NULL), 0);
	assert_int_equal(run_as(THIRD_UID, false, as_third_enter, NULL), 0);
	homes.views = true;
}

static void aside_it_goes_whole_and_once(void **state)
{
	(void)state;
	write_file(at("homes/alice/web1/home/data"), "data", 0600, WEB1_UID);
	assert_int_equal(home_set_aside(&homes, &web1), 0);
	assert_int_equal(home_set_aside(&homes, &web1), 0);
	assert_node(at("homes/.removed/%u/home/data", WEB1_UID), WEB1_UID, WEB1_UID, S_IFREG | 0600);
	assert_int_equal(access(at("homes/alice"), F_OK), -1);
	assert_int_equal(mounts_below("web1"), 0);
	/* a new account of the same name is not mistaken for it */
	web2.label[3] = '1';
	assert_int_equal(home_make(&homes, &web2), 0);
	assert_int_equal(home_set_aside(&homes, &web1), 0);
	assert_int_equal(access(at("homes/alice/web1/home"), F_OK), 0);
	web2.label[3] = '2';
}

static void quota_says_what_it_cannot(void **state)
{
	struct home_kept kept = { KEPT_BY_DISK, KEPT_BY_DISK };
	int r;

	(void)state;
	web1.facts.quota = 0;
	assert_int_equal(home_quota_set(&homes, &web1, &kept), 0);
	assert_true(kept.bytes == KEPT_NONE && kept.files == KEPT_NONE);
	web1.facts.quota = 1 << 20;
	web1.facts.files = 77;
	r = home_quota_set(&homes, &web1, &kept);
	web1.facts.quota = 0;
	web1.facts.files = 0;
	assert_int_equal(r, 0);
	assert_true(kept.bytes == KEPT_METERED && kept.files == KEPT_METERED);
	if (strcmp(fixture_type, "btrfs") == 0) {
		char text[256];
		int fd;

		snprintf(text, sizeof(text), "btrfs quota enable %s", fixture_top);
		assert_int_equal(system(text), 0);
		web1.facts.quota = 1 << 20;
		assert_int_equal(home_quota_set(&homes, &web1, &kept), 0);
		assert_true(kept.bytes == KEPT_BY_DISK && kept.files == KEPT_NONE);
		fd = open(at("homes/alice/web1/home/large"), O_WRONLY | O_CREAT, 0600);
		for (r = 0; r < 64 && ftruncate(fd, 0) == 0; r++) {
			char *block = calloc(1, 4 << 20);
			ssize_t n = write(fd, block, 4 << 20);

			free(block);
			if (n != 4 << 20)
				break;
		}
		close(fd);
		assert_int_equal(r, 0);
		web1.facts.quota = 0;
		assert_int_equal(home_quota_set(&homes, &web1, &kept), 0);
		snprintf(text, sizeof(text), "btrfs quota disable %s", fixture_top);
		assert_int_equal(system(text), 0);
	}
}

static void homes_that_are_not_roots_alone_are_refused(void **state)
{
	struct homes other = { .fd = -1 };

	(void)state;
	assert_int_equal(mkdir(at("bad"), 0711), 0);
	assert_int_equal(chmod(at("bad"), 0777), 0);
	assert_int_equal(homes_open(at("bad"), "subuid", &other), -EPERM);
	assert_int_equal(chmod(at("bad"), 0711), 0);
	assert_int_equal(chown(at("bad"), THIRD_UID, 0), 0);
	assert_int_equal(homes_open(at("bad"), "subuid", &other), -EPERM);
	assert_int_equal(chown(at("bad"), 0, 0), 0);
	assert_int_equal(homes_open(at("bad"), "a/b", &other), -EINVAL);
	assert_int_equal(homes_open(at("bad"), "..", &other), -EINVAL);
	assert_int_equal(homes_open("relative", "subuid", &other), -EINVAL);
	assert_int_equal(other.fd, -1);
	assert_int_equal(homes_open(at("bad"), "subuid", &other), 0);
	assert_int_equal(count_entries(at("bad/.making")), 2);
	homes_close(&other);
	/* no ACLs: nothing would close the account directories */
	assert_int_equal(mkdir(at("ram"), 0711), 0);
	assert_int_equal(mount("ramfs", at("ram"), "ramfs", 0, NULL), 0);
	assert_int_equal(chmod(at("ram"), 0711), 0);
	assert_int_equal(homes_open(at("ram"), "subuid", &other), -EOPNOTSUPP);
	umount2(at("ram"), MNT_DETACH);
}

/* Nobody's directory lies there then, which not even root may open: no start would ever succeed again. */
static void a_start_that_was_killed_while_it_tried_a_view_is_no_obstacle(void **state)
{
	struct homes other = { .fd = -1 };
	int source, target;

	(void)state;
	assert_int_equal(mkdir(at("tried"), 0711), 0);
	assert_int_equal(homes_open(at("tried"), "subuid", &other), 0);
	homes_close(&other);
	source = open(at("tried/.making/probe"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	target = open(at("tried/.making/probe.view"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(source >= 0 && target >= 0);
	if (view_mount(source, target, 1, 1, 2, 2) == 0) {
		assert_int_equal(homes_open(at("tried"), "subuid", &other), 0);
		assert_true(other.views);
		homes_close(&other);
	}
	close(source);
	close(target);
}

#define MADE(test) cmocka_unit_test_setup_teardown(test, setup_made, teardown_made)
#define VIEW(test) cmocka_unit_test_setup_teardown(test, setup_view, teardown_made)

int main(void)
{
	static const char *const types[] = { "ext4", "btrfs", "xfs", "tmpfs" };
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(killed_at_every_system_call_it_can_be_finished_and_undone),
		MADE(the_layout_is_as_designed),
		MADE(making_it_again_changes_nothing),
		MADE(the_view_is_of_what_is_mounted_there),
		MADE(their_view_shows_whose_it_is),
		MADE(a_view_of_the_other_kind_is_replaced),
		MADE(what_is_anothers_is_refused),
		MADE(check_finds_what_is_wrong),
		VIEW(the_owner_reads_and_restores_whatever_the_modes_are),
		VIEW(files_of_the_common_group_are_the_owners_too),
		VIEW(nothing_in_the_view_can_hurt_the_owner),
		VIEW(a_third_uid_cannot_enter_whatever_mode_home_has),
		VIEW(the_account_cannot_leave_its_home),
		MADE(an_unmounted_view_is_permission_denied_and_not_empty),
		VIEW(a_wrong_view_is_replaced),
		VIEW(the_view_propagates_and_is_its_own),
		MADE(without_views_the_owner_has_acls),
		VIEW(aside_it_goes_whole_and_once),
		MADE(quota_says_what_it_cannot),
		cmocka_unit_test(homes_that_are_not_roots_alone_are_refused),
		cmocka_unit_test(a_start_that_was_killed_while_it_tried_a_view_is_no_obstacle),
	};
	int failed = 0;

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		print_message("== %s\n", types[i]);
		fixture_mount(types[i]);
		failed += cmocka_run_group_tests_name(types[i], tests, NULL, NULL);
		fixture_unmount();
	}
	return failed;
}
