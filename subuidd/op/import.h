/* SPDX-License-Identifier: ISC */
/*
 * Many rows at once. A batch is collected, checked row by row by what also checks
 * a single change, and committed in one transaction; then the homes of all new
 * accounts are made, then the links (one child for each owner), all is written out together,
 * and all become active in one transaction. A crash in between is undone at the
 * next start as that of a single account is (lifecycle.h).
 *
 * Before the transaction the disk is looked at, so that a dry run says what an import would, and an import
 * writes down with its intents what existed before (ACCOUNT_THERE): that is taken up, and no undo touches it.
 */
#ifndef SUBUIDD_IMPORT_H
#define SUBUIDD_IMPORT_H

#include <limits.h>

#include "subuidd/base/child.h"
#include "subuidd/call/call.h"

#define NO_SLOT UINT_MAX

struct import_disk_result { /* enum import_disk, of an account that is made */
	uint32_t home, link;
};

struct import_row {
	struct request_import request;
	enum import_outcome outcome;
	struct failure_text failure;
	struct link_owner owner;
	struct account account; /* that it makes, or is about; uid 0: none */
	struct id_range range;  /* that it makes */
	bool fresh;             /* it makes the account */
	struct import_disk_result disk;
	unsigned slot;          /* in import->slots; NO_SLOT: the disk was not looked at for it */
	unsigned char look;     /* LINK_LOOK_* */
	unsigned char link;     /* enum link_result, of one that is fresh */
	char target[ACCOUNT_NAME_MAX + 1];
	char action[32]; /* its name in the audit trail; "": nothing was changed */
	char detail[128];
};

/* The accounts of one owner: slots[at] and those after it. */
struct import_group {
	struct call *call;
	struct child *child; /* that has become the owner; NULL: it has ended, or is followed no more */
	enum link_result lost; /* of one that ended early: how */
	size_t at, count;
	bool going;
};

/* With the children: a byte for each slot. */
struct import_shared {
	unsigned char looks[WIRE_IMPORT_BATCH];   /* LINK_LOOK_* */
	unsigned char results[WIRE_IMPORT_BATCH]; /* enum link_result, LINK_WANTED */
	unsigned char removed[WIRE_IMPORT_BATCH]; /* of taking them back */
};

struct import {
	bool collecting;
	struct store *rehearsed; /* the copy of the store that a dry run goes on in; NULL: none (rehearsal.h) */
	enum failure refused; /* all of it; reported once it is complete */
	struct failure_text refusal;
	size_t count;
	struct import_row *slots[WIRE_IMPORT_BATCH]; /* rows of accounts that do not exist yet, by owner */
	size_t slots_count;
	struct import_group groups[WIRE_IMPORT_BATCH];
	size_t groups_count;
	struct import_shared *shared; /* NULL: no slots */
	unsigned looking;     /* awaited before the transaction */
	unsigned children;    /* that make links, or take them back */
	int synced;           /* result of home_sync() for all homes */
	struct import_row *fresh[WIRE_IMPORT_BATCH]; /* accounts that are being made, by owner */
	size_t fresh_count;
	struct import_row rows[WIRE_IMPORT_BATCH];
};

/* The first row, and what call_run() said of it; the following ones. 0, or -EPROTO: no sound worker sends this. */
int import_begin(struct call *call, enum failure failure);
int import_continue(struct call *call, const struct request *request);

/* import_row.c: one row in the open transaction. Its outcome, account, range and words for the audit trail are in
 * the row; a failure's text in call->answer. */
enum failure import_row_run(struct call *call, struct import_row *row);

/* The call's fields are those of the row, for what is shared with single calls. */
void import_row_take(struct call *call, const struct import_row *row);

/* Into row->owner: owners follow one another in most files, and are not asked for again. 0, or what passwd_by_name() said. */
int import_owner(struct call *call, struct import_row *row);
/* The store that the rows are run in. */
struct store *import_store(const struct call *call);

/* import_look.c: goes on with import_looked(), maybe at once. */
void import_look(struct call *call);
void import_looked(struct call *call);
/* Those that still wait are told nothing, and tell nothing any more. */
void import_look_end(struct call *call);

/* import_make.c: a child_done of a group's child, for what it says after it has looked. */
void import_links_made(void *group, int status);

/* import_make.c: from committed intents to accounts that are published. FAILURE_NONE: at once; CALL_PENDING: it
 * goes on with import_end(). */
enum failure import_make(struct call *call);

/* The outcome of each row, then the final answer. */
void import_end(struct call *call);

#endif
