/* SPDX-License-Identifier: ISC */
/*
 * The lines that /etc/subuid and /etc/subgid should have from us, and those that have to go: from the index, the
 * user database and our own records. Nothing is written here. Run by the writer and by `check` (children of the
 * broker, root).
 */
#ifndef SUBID_PLAN_H
#define SUBID_PLAN_H

#include <sys/stat.h>

#include "index/view.h"
#include "subid/publish_to.h"
#include "subid/found.h"
#include "subid/lines.h"
#include "subid/owners.h"

struct subid_plan {
	enum publish_to publish;
	char separator;
	struct subid_claims claims; /* of the index, with their owners' answers */
	struct subid_lines present; /* of both files, as they were when they looked like seen */
	struct stat seen[2];
	bool moved;                   /* they were written by others since stale was made */
	struct subid_lines stale;     /* of the files, whoever wrote them: ids of the index under a name that is not the
					 owner's any more */
	struct subid_lines before;    /* lines that the files may have from us */
	struct subid_lines wanted;    /* lines that they should have, */
	struct subid_turn *turns;     /* ... and of each, as it stands in the text, its turn */
	unsigned waiting;             /* claims of owners in doubt that have no line yet, and get none */
	char doubtful[OWNER_MAX + 1]; /* one of these owners, or of those whose lines stay; "" none */
};

/* Reads index and files, and asks the user database: not while others wait for the files' locks. 0 or negative errno.
 */
int subid_plan_ask(struct subid_plan *plan, enum publish_to publish, int etc_fd);

/* Both files are now as we left them: sets seen. While their locks are ours. */
void subid_plan_look(struct subid_plan *plan, int etc_fd);

/* Makes before and wanted, each time from scratch. 0 or negative errno. */
int subid_plan_lines(struct subid_plan *plan, int state_fd, int etc_fd);

void subid_plan_free(struct subid_plan *plan);

/* The lines of `present`, whole, that touch ids of the index and name the owner to whom these were given, although
 * the name now means another user. 0 or negative errno. */
int subid_stale_find(const struct index_view *view, const struct subid_lines *present, struct subid_lines *stale);

/* Pure: lines of `claims`, each holder's in the order in which they were given. fixed: lines that stay as they are,
 * since somebody else wrote them. before: for owners in doubt; counts those left out in *waiting. *turns: of malloc,
 * one for each line. 0 or -ENOMEM. */
int subid_lines_of(const struct subid_claims *claims, char separator, const struct subid_lines *fixed,
		   const struct subid_lines *before, struct subid_lines *lines, struct subid_turn **turns,
		   unsigned *waiting);

#endif
