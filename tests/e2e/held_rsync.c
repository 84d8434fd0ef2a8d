/* SPDX-License-Identifier: ISC */
/* Stands where rsync stands; waits until the file "go" is in its directory; then says what its last argument is. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	char text[64] = "";
	struct stat st;
	int fd, there;

	printf("ready\n");
	fflush(stdout);
	while (access("go", F_OK) != 0)
		usleep(1000);
	there = stat(argv[argc - 1], &st);
	printf("stat %s\n", there == 0 ? "ok" : strerror(errno));
	fd = open(argv[argc - 1], O_RDONLY);
	if (fd < 0)
		printf("open %s\n", strerror(errno));
	else
		printf("read %zd %s\n", read(fd, text, sizeof(text) - 1), text);
	return 0;
}
