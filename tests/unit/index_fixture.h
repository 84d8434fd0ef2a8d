/* SPDX-License-Identifier: ISC */
/* A throwaway state directory with an index in it, for the tests of index and libnss_subuid. */
#ifndef TESTS_UNIT_INDEX_FIXTURE_H
#define TESTS_UNIT_INDEX_FIXTURE_H

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "index/writer/writer.h"

#define UID_FIRST 2100000000u
#define UID_LAST 2147352575u
#define HOMES "/srv/subuid"
#define SHELL "/usr/libexec/subuidd/login"

struct fixture {
	char directory[64];
	char path[96]; /* of the public index */
	char keys[96];
	int dirfd;
	struct index_options options;
	struct index_options key_options;
};

static inline struct index_options fixture_options(enum index_file file, uint64_t expected)
{
	struct index_options options = {
		.file = file,
		.name = file == INDEX_FILE_KEYS ? "keys" : "index",
		.mode = file == INDEX_FILE_KEYS ? 0640 : 0644,
		.group = getegid(),
		.host = { .subuids_gid = 987,
			  .uid_first = UID_FIRST,
			  .uid_last = UID_LAST,
			  .enumerate = 1,
			  .separator = '+',
			  .homes = HOMES,
			  .shell = SHELL },
		.expected = expected,
	};

	return options;
}

static inline struct fixture *fixture_make(void)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	strcpy(f->directory, "/tmp/subuidd-index-XXXXXX");
	assert_non_null(mkdtemp(f->directory));
	snprintf(f->path, sizeof(f->path), "%s/index", f->directory);
	snprintf(f->keys, sizeof(f->keys), "%s/keys", f->directory);
	f->dirfd = open(f->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(f->dirfd >= 0);
	f->options = fixture_options(INDEX_FILE_PUBLIC, 4);
	f->key_options = fixture_options(INDEX_FILE_KEYS, 4);
	return f;
}

static inline void fixture_free(struct fixture *f)
{
	static const char *const names[] = {
		"index", "index.new", "index.old", "keys", "keys.new", "keys.old", "copy"
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		unlinkat(f->dirfd, names[i], 0);
	close(f->dirfd);
	assert_int_equal(rmdir(f->directory), 0);
	free(f);
}

/* Account number i: of owner i / 3, so that lists have several entries. */
static inline struct account fixture_account(uint32_t i)
{
	struct account account = { .uid = UID_FIRST + i,
				   .owner_uid = 1000 + i / 3,
				   .state = ACCOUNT_ACTIVE,
				   .facts.expires_day = i % 5 == 0 ? (int32_t)(20000 + i) : -1 };

	snprintf(account.owner, sizeof(account.owner), "owner%u", i / 3);
	snprintf(account.label, sizeof(account.label), "web%u", i);
	if (i % 4 == 1)
		snprintf(account.facts.comment, sizeof(account.facts.comment),
			 "comment %u, for which one line is too short", i);
	return account;
}

static inline struct id_range fixture_range(uint32_t i)
{
	struct id_range range = { .first = 1073741824u + i * 3 * 65536,
				  .count = 65536 * (1 + i % 3),
				  .owner_uid = 1000 + i };

	snprintf(range.owner, sizeof(range.owner), "owner%u", i);
	if (i > 8 && i % 2 != 0) { /* the first are their owners' own */
		range.account_uid = UID_FIRST + i;
		snprintf(range.label, sizeof(range.label), "web%u", i);
	}
	return range;
}

static inline struct ssh_key fixture_key(uint32_t i)
{
	struct ssh_key key = {
		.id = i + 1, .uid = UID_FIRST + i / 2, .role = ROLE_PUSH, .options = i % 8, .expires = (int64_t)i * 1000
	};

	strcpy(key.type, "ssh-ed25519");
	snprintf(key.blob, sizeof(key.blob), "AAAAC3NzaC1lZDI1NTE5AAAAI%08xabcdefghijklmnopqrstuvwxyzABCDEFGHIJKLM", i);
	if (i % 3 == 0)
		strcpy(key.from, "192.0.2.0/24,*.example.org");
	snprintf(key.fingerprint, sizeof(key.fingerprint), "SHA256:%043u", i);
	return key;
}

static inline void fixture_name(uint32_t i, char name[ACCOUNT_NAME_MAX + 1])
{
	snprintf(name, ACCOUNT_NAME_MAX + 1, "owner%u+web%u", i / 3, i);
}

/* A published index of accounts 0..accounts-1 and ranges 0..ranges-1. */
static inline struct index_writer *fixture_publish(struct fixture *f, uint32_t accounts, uint32_t ranges,
						   uint64_t generation)
{
	struct index_writer *writer = NULL;

	assert_int_equal(index_writer_create(f->dirfd, &f->options, &writer), 0);
	for (uint32_t i = 0; i < accounts; i++) {
		struct account account = fixture_account(i);

		assert_int_equal(index_put_account(writer, &account, '+'), 0);
	}
	for (uint32_t i = 0; i < ranges; i++) {
		struct id_range range = fixture_range(i);

		assert_int_equal(index_put_range(writer, &range), 0);
	}
	assert_int_equal(index_writer_publish(writer, generation), 0);
	return writer;
}

static inline void assert_account(const struct index_account *found, const struct account *account)
{
	char name[ACCOUNT_NAME_MAX + 1];

	snprintf(name, sizeof(name), "%s+%s", account->owner, account->label);
	assert_int_equal(found->uid, account->uid);
	assert_int_equal(found->owner_uid, account->owner_uid);
	assert_int_equal(found->flags, account->flags & ACCOUNT_LOCKED);
	assert_int_equal(found->expires_day, account->facts.expires_day);
	assert_string_equal(found->name, name);
	assert_string_equal(found->owner, account->owner);
	assert_string_equal(found->label, account->label);
	assert_string_equal(found->comment, account->facts.comment);
}

#endif
