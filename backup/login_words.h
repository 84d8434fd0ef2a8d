/* SPDX-License-Identifier: ISC */
/* The words for a person whose client asked for something that the key does not allow. Pure. */
#ifndef BACKUP_LOGIN_WORDS_H
#define BACKUP_LOGIN_WORDS_H

#include <stddef.h>

#include "backup/login_command.h"

#define LOGIN_WORDS_MAX 255

/* All that the key allows: "rsync, sftp and borg". */
void login_words_takes(const struct login_command *command, char out[LOGIN_WORDS_MAX + 1]);

/* Why the client's command (NULL: none) is refused, and the way out where it is known. Of the key: role and tools. */
void login_words_why(const struct login_command *command, const char *original, char out[LOGIN_WORDS_MAX + 1]);

/* The same, and what the key allows. */
void login_words_refused(const struct login_command *command, const char *original, char out[LOGIN_WORDS_MAX + 1]);

/* How the program refusal is to tell the client: "-sftp": it speaks sftp and shows its user nothing else (sftp, scp,
 * sshfs, rclone, restic); "-wait": it reads words as long as nothing has ended (borg, restic by rclone); NULL: it shows
 * what comes to standard error. */
const char *login_words_way(const char *original);

#endif
