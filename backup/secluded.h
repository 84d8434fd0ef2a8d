/* SPDX-License-Identifier: ISC */
/*
 * rsync's --secluded-args (-s, --protect-args): the client's command says "-s" and no paths, and the arguments come
 * at the beginning of the data, each ended by NUL, the last followed by one more. They are turned into the command
 * that the same client would have sent without -s, and go the way of that one: there is no second check to be
 * different.
 */
#ifndef BACKUP_SECLUDED_H
#define BACKUP_SECLUDED_H

#include <stdbool.h>
#include <stddef.h>

#include "backup/command_line.h"

#define SECLUDED_MAX COMMAND_LINE_MAX

/* The command says that arguments follow in the data. */
bool secluded_asked(const struct command_line *line);

/* Reads them from fd, and not a byte further; the size of all, each with its NUL. -EPROTO: they do not come to an end;
 * -E2BIG; -ETIMEDOUT: not within so many seconds (0: however long it takes); or what read(2) says. */
long secluded_read(int fd, unsigned seconds, char bytes[SECLUDED_MAX]);

/* The command without -s and with these arguments (size bytes, the last one NUL), split. 0, -EPROTO: not those of an
 * rsync client; -E2BIG, -ENOMEM. Pure. */
int secluded_join(const struct command_line *line, const char *bytes, size_t size, struct command_line *ret);

#endif
