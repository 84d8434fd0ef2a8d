/* SPDX-License-Identifier: ISC */
/*
 * Inside the index writer: file.c makes, maps and publishes files;
 * place.c writes records and slots, list.c lists; entry.c says what
 * a record is made of; verify.c proves a file; grow.c makes a larger one;
 * account.c, range.c and key.c are the changes.
 */
#ifndef SUBUIDD_INDEX_FILE_H
#define SUBUIDD_INDEX_FILE_H

#include <stdbool.h>
#include <stdint.h>

#include "index/view.h"
#include "index/writer/writer.h"

struct index_count {
	uint64_t live;   /* slots that name a record */
	uint64_t graves; /* tombstones */
};

struct index_writer {
	int dirfd; /* own duplicate */
	struct index_options options;
	char name[32];
	bool published;
	dev_t dev; /* of the file */
	ino_t ino;
	uint8_t *base;          /* writable map of the whole file */
	struct index_view view; /* of the same memory, for the readers' own lookups */
	struct index_count count[INDEX_TABLES];
	uint64_t lines;      /* used, from the first */
	uint64_t lines_live; /* of these, of records and lists that something names */
};

/* ---- file.c ---- */

struct index_size {
	uint64_t slots[INDEX_TABLES];
	uint64_t lines;
};

/* A new empty file NAME.new, mapped into *writer (whose options and dirfd are set). */
int index_file_create(struct index_writer *writer, const struct index_size *size);
/* Maps NAME as it is: -ESTALE when it is not one of ours, whole and for these options. */
int index_file_map(struct index_writer *writer, bool any_boot);
void index_file_unmap(struct index_writer *writer);
/* Durable rename of NAME.new over NAME; the old file is marked superseded. */
int index_file_publish(struct index_writer *writer);
/* Ends what a writer that was killed while publishing left: NAME.old. */
int index_file_recover(const struct index_writer *writer);
void index_word_store(struct index_writer *writer, unsigned word, uint64_t value);
bool index_table_wanted(enum index_file file, enum index_table_id table);

/* ---- place.c, list.c ---- */

#define INDEX_OWNER_LINES 3u /* of the longest OWNER record: with all bounds */

/* Writes a whole record behind the last one; room must have been made. */
uint32_t index_record_write(struct index_writer *writer, struct index_record *record);
/* Seals a slot and publishes it. */
void index_slot_write(struct index_writer *writer, enum index_table_id table, uint64_t position, uint32_t number,
		      uint16_t tag);
/* The slot that names `line`: -ENOENT, -EUCLEAN. */
int index_place_find(const struct index_writer *writer, enum index_table_id table, uint64_t hash, uint32_t line,
		     uint64_t *position);
/* Publishes `line` in the first slot that is free for this hash. */
int index_place_add(struct index_writer *writer, enum index_table_id table, uint64_t hash, uint32_t line);
/* Empties a slot: a tombstone, or nothing where nothing follows. */
int index_place_clear(struct index_writer *writer, enum index_table_id table, uint64_t position);

/* Makes sure that the owner has a list with a free entry, and says which one. */
int index_list_reserve(struct index_writer *writer, uint32_t owner_uid, const char *owner, struct index_list *list,
		       uint32_t *position);
/* Publishes `line` in the entry that was reserved. */
int index_list_add(struct index_writer *writer, const struct index_list *list, uint32_t position, uint32_t line);
void index_list_swing(struct index_writer *writer, const struct index_list *list, uint32_t position, uint32_t line);
int index_list_clear(struct index_writer *writer, const struct index_list *list, uint32_t position);
/* Lines that index_list_reserve() may need at the most. */
int index_list_need(const struct index_writer *writer, uint32_t owner_uid, uint64_t *lines);

/* ---- entry.c ---- */

/* Two records with the same content, wherever they are. */
bool index_record_same(const struct index_record *a, const struct index_record *b);

union index_key_copy {
	struct index_record head;
	struct index_key_record key;
	uint8_t bytes[INDEX_RECORD_LINES_MAX * INDEX_LINE];
};

int index_account_encode(const struct account *account, char separator, uint32_t position,
			 union index_public_copy *copy);
int index_range_encode(const struct id_range *range, uint32_t position, union index_public_copy *copy);
int index_owner_encode(uint32_t owner_uid, const char *owner, const struct bounds *bounds, uint32_t list_line,
		       uint32_t capacity, union index_public_copy *copy);
int index_key_encode(const struct ssh_key *key, union index_key_copy *copy);

/* An existing record: its line, and its checked copy. */
struct index_found {
	uint32_t line;
	union index_public_copy copy;
};

/* ---- verify.c ---- */

/* Reads the whole file as the readers do; fills count, lines and lines_live. 0 or -EUCLEAN. */
int index_verify(struct index_writer *writer);

/* ---- grow.c ---- */

struct index_need {
	uint64_t slots[INDEX_TABLES];
	uint64_t lines;
	uint32_t holder; /* the account whose list also gets an entry, besides the owner's; 0: none */
	bool urgent;     /* a change of existing entries: may use the last reserve when the disk is full */
};

/* 0: there is room. 1: there is now, in a larger file: earlier look-ups point to the wrong place. Or a negative errno.
 */
int index_room(struct index_writer *writer, const struct index_need *need);
/* Makes room for a record of `lines` lines, for need->slots and, unless the change is
 * urgent (it adds nothing to the list), in the owner's list. 0 or negative errno. */
int index_room_for(struct index_writer *writer, struct index_need *need, uint32_t owner_uid, unsigned lines);
/* Whether the needed lines fit; with reserve, also into the lines that are kept for urgent changes. */
bool index_fits(const struct index_writer *writer, const struct index_need *need, bool reserve);
/* The size of a file for what `options` expect, the writer has and `need` asks for (NULL: nothing). */
struct index_size index_size_for(const struct index_writer *writer, const struct index_need *need);

#endif
