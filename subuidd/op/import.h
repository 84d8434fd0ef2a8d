/* SPDX-License-Identifier: ISC */
/*
 * Many rows at once. A batch is collected, checked row by row by what also checks
 * a single change, and committed in one transaction; then the homes of all new
 * accounts are made, then the links (one child for each owner), all is written out together,
 * and all become active in one transaction. A crash in between is undone at the
 * next start as that of a single account is (lifecycle.h).
 */
#ifndef SUBUIDD_IMPORT_H
#define SUBUIDD_IMPORT_H

#include "subuidd/operation.h"

struct import_row {
	struct request_import request;
	enum import_outcome outcome;
	struct failure_text failure;
	struct link_owner owner;
	struct account account; /* that it makes, or is about; uid 0: none */
	struct id_range range;  /* that it makes */
	bool fresh;             /* it makes the account */
	char target[ACCOUNT_NAME_MAX + 1];
	char action[32]; /* what the audit trail calls it; "": nothing was changed */
	char detail[128];
};

#define IMPORT_LINKS (2 * WIRE_IMPORT_BATCH)

struct import {
	bool collecting;
	struct store *rehearsed; /* the copy of the store that a dry run goes on in; NULL: none (rehearsal.h) */
	enum failure refused; /* all of it; told when all is there */
	struct failure_text refusal;
	size_t count;
	unsigned children;    /* that make links */
	unsigned char *links; /* shared with them: enum link_result of fresh[i]; behind these, of taking them back */
	bool taking_back;
	int synced;           /* what home_sync() said of all homes */
	struct import_row *fresh[WIRE_IMPORT_BATCH]; /* accounts that are being made, by owner */
	size_t fresh_count;
	struct import_row rows[WIRE_IMPORT_BATCH];
};

/* The first row, and what call_run() said of it; the following ones. 0, or -EPROTO: no sound worker sends this. */
int import_begin(struct call *call, enum failure failure);
int import_continue(struct call *call, const struct request *request);
bool import_collects(const struct import *import);
bool import_changes(const struct import *import, uint32_t uid); /* NULL: no */
void import_free(struct import *import);

/* import_row.c: one row in the open transaction. Its outcome, account, range and words for the audit trail are in
 * the row; a failure's text in call->answer. */
enum failure import_row_run(struct call *call, struct import_row *row);

/* The call's fields are those of the row, for what is shared with single calls. */
void import_row_take(struct call *call, const struct import_row *row);

/* import_make.c: from committed intents to accounts that are published. FAILURE_NONE: at once; CALL_PENDING: it
 * goes on with import_end(). */
enum failure import_make(struct call *call);

/* The batch, all of which is there. */
void import_run(struct call *call);

/* What came of each row, then the final answer. */
void import_end(struct call *call);

#endif
