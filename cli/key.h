/* SPDX-License-Identifier: ISC */
/* What the words of `subuid key` share. */
#ifndef CLI_KEY_H
#define CLI_KEY_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

/* ID|FINGERPRINT as a parameter. An exit status, after a message. */
int key_which(const char *which, json_t *parameters);

/* DATE of --expires, in seconds, 0 never. An exit status, after a message. */
int key_expires(const char *text, int64_t *expires);

/* The options of a command that adds a key or a password; comment: the letter of what it is called. STATUS_DONE, or
 * -1 - an exit status, after a message. */
struct new_key;
int key_options(const char *command, int comment, int argc, char **argv, struct new_key *key);

/* command_key_change.c */
int key_change(int argc, char **argv);
int key_rotate(int argc, char **argv);

/* The keys of an account, or its passwords; takes one away. Exit statuses. */
int key_list_of(const char *name, int argc, char **argv, bool passwords);
int key_remove_of(const char *name, const char *what, int argc, char **argv);

#endif
