/* SPDX-License-Identifier: ISC */
/*
 * Every lookup of the readers, and the writer's proof, on a sound file with the input's changes: none
 * may crash, read outside the file or go on without end.
 *
 * Input: one byte of mode, then changes of 6 bytes: position (4), value (1), operation (1).
 * Mode bit 0: keys file. Bit 1: seals and checksums are made good after the changes, so
 * that what lies behind them is reached. Bit 2: the rest of the input is the file itself.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "index/check.h"
#include "index/view.h"
#include "index/writer/file.h"

#define UID_FIRST 2100000000u
#define ACCOUNTS 12u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t *image[2];
static size_t image_size[2];

static void must(int ok)
{
	if (!ok)
		abort();
}

static struct account account_of(uint32_t i)
{
	struct account account = { .uid = UID_FIRST + i, .owner_uid = 1000 + i / 8, .facts.expires_day = -1 };

	snprintf(account.owner, sizeof(account.owner), "owner%u", i / 8);
	snprintf(account.label, sizeof(account.label), "web%u", i);
	memset(account.facts.comment, 'c', i * 10);
	return account;
}

static struct ssh_key key_of(uint32_t i)
{
	struct ssh_key key = { .id = i + 1, .uid = UID_FIRST + i, .role = ROLE_PUSH, .type = "ssh-ed25519" };

	memset(key.blob, 'A' + (int)i, 1 + i * 100);
	return key;
}

static void fill(struct index_writer *writer, int keys)
{
	for (uint32_t i = 0; i < ACCOUNTS; i++) {
		struct account account = account_of(i);
		struct ssh_key key = key_of(i);
		struct id_range range = {
			.first = (8 + 4 * i) * 65536, .count = 65536 * 2, .owner_uid = 1000, .owner = "owner0"
		};

		must((keys ? index_put_key(writer, &key) : index_put_account(writer, &account, '+')) == 0);
		if (!keys && i < 3)
			must(index_put_range(writer, &range) == 0);
		if (!keys && i == 4)
			must(index_remove_account(writer, &account) == 0);
	}
}

static void make_image(int keys)
{
	char directory[] = "/tmp/subuidd-fuzz-XXXXXX";
	struct index_options options = {
		.file = keys ? INDEX_FILE_KEYS : INDEX_FILE_PUBLIC,
		.name = "file",
		.mode = 0600,
		.group = getegid(),
		.host = { .subuids_gid = 9,
			  .uid_first = UID_FIRST,
			  .uid_last = UID_FIRST + 1000,
			  .enumerate = 1,
			  .separator = '+',
			  .homes = "/srv/subuid",
			  .shell = "/bin/login" },
		.expected = 4,
	};
	struct index_writer *writer;
	int dirfd;

	must(mkdtemp(directory) != NULL);
	dirfd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	must(dirfd >= 0 && index_writer_create(dirfd, &options, &writer) == 0);
	fill(writer, keys);
	must(index_writer_publish(writer, 1) == 0);
	image_size[keys] = writer->view.header.file_size;
	image[keys] = malloc(image_size[keys]);
	must(image[keys] != NULL);
	memcpy(image[keys], writer->base, image_size[keys]);
	index_writer_free(writer);
	unlinkat(dirfd, "file", 0);
	close(dirfd);
	rmdir(directory);
}

static void seal(uint8_t *at, uint64_t seed, unsigned table, uint64_t position)
{
	uint64_t word;

	memcpy(&word, at, sizeof(word));
	word = index_seal(seed, table, position, word);
	memcpy(at, &word, sizeof(word));
}

/* As a liar would who knows the format: every word sealed, every record summed. */
static void make_good(uint8_t *bytes, size_t size)
{
	struct index_header *header = (void *)bytes;

	header->file_size = size;
	header->check = index_header_checksum(header);
	if (!index_header_sound(header, size))
		return;
	for (unsigned word = 0; word < 3; word++)
		seal(bytes + offsetof(struct index_header, superseded) + word * 8, header->seed, INDEX_SEAL_HEADER,
		     word);
	for (unsigned t = 0; t < INDEX_TABLES; t++)
		for (uint64_t i = 0; i < header->table[t].slots; i++)
			seal(bytes + header->table[t].offset + i * 8, header->seed, t, i);
	for (uint32_t line = 0; line < header->records_lines; line++) {
		uint8_t *at = bytes + header->records_offset + (uint64_t)line * INDEX_LINE;
		struct index_record *record = (void *)at;

		/* a line is a list's or a record's: it looks like a record when its kind says so */
		if (record->kind < INDEX_ACCOUNT || record->kind > INDEX_KEY || record->lines == 0 ||
		    record->lines > header->records_lines - line)
			for (uint64_t k = 0; k < 8; k++)
				seal(at + k * 8, header->seed, INDEX_SEAL_LIST, line * UINT64_C(8) + k);
		else
			record->check = index_record_checksum(header->seed, line, record);
	}
}

static void look_up(const struct index_view *view)
{
	struct index_account account;
	struct id_range range;
	struct ssh_key key;
	uint64_t cursor = 0, generation;
	int is_range;

	(void)index_view_current(view);
	(void)index_view_generation(view, &generation);
	for (uint32_t i = 0; i <= ACCOUNTS; i++) {
		struct account row = account_of(i);
		struct ssh_key wanted = key_of(i);
		char name[ACCOUNT_NAME_MAX + 1];

		snprintf(name, sizeof(name), "%s+%s", row.owner, row.label);
		if (index_view_by_name(view, name, &account) == 0)
			must(strcmp(account.name, name) == 0 && strlen(account.comment) <= COMMENT_MAX);
		if (index_view_by_uid(view, row.uid, &account) == 0)
			must(account.uid == row.uid && strlen(account.name) <= ACCOUNT_NAME_MAX);
		if (index_view_range_by_id(view, (8 + i) * 65536, &range) == 0)
			must(range.first <= (8 + i) * 65536 && strlen(range.owner) <= OWNER_MAX);
		if (index_view_key(view, wanted.uid, wanted.blob, &key) == 0)
			must(key.uid == wanted.uid && strcmp(key.blob, wanted.blob) == 0);
	}
	for (uint64_t n = 0; index_view_next(view, &cursor, &account) == 0; n++)
		must(n < view->header.table[INDEX_BY_ID].slots);
	for (uint32_t owner = 1000; owner < 1003; owner++) {
		uint64_t n = 0;

		cursor = 0;
		while (index_view_owner_next(view, owner, &cursor, &is_range, &account, &range) == 0)
			must(n++ < view->header.file_size / 8);
	}
}

static void change(uint8_t *bytes, size_t size, const uint8_t *data, size_t length)
{
	for (; length >= 6; data += 6, length -= 6) {
		uint32_t position;

		memcpy(&position, data, sizeof(position));
		position %= size;
		bytes[position] = data[5] % 3 == 0 ? data[4] :
				  data[5] % 3 == 1 ? bytes[position] ^ data[4] :
						     (uint8_t)(bytes[position] + data[4]);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct index_writer writer = { 0 };
	uint8_t mode, *bytes;
	size_t length;

	if (image[0] == NULL) {
		make_image(0);
		make_image(1);
	}
	if (size < 1)
		return 0;
	mode = *data++;
	size--;
	length = mode & 4 ? size & ~(size_t)63 : image_size[mode & 1];
	if (length < INDEX_LINE)
		return 0;
	bytes = aligned_alloc(INDEX_LINE, length); /* exactly so many: what reads further is caught */
	must(bytes != NULL);
	memcpy(bytes, mode & 4 ? data : image[mode & 1], length);
	if (!(mode & 4))
		change(bytes, length, data, size);
	if ((mode & 2) && length >= sizeof(struct index_header))
		make_good(bytes, length);
	if (index_view_init(&writer.view, bytes, length) == 0) {
		look_up(&writer.view);
		writer.base = bytes;
		writer.options.file = mode & 1 ? INDEX_FILE_KEYS : INDEX_FILE_PUBLIC;
		(void)index_verify(&writer);
	}
	free(bytes);
	return 0;
}
