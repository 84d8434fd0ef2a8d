/* SPDX-License-Identifier: ISC */
/* A public key given on the command line, and what its holder is told to do with it. */
#ifndef CLI_NEW_KEY_H
#define CLI_NEW_KEY_H

#include <jansson.h>
#include <stdint.h>
#include <stdio.h>

#include "account/role.h"

#define KEY_FILE_MAX (64u * 1024u)

struct new_key {
	const char *file; /* "-" is standard input; NULL: no key */
	const char *role; /* NULL: push */
	const char *from;
	const char *forward; /* of the role forward: host:port */
	const char *quota;   /* of one repository */
	const char *comment; /* instead of the file's */
	uint32_t options;    /* KEY_NO_… */
	int64_t expires;
};

/* getopt_long(3) options of a key, and what sets them: true when c was one of these. */
#define NEW_KEY_OPTIONS                                                                                            \
	{"role", required_argument, NULL, 'r'}, {"from", required_argument, NULL, 'f'},                            \
		{"no-delete", no_argument, NULL, 'D'}, {"no-overwrite", no_argument, NULL, 'O'},                   \
		{"append-only", no_argument, NULL, 'A'}, {"read-only", no_argument, NULL, 'L'},                    \
		{"forward", required_argument, NULL, 'F'}, {"storage-quota", required_argument, NULL, 'Q'},        \
	{                                                                                                          \
		"no-fake-super", no_argument, NULL, 'S'                                                            \
	}
bool new_key_option(struct new_key *key, int c, const char *value);

/* The parameter `key` (NewKey of the interface). Reads the file with the caller's
 * rights; anything but a public key, a private one above all, is refused here and sent nowhere. */
int new_key_json(const struct new_key *key, json_t **parameter);

/* Its roles as they will be: --forward alone is the role forward, nothing at all is push. */
int new_key_roles(const struct new_key *key, struct roles *roles);

/* The command line for the key's holder: rsync's, or that of the first tool. The caller frees; NULL: no memory. */
char *client_command(const char *account, const char *label, const struct new_key *key);

/* That, and a block for ~/.ssh/config. */
void client_print(const char *account, const char *label, const struct new_key *key);

#endif
