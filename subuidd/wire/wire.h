/* SPDX-License-Identifier: ISC */
/*
 * The messages between a worker (no privilege, parses the peer's JSON) and the broker (root): one SOCK_SEQPACKET
 * pair per worker, one packet per message, fixed sizes. The broker takes a request only if its size is exactly
 * wire_request_size(op), its strings end inside their arrays, its unused bytes are 0 and its op is in the table;
 * anything else kills the worker (invariant 8). It does not say who the caller is: the broker knows that from
 * SO_PEERCRED of the connection that it gave this worker (invariant 9).
 *
 * worker -> broker, first: one byte 'R' (WIRE_READY), sent when it has sealed itself.
 * broker -> worker, once: struct wire_connection with the connected socket (SCM_RIGHTS).
 * worker -> broker: struct request. broker -> worker: any number of struct
 * answer with row set (lists only), then exactly one final answer (row == 0), which carries
 * the result of everything that is not a list. One request at a time.
 */
#ifndef SUBUIDD_WIRE_H
#define SUBUIDD_WIRE_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "account/account.h"
#include "account/failure.h"
#include "account/password.h"
#include "account/record.h"
#include "account/run.h"
#include "subuidd/wire/answers.h"
#include "subuidd/wire/operations.h"

#define WIRE_FD 3     /* the worker's end of the pair; nothing else is open but 2 (log) */
#define WIRE_BATCH 32 /* rows of one answer to a list at the most; `more` asks for the next batch */
#define WIRE_KEY_BATCH 8
#define WIRE_IMPORT_BATCH 64 /* rows of one batch of an import; their answers fit the socket's buffer */

#define WIRE_READY 'R'
#define WIRE_CONNECTION 'C'

struct wire_connection {
	uint32_t tag;           /* WIRE_CONNECTION */
	uint32_t idle_seconds;  /* a peer that says nothing, or does not take its answer, for so long is left */
	uint32_t password_cost; /* of a password's hash; 0: none is made */
};

#define OPERATION_NUMBER(op, ...) op,
enum op { OP_NONE_, OPERATIONS(OPERATION_NUMBER) OP_MAX_ };

/* owner "": the caller. Every string is NUL-padded to its end. */
struct request_name {
	char owner[OWNER_MAX + 1];
	char label[LABEL_MAX + 1];
};

/* Beside the bits of enum fact, of an import alone. */
#define SET_LOCKED (1u << FACTS)

struct request_add {
	struct request_name name;
	struct facts facts;
	uint32_t set;         /* which facts were given: bits 1 << enum fact */
	uint32_t range_count; /* ids for containers, rounded up to RANGE_UNIT; 0 none */
	struct ssh_key
		key; /* type "": none. All but id, uid, created and fingerprint; the broker validates all again */
};

struct request_modify {
	struct request_name name;
	struct facts facts;
	uint32_t set;
};

struct request_remove {
	struct request_name name;
	uint32_t keep_home;
	uint32_t purge;
};

struct request_kill {
	struct request_name name;
	uint32_t now; /* 1: without the grace of the setting */
};

struct request_enter {
	struct request_name name;
	uint32_t container; /* 1: the account is 0 there, and its ranges are 1, 2, 3, ... */
};

struct request_rename {
	struct request_name name;
	char to[LABEL_MAX + 1];
};

struct request_owner {
	char from[OWNER_MAX + 1];
	char to[OWNER_MAX + 1];
	uint32_t hand_over; /* 1: although the user whom the accounts were made for is still there */
};

struct request_restore {
	struct request_name name;
	char as[LABEL_MAX + 1]; /* "": by the label that it had */
	uint32_t uid;           /* 0: the only one of this name */
};

struct request_key_add {
	struct request_name name;
	struct ssh_key key;
};

struct request_key_remove {
	struct request_name name;
	uint32_t id;
	char fingerprint[FINGERPRINT_MAX + 1]; /* when id is 0 */
};

struct request_key_change {
	struct request_name name;
	uint32_t id;
	char fingerprint[FINGERPRINT_MAX + 1]; /* when id is 0 */
	uint32_t clear_options;                /* 1: options that are not given go */
	uint32_t set;                          /* bits 1 << enum key_member: members that change; options are added */
	struct ssh_key key;
};

/* First without hashes: the answer has the one that there is. Then with it and a new one, "" if the password is wrong.
 */
struct request_rehash {
	struct request_name name;
	char password[PASSWORD_TEXT_MAX + 1]; /* to the broker its first group alone */
	char was[PASSWORD_HASH_MAX + 1];
	char hash[PASSWORD_HASH_MAX + 1];
};

struct request_list {
	struct request_name name; /* owner "" and all 0: the caller's; label "": all accounts of the owner */
	uint32_t all;             /* every owner's: root and admins; of runs: oldest first */
	uint32_t padding;
	uint64_t cursor; /* from the last answer's `cursor`; 0 first */
};

struct request_range_add {
	struct request_name name; /* label "": to the owner, or to the holder of the range `after` */
	uint32_t count;
	uint32_t after; /* first id of the range that it follows without a gap; 0: anywhere */
	uint32_t small; /* 1: count is that of a small block (range_small()), and is not rounded up */
};

struct request_range_remove {
	struct request_name name;
	uint32_t first;
};

enum { /* request_limit_set.set, beside LIMIT_BOUNDS_SET */
       SET_LIMIT_ACCOUNTS = 1u << 0,
       SET_LIMIT_KEYS = 1u << 1,
       SET_LIMIT_RANGES = 1u << 2,
};

struct request_limit_set {
	struct limit limit; /* owner in it; members not in `set` stay as they are */
	uint32_t set;       /* 0 with reset, or there is nothing to do */
	uint32_t reset;     /* 1: back to the default */
};

struct request_release {
	uint32_t first;
};

/* The repair for a finding of a check. */
enum finding_repair {
	REPAIR_NONE = 0, /* nothing that we do */
	REPAIR_INDEX,    /* index and keys are rebuilt */
	REPAIR_ACCOUNT,  /* missing parts of the account are made again: home, view, link */
	REPAIR_LEFTOVER, /* removed: there is no data in it */
	REPAIR_ASK,      /* there is data in it: set aside, never deleted; somebody has to say so */
	REPAIR_FORGET,   /* the record of set-aside data that is gone; somebody has to say so */
	REPAIR_MAX_,
};

/* Where that is. */
enum finding_place {
	PLACE_NONE = 0,
	PLACE_ACCOUNT, /* <homes>/<owner>/<label> */
	PLACE_MAKING,  /* <homes>/.making/<uid> */
	PLACE_REMOVED, /* <homes>/.removed/<uid> */
	PLACE_OWNER,   /* <homes>/<owner> */
	PLACE_LINK,    /* the link of this label in the owner's home */
	PLACE_MAX_,
};

/* As a finding says it. ACCOUNT and places LINK and ACCOUNT: name; LEFTOVER, ASK and FORGET: place, and uid where
 * it has one. */
struct request_repair {
	struct request_name name;
	uint32_t repair; /* enum finding_repair, not NONE */
	uint32_t place;  /* enum finding_place */
	uint32_t uid;
};

enum import_kind {
	IMPORT_ACCOUNT = 1,
	IMPORT_KEY,   /* of an existing account, or of one in an earlier row */
	IMPORT_RANGE, /* the same; label "": the owner's own */
	IMPORT_LIMIT,
	IMPORT_TOMBSTONE, /* ids that another host has given out; owner and label: to whom */
	IMPORT_RUN,       /* of an existing account, as IMPORT_KEY */
	IMPORT_FORMER,    /* the name that the account of this uid had before */
	IMPORT_KIND_MAX_,
};

enum {                              /* request_import.flags */
       IMPORT_MORE = 1u << 0,       /* another row of this batch follows */
       IMPORT_KEEP_GOING = 1u << 1, /* the same in all rows of a batch: a line that fails does not stop the others */
       IMPORT_ADOPT = 1u << 2,      /* a range outside of the settings' blocks: see claim_adopted() */
       IMPORT_GOES_ON = 1u << 3, /* the same in all rows of a dry run: it goes over several batches of a connection */
};

/* One row of a batch of at most WIRE_IMPORT_BATCH. They are answered together when the last one (without
 * IMPORT_MORE) is there: one answer with row set for each, in order, and the final one. Rows with the same line are
 * made together or not at all. */
struct request_import {
	struct request_name name;
	uint32_t kind;
	uint32_t flags;
	uint32_t line;
	uint32_t uid;   /* of an account: this one; 0 any */
	uint32_t first; /* of a range: there; 0 anywhere. Of a tombstone. */
	uint32_t count;
	uint32_t account_flags;          /* ACCOUNT_LOCKED or 0 */
	uint32_t owner_uid;              /* of a tombstone: the former holder */
	uint32_t account_uid;            /* of a tombstone: the account that had the range; 0 none */
	uint32_t accounts, keys, ranges; /* of a limit; its bounds are in facts */
	uint32_t key_id;                 /* of a key: its id elsewhere, kept if no other key ever had it. 0 any */
	uint32_t last_status;            /* of an account, as the next four: struct watch */
	uint32_t told;
	uint32_t set; /* bits 1 << enum fact, SET_LOCKED */
	struct facts facts;
	int64_t alarm_since, last_run, last_good;
	int64_t created; /* seconds since the epoch; 0 now */
	int64_t used;    /* of a key: last; 0 never */
	struct ssh_key key;
	struct run run; /* of a run; else all 0 */
};

struct request {
	uint32_t op;
	uint32_t size;    /* of the whole message */
	uint32_t dry_run; /* 1: the same checks and the same answer, and nothing is changed; of operations that change
			     something. In all rows of an import the same */
	union {
		struct request_name name; /* GET LOCK UNLOCK FREEZE THAW MOUNT LIMIT_GET */
		struct request_add add;
		struct request_modify modify;
		struct request_remove remove;
		struct request_kill kill;
		struct request_enter enter;
		struct request_restore restore;
		struct request_key_add key_add;
		struct request_key_remove key_remove;
		struct request_key_change key_change;
		struct request_list list; /* all *_LIST, CHECK */
		struct request_range_add range_add;
		struct request_range_remove range_remove;
		struct request_limit_set limit_set;
		struct request_release release;
		struct request_import import;
		struct request_repair repair;
		struct request_rename rename;
		struct request_owner owner;
		struct request_rehash rehash;
	};
};

/* A record within a message. */
struct wire_part {
	uint16_t at;     /* offset of its struct; the members are in order over all parts */
	uint16_t set_at; /* offset of the uint32_t that says which members were given; 0: nothing does */
	const struct record *record;
	bool required; /* of a key, which is an object of its own */
};

typedef bool request_is(const struct request *request);
typedef enum failure request_check(const struct request *request, char separator, struct failure_text *text);

/* What an answer says beyond its records (worker/answer.c). */
enum wire_kind {
	ANSWERS_RECORDS, /* nothing */
	ANSWERS_ACCOUNT,
	ANSWERS_KEY,
	ANSWERS_RANGE,
	ANSWERS_AUDIT,
	ANSWERS_RUN,
	ANSWERS_FINDING,
	ANSWERS_REPAIRED,
};

/* One operation on the wire: its method in the interface, and what its messages are made of. */
struct wire_message {
	const char *method;
	const char *member; /* of a reply that has the answer as an object; NULL: the answer's members stand alone */
	enum wire_kind kind;
	bool list;
	bool import;                              /* rows of many kinds, in and out: worker/import.c */
	request_is *sound;                        /* beyond the records: no sound worker sends anything else; */
	request_is *labelled;                     /* the label has to be given, though the record does not say so; */
	request_check *shape;                     /* as request_shape(). NULL: there is nothing to check */
	uint16_t request_size, answer_size;       /* bytes */
	const struct wire_part *request, *answer; /* ended by record NULL; the first is op and size */
};

/* NULL for an unknown op. */
const struct wire_message *wire_message(uint32_t op);

/* The owner, or the account, that a request is about: NULL for an op that names neither. */
const struct request_name *request_name(const struct request *request);

/* Bytes of a request/answer of this op; 0 for an unknown op. */
size_t wire_request_size(uint32_t op);
size_t wire_answer_size(uint32_t op);

/* Checks size, op, NUL-ended and NUL-padded strings. 0 or -EPROTO. Both sides use it on what they receive. */
int wire_request_check(const void *message, size_t size);
int wire_answer_check(const void *message, size_t size);

/* Checks for what a sound worker never sends: flags that do not exist, "booleans" of 2. The worker
 * is killed for it. 0 or -EPROTO. The request has passed wire_request_check(), as it has for the next one. */
int request_sound(const struct request *request);

/* Checks for what a person may have typed wrong, whoever asks and whatever exists: the worker runs it for clear
 * messages, the broker because it does not believe the worker. FAILURE_NONE, or FAILURE_INVALID and the text. */
enum failure request_shape(const struct request *request, char separator, struct failure_text *text);

/* Makes an answer fit to be sent: zeroes what lies between members (the compiler's padding
 * comes along with every struct that is copied) and behind the ends of strings. */
void wire_answer_clean(struct answer *answer, uint32_t op);

#endif
