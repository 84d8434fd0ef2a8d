/* SPDX-License-Identifier: ISC */
/*
 * A saved state: everything that the store knows, in one file that can be read and written as a stream.
 *
 *   subuidd saved state 1          the format
 *   program 0.1.0                  that wrote it
 *   schema 5                       of the database
 *   host backup1.example
 *   saved 1795910400               seconds since the epoch
 *   store 00f1e2d3c4b5a697         store_identity()
 *   generation 4711
 *   accounts 60
 *   keys 75
 *   ranges 3
 *   mark 2100000059                highest id ever given out in its region (high_water.h)
 *   image 409600                   length of what follows the empty line
 *
 *   ...                            the database
 *   sha256 HEX                     of everything before this line
 *
 * There are as many marks as regions that were used, rising. Each header has exactly one text: only what
 * state_header_format() writes is accepted. Pure, libc and libmd only, no allocation. Run by the broker's children
 * and by the state program (root) on files that may be damaged, and by anybody on any file (`subuid state verify`).
 */
#ifndef SUBUIDD_STATE_FORMAT_H
#define SUBUIDD_STATE_FORMAT_H

#include <sha2.h>
#include <stddef.h>
#include <stdint.h>

#include "store/high_water.h"

#define STATE_WORD_MAX 255    /* of program and host, printable ASCII without spaces */
#define STATE_HEADER_MAX 8192 /* bytes: 256 marks, two words of 255, and the rest */
#define STATE_TRAILER_SIZE 72 /* "sha256 ", 64 digits, newline */
#define STATE_IMAGE_MAX (INT64_C(1) << 40)
#define STATE_IMAGE_UNIT 512 /* the smallest page of a database */

struct state_header {
	char program[STATE_WORD_MAX + 1];
	char host[STATE_WORD_MAX + 1];
	uint32_t schema;
	int64_t saved;
	uint64_t store;
	uint64_t generation;
	uint64_t accounts, keys, ranges;
	uint32_t marks[HIGH_WATER_REGIONS]; /* 0: none */
	uint64_t image;                     /* bytes */
};

enum state_fault {
	STATE_SOUND,
	STATE_FOREIGN, /* it does not begin as one */
	STATE_NEWER,   /* a format that this program does not know */
	STATE_HEADER,  /* not as state_header_format() writes it */
	STATE_SHORT,   /* it ends early */
	STATE_LONG,    /* something follows its end */
	STATE_DAMAGED, /* the checksum is another one */
};

/* A sentence without a full stop: "it ends early: it was cut off". */
const char *state_fault_why(enum state_fault fault);

/* A word for the header: bytes that cannot stand there become '?'. out: STATE_WORD_MAX + 1 bytes. */
void state_word(const char *text, char *out);

/* Writes the header with its empty line; out: STATE_HEADER_MAX bytes, not ended by NUL. Its length, or -EINVAL: a
 * member that no header can have. */
int state_header_format(const struct state_header *header, char *out);

/* The opposite, of exactly these bytes, the empty line with them. */
enum state_fault state_header_parse(const char *text, size_t length, struct state_header *header);

/* Reads a stream in pieces of any size. */
struct state_decoder {
	enum { STATE_AT_HEADER, STATE_AT_IMAGE, STATE_AT_TRAILER, STATE_AT_END } at;
	enum state_fault fault;      /* STATE_SHORT until all was read */
	struct state_header header;  /* whole once `at` is beyond STATE_AT_HEADER */
	uint64_t left;               /* of the image */
	size_t used;                 /* of text */
	char text[STATE_HEADER_MAX]; /* header, then trailer */
	SHA2_CTX sum;
};

void state_decoder_start(struct state_decoder *decoder);

/* A piece of the database. 0, or negative errno, which ends the reading. */
typedef int (*state_sink)(void *data, const void *bytes, size_t size);

/* 0: so far, so good; -EBADMSG: decoder->fault says why; else what the sink said. The database must not be trusted
 * before state_decoder_end(). */
int state_decode(struct state_decoder *decoder, const void *bytes, size_t size, state_sink sink, void *data);

/* The stream has ended. STATE_SOUND, or what is wrong. */
enum state_fault state_decoder_end(const struct state_decoder *decoder);

/* For a writer: the trailer of what `sum` has seen. out: STATE_TRAILER_SIZE bytes. */
void state_trailer_format(SHA2_CTX *sum, char *out);

#endif
