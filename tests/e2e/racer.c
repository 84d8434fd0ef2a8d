/* SPDX-License-Identifier: ISC */
/*
 * racer SECONDS TRIES [LINE]: run as a uid that a program of the daemon has, and wants to be that program. It looks for
 * each new process of this uid and tries to open its memory for writing between execve(2) and its hardening. It ends
 * with the first seizure (with LINE it goes on), or when SECONDS are over and TRIES were made (at most fifteen times
 * SECONDS). Prints how many tries at processes of this uid were refused, and how many were seized.
 *
 * Seized: it is stopped, and what the racer wrote on its stack is what is read back. With LINE, its standard output is
 * taken as well (pidfd_getfd), and LINE written there before it goes on.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define AHEAD 4 /* numbers looked at behind the one that was given out last */

static long tries, seized;

static double seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static int newest(int loadavg)
{
	char text[128];
	ssize_t n = pread(loadavg, text, sizeof(text) - 1, 0);
	const char *last;

	if (n <= 0)
		return -1;
	text[n] = '\0';
	last = strrchr(text, ' ');
	return last != NULL ? atoi(last) : -1;
}

static unsigned long stack(int pid)
{
	char path[64], line[512];
	unsigned long first = 0;
	FILE *maps;

	snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	maps = fopen(path, "re");
	while (maps != NULL && fgets(line, sizeof(line), maps) != NULL)
		if (strstr(line, "[stack]") != NULL) {
			first = strtoul(line, NULL, 16);
			break;
		}
	if (maps != NULL)
		fclose(maps);
	return first;
}

static int speak(int pid, const char *line)
{
	int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	int out = pidfd < 0 ? -1 : (int)syscall(SYS_pidfd_getfd, pidfd, 1, 0);
	int spoken = out >= 0 && write(out, line, strlen(line)) == (ssize_t)strlen(line);

	if (out >= 0)
		close(out);
	if (pidfd >= 0)
		close(pidfd);
	return spoken;
}

/* mem: its memory, open for writing. */
static void seize(int pid, int mem, const char *line)
{
	static const unsigned char mark[] = { 0xcc, 0x5a, 0xcc, 0x5a };
	unsigned char back[sizeof(mark)] = { 0 };
	unsigned long at;

	if (kill(pid, SIGSTOP) != 0)
		return;
	at = stack(pid);
	if (at != 0 && pwrite(mem, mark, sizeof(mark), (off_t)at) == (ssize_t)sizeof(mark) &&
	    pread(mem, back, sizeof(back), (off_t)at) == (ssize_t)sizeof(back) && memcmp(back, mark, sizeof(mark)) == 0)
		seized += line == NULL || speak(pid, line);
	kill(pid, SIGCONT);
}

static void look(int pid, const char *line)
{
	char path[64];
	int mem;

	if (pid == getpid())
		return;
	snprintf(path, sizeof(path), "/proc/%d/mem", pid);
	mem = open(path, O_RDWR | O_CLOEXEC);
	if (mem >= 0) {
		seize(pid, mem, line);
		close(mem);
	} else if (errno == EACCES) {
		tries += kill(pid, 0) == 0; /* of this uid */
	}
}

int main(int argc, char **argv)
{
	int loadavg = open("/proc/loadavg", O_RDONLY | O_CLOEXEC);
	double begun = seconds(), most = argc > 2 ? atof(argv[1]) : 0;
	long wanted = argc > 2 ? atol(argv[2]) : 0;

	if (loadavg < 0 || most <= 0 || getuid() == 0)
		return 2;
	while (seized == 0 || argc > 3) {
		double now = seconds() - begun;
		int last = newest(loadavg);

		if ((now > most && tries >= wanted) || now > 15 * most)
			break;
		for (int pid = last - 1; pid <= last + AHEAD; pid++)
			look(pid, argc > 3 ? argv[3] : NULL);
	}
	printf("%ld %ld\n", tries, seized);
	return 0;
}
