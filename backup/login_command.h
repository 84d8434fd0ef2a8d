/* SPDX-License-Identifier: ISC */
/*
 * The forced command of a sub-account's key, in our own words:
 *
 *   ROLE[,ROLE…] [OPTION]… [quota=BYTES] key=ID fp=SHA256:BASE64
 *
 * authorized-keys writes it from the key index, sshd hands it to the login shell,
 * which reads it back. The client has no part in it. Pure, libc only.
 */
#ifndef BACKUP_LOGIN_COMMAND_H
#define BACKUP_LOGIN_COMMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "account/account.h"
#include "index/index.h"

#define LOGIN_COMMAND_MAX 511

struct login_command {
	enum role role;   /* ROLE_NONE: no rsync */
	uint32_t forward; /* 1: it may forward, to where sshd was told */
	uint32_t options; /* KEY_NO_DELETE … */
	uint64_t storage_quota;
	char tools[TOOLS_MAX + 1];
	uint32_t key_id;
	char fingerprint[FINGERPRINT_MAX + 1];
};

/* Writes the words for this key. Length, or -EINVAL when the key's fields are not
 * of the shape that may stand inside command="…". */
int login_command_format(const struct ssh_key *key, char *out, size_t size);

/* Exactly the grammar above, single spaces. 0 or -EINVAL (*command untouched). */
int login_command_parse(const char *text, struct login_command *command);

/* The whole authorized_keys line, newline included. Length or -EINVAL, -ENOSPC. */
int authorized_keys_line(const struct ssh_key *key, char *out, size_t size);

/* Why the account cannot log in at this time (seconds since the epoch): "locked", "expired"; NULL: it can. */
const char *account_barred(const struct index_account *account, int64_t now);

/* The gate's arguments for a command: options, then home; ended by NULL.
 * argv holds LOGIN_GATE_ARGUMENTS. Points into constants, numbers and home. */
#define LOGIN_GATE_ARGUMENTS 12
#define LOGIN_NUMBER_TEXT 32
struct login_numbers {
	char quota[LOGIN_NUMBER_TEXT], memory[LOGIN_NUMBER_TEXT], timeout[LOGIN_NUMBER_TEXT];
};
void login_gate_arguments(const struct login_command *command, const struct index_sessions *sessions, const char *home,
			  const char **argv, struct login_numbers *numbers);

/* The same of the gate for tools: form, quota, memory, tools, home. */
void login_tool_arguments(const struct login_command *command, const struct index_sessions *sessions, const char *home,
			  const char **argv, struct login_numbers *numbers);

/* Which of the two gates a client's command is for. A key without rsync or without tools leaves no choice. */
bool login_command_is_rsync(const struct login_command *command, const char *original);

/* Of an account that is over its limit: takes away what of the key's rights writes, for this command of the client. False:
 * nothing is left of them that it could be for, and *command is as it was. Pure. */
bool login_command_narrow(struct login_command *command, const char *original);

/* An rsync client's command that only looks: it reads, or is a dry run (-n). Used for the record of the run; the
 * gate decides what it may do. */
bool login_command_looks(const char *original);

#endif
