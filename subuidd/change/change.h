/* SPDX-License-Identifier: ISC */
/*
 * The one way in which accounts, keys, ranges and limits are made. A change is rows, one or many, each of which says
 * what a row of an import says; an operation puts them together, and change_run() takes them through the same steps:
 *
 *   shape, permission   of each row; that of the call was looked at before (door/operation.c)
 *   look                at the disk: at the places of the links in the owners' homes, by children that have become the
 *                       owners, and at homes that nobody has (look.c). So a dry run says what the change would, and the
 *                       intents say what existed before (ACCOUNT_THERE): that is taken up, and no undo touches it
 *   rows                in one transaction: limits, conflicts, ids, the audit trail (row.c and what it calls). Rows of
 *                       the same line are made together or not at all
 *   homes, links        of all new accounts, and one child of each owner for its links (make.c)
 *   activate, publish   those that are complete, in one transaction, and then in the index
 *   answer              the operation's own: change->answer
 *
 * What makes one row differ from another of its kind is said in the row (enum row_rule). A crash in between is undone
 * at the next start (lifecycle.h). Run by the broker.
 */
#ifndef SUBUIDD_CHANGE_H
#define SUBUIDD_CHANGE_H

#include <limits.h>

#include "subuidd/base/child.h"
#include "subuidd/call/call.h"

#define NO_SLOT UINT_MAX

enum row_rule {
	ROW_ANEW = 1u << 0,      /* a range: one more, whatever the holder has; a limit: recorded, though it is so */
	ROW_RESET = 1u << 1,     /* a limit: back to the default */
	ROW_OWNERLESS = 1u << 2, /* the owner may be gone: call->owner is what is known of them */
	ROW_TOGETHER =
		1u << 3,       /* a key, a range: there with the account of its line or made with it, and recorded so */
	ROW_VIEW = 1u << 4,    /* an account: its view is mounted now, also where views are mounted on demand */
	ROW_RESTORE = 1u << 5, /* an account: the removed one of this uid, with all that is kept of it (op/restore.c) */
};

struct disk_result { /* enum import_disk, of an account that is made */
	uint32_t home, link;
};

struct change_row {
	struct request_import request; /* a key becomes what is stored; so does a limit */
	unsigned rules;                /* enum row_rule, or-ed */
	uint32_t changes;              /* a key: the id of the one that becomes this one; 0: a new one */
	uint32_t after;                /* a range: first id of the range that it follows without a gap; 0: anywhere */
	bool small;                    /* a range: of this small size, not rounded up */
	uint32_t limits;               /* a limit: these are given, SET_LIMIT_*; the others stay as they are */
	enum import_outcome outcome;
	struct failure_text failure;
	struct link_owner owner;
	struct account account; /* that it makes, or is about; uid 0: none */
	struct id_range range;  /* that it makes */
	bool fresh;             /* it makes the account */
	struct disk_result disk;
	unsigned slot;      /* in change->slots; NO_SLOT: the disk was not looked at for it */
	unsigned char look; /* LINK_LOOK_* */
	unsigned char link; /* enum link_result, of one that is fresh */
	int view;           /* of one that is fresh: negative errno, its view cannot be mounted */
	char target[ACCOUNT_NAME_MAX + 1];
	char action[32]; /* its name in the audit trail; "": nothing was changed */
	char detail[256];
};

/* The accounts of one owner: slots[at] and those after it. */
struct change_group {
	struct call *call;
	struct child *child;   /* that has become the owner; NULL: it has ended, or is followed no more */
	enum link_result lost; /* of one that ended early: how */
	size_t at, count;
	bool going;
};

struct change {
	enum failure (*answer)(struct call *call); /* the last step: as the handler of an operation */
	bool collecting;                           /* more rows are to come */
	bool keep_going;                           /* a line that fails does not stop the others */
	bool rehearsed;                 /* a dry run in a copy of the store, in which it goes on (rehearsal.h) */
	int (*probe_start)(void *data); /* of broker->probe, while rows are run */
	bool probed;
	size_t count, capacity;
	struct change_row *slots[WIRE_IMPORT_BATCH]; /* rows of accounts that do not exist yet, by owner */
	size_t slots_count;
	struct change_group groups[WIRE_IMPORT_BATCH];
	size_t groups_count;
	struct links *links; /* NULL: no slots; a byte for each of them, shared with the children */
	int links_fd;
	unsigned looking;                            /* awaited before the transaction */
	unsigned children;                           /* that make links, or take them back */
	int synced;                                  /* result of home_sync() for all homes */
	struct change_row *fresh[WIRE_IMPORT_BATCH]; /* accounts that are being made, by owner */
	size_t fresh_count;
	struct change_row rows[];
};

/* change.c: a change of this call's without rows, which goes with the call. 0 or -ENOMEM. */
int change_open(struct call *call, size_t capacity, enum failure (*answer)(struct call *call));
/* One more row, for the caller to fill; all 0 but for its kind and whom it is about: call->owner, and that label. */
struct change_row *change_add(struct call *call, enum import_kind kind, const char *label);
/* A change that is under way may make this account, and has looked at the place of its link. */
bool change_makes(const struct broker *broker, const char *owner, const char *label);
/* All rows are there. CALL_PENDING: it goes on in the event loop, or has ended already. */
enum failure change_run(struct call *call);

/* For the answer of a change that is made as a whole or not: the failure of its first row that failed, its text in
 * call->answer; FAILURE_NONE: they are as they were asked for, and the call is about the first row. */
enum failure change_failed(struct call *call);

/* Of each kind, in a file of its own: one row in the open transaction, after row_enter(). Its outcome, account, range
 * and words for the audit trail are in the row; a failure's text in call->answer. */
enum failure account_run(struct call *call, struct change_row *row);
enum failure key_run(struct call *call, struct change_row *row);
enum failure range_run(struct call *call, struct change_row *row);
enum failure limit_run(struct call *call, struct change_row *row);
enum failure tombstone_run(struct call *call, struct change_row *row);
enum failure run_run(struct call *call, struct change_row *row);
enum failure former_run(struct call *call, struct change_row *row);
/* After it is committed, of an account that existed before. 0 or negative errno. */
int key_publish(struct call *call, const struct change_row *row);
int limit_publish(struct call *call, const struct change_row *row);
int range_publish(struct call *call, const struct change_row *row);

/* row.c: before each row. It has the shape of its kind, only root states what only root may, and its owner is there
 * (owned: has to be). */
enum failure row_enter(struct call *call, struct change_row *row, bool owned);
/* As request_shape(), of a row alone. */
enum failure row_shape(const struct call *call, const struct change_row *row, struct failure_text *text);
/* The call's fields are those of the row, for what is shared with other calls. */
void row_take(struct call *call, const struct change_row *row);
/* Into row->owner: owners follow one another in most files, and are not asked for again. 0, or what passwd_by_name()
 * said. */
int row_owner(struct call *call, struct change_row *row);
/* The account that the row is about, into call->account: active and not in use at this moment, or made by an earlier
 * row. *found: it exists. */
enum failure row_account_find(struct call *call, const struct change_row *row, bool *found);
/* The same of one that has to exist, and into row->account. */
enum failure row_account(struct call *call, struct change_row *row);
/* ROW_TOGETHER, and the account exists, without what the row is about. */
bool row_apart(const struct call *call, const struct change_row *row);
/* Before it asks for an id that is free: what the rest of the host holds is read once for all rows. */
enum failure row_probe(struct call *call);
/* The outcome: it is there already; it is made, and recorded as `action` with call->detail. */
enum failure row_present(struct change_row *row);
enum failure row_made(struct call *call, struct change_row *row, const char *action);

/* look.c: goes on with change_looked(), maybe at once. */
void change_look(struct call *call);
void change_looked(struct call *call);
/* Those that still wait are told nothing, and tell nothing any more. */
void change_look_end(struct call *call);

/* make.c: a child_done of a group's child, for what it says after it has looked. */
void change_links_made(void *group, int status);
/* From committed intents to accounts that are published. FAILURE_NONE: at once; CALL_PENDING: it goes on with
 * change_end(). */
enum failure change_make(struct call *call);

/* Answers. */
void change_end(struct call *call);

#endif
