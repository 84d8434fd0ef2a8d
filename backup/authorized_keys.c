/* SPDX-License-Identifier: ISC */
/*
 * AuthorizedKeysCommand: `authorized-keys %u %t %k` for sub-accounts, `authorized-keys %u %t %k %U` for owners. Run by
 * sshd before anybody has authenticated, as the system user subuidd-keys; the client chooses the first three arguments,
 * sshd looked the uid up. Prints the one line that admits this key to this account, or nothing. sshd logs a non-zero
 * status as an error, so "no such key" is 0.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "index/index.h"
#include "account/id.h"
#include "index/verdict.h"
#include "account/name.h"
#include "backup/login_command.h"
#include "confine/harden.h"
#include "confine/landlock.h"

static struct index_reader accounts = INDEX_READER(INDEX_PATH);
static struct index_reader keys = INDEX_READER(KEYS_PATH);

static int fail(const char *what, int error)
{
	fprintf(stderr, "authorized-keys: %s: %s\n", what, strerror(-error));
	return EXIT_FAILURE;
}

/* Everything from here on may read the state directory and nothing else. The rule is for the directory, not the two
 * files: a full file is replaced by a larger one. */
static int confine(void)
{
	const struct landlock_rule rules[] = {
		{ .path = STATE_DIR, .fd = -1, .access = LANDLOCK_READ, .optional = 1 },
		LANDLOCK_END,
	};
	int r = process_harden();

	return r < 0 ? r : landlock_confine(rules);
}

static int print_key(const struct ssh_key *key)
{
	char line[KEY_BLOB_MAX + 2048];
	int length = authorized_keys_line(key, line, sizeof(line));

	if (length < 0)
		return fail("key in " KEYS_PATH, length);
	if (fwrite(line, 1, (size_t)length, stdout) != (size_t)length || fflush(stdout) != 0)
		return fail("standard output", -errno);
	return EXIT_SUCCESS;
}

/* The key that this uid has. owner: the name of a user of the host, whose it must be; "": it is an account's. */
static int admit_key(uint32_t uid, const char *owner, const char *type, const char *blob)
{
	static struct ssh_key key; /* 5 KiB */
	int r = index_key(&keys, uid, blob, &key);

	if (r == -ENOENT)
		return EXIT_SUCCESS;
	if (r < 0)
		return fail(KEYS_PATH, r);
	if (key.uid != uid || strcmp(key.blob, blob) != 0)
		return fail(KEYS_PATH, -EUCLEAN);
	if (strcmp(key.type, type) != 0 || (key.expires != 0 && key.expires <= time(NULL)) ||
	    strcmp(key.owner, owner) != 0)
		return EXIT_SUCCESS;
	return print_key(&key);
}

static int admit(const char *name, const char *type, const char *blob)
{
	struct index_account account;
	int r = index_account_by_name(&accounts, name, &account);

	if (r == -ENOENT)
		return EXIT_SUCCESS;
	if (r < 0)
		return fail(INDEX_PATH, r);
	if (account_barred(&account, time(NULL)) != NULL)
		return EXIT_SUCCESS;
	return admit_key(account.uid, "", type, blob);
}

/* Name and uid: neither another user of that name nor another one of that uid is let in. Root manages without a key. */
static int admit_owner(const char *name, const char *type, const char *blob, const char *uid_text)
{
	uint32_t uid;

	if (id_parse(uid_text, &uid) < 0 || uid == 0 || id_special(uid) || name[0] == '\0')
		return EXIT_SUCCESS;
	return admit_key(uid, name, type, blob);
}

int main(int argc, char **argv)
{
	const bool owner = argc == 5;
	int r;

	if (argc != 4 && !owner) {
		fputs("authorized-keys: usage: authorized-keys USER KEY-TYPE KEY [UID]; sshd runs it\n", stderr);
		return 2;
	}
	if ((!owner && !name_has_separator(argv[1])) || strlen(argv[1]) > ACCOUNT_NAME_MAX ||
	    strlen(argv[3]) > KEY_BLOB_MAX)
		return EXIT_SUCCESS;
	r = confine();
	if (r < 0)
		return fail("this kernel cannot confine it", r);
	return owner ? admit_owner(argv[1], argv[2], argv[3], argv[4]) : admit(argv[1], argv[2], argv[3]);
}
