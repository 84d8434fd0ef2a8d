/* SPDX-License-Identifier: ISC */
#include "tests/unit/home_fixture.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "confine/identity.h"

const char *fixture_type;
char fixture_top[64];
struct homes homes;
struct account web1 = { .uid = WEB1_UID, .owner_uid = OWNER_UID, .owner = "alice", .label = "web1" };
struct account web2 = { .uid = WEB2_UID, .owner_uid = OWNER_UID, .owner = "alice", .label = "web2" };

const char *at(const char *format, ...)
{
	static char buffers[8][512];
	static unsigned next;
	char *buffer = buffers[next++ % 8];
	va_list arguments;
	int n = snprintf(buffer, sizeof(buffers[0]), "%s/", fixture_top);

	va_start(arguments, format);
	vsnprintf(buffer + n, sizeof(buffers[0]) - (size_t)n, format, arguments);
	va_end(arguments);
	return buffer;
}

static void command(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void command(const char *format, ...)
{
	char text[512];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	if (system(text) != 0)
		fail_msg("failed: %s", text);
}

static void image_mount(const char *type)
{
	char image[80];

	snprintf(image, sizeof(image), "%s.img", fixture_top);
	/* xfs wants 300 MB; the file is sparse */
	command("truncate -s 320M %s", image);
	command("mkfs.%s -q %s", type, image);
	command("mount -o loop %s %s", image, fixture_top);
	unlink(image);
}

void fixture_mount(const char *type)
{
	struct stat before, after;

	fixture_type = type;
	snprintf(fixture_top, sizeof(fixture_top), "/tmp/test_home.XXXXXX");
	assert_non_null(mkdtemp(fixture_top));
	assert_int_equal(stat(fixture_top, &before), 0);
	if (strcmp(type, "tmpfs") == 0)
		assert_int_equal(mount("tmpfs", fixture_top, "tmpfs", 0, "size=64m"), 0);
	else
		image_mount(type);
	assert_int_equal(stat(fixture_top, &after), 0);
	assert_true(before.st_dev != after.st_dev);
	assert_int_equal(chmod(fixture_top, 0711), 0);
	assert_int_equal(homes_open(at("homes"), "subuid", &homes), 0);
	homes.common_gid = COMMON_GID;
	homes.view = VIEW_OWNER;
}

void fixture_unmount(void)
{
	homes_close(&homes);
	umount2(fixture_top, MNT_DETACH);
	rmdir(fixture_top);
}

pid_t start_as(uid_t uid, int (*run)(void *data), void *data)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(identity_become(uid, uid, NULL, 0) == 0 ? run(data) : 126);
	assert_true(pid > 0);
	return pid;
}

int run_as(uid_t uid, bool in_common, int (*run)(void *data), void *data)
{
	int status;
	pid_t pid = fork();

	if (pid == 0)
		_exit(identity_become(uid, uid, &(gid_t){ COMMON_GID }, in_common ? 1 : 0) == 0 ? run(data) : 126);
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

void write_file(const char *path, const char *text, mode_t mode, uid_t owner)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	if (fd < 0)
		fail_msg("%s: %s", path, strerror(errno));
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	assert_int_equal(fchown(fd, owner, owner), 0);
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
}

int count_entries(const char *path)
{
	DIR *dir = opendir(path);
	int count = 0;

	if (dir == NULL)
		return -errno;
	while (readdir(dir) != NULL)
		count++;
	closedir(dir);
	return count - 2;
}

int wait_pidfd(int pidfd)
{
	siginfo_t info = { 0 };

	assert_int_equal(waitid(P_PIDFD, (id_t)pidfd, &info, WEXITED), 0);
	close(pidfd);
	return info.si_code == CLD_EXITED ? info.si_status : -1;
}
