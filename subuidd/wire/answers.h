/* SPDX-License-Identifier: ISC */
/*
 * The answers of the broker (wire.h): what each operation returns. Read by the worker, which makes JSON of them, and
 * written by the broker alone.
 */
#ifndef SUBUIDD_WIRE_ANSWERS_H
#define SUBUIDD_WIRE_ANSWERS_H

#include <stdint.h>

#include "account/account.h"
#include "account/failure.h"
#include "account/run.h"
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
	int64_t last_run; /* ends of runs, 0 none */
	int64_t last_good;
	int64_t alarm_since;             /* when facts.alarm was set */
	uint64_t files_limit;            /* what follows from files and quota; 0 none */
	uint64_t bytes_used, files_used; /* of an account with limits; all bits set: nobody knows */
	struct bounds effective;         /* the bounds that hold where account or owner say one; 0: this host's */
	uint32_t bytes_kept, files_kept; /* by whom: enum account_keeper */
	uint32_t last_status;
	uint32_t silent;                     /* 1: for longer than that */
	uint32_t told;                       /* 1: and that has been said */
	uint32_t mended;                     /* of ADD: enum account_part, or-ed: made again by this call */
	uint32_t owner_state;                /* enum owner_state */
	char link_why[FAILURE_TEXT_MAX + 1]; /* of RENAME: why its link could not be made; "" it was */
};

struct daemon_status {
	uint32_t accounts, accounts_free_hint;
	uint32_t purging;             /* removed accounts whose files are to be deleted, and are not yet */
	uint32_t caller_is_contained; /* 1: it asks about itself and changes nothing */
	uint32_t views;               /* 1: id-mapped views work here */
	uint32_t landlock_abi;
	uint64_t generation;
	uint32_t caller_uid;
	uint32_t caller_is_admin;
	char caller[OWNER_MAX + ACCOUNT_NAME_MAX + 1];
	char version[32];
	char homes[128];
	char separator[4];
};

struct finding { /* of a check: one row per fault, none: sound */
	char subject[FAILURE_TEXT_MAX + 1];
	char fault[FAILURE_TEXT_MAX + 1];
	char todo[FAILURE_TEXT_MAX + 1];
	uint32_t repair; /* enum finding_repair; what follows says of what */
	uint32_t place;  /* enum finding_place */
	uint32_t uid;    /* 0 none */
	char owner[OWNER_MAX + 1];
	char label[LABEL_MAX + 1];
};

struct repaired {                        /* of a repair */
	uint32_t mended;                 /* enum account_part, or-ed */
	char done[FAILURE_TEXT_MAX + 1]; /* the action that was taken, or would be */
};

struct counter {
	uint64_t value;
	char name[32]; /* what is counted */
	char of[64];   /* ... of what */
};

enum import_outcome {
	IMPORT_NOT_TRIED = 0, /* a row before it, or another one of its line, failed */
	IMPORT_MADE,          /* or would be, in a dry run */
	IMPORT_PRESENT,       /* there already, and equal */
	IMPORT_FAILED,        /* answer.failure says why */
	IMPORT_OUTCOME_MAX_,
};

enum removal_files { FILES_KEPT = 1, FILES_DELETED, FILES_PENDING };

struct removal_view {                   /* the fate of its files */
	int64_t until;                  /* it can be taken back until then; 0: for good, or not at all */
	uint32_t restorable;            /* 1: it can be taken back */
	uint32_t files;                 /* enum removal_files */
	char why[FAILURE_TEXT_MAX + 1]; /* of PENDING: the obstacle; else that the link stays */
};

struct ended_view { /* of what was killed */
	uint32_t processes;
};

struct become_view {
	uint32_t uid; /* of the account that the connection is from now on */
};

struct owner_view { /* of what changed its owner */
	uint32_t accounts, ranges, removed;
	uint32_t links; /* that could not be made */
	char why[FAILURE_TEXT_MAX + 1];
};

enum import_disk { /* of an account that is made, or would be: its home, and the link to it */
		   IMPORT_DISK_NONE = 0,
		   IMPORT_DISK_MADE,
		   IMPORT_DISK_THERE, /* taken up; right already */
		   IMPORT_DISK_ASIDE, /* a home: brought back from where it was set aside */
		   IMPORT_DISK_MAX_,
};

struct import_result { /* one for each row of the batch */
	uint32_t line;
	uint32_t kind;
	uint32_t outcome;
	uint32_t id;   /* uid, or the first id of the range; 0 none */
	uint32_t home; /* enum import_disk */
	uint32_t link;
};

struct rehash_view {                     /* for the worker alone: no member has a name */
	char was[PASSWORD_HASH_MAX + 1]; /* "": there is nothing to do now */
};

struct answer {
	uint32_t op;
	uint32_t size;
	uint32_t row;  /* 1: a row, more answers follow; 0: the final one */
	uint32_t more; /* final answer of a list: 1 ask again with cursor */
	uint64_t cursor;
	uint64_t checked; /* of a check, final: things looked at in this batch */
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
		struct ended_view ended;
		struct become_view become;
		struct owner_view owner;
		struct removed_view removed;
		struct finding finding;
		struct repaired repaired;
		struct import_result import;
		struct counter counter;
		struct rehash_view rehash;
	};
};

#endif
