/* SPDX-License-Identifier: ISC */
/*
 * How much of the host a session of a sub-account sees: a part of [sessions] of subuidd.conf(5), which the daemon
 * leaves beside the index. In a file of its own, since the header of the index has no room for paths; and so that a
 * guest parses nothing but this.
 *
 *   subuidd sessions 1
 *   private yes
 *   tmp 256
 *   hide /home /root
 *   bind /srv/shared ro
 *
 * Libc only; nothing here logs.
 */
#ifndef INDEX_SESSION_RULES_H
#define INDEX_SESSION_RULES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define SESSION_RULES_NAME "sessions"
#define SESSION_RULES_PATH STATE_DIR "/" SESSION_RULES_NAME

#define SESSION_HIDE_DEFAULT "/home /root /srv /mnt /media /var/mail /var/spool/cron"
#define SESSION_TMP_DEFAULT 256u /* MiB */
#define SESSION_TMP_MAX 1048576u
#define SESSION_PATHS_MAX 32
#define SESSION_PATH_MAX 128
#define SESSION_LIST_MAX 1024
#define SESSION_RULES_MAX (2 * SESSION_LIST_MAX + 128)

struct session_bind {
	char path[SESSION_PATH_MAX];
	bool writable;
};

struct session_rules {
	bool private;
	uint32_t tmp_mib; /* of /tmp, /var/tmp, /dev/shm and /run/user/UID together */
	unsigned hide_count, bind_count;
	char hide[SESSION_PATHS_MAX][SESSION_PATH_MAX];
	struct session_bind bind[SESSION_PATHS_MAX];
};

/* "/home /root": paths with blanks between. "/srv/shared ro, /opt/drop rw". An empty list is one, too. 0 or -EINVAL,
 * with *rules undefined. */
int session_hide_parse(const char *text, struct session_rules *rules);
int session_bind_parse(const char *text, struct session_rules *rules);

/* The file's content; hide and bind are texts that can be parsed. Its length or -ENAMETOOLONG. */
int session_rules_format(bool private, uint32_t tmp_mib, const char *hide, const char *bind,
			 char out[SESSION_RULES_MAX]);

/* 0, or -EINVAL: not all of it is understood (rules undefined). Changes text. */
int session_rules_parse(char *text, struct session_rules *rules);

/* The rules of this host, which only `trusted` can have written; the defaults where the daemon, of an older version
 * say, has left none. 0 or negative errno (rules undefined). */
int session_rules_read(const char *path, uid_t trusted, struct session_rules *rules);

#endif
