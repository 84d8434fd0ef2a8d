/* SPDX-License-Identifier: ISC */
/*
 * A process of the same uid that reshapes its own tree while a transfer runs: flipper HOME OUTSIDE.
 * Until killed; each round another trick on HOME/d, HOME/d/sub and HOME/f.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *targets[6];

static void swap(const char *a, const char *b)
{
	renameat2(AT_FDCWD, a, AT_FDCWD, b, RENAME_EXCHANGE);
}

static void link_to(const char *target, const char *name)
{
	unlink("new-link");
	if (symlink(target, "new-link") == 0)
		rename("new-link", name);
}

int main(int argc, char **argv)
{
	char outside[512], park[512];

	if (argc != 3 || chdir(argv[1]) != 0)
		return 2;
	snprintf(outside, sizeof(outside), "%s", argv[2]);
	snprintf(park, sizeof(park), "%s/../park/d", argv[1]);
	targets[0] = outside;
	targets[1] = "../outside";
	targets[2] = "/proc/self/cwd/../outside";
	targets[3] = "/proc/self/fd/3/../outside";
	targets[4] = "/proc/self/fd/0/../../outside";
	targets[5] = "/proc/self/root/../outside";
	for (unsigned round = 0;; round++) {
		const char *target = targets[round % 4 == 0 ? round / 4 % 6 : round % 2];
		char deep[600];

		snprintf(deep, sizeof(deep), "%s/f0", target);
		link_to(target, "l");
		swap("d", "l");
		swap("d", "l");
		link_to(target, "l2");
		swap("d/sub", "l2");
		swap("d/sub", "l2");
		link_to(deep, "lf");
		swap("d/f0", "lf");
		link("d/f1", "hard");
		swap("d/f0", "lf");
		rename("hard", "d/f2");
		if (round % 8 == 0 && rename("d", park) == 0) {
			symlink(target, "d");
			unlink("d");
			rename(park, "d");
		}
		mkdir("d", 0755);
		mkdir("d/sub", 0755);
	}
}
