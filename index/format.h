/* SPDX-License-Identifier: ISC */
/*
 * The index file, as it is on disk and in memory (little or big endian like the machine, which the file never leaves).
 * One writer (subuidd), any number of readers that map it and trust nothing in it.
 *
 *   header | tables (8-byte slots, power of two each) | records (64-byte lines)
 *
 * Promises of the writer
 *  - a record is written whole before a slot names it and is never changed after;
 *  - publishing is one atomic 8-byte store of a slot; a change writes a new
 *    record and switches the slots that named the old one;
 *  - a removed key leaves a tombstone in its slot as long as something follows it,
 *    so that a probe in progress never ends too early; tombstones count as load;
 *  - the file is never truncated, shrunk or rewritten in place; all its space is
 *    allocated before use (a sparse page on a full disk is a SIGBUS in a reader);
 *  - when tables or records are full the writer builds a file of twice the size,
 *    renames it over this one and then sets header.superseded, on which readers
 *    open the new one. Between the two the old file is also called NAME.old, so
 *    that a writer killed there finds and marks it at its next start.
 *
 * A reader checks: owner (root) and mode (not writable by group or others)
 * of the file, magic, version, header checksum, every size and offset against the
 * file's size, the check bits of each slot that it looks at (also of empty
 * ones: a damaged table answers "unavailable", not "not found"), bounds and
 * checksum of each record and that the record is the one asked for.
 *
 * Both files have this format:
 *   /var/lib/subuidd/index 0644: accounts and ranges, tables NAME ID OWNER BLOCK
 *   /var/lib/subuidd/keys  0640 group subuidd-keys: keys, table KEY
 */
#ifndef ACCOUNT_INDEX_FORMAT_H
#define ACCOUNT_INDEX_FORMAT_H

#include <stdint.h>

#include "account/account.h"

#define INDEX_MAGIC "subuidx\n" /* 8 bytes, no NUL */
#define INDEX_VERSION 5u
#define INDEX_LINE 64u
#define INDEX_RECORD_LINES_MAX 128u /* 8 KiB: a key record with the largest blob */

enum index_table_id {
	INDEX_BY_NAME = 0,  /* account, by full name */
	INDEX_BY_ID = 1,    /* account, by uid */
	INDEX_BY_OWNER = 2, /* owner record, by owner_uid: heads the owner's list */
	INDEX_BY_BLOCK = 3, /* range, once for each RANGE_UNIT block that it touches, by first/RANGE_UNIT + k */
	INDEX_BY_KEY = 4,   /* key, by account uid and blob */
	INDEX_TABLES = 5,
};

enum index_kind {
	INDEX_ACCOUNT = 1,
	INDEX_RANGE = 2,
	INDEX_OWNER = 3,
	INDEX_KEY = 5,
};

struct index_table {
	uint64_t offset; /* of the first slot, from the start of the file; multiple of 64 */
	uint64_t slots;  /* power of two, or 0: not in this file */
};

#define REFUSED_VARIABLE "SUBUID_REFUSED" /* from pam_subuid to the login shell: why this session is one too many */
#define ENDS_VARIABLE "SUBUID_ENDS"       /* and when it ends, if it does: session_end.h */
#define SESSION_MEMORY_MIB 16u

/* Limits for a session of any account: [sessions] of subuidd.conf(5). All 0: written by a version without them. */
struct index_sessions {
	uint16_t per_key, per_account;
	uint16_t memory; /* of each process of a run, in units of 16 MiB */
	uint16_t cpu_weight;
	uint32_t silence; /* seconds, 0 none */
};

/* The rest of the bounds of any account. All 0: written by a version without them. */
struct index_bounds {
	uint32_t processes, open_files;
	uint32_t file_size; /* in MiB */
	uint32_t bandwidth; /* in KiB a second */
	uint16_t io_weight, logins;
};

/* Facts of the host that every answer is made with, as they lie in the header. */
struct index_host {
	uint32_t subuids_gid;         /* supplementary group of every sub-account */
	uint32_t forward_gid;         /* and of those with ACCOUNT_FORWARDS; 0 none */
	uint32_t uid_first, uid_last; /* no account lies outside: the readers' quick "no" */
	uint32_t enumerate;           /* 1: setpwent/getpwent list accounts */
	char separator;
	uint8_t session_hours;   /* the longest that a session may last; 0: as long as it likes */
	uint16_t account_memory; /* of all processes of an account together, in units of 16 MiB; 0 none */
	char homes[124];         /* "/srv/subuid" */
	uint32_t both_gid;       /* supplementary group of those with ACCOUNT_BOTH; 0 none */
	char shell[36];          /* login shell of every sub-account */
	/* Where a longer shell was 0 in files of versions without these. */
	struct index_bounds bounds;
	uint32_t passwords_gid;           /* supplementary group of those with ACCOUNT_PASSWORDS; 0 none */
	uint16_t password_tries;          /* wrong ones a minute, of an account and from an address */
	uint8_t password_cost;            /* of a hash that is made now; 0: this host takes no passwords */
	uint8_t session_shell;            /* enum session_shell, of the roles shell and command */
	uint32_t range_first, range_last; /* ids of ranges from first to last have names; last 0: none has one */
	struct index_sessions sessions;
};

/* 512 bytes. Everything up to `check` is constant for the file's life. */
struct index_header {
	char magic[8];
	uint32_t version;
	uint32_t header_size; /* sizeof(struct index_header) */
	uint64_t file_size;
	uint64_t records_offset; /* multiple of 64 */
	uint64_t records_lines;  /* capacity */
	uint64_t seed;           /* of every hash in the file */
	struct index_table table[INDEX_TABLES];
	uint8_t boot_id[16]; /* of the writer: another boot rebuilds */
	struct index_host host;
	uint32_t check; /* index_header_checksum() of all above */
	/* changing part: sealed words, atomic 8-byte stores only */
	_Alignas(64) uint64_t superseded; /* sealed 0; anything else: open the path again */
	uint64_t generation;              /* sealed; the store's change counter that this file shows */
	uint64_t lines_used;              /* sealed; writer's; readers bound by records_lines */
	char pad3[104];
};

_Static_assert(sizeof(struct index_header) == 512, "the same in 32 and 64 bits");
_Static_assert(__builtin_offsetof(struct index_header, check) == 380, "no hidden padding");
_Static_assert(__builtin_offsetof(struct index_header, superseded) == 384, "a line of its own");

/* A sealed word: 48 bits of value and, on top, 16 check bits over value, table and
 * position, so that no stray byte makes one (index_seal()). Used for the slots of
 * the tables and lists and for the changing part of the header.
 *
 * A slot's value: 32 bits line number + 1 (0: none) and 16 bits of tag. In a table
 * the tag is the top of the key's hash; without a line, the tag says why:
 */
typedef uint64_t index_slot;

enum {
	INDEX_TAG_EMPTY = 0,     /* never used, or nothing follows: a probe ends here */
	INDEX_TAG_TOMBSTONE = 1, /* was used: a probe goes on */
};

/* What a word is sealed as, beside the numbers of the tables. */
enum {
	INDEX_SEAL_LIST = INDEX_TABLES,       /* position: line * 8 + k of the slot */
	INDEX_SEAL_HEADER = INDEX_TABLES + 1, /* position: which of the words below */
};
enum { INDEX_WORD_SUPERSEDED, INDEX_WORD_GENERATION, INDEX_WORD_LINES_USED };

/* An owner's list: `capacity` slots in whole lines. The first two lead it: */
enum {
	INDEX_LIST_FREE = 0, /* tag HEAD; value: index of the first hole, 0 none */
	INDEX_LIST_END = 1,  /* tag HEAD; value: index after the last slot ever used */
	INDEX_LIST_FIRST = 2,
};
enum {
	INDEX_LIST_TAG_ENTRY = 0, /* line + 1 of an account or range; 0: never used */
	INDEX_LIST_TAG_HOLE = 1,  /* value: index of the next hole, 0 none */
	INDEX_LIST_TAG_HEAD = 2,
};
#define INDEX_LIST_CAPACITY_MIN 8u

/* First 16 bytes of every record; it begins at a line and is `lines` lines long. */
struct index_record {
	uint32_t check; /* index_record_checksum(): of the rest of all its lines and of the line number */
	uint8_t kind;
	uint8_t lines;
	uint16_t length; /* bytes used, this head included */
	uint32_t a, b;   /* by kind */
};

/*
 * The bounds of a record, behind its head.length, where readers of versions without them see padding: from the next
 * multiple of 8 on a word with a bit for each that is said (bit i: enum bound), and these in their order, 8 bytes each.
 * A record that says none has none of it.
 */

/* ACCOUNT: head.a uid, head.b owner_uid. One line for name + comment up to 34 bytes. */
struct index_account_record {
	struct index_record head;
	int32_t expires_day;
	uint16_t flags; /* ACCOUNT_LOCKED, ACCOUNT_FORWARDS, ACCOUNT_FULL, ACCOUNT_PASSWORDS, ACCOUNT_FROZEN,
			   ACCOUNT_BOTH, ACCOUNT_SERVICES */
	uint8_t owner_length;
	uint8_t label_length;
	uint32_t position; /* in the owner's list */
	char text[];       /* name NUL comment NUL, and behind head.length its bounds */
};

/* RANGE: head.a first, head.b owner_uid */
struct index_range_record {
	struct index_record head;
	uint32_t count;
	uint32_t account_uid;
	uint32_t position;      /* in the owner's list */
	uint32_t held_position; /* in the list of the account that has it; 0: the owner */
	uint32_t place;
	uint16_t behind[2];
	char text[]; /* owner NUL label NUL */
};

/* OWNER: head.a owner_uid, head.b capacity of the list (slots, a power of two). A sub-account that has ranges
 * has one, too, under its uid: they are found without going through all that its owner has. */
struct index_owner_record {
	struct index_record head;
	uint32_t list_line; /* first line of the list; a longer one gets new lines and a new OWNER record */
	char text[];        /* owner NUL, and behind head.length the bounds of the owner's accounts */
};

/* KEY: head.a account uid, or an owner's; head.b id of the key, among those of accounts or of owners */
struct index_key_record {
	struct index_record head;
	int64_t expires;
	uint32_t role;
	uint32_t options;
	uint64_t storage_quota;
	/* type NUL blob NUL from NUL fingerprint NUL tools NUL forward NUL [command NUL net NUL [owner NUL [hash
	 * NUL]]]: owner of an owner's key, else empty; hash of a password */
	char text[];
};

#endif
