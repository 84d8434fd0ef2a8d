/* SPDX-License-Identifier: ISC */
/*
 * `subuid doctor --containers [OWNER]`: what rootless containers of an owner need, and a container of theirs made of
 * the kernel's parts (trial.c). Says what is missing in words. Run by root.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "account/passwd.h"
#include "cli/daemon.h"
#include "cli/subuid.h"
#include "confine/cleanup.h"
#include "setup/doctor.h"
#include "setup/lxc.h"
#include "setup/setup.h"
#include "setup/text.h"
#include "setup/trial.h"

#define ENOUGH 65536u

struct subject {
	struct passwd user;
	struct id_range range; /* the first of theirs: root in LXC's containers */
	uint64_t ids;
};

/* newuidmap maps what is not the caller's own: by its file's capability, or as root. */
static void check_mapper(struct doctor *doctor, const char *path)
{
	struct stat st;

	if (stat(path, &st) != 0)
		found(doctor, FINDING_BAD, path, "not installed", "install the package uidmap");
	else if ((st.st_mode & S_ISUID) == 0 && getxattr(path, "security.capability", NULL, 0) <= 0)
		found(doctor, FINDING_BAD, path, "neither set-uid root nor with the capability that it needs",
		      "reinstall the package uidmap");
	else
		found(doctor, FINDING_GOOD, path, "may map ids", "");
}

static void check_programs(struct doctor *doctor)
{
	static const char *const programs[] = { "/usr/bin/podman", "/usr/bin/buildah", "/usr/bin/lxc-start", NULL };
	char there[128] = "";

	for (const char *const *program = programs; *program != NULL; program++)
		if (access(*program, X_OK) == 0)
			snprintf(there + strlen(there), sizeof(there) - strlen(there), "%s%s",
				 there[0] == '\0' ? "" : ", ", strrchr(*program, '/') + 1);
	if (there[0] == '\0')
		found(doctor, FINDING_NOTE, "programs", "neither podman nor buildah nor LXC is installed",
		      "install the package podman, or lxc");
	else
		found(doctor, FINDING_GOOD, "programs", there, "");
}

static void check_sysctl(struct doctor *doctor, const char *name, const char *path, char refused)
{
	cleanup_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
	char text[16] = "", todo[96];

	if (fd < 0 || read(fd, text, sizeof(text) - 1) <= 0) /* this kernel has no such switch */
		return;
	if (text[0] != refused || text[1] != '\n')
		return;
	snprintf(todo, sizeof(todo), "sysctl %s=%c, and in /etc/sysctl.d to keep it", name, refused == '0' ? '1' : '0');
	found(doctor, FINDING_BAD, name, "refuses user namespaces to users", todo);
}

static void check_manager(struct doctor *doctor, const struct subject *subject)
{
	char path[128], todo[96];

	if (!systemd_runs()) {
		found(doctor, FINDING_NOTE, "control groups", "without systemd nothing delegates them to users",
		      "use `cgroups = \"disabled\"` of containers.conf(5)");
		return;
	}
	snprintf(path, sizeof(path), "/run/user/%u/systemd/private", subject->user.pw_uid);
	snprintf(todo, sizeof(todo), "loginctl enable-linger %s", subject->user.pw_name);
	if (access(path, F_OK) != 0)
		found(doctor, FINDING_NOTE, "service manager",
		      "none runs: containers end with the session, and have no limits of their own", todo);
	else
		found(doctor, FINDING_GOOD, "service manager", "runs", "");
	if (delegate_lacking())
		found(doctor, FINDING_NOTE, "control groups",
		      "systemd does not delegate all controllers to users: limits of the processor and disks fail",
		      "subuid setup --containers");
	else
		found(doctor, FINDING_GOOD, "control groups", "all controllers are delegated to users", "");
}

/* podman removes layers, which are subvolumes there. */
static void check_home(struct doctor *doctor, const struct subject *subject)
{
	cleanup_free char *line = NULL;
	cleanup_file FILE *mounts = NULL;
	bool allowed = false;
	struct statfs fs;
	size_t room = 0;

	if (statfs(subject->user.pw_dir, &fs) != 0) {
		found_error(doctor, subject->user.pw_dir, errno, "a home is where images and volumes lie");
		return;
	}
	if ((fs.f_flags & ST_NOSUID) != 0)
		found(doctor, FINDING_NOTE, subject->user.pw_dir, "is mounted nosuid: sudo in containers does not work",
		      "");
	if (fs.f_type != BTRFS_SUPER_MAGIC)
		return;
	mounts = fopen("/proc/self/mounts", "re");
	while (mounts != NULL && getline(&line, &room, mounts) > 0)
		allowed |= strstr(line, "user_subvol_rm_allowed") != NULL;
	if (!allowed)
		found(doctor, FINDING_NOTE, subject->user.pw_dir,
		      "btrfs does not let users remove subvolumes: the driver btrfs of podman cannot delete layers",
		      "mount it with user_subvol_rm_allowed, or use the driver overlay");
}

/* LXC's containers have root of their own, who has to get to their root directory. */
static void check_lxc(struct doctor *doctor, const struct subject *subject)
{
	__attribute__((cleanup(setup_file_done))) struct setup_file file = { 0 };
	const char *name = subject->user.pw_name, *home = subject->user.pw_dir;
	char todo[96];
	bool passes = true;

	if (access(LXC_START, X_OK) != 0)
		return;
	snprintf(todo, sizeof(todo), "subuid setup --lxc %.32s", name);
	for (const char *const *step = lxc_way; *step != NULL; step++)
		if (lxc_passes(&subject->user, *step, subject->range.first) == 0) {
			passes = false;
			found_f(doctor, FINDING_NOTE, "LXC", todo, "root of a container does not get through %s%s",
				home, *step);
		}
	if (passes)
		found(doctor, FINDING_GOOD, "LXC", "root of a container gets to its root directory", "");
	snprintf(todo, sizeof(todo), "subuid setup --lxc %.32s --lxc-network", name);
	if (file_load(LXC_USERNET, &file) != 0 || !usernet_allows(file.text, name))
		found(doctor, FINDING_NOTE, "LXC network", "may not connect to a bridge: containers have no network",
		      todo);
}

static bool ranges_of(struct doctor *doctor, struct subject *subject)
{
	char todo[96];

	lxc_range(subject->user.pw_uid, &subject->range, &subject->ids);
	snprintf(todo, sizeof(todo), "subuid range add 65536 --owner %s", subject->user.pw_name);
	if (subject->ids == 0)
		found(doctor, FINDING_BAD, "range", "has none of ours", todo);
	else if (subject->ids < ENOUGH)
		found_f(doctor, FINDING_NOTE, "range", todo, "has %llu ids: images with users above that do not unpack",
			(unsigned long long)subject->ids);
	else
		found_f(doctor, FINDING_GOOD, "range", "", "%llu ids, from %u on", (unsigned long long)subject->ids,
			subject->range.first);
	return subject->ids > 0;
}

static void check_trial(struct doctor *doctor, const struct subject *subject)
{
	struct trial trial = { .uid = subject->user.pw_uid,
			       .gid = subject->user.pw_gid,
			       .name = subject->user.pw_name,
			       .first = subject->range.first,
			       .count = subject->range.count };
	int r = trial_run(&trial);

	if (r == 0)
		found(doctor, FINDING_GOOD, "container", "a program ran in one", "");
	else
		found_f(doctor, FINDING_BAD, "container", trial.todo, "%s: %s", trial.step, strerrordesc_np(-r));
}

/* The first owner of a range, if none is named. */
static bool owner_any(char name[OWNER_MAX + 1])
{
	static struct index_reader reader = INDEX_READER(INDEX_PATH);
	struct id_range range;
	uint64_t cursor = 0;

	while (index_range_next(&reader, &cursor, &range) == 0)
		if (range.account_uid == 0) {
			memcpy(name, range.owner, OWNER_MAX + 1);
			return true;
		}
	return false;
}

void doctor_containers(struct doctor *doctor, const char *owner)
{
	entry_cleanup struct host_entry entry = { 0 };
	struct subject subject = { 0 };
	char any[OWNER_MAX + 1];

	check_mapper(doctor, "/usr/bin/newuidmap");
	check_mapper(doctor, "/usr/bin/newgidmap");
	check_programs(doctor);
	check_sysctl(doctor, "user.max_user_namespaces", "/proc/sys/user/max_user_namespaces", '0');
	check_sysctl(doctor, "kernel.unprivileged_userns_clone", "/proc/sys/kernel/unprivileged_userns_clone", '0');
	check_sysctl(doctor, "kernel.apparmor_restrict_unprivileged_userns",
		     "/proc/sys/kernel/apparmor_restrict_unprivileged_userns", '1');
	if (owner == NULL && !owner_any(any)) {
		found(doctor, FINDING_NOTE, "owner", "nobody has a range of ours",
		      "subuid range add 65536 --owner NAME");
		return;
	}
	if (user_find(owner != NULL ? owner : any, &entry) != 0) {
		found(doctor, FINDING_BAD, owner != NULL ? owner : any,
		      "no such user, or the user database does not answer", "");
		return;
	}
	subject.user = entry.user;
	found(doctor, FINDING_GOOD, "owner", subject.user.pw_name, "");
	check_manager(doctor, &subject);
	check_home(doctor, &subject);
	if (!ranges_of(doctor, &subject))
		return;
	check_lxc(doctor, &subject);
	check_trial(doctor, &subject);
}
