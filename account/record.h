/* SPDX-License-Identifier: ISC */
/*
 * Records written down once: a table with a row for each member of a struct. Interpreters go over the rows: the check
 * of what people write (below), the shape on the wire (subuidd/wire/wire.c), JSON both ways
 * (worker/record_json.c), columns of the store (store/account.c), options and lines of the command
 * (cli/facts.c). Pure, libc only.
 */
#ifndef ACCOUNT_RECORD_H
#define ACCOUNT_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "account/failure.h"

enum field_kind {
	FIELD_NUMBER, /* unsigned, 4 or 8 bytes; JSON: integer */
	FIELD_SIGNED, /* the same, signed */
	FIELD_TEXT,   /* char[], padded with NUL; JSON: string */
	FIELD_FLAG,   /* uint32_t: 1 or 0, or the bits `most` of it; JSON: boolean */
	FIELD_DAY,    /* int32_t, days since the epoch, -1 never; JSON: "YYYY-MM-DD", "" never */
	FIELD_WORD,   /* uint32_t; JSON: that one of `words` */
};

enum field_use {
	FIELD_GIVEN = 1u << 0,    /* a peer may give it, */
	FIELD_REQUIRED = 1u << 1, /* ... and has to */
	FIELD_TOLD = 1u << 2,     /* it is shown, */
	FIELD_IF_ANY = 1u << 3,   /* ... unless it is 0, "", never, */
	FIELD_IF_KNOWN = 1u << 4, /* ... or has all bits set */
	FIELD_WHICH = 1u << 5,    /* it says which record this is, not how it is: two that differ in it may be equal */
};

/* How people write a number on a command line, and see it. */
enum field_form {
	FORM_PLAIN,
	FORM_SIZE,       /* bytes: 10G, none */
	FORM_SPAN,       /* seconds: 26h, never */
	FORM_COUNT,      /* 200000, none (-1), default (0) */
	FORM_BOUND,      /* 64, default (0) */
	FORM_BOUND_SIZE, /* bytes: 512M, default (0) */
};

struct field {
	const char *name; /* in JSON, as option --name, as column of a file to import; NULL: none of these */
	uint16_t offset, size;
	uint8_t kind;        /* enum field_kind */
	uint8_t use;         /* enum field_use */
	uint8_t form;        /* enum field_form */
	uint16_t with;       /* offset of a member of 8 bytes; if that is 0, this one is not shown; 0: none */
	int64_t least, most; /* bounds of a number that is given (most 0: as much as fits); least: of the bytes of a
				given text */
	const char *const *words; /* by number, ended by NULL */
	bool (*valid)(const char *text);
	const char *why,
		*todo; /* the message if it is not valid; why NULL: "out of range"; todo is also for a missing one */
	const char *column;       /* in the store; NULL: none of its own */
	const char *option;       /* --option, where that is not --name */
	const char *value, *help; /* of its option: "SIZE|none", and what it does: lines of at most 54 characters */
	const char *note;         /* in the interface's text, where type and name say too little: lines */
};

struct record {
	const struct field *fields; /* in the order of their offsets; several may be bits of one number */
	size_t count;
};

/* RECORD(name_of_the_record, fields): fields is an array */
#define RECORD(name, fields) const struct record name = { fields, sizeof(fields) / sizeof((fields)[0]) }
/* .offset and .size of a row */
#define MEMBER(type, member) .offset = offsetof(type, member), .size = sizeof(((type *)0)->member)

/* The name of its option. */
const char *field_option(const struct field *field);

/* The row of this name; NULL: not found. */
const struct field *record_find(const struct record *record, const char *name);

/* The number of a member that is no text (FIELD_FLAG: 0 or 1), and the way back (it fits). */
int64_t field_number(const struct field *field, const void *base);
void field_number_put(const struct field *field, void *base, int64_t number);
const char *field_text(const struct field *field, const void *base);

/* True if it is not shown for this record. */
bool field_left_out(const struct field *field, const void *base);

/* True if it has no value: 0, "", never. */
bool field_empty(const struct field *field, const void *base);

/* The number of a word, or -EINVAL. A word below `least` is in the table only to be shown: nobody may give it. */
int64_t field_word_find(const struct field *field, const char *word);
/* The word of a number, or NULL. */
const char *field_word(const struct field *field, int64_t number);

/* Checks the members in `set` (bit i: row i) for mistakes that a person may have made. FAILURE_NONE, or
 * FAILURE_INVALID and the text. */
enum failure record_check(const struct record *record, const void *base, uint32_t set, struct failure_text *text);

/* Checks for values that no sound program writes: flags that are neither 0 nor 1. */
bool record_sound(const struct record *record, const void *base);

/* The first member in `set` that differs, or NULL. */
const struct field *record_difference(const struct record *record, const void *a, const void *b, uint32_t set);

/* True when all members are equal but those that say which record it is. */
bool record_equal(const struct record *record, const void *a, const void *b);

/* Copies the members in `set`. */
void record_take(const struct record *record, void *to, const void *from, uint32_t set);

/* The value in words: a number, a size such as "10G", a day or "never", a word, a text. Returns out. */
#define FIELD_PRINT_MAX 160
const char *field_print(const struct field *field, const void *base, char out[FIELD_PRINT_MAX]);

/* "quota 1M, expires never, comment none": the members in `set`. Cut at the end of out. */
void record_print(const struct record *record, const void *base, uint32_t set, char *out, size_t size);

/* "give quota, files or view": lead, and all names with `prefix` before each (with "--": of the options). Cut at the
 * end of out. Returns out. */
const char *record_names(const struct record *record, const char *lead, const char *prefix, char *out, size_t size);

/* ---- records.c */

extern const struct record facts_record;   /* struct facts */
extern const struct record account_record; /* struct account, the members before facts */
extern const struct record owned_record;   /* struct account, the members after facts */
extern const struct record key_record;     /* struct ssh_key; role, options and the key itself are written by hand */
extern const struct record range_record;   /* struct id_range */
extern const struct record limit_record;   /* struct limit */
extern const struct record audit_record;   /* struct audit_entry */
extern const struct record run_row_record; /* struct run_row, the members before the run */
extern const struct record run_record;     /* struct run */

#endif
