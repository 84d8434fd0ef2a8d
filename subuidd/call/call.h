/* SPDX-License-Identifier: ISC */
/*
 * A call: one request under way, from the packet that brought it to its answer. It lives and ends here. It calls no
 * code above it: where its answers go (struct call_sink), what else a batch of rows has to say (struct call_batch)
 * and what an answer has to wait for (broker->hold) are functions that the code above has put there.
 *
 * A handler returns FAILURE_NONE (call->answer is the final answer), a failure (its text is in call->answer.failure),
 * or CALL_PENDING when it goes on by itself and ends with call_finish().
 */
#ifndef SUBUIDD_CALL_H
#define SUBUIDD_CALL_H

#include <stdbool.h>
#include <stddef.h>

#include "subuidd/broker.h"
#include "subuidd/call/caller.h"
#include "subuidd/wire/wire.h"

#define CALL_PENDING FAILURE_MAX_
#define LINK_SECONDS 5 /* a home that has not answered by then does not answer */

struct call;
struct change;

enum who {
	WHO_ANYONE,
	WHO_OWNER, /* on their own accounts; admins and root on anybody's */
	WHO_ADMIN,
	WHO_ROOT,
};

enum operation_trait {
	TRAIT_CHANGES = 1u << 0,     /* it needs an index that can be published to */
	TRAIT_NEEDS_OWNER = 1u << 1, /* not for accounts whose owner has left passwd(5) */
	TRAIT_GIVES = 1u << 2,       /* ids: only when the homes have been compared with the store */
	TRAIT_GROWS = 1u << 3,       /* it can wait: of what is left of the disk nothing goes to it */
	TRAIT_IN_DOUBT =
		1u
		<< 4, /* for root and the admin group also while nobody can say whether the owner is there: it
		       * looks, or only takes access away. A thief does not get to stay because a directory is down. */
	TRAIT_OF_OWNER = 1u << 5, /* about an owner as a whole, of whom something may be left though they are gone */
	TRAIT_LINES = 1u << 6,    /* it may change /etc/subuid and /etc/subgid */
	TRAIT_OF_GOING = 1u << 7, /* also for an account whose removal is pending: nothing of it is lost then */
	TRAIT_NO_SYSTEM =
		1u << 8,      /* not for system users: a service that was taken over would get a login that stays */
	TRAIT_SELF = 1u << 9, /* a sub-account may ask this about itself. It looks; its rows are the caller's alone */
	TRAIT_SELF_OWNER = 1u << 10, /* the same of an owner who calls from a container */
};

struct operation {
	uint32_t op;
	enum who who;
	unsigned traits;    /* enum operation_trait, or-ed */
	const char *action; /* in the audit trail */
	enum failure (*handle)(struct call *call);
};

/* The asker, who takes the answers: any number of rows, then the final one, after which the call is gone. */
struct call_sink {
	void (*row)(void *asker, uint32_t op, struct answer *row);
	void (*rows)(void *asker, uint32_t op, char *rows,
		     unsigned count); /* WIRE_BATCH at the most, one behind the other */
	void (*end)(void *asker, uint32_t op, struct answer *answer);
	void (*become)(void *asker, const struct caller *caller); /* of its calls from now on */
};

/* How a call of many rows differs from others. */
struct call_batch {
	bool (*collects)(const struct call *call); /* it waits for more rows; if not, its sender is not heard */
	bool (*changes)(const struct call *call, uint32_t uid);
	void (*free)(struct call *call);
};

struct call {
	struct call *next;
	struct broker *broker;
	struct store *store; /* the broker's; while the rows of a dry run are run, maybe a copy of it (rehearsal.h) */
	const struct call_sink *sink; /* NULL: nobody waits for the answer (any more) */
	void *asker;
	const struct call_batch *batch; /* NULL: it is no batch */
	const struct operation *operation;
	struct caller caller;
	struct link_owner owner;         /* the owner of the accounts that it is about */
	bool owner_exists;               /* passwd(5) has them */
	int owner_doubt;                 /* negative errno: whether it has them is not known now, 0: it is */
	struct limit limit;              /* of the owner whose accounts were listed last; owner "": of nobody */
	struct account account;          /* that is being changed: busy for others while the call is under way */
	struct account former;           /* of one whose name changes: as it was called */
	bool link_skipped;               /* of it: the owner's home is known not to answer */
	bool manages;                    /* of an owner who changes: they had keys of their own */
	struct ssh_key key;              /* of OP_KEY_* */
	struct id_range range;           /* of OP_RANGE_* */
	struct change *change;           /* its rows: of what makes accounts, keys, ranges and limits */
	void (*held)(struct call *call); /* it waits for the homes, evidence_holds(); NULL: it does not */
	bool link_again;                 /* the child that removes the link, or makes it anew, was killed once */
	bool overtaken;  /* it waits for processes alone: its account is not busy, so that a lock is not held up */
	void *shared;    /* of OP_ACCOUNT_KILL: memory in which its child counts */
	unsigned mended; /* of lifecycle_mend(): enum account_part, or-ed */
	enum link_mend mend_link;
	char target[ACCOUNT_NAME_MAX + 1];
	char detail[256]; /* of the audit entry */
	struct request request;
	struct answer answer;
};

/* A call of this asker, and one without an asker, for recovery to go on with. NULL: no memory. */
struct call *call_new(struct broker *broker, const struct operation *operation, const struct caller *caller,
		      const struct call_sink *sink, void *asker);
struct call *call_internal(struct broker *broker, const struct operation *operation, const struct account *account);

/* The call waits for more rows of its batch. */
bool call_collects(const struct call *call);

/* The asker has gone: the call goes on and answers nobody or, if it still collects rows, is freed. */
void call_leave(struct call *call);

/* Frees it: nothing of it is done, nobody is told. */
void call_abandon(struct call *call);

/* Ends the call: answers, records a refusal, frees it. CALL_PENDING: it goes on by itself, and nothing is done. */
void call_finish(struct call *call, enum failure failure);
/* The same, whether or not /etc/subuid shows the change already: for code that has waited for that. */
void call_finish_now(struct call *call, enum failure failure);

/* The method that was called, as the interface names it. */
const char *call_method(const struct call *call);

/* `return call_again_later(...)`: it is left as it is, and recovery looks at it again. */
enum failure call_again_later(struct call *call, enum failure failure);

/* `return call_fail(...)`: fills the text. what NULL: the target, or the method if there is none. */
enum failure call_fail(struct call *call, enum failure failure, const char *what, const char *why, const char *todo);

/* The same for an errno of the store and of the system. */
enum failure call_fail_store(struct call *call, int error);
enum failure call_fail_system(struct call *call, const char *doing, int error);

/* What is committed has been published, r being what came of that; if not, the failure says that it is so ("it is
 * saved") and that the readers do not see it. */
enum failure call_published(struct call *call, const char *so, int r);

/* The user database did not answer: nothing is done on a guess. */
enum failure call_fail_doubt(struct call *call, int error);

/* Looks the owner up into call->owner, with owner_exists and owner_doubt. 0, -ENOENT, or another negative errno: doubt.
 */
int call_owner_look(struct call *call, const char *name);
/* The same for one of many: local users are those of broker->local. */
int call_owner_look_local(struct call *call, const char *name);

/* A row of a list. */
void call_row(struct call *call, struct answer *row);
/* Several: WIRE_BATCH at the most, each of wire_answer_size() bytes, one behind the other. */
void call_rows(struct call *call, char *rows, unsigned count);

/* One durable transaction: body, the audit entry `action` (NULL: none), commit; or nothing at all, which is what a dry
 * run comes to: body has filled in the answer. */
enum failure call_transaction(struct call *call, const char *action, enum failure (*body)(struct call *call));
/* Bodies of one: the trail alone, and call->account as it is now. */
enum failure call_body_nothing(struct call *call);
enum failure call_body_account(struct call *call);
/* The same, and then `after`, told what came of it: index, sessions, disk. In a dry run nothing follows. */
enum failure call_act(struct call *call, const char *action, enum failure (*body)(struct call *call),
		      enum failure (*after)(struct call *call, enum failure failure));

enum account_for {
	TO_READ,   /* in any state */
	TO_CHANGE, /* active, and no other call is changing it */
	TO_REMOVE, /* in any state, and no other call is changing it */
};

/* Loads the account that the request names into call->account. Same text for "absent" and "not theirs". */
enum failure call_account(struct call *call, enum account_for purpose);
/* The same of one that has been read. */
enum failure call_account_take(struct call *call, const struct account *account, enum account_for purpose);
bool call_busy(const struct broker *broker, uint32_t uid, const struct call *except);

/* Checks that the owner exists and is the one that the account was made for. */
enum failure call_owner_same(struct call *call);

/* audit.c: a row in the open transaction; the line of the log when that is committed; both
 * for a refusal, in a transaction of its own (bounded per caller). failure NULL: done. */
int audit_write(struct call *call, const char *action, const struct failure_text *failure);
void audit_log(const struct call *call, const char *action, const struct failure_text *failure);
void audit_refusal(struct call *call);

#endif
