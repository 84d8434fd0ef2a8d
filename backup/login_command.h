/* SPDX-License-Identifier: ISC */
/*
 * The forced command of a sub-account's key, in our own words:
 *
 *   ROLE[,ROLE…] [OPTION]… [quota=BYTES] [net=PORTS] [run=LINE] key=ID fp=SHA256:BASE64
 *
 * (LINE as in a URL: %20 is a blank)
 *
 * account/key_words.c writes it from the key index, sshd hands it to the login shell,
 * which reads it back. The client has no part in it. Pure, libc only.
 */
#ifndef BACKUP_LOGIN_COMMAND_H
#define BACKUP_LOGIN_COMMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "account/account.h"
#include "account/key_words.h"
#include "index/index.h"

#define LOGIN_COMMAND_MAX KEY_WORDS_MAX

struct login_command {
	enum role role;   /* ROLE_NONE: no rsync */
	uint32_t forward; /* 1: it may forward, to the address that sshd was given */
	uint32_t options; /* KEY_NO_DELETE … */
	uint64_t storage_quota;
	char tools[TOOLS_MAX + 1];
	char net[NET_MAX + 1];
	char line[COMMAND_MAX + 1]; /* of the role command */
	uint32_t key_id;
	char fingerprint[FINGERPRINT_MAX + 1];
};

/* Exactly the words of an owner's key, as key_words_format() writes them: 0, and what stands behind the program in
 * *words; or -EINVAL. */
int login_manage_parse(const char *text, const char **words);

/* Exactly the grammar above, single spaces. 0 or -EINVAL (*command untouched). */
int login_command_parse(const char *text, struct login_command *command);

/* The whole authorized_keys line, newline included. Length or -EINVAL, -ENOSPC. */
int authorized_keys_line(const struct ssh_key *key, char *out, size_t size);

/* The gate's arguments for a command: options, then home; ended by NULL.
 * argv holds LOGIN_GATE_ARGUMENTS. Points into constants, numbers and home. */
#define LOGIN_GATE_ARGUMENTS 24
#define LOGIN_NUMBER_TEXT 32
struct login_numbers {
	char quota[LOGIN_NUMBER_TEXT], memory[LOGIN_NUMBER_TEXT], timeout[LOGIN_NUMBER_TEXT], key[LOGIN_NUMBER_TEXT];
	char bounds[4][LOGIN_NUMBER_TEXT], bandwidth[LOGIN_NUMBER_TEXT];
	char shell[LOGIN_NUMBER_TEXT], net[sizeof("-net=") + NET_MAX], line[sizeof("-line=") + COMMAND_MAX];
};
void login_gate_arguments(const struct login_command *command, const struct index_host *host,
			  const struct account_bounds *bounds, const char *home, const char **argv,
			  struct login_numbers *numbers);

/* The same for the gate for tools: form, quota, memory, number of the key, words for the person ("-takes=rsync and
 * sftp"), tools, home. */
void login_tool_arguments(const struct login_command *command, const struct index_host *host,
			  const struct account_bounds *bounds, const char *takes, const char *home, const char **argv,
			  struct login_numbers *numbers);

/* A shell runs for this command, or the key's one line, unless the gate finds that it is for a tool. */
bool login_command_isolated(const struct login_command *command, const char *original);

/* Its first word is rsync, with a directory or without. */
bool login_command_names_rsync(const char *original);

/* Which of the two gates a client's command is for. A key without rsync or without tools leaves no choice. */
bool login_command_is_rsync(const struct login_command *command, const char *original);

/* The command of an rsync client's (--server is a word of it), whatever the key may do and however the client calls
 * rsync. Any other comes to nothing at the gate for rsync. A guess, as the next but one. */
bool login_command_serves_rsync(const char *original);

/* Of an account that is over its limit: takes away what of the key's rights writes, for this command of the client.
 * False: nothing is left of them that it could be for, and *command is as it was. Pure. */
bool login_command_narrow(struct login_command *command, const char *original);

/* An rsync client's command that only looks: it reads, or is a dry run (-n). A guess at words that the gate has yet to
 * read: it decides what the run may do, and says what the record is to say. */
bool login_command_looks(const char *original);

#endif
