/* SPDX-License-Identifier: ISC */
/*
 * A process of the same uid that reshapes its own tree while a transfer runs: flipper MODE HOME OUTSIDE COUNTS.
 * Until SIGTERM; each round other tricks on HOME/d, HOME/d/sub and their files.
 *
 * names   directories and files become links out, also through /proc, hard links, and move away
 * mounts  in a user and mount namespace of its own: OUTSIDE and a tmpfs over components of the path, and links
 *         that lead a process outside of the namespace to what is mounted in it
 * here    the same mounts in the namespace that it was started in
 *
 * COUNTS: a file of KINDS numbers, what has been done so far; its reader is test_gate_race.py.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LINKS, PROC, HARD, MOVES, MOUNTS, REFUSED, KINDS };

static volatile uint64_t *counts;
static volatile sig_atomic_t ended;
static const char *outside;

static void end(int number)
{
	(void)number;
	ended = 1;
}

static bool swap(int at, const char *name, const char *link)
{
	return renameat2(at, name, AT_FDCWD, link, RENAME_EXCHANGE) == 0;
}

/* `name` is the link for a moment; it counts when it was. */
static void flip(int at, const char *name, const char *link, int kind)
{
	if (swap(at, name, link)) {
		counts[kind]++;
		swap(at, name, link);
	}
}

static void link_to(const char *target, const char *name)
{
	unlink("new-link");
	if (symlink(target, "new-link") == 0)
		rename("new-link", name);
}

/* Out of HOME and back; where something has come in its place meanwhile, it stays out there. */
static void move_away(const char *target, unsigned round)
{
	char parked[32];

	snprintf(parked, sizeof(parked), "../park/%u", round);
	if (rename("d", parked) != 0)
		return;
	symlink(target, "d");
	unlink("d");
	rename(parked, "d");
	counts[MOVES]++;
}

static void links_to(const char *target)
{
	char file[600];

	link_to(target, "l");
	link_to(target, "l2");
	snprintf(file, sizeof(file), "%s/f0", target);
	link_to(file, "lf");
}

static void flips(int d, int kind)
{
	bool linked = swap(AT_FDCWD, "d", "l");

	if (linked)
		counts[kind]++;
	flip(d, "sub", "l2", kind);
	flip(d, "f0", "lf", kind);
	if (linked)
		swap(AT_FDCWD, "d", "l");
}

static void names(int d, unsigned round)
{
	const char *targets[] = { outside,
				  "../outside",
				  "/proc/self/cwd/../outside",
				  "/proc/self/fd/3/../outside",
				  "/proc/self/fd/0/../../outside",
				  "/proc/self/root/../outside" };
	const char *target = targets[round % 4 == 0 ? round / 4 % 6 : round % 3];

	links_to(target);
	flips(d, strncmp(target, "/proc/", 6) == 0 ? PROC : LINKS);
	if (linkat(d, "f1", AT_FDCWD, "hard", 0) == 0) {
		counts[HARD]++;
		renameat(AT_FDCWD, "hard", d, "f2");
		unlink("hard"); /* still there when f2 was the same file: rename(2) does nothing then */
	}
	if (round % 2 == 0)
		move_away(target, round);
}

static bool cover(const char *from, const char *on)
{
	bool done = from == NULL ? mount("x", on, "tmpfs", 0, NULL) == 0 : mount(from, on, NULL, MS_BIND, NULL) == 0;

	if (done)
		counts[MOUNTS]++;
	else if (errno == EPERM)
		counts[REFUSED]++;
	return done;
}

static void mounts(int d)
{
	char target[64];
	bool covered;

	mkdir("m", 0755);
	snprintf(target, sizeof(target), "/proc/%d/cwd/m", (int)getpid());
	links_to(target);
	covered = cover(outside, "m");
	for (int i = 0; i < 32; i++)
		flips(d, PROC);
	if (covered)
		umount2("m", MNT_DETACH);
	if (cover(NULL, "d/sub"))
		umount2("d/sub", MNT_DETACH);
	covered = cover(outside, "d");
	for (int i = 0; i < 16; i++) /* for a while; it is below the mount */
		flip(d, "f1", "lf", PROC);
	if (covered)
		umount2("d", MNT_DETACH);
}

static bool write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);
	bool written = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);

	return fd >= 0 && close(fd) == 0 && written;
}

/* With the same ids, so that the files are still its own. */
static bool own_namespace(void)
{
	unsigned uid = getuid(), gid = getgid();
	char users[64], groups[64];

	snprintf(users, sizeof(users), "%u %u 1", uid, uid);
	snprintf(groups, sizeof(groups), "%u %u 1", gid, gid);
	return unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0 && write_text("/proc/self/setgroups", "deny") &&
	       write_text("/proc/self/uid_map", users) && write_text("/proc/self/gid_map", groups);
}

static bool counts_open(const char *path)
{
	int fd = open(path, O_RDWR);

	counts = mmap(NULL, KINDS * sizeof(*counts), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	return fd >= 0 && counts != MAP_FAILED;
}

int main(int argc, char **argv)
{
	bool naming;

	if (argc != 5 || chdir(argv[2]) != 0 || !counts_open(argv[4]))
		return 2;
	outside = argv[3];
	naming = strcmp(argv[1], "names") == 0;
	if (strcmp(argv[1], "mounts") == 0 && !own_namespace())
		return 3;
	signal(SIGTERM, end);
	for (unsigned round = 0; !ended; round++) {
		int d;

		mkdir("d", 0755);
		/* by descriptor: a transfer may have taken what was to be swapped back, and d is a link still */
		d = open("d", O_PATH | O_DIRECTORY | O_NOFOLLOW);
		if (d < 0) {
			unlink("d");
			continue;
		}
		mkdirat(d, "sub", 0755);
		if (naming)
			names(d, round);
		else
			mounts(d);
		close(d);
	}
	return 0;
}
