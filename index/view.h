/* SPDX-License-Identifier: ISC */
/*
 * Lookups in an index file that is in memory. Pure: no system call, no state.
 * Nothing in the file is trusted; what is answered was checked in a copy.
 * Returns as in index/index.h.
 */
#ifndef ACCOUNT_INDEX_VIEW_H
#define ACCOUNT_INDEX_VIEW_H

#include <stdbool.h>
#include <stdint.h>

#include "index/index.h"

/* base: aligned to INDEX_LINE, must stay. -EUCLEAN: not an index, or a damaged one. */
int index_view_init(struct index_view *view, const void *base, uint64_t size);

/* False once the file has been superseded. */
bool index_view_current(const struct index_view *view);

/* The store's change that it shows. 0 or -EUCLEAN. */
int index_view_generation(const struct index_view *view, uint64_t *generation);

int index_view_by_name(const struct index_view *view, const char *name, struct index_account *account);
int index_view_by_uid(const struct index_view *view, uint32_t uid, struct index_account *account);
int index_view_next(const struct index_view *view, uint64_t *cursor, struct index_account *account);
int index_view_owner_next(const struct index_view *view, uint32_t owner_uid, uint64_t *cursor, int *is_range,
			  struct index_account *account, struct id_range *range);
int index_view_range_by_id(const struct index_view *view, uint32_t id, struct id_range *range);
/* Ranges in the order of the table, each once; *cursor starts at 0. -ENOENT at the end. */
int index_view_range_next(const struct index_view *view, uint64_t *cursor, struct id_range *range);
/* Only of ids that have names: one compare for the others. */
int index_view_range_named(const struct index_view *view, uint32_t id, struct id_range *range);
int index_view_key(const struct index_view *view, uint32_t uid, const char *blob, struct ssh_key *key);

/* ---- what the writer uses too ---- */

/* One walk along the slots that a key may be in. */
struct index_probe {
	const struct index_view *view;
	enum index_table_id table;
	uint64_t position; /* of the slot that was answered last */
	uint64_t next;
	uint64_t left;
	uint16_t tag;
};

void index_probe_start(struct index_probe *probe, const struct index_view *view, enum index_table_id table,
		       uint64_t hash);
/* 1 with the line of a slot that carries the key's tag; 0 at the end; -EUCLEAN. */
int index_probe_next(struct index_probe *probe, uint32_t *line);

/* Address of a table's slot; position below table.slots. */
const index_slot *index_slot_at(const struct index_view *view, enum index_table_id table, uint64_t position);

/* The slot's sealed word, read once. 0 or -EUCLEAN. */
int index_slot_read(const struct index_view *view, enum index_table_id table, uint64_t position, index_slot *slot);

/* Public records fit in six lines: the longest is an account's with all bounds. (Versions without bounds read four.) */
#define INDEX_PUBLIC_LINES 6u
union index_public_copy {
	struct index_record head;
	struct index_account_record account;
	struct index_range_record range;
	struct index_owner_record owner;
	uint8_t bytes[INDEX_PUBLIC_LINES * INDEX_LINE];
};

/* Copies the record that begins at `line` (lines_max lines at the most) and checks
 * the copy: bounds and checksum; and that it is of this kind unless kind is 0. 0 or -EUCLEAN. */
int index_record_copy(const struct index_view *view, uint32_t line, unsigned kind, struct index_record *copy,
		      unsigned lines_max);

/* From a checked copy; every byte of the text is accounted for. 0 or -EUCLEAN. */
int index_account_decode(const struct index_view *view, const union index_public_copy *copy,
			 struct index_account *account);
int index_range_decode(const union index_public_copy *copy, struct id_range *range);

/* What a checked copy of an account or an owner says of bounds; 0: nothing. 0 or -EUCLEAN. */
int index_bounds_decode(const struct index_record *head, struct bounds *bounds);
/* The same of the account, or of the owner, with this uid: all 0 for an owner without a record. */
int index_view_account_bounds(const struct index_view *view, uint32_t uid, struct bounds *bounds);
int index_view_owner_bounds(const struct index_view *view, uint32_t owner_uid, struct bounds *bounds);

int index_key_decode(const struct index_record *head, struct ssh_key *key);

/* An owner's list as the owner's record describes it. */
struct index_list {
	uint64_t line; /* first line */
	uint32_t capacity;
	char owner[OWNER_MAX + 1];
	uint32_t record_line; /* of the OWNER record */
	uint32_t record_lines;
	uint64_t position; /* of the slot that names it */
};

int index_list_find(const struct index_view *view, uint32_t owner_uid, struct index_list *list);
int index_list_decode(const struct index_view *view, const union index_public_copy *copy, struct index_list *list);
const index_slot *index_list_at(const struct index_view *view, const struct index_list *list, uint32_t k);
int index_list_read(const struct index_view *view, const struct index_list *list, uint32_t k, index_slot *slot);

/* The list's next entry, as index_view_owner_next(), for callers that found the list once. The writer makes a
 * longer list beside a full one; a reader here then still sees the list as it was at that moment. */
int index_list_next(const struct index_view *view, const struct index_list *list, uint32_t owner_uid, uint64_t *cursor,
		    int *is_range, struct index_account *account, struct id_range *range);

/* Index after the last slot ever used. 0 or -EUCLEAN. */
int index_list_end(const struct index_view *view, const struct index_list *list, uint32_t *end);

#endif
