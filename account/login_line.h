/* SPDX-License-Identifier: ISC */
/* The line of the role command among the words of a forced command. Pure. */
#ifndef ACCOUNT_LOGIN_LINE_H
#define ACCOUNT_LOGIN_LINE_H

#include <stdbool.h>

#include "account/account.h"

#define LOGIN_LINE_CODED (3 * COMMAND_MAX)

/* All but plain characters as %XX, so that neither sshd nor the parser needs quotes. The line is of at most COMMAND_MAX
 * bytes. */
void login_line_code(const char *line, char coded[LOGIN_LINE_CODED + 1]);

/* The way back: false if it is none, or not a line that a key may have. */
bool login_line_read(const char *coded, char line[COMMAND_MAX + 1]);

#endif
