/* SPDX-License-Identifier: ISC */
/* A terminal that is drawn anew again and again, and is as it was before when the program ends, by a signal too. */
#ifndef CLI_SCREEN_H
#define CLI_SCREEN_H

#include <stdbool.h>

struct screen;

/* Takes standard input and output, which are terminals. NULL: they are not, or cannot be set. */
struct screen *screen_open(void);
void screen_close(struct screen *screen);

/* What follows is drawn from the top; rows: how many fit. */
void screen_begin(int *rows);
void screen_end(void);

/* Waits so many milliseconds. False: q was pressed, or a signal asks to end; *signal: that, or 0. */
bool screen_wait(struct screen *screen, int milliseconds, int *signal);

#endif
