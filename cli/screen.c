/* SPDX-License-Identifier: ISC */
/* Plain ANSI, on standard output. A signal is noticed between two drawings. */
#include "cli/screen.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "confine/clock.h"

struct screen {
	struct termios before;
	sigset_t mask;
};

static const int ends[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT };
#define ENDS (sizeof(ends) / sizeof(ends[0]))

static volatile sig_atomic_t came;

static void note(int number)
{
	came = number;
}

/* They are blocked but while it waits, so that none is missed. */
static void signals_take(struct screen *screen)
{
	const struct sigaction action = { .sa_handler = note };
	sigset_t blocked;

	sigemptyset(&blocked);
	for (size_t i = 0; i < ENDS; i++) {
		sigaddset(&blocked, ends[i]);
		sigaction(ends[i], &action, NULL);
	}
	sigprocmask(SIG_BLOCK, &blocked, &screen->mask);
}

struct screen *screen_open(void)
{
	struct screen *screen = calloc(1, sizeof(*screen));
	struct termios raw;

	if (screen == NULL || !isatty(STDOUT_FILENO) || tcgetattr(STDIN_FILENO, &screen->before) != 0) {
		free(screen);
		return NULL;
	}
	signals_take(screen);
	raw = screen->before;
	raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
	tcsetattr(STDIN_FILENO, TCSADRAIN, &raw);
	fputs("\033[?1049h\033[?25l", stdout); /* the other screen; no cursor */
	return screen;
}

void screen_close(struct screen *screen)
{
	fputs("\033[?25h\033[?1049l", stdout);
	fflush(stdout);
	tcsetattr(STDIN_FILENO, TCSADRAIN, &screen->before);
	sigprocmask(SIG_SETMASK, &screen->mask, NULL);
	free(screen);
}

void screen_begin(int *rows)
{
	struct winsize size;

	*rows = ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row > 0 ? size.ws_row : 24;
	fputs("\033[H\033[J", stdout);
}

void screen_end(void)
{
	fflush(stdout);
}

bool screen_wait(struct screen *screen, int milliseconds, int *signal)
{
	const int64_t end = clock_ms() + milliseconds;
	struct pollfd input = { .fd = STDIN_FILENO, .events = POLLIN };
	int64_t left;
	char key;

	while (came == 0 && (left = end - clock_ms()) > 0) {
		const struct timespec wait = { .tv_sec = left / 1000, .tv_nsec = left % 1000 * 1000000 };
		int r = ppoll(&input, 1, &wait, &screen->mask);

		if (r > 0 && (read(STDIN_FILENO, &key, 1) != 1 || key == 'q' || key == 'Q'))
			return false;
	}
	*signal = came;
	return came == 0;
}
