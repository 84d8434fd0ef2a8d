/* SPDX-License-Identifier: ISC */
/* A public key given on the command line, and the instructions for its holder. */
#ifndef CLI_NEW_KEY_H
#define CLI_NEW_KEY_H

#include <jansson.h>
#include <stdint.h>
#include <stdio.h>

#include "account/role.h"

#define KEY_FILE_MAX (64u * 1024u)

struct new_key {
	const char *file; /* "-" is standard input; NULL: no key; a password has none */
	const char *role; /* NULL: push */
	const char *from;
	const char *forward; /* of the role forward: host:port */
	const char *command; /* of the role command */
	const char *net;     /* "443,5432" */
	const char *quota;   /* of one repository */
	const char *comment; /* instead of the one in the file */
	uint32_t options;    /* KEY_NO_… */
	int64_t expires;
};

/* Takes an option of a key: true when c was one of these. */
bool new_key_option(struct new_key *key, int c, const char *value);

/* The parameter `key` (NewKey of the interface). Reads the file with the caller's
 * rights; anything but a public key, a private one above all, is refused here and sent nowhere. */
int new_key_json(const struct new_key *key, json_t **parameter);

/* Its member `key`: one authorized_keys line, with this comment (NULL: the file's). */
int new_key_line(const char *file, const char *comment, json_t **line);
/* Its member `options`. */
json_t *new_key_options(uint32_t options);

/* The resulting roles: --forward alone means the role forward, --command alone the role command, nothing at all push.
 */
int new_key_roles(const struct new_key *key, struct roles *roles);

/* The command line for the key's holder: rsync's, or that of the first tool. The caller frees; NULL: no memory. */
char *client_command(const char *account, const char *label, const struct new_key *key);

/* That, and a block for ~/.ssh/config. */
void client_print(const char *account, const char *label, uint64_t id, const struct new_key *key);

#endif
