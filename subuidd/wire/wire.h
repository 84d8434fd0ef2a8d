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
#include "account/record.h"
#include "account/run.h"

#define WIRE_FD 3           /* the worker's end of the pair; nothing else is open but 2 (log) */
#define WIRE_BATCH 32       /* rows of one answer to a list at the most; `more` asks for the next batch */
#define WIRE_KEY_BATCH 8
#define WIRE_IMPORT_BATCH 64 /* rows of one batch of an import; their answers fit the socket's buffer */

#define WIRE_READY 'R'
#define WIRE_CONNECTION 'C'

struct wire_connection {
	uint32_t tag; /* WIRE_CONNECTION */
	uint32_t idle_seconds; /* a peer that says nothing, or does not take its answer, for so long is left */
};

enum op {
	OP_STATUS = 1,
	OP_ACCOUNT_ADD,
	OP_ACCOUNT_GET,
	OP_ACCOUNT_LIST,
	OP_ACCOUNT_MODIFY,
	OP_ACCOUNT_LOCK,
	OP_ACCOUNT_UNLOCK,
	OP_ACCOUNT_REMOVE,
	OP_ACCOUNT_MOUNT, /* the owner's view, on demand */
	OP_KEY_ADD,
	OP_KEY_LIST,
	OP_KEY_REMOVE,
	OP_RANGE_ADD,
	OP_RANGE_LIST,
	OP_RANGE_REMOVE,
	OP_LIMIT_GET,
	OP_LIMIT_SET,
	OP_AUDIT_LIST,
	OP_CHECK,
	OP_TOMBSTONE_RELEASE,
	OP_IMPORT,
	OP_LIMIT_LIST,
	OP_TOMBSTONE_LIST,
	OP_RUN_LIST,
	OP_STATE_SAVE, /* into STATE_DIR, for the state program */
	OP_REPAIR,
	OP_MAX_,
};

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
	uint32_t set; /* which facts were given: bits 1 << enum fact */
	uint32_t range_count; /* ids for containers, rounded up to RANGE_UNIT; 0 none */
	uint32_t has_key;
	struct ssh_key key; /* all but id, uid, created and fingerprint; the broker validates all again */
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

struct request_key_add {
	struct request_name name;
	struct ssh_key key;
};

struct request_key_remove {
	struct request_name name;
	uint32_t id;
	char fingerprint[FINGERPRINT_MAX + 1]; /* when id is 0 */
};

struct request_list {
	struct request_name name; /* owner "" and all 0: the caller's; label "": all of the owner's */
	uint32_t all;             /* every owner's: root and admins; of runs: oldest first */
	uint32_t padding;
	uint64_t cursor;          /* from the last answer's `cursor`; 0 first */
};

struct request_range_add {
	struct request_name name; /* label "": to the owner, or to the holder of the range `after` */
	uint32_t count;
	uint32_t after; /* first id of the range that it follows without a gap; 0: anywhere */
};

struct request_range_remove {
	struct request_name name;
	uint32_t first;
};

enum { /* request_limit_set.set */
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
	uint32_t dry_run;
};

enum import_kind {
	IMPORT_ACCOUNT = 1,
	IMPORT_KEY,       /* of an existing account, or of one in an earlier row */
	IMPORT_RANGE,     /* the same; label "": the owner's own */
	IMPORT_LIMIT,
	IMPORT_TOMBSTONE, /* ids that another host has given out; owner and label: to whom */
	IMPORT_RUN,       /* of an existing account, as IMPORT_KEY */
	IMPORT_KIND_MAX_,
};

enum { /* request_import.flags */
	IMPORT_MORE = 1u << 0,       /* another row of this batch follows */
	IMPORT_DRY_RUN = 1u << 1,    /* the same in all rows of a batch */
	IMPORT_KEEP_GOING = 1u << 2, /* the same in all rows of a batch: a line that fails does not stop the others */
	IMPORT_ADOPT = 1u << 3,      /* a range outside of the settings' blocks: see claim_adopted() */
	IMPORT_GOES_ON = 1u << 4,    /* the same in all rows of a dry run: it goes over several batches of a connection */
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
	uint32_t account_flags; /* ACCOUNT_LOCKED or 0 */
	uint32_t owner_uid;     /* of a tombstone: the former holder */
	uint32_t account_uid;   /* of a tombstone: the account that had the range; 0 none */
	uint32_t accounts, keys, ranges; /* of a limit */
	uint32_t key_id;        /* of a key: its id elsewhere, kept if no other key ever had it. 0 any */
	uint32_t last_status;   /* of an account, as the next four: struct watch */
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
	uint32_t size; /* of the whole message */
	union {
		struct request_name name; /* GET LOCK UNLOCK MOUNT LIMIT_GET */
		struct request_add add;
		struct request_modify modify;
		struct request_remove remove;
		struct request_key_add key_add;
		struct request_key_remove key_remove;
		struct request_list list; /* all *_LIST, CHECK */
		struct request_range_add range_add;
		struct request_range_remove range_remove;
		struct request_limit_set limit_set;
		struct request_release release;
		struct request_import import;
		struct request_repair repair;
	};
};

/* The facts about an account that show and add report beyond its row. */
struct account_view {
	struct account account;
	uint32_t keys;
	uint32_t ranges;
	uint32_t created; /* by this call: 1; there already and equal: 0 */
	uint32_t view;    /* the mounted view: enum account_view_kind; VIEW_DEFAULT: nothing, ACLs */
	char name[ACCOUNT_NAME_MAX + 1];
	char home[PATH_TEXT_MAX + 1];
	char link[PATH_TEXT_MAX + 1];
	int64_t last_run;  /* ends of runs, 0 none */
	int64_t last_good;
	int64_t alarm_since; /* when facts.alarm was set */
	uint64_t files_limit; /* what follows from files and quota; 0 none */
	uint32_t bytes_kept, files_kept; /* by whom: enum account_keeper */
	uint32_t last_status;
	uint32_t silent;   /* 1: for longer than that */
	uint32_t told;     /* 1: and that has been said */
	uint32_t mended;   /* of ADD: enum account_part, or-ed: made again by this call */
};

struct daemon_status {
	uint32_t accounts, accounts_free_hint;
	uint32_t purging;        /* removed accounts whose files are to be deleted, and are not yet */
	uint32_t reserved;
	uint32_t views;          /* 1: id-mapped views work here */
	uint32_t landlock_abi;
	uint64_t generation;
	uint32_t caller_uid;
	uint32_t caller_is_admin;
	char caller[OWNER_MAX + ACCOUNT_NAME_MAX + 1];
	char version[32];
	char homes[128];
	char separator[4];
};

struct finding { /* of OP_CHECK: one row per fault, none: sound */
	char subject[FAILURE_TEXT_MAX + 1];
	char fault[FAILURE_TEXT_MAX + 1];
	char todo[FAILURE_TEXT_MAX + 1];
	uint32_t repair; /* enum finding_repair; what follows says of what */
	uint32_t place;  /* enum finding_place */
	uint32_t uid;    /* 0 none */
	char owner[OWNER_MAX + 1];
	char label[LABEL_MAX + 1];
};

struct repaired { /* of OP_REPAIR */
	uint32_t mended; /* enum account_part, or-ed */
	char done[FAILURE_TEXT_MAX + 1]; /* the action that was taken, or would be */
};

enum import_outcome {
	IMPORT_NOT_TRIED = 0, /* a row before it, or another one of its line, failed */
	IMPORT_MADE,          /* or would be, in a dry run */
	IMPORT_PRESENT,       /* there already, and equal */
	IMPORT_FAILED,        /* answer.failure says why */
	IMPORT_OUTCOME_MAX_,
};

enum removal_files { FILES_KEPT = 1, FILES_DELETED, FILES_PENDING };

struct removal_view { /* of OP_ACCOUNT_REMOVE: the fate of its files */
	uint32_t files; /* enum removal_files */
	char why[FAILURE_TEXT_MAX + 1]; /* of PENDING: the obstacle; else that the link stays */
};

enum import_disk { /* of an account that is made, or would be: its home, and the link to it */
	IMPORT_DISK_NONE = 0,
	IMPORT_DISK_MADE,
	IMPORT_DISK_THERE, /* taken up; right already */
	IMPORT_DISK_ASIDE, /* a home: brought back from where it was set aside */
	IMPORT_DISK_MAX_,
};

struct import_result { /* of OP_IMPORT: one for each row of the batch */
	uint32_t line;
	uint32_t kind;
	uint32_t outcome;
	uint32_t id; /* uid, or the first id of the range; 0 none */
	uint32_t home; /* enum import_disk */
	uint32_t link;
};

struct answer {
	uint32_t op;
	uint32_t size;
	uint32_t row;    /* 1: a row, more answers follow; 0: the final one */
	uint32_t more;   /* final answer of a list: 1 ask again with cursor */
	uint64_t cursor;
	uint64_t checked; /* OP_CHECK, final: things looked at in this batch */
	uint64_t total;   /* the same: how many all batches will have looked at, about; 0: this one does not say */
	struct failure_text failure;
	union {
		struct account_view account;
		struct {
			struct ssh_key key;
			int64_t key_used; /* 0 never */
		};
		struct run_row run;
		struct {
			struct id_range range;
			uint32_t range_adopted; /* 1: outside of the settings' blocks */
		};
		struct limit limit;
		struct audit_entry audit;
		struct daemon_status status;
		struct removal_view removal;
		struct finding finding;
		struct repaired repaired;
		struct import_result import;
	};
};

/* A record within a message. */
struct wire_part {
	uint16_t at;     /* offset of its struct; the members are in order over all parts */
	uint16_t set_at; /* offset of the uint32_t that says which members were given; 0: nothing does */
	const struct record *record;
};

/* One operation on the wire: its method in the interface, and what its messages are made of. */
struct wire_message {
	const char *method;
	const char *member; /* of a reply that has the answer as an object; NULL: the answer's members stand alone */
	bool list;
	bool import; /* rows of many kinds, in and out: worker/import.c */
	uint16_t request_size, answer_size; /* bytes */
	const struct wire_part *request, *answer; /* ended by record NULL; the first is op and size */
};

/* NULL for an unknown op. */
const struct wire_message *wire_message(uint32_t op);

/* The owner, or the account, that a request is about: NULL for an op that names neither. *required: it has to be an
 * account. */
const struct request_name *wire_request_name(const struct request *request, bool *required);

/* Bytes of a request/answer of this op; 0 for an unknown op. */
size_t wire_request_size(uint32_t op);
size_t wire_answer_size(uint32_t op);

/* Checks size, op, NUL-ended and NUL-padded strings. 0 or -EPROTO. Both sides use it on what they receive. */
int wire_request_check(const void *message, size_t size);
int wire_answer_check(const void *message, size_t size);

/* Makes an answer fit to be sent: zeroes what lies between members (the compiler's padding
 * comes along with every struct that is copied) and behind the ends of strings. */
void wire_answer_clean(struct answer *answer, uint32_t op);

#endif
