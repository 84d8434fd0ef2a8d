/* SPDX-License-Identifier: ISC */
/* The order of what is written, and under which locks. Run by a child of the broker (root). */
#include "subid/write.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "subid/lock.h"
#include "confine/cleanup.h"
#include "subid/found.h"
#include "subid/plan.h"
#include "subid/text.h"

static const char *const file_names[] = { "subuid", "subgid" };

#define FILES 2

/* The work in progress; why: of size bytes. */
struct job {
	int state_fd, etc_fd;
	struct subid_plan plan;
	char *why;
	size_t size;
};

static int failed(const struct job *job, const char *what, int error)
{
	snprintf(job->why, job->size, "%s: %s", what,
		 error == -EPERM ? "not a plain file of root's" : strerror(-error));
	return error;
}

/* ---- our record */

static int record(const struct job *job, const struct subid_lines *lines)
{
	return subid_text_write(job->state_fd, SUBID_LINES_NAME, SUBID_LINES_NAME ".new", 0600, lines->text,
				lines->length);
}

static int both(const struct subid_lines *a, const struct subid_lines *b, struct subid_lines *lines)
{
	int r = subid_lines_add_text(lines, a->text, a->length);

	if (r == 0)
		r = subid_lines_add_text(lines, b->text, b->length);
	return r == 0 ? subid_lines_sort(lines) : r;
}

static int record_both(const struct job *job)
{
	struct subid_lines lines = { 0 };
	int r = both(&job->plan.before, &job->plan.wanted, &lines);

	if (r == 0)
		r = record(job, &lines);
	subid_lines_free(&lines);
	return r;
}

/* ---- the files */

/* 1 with the text that it should have, 0: it has it. */
static int file_compare(const struct job *job, int file, const struct subid_lines *away, char **text, size_t *length)
{
	cleanup_free char *present = NULL;
	size_t present_length = 0;
	int r = subid_text_read(job->etc_fd, file_names[file], &present, &present_length);

	return r < 0 ? r :
		       subid_lines_place(present, present_length, away, &job->plan.wanted, job->plan.turns, file, text,
					 length);
}

static int file_update(const struct job *job, int file, const struct subid_lines *away)
{
	cleanup_free char *text = NULL;
	char temporary[32];
	size_t length = 0;
	int r = file_compare(job, file, away, &text, &length);

	if (r <= 0)
		return r;
	snprintf(temporary, sizeof(temporary), "%s+",
		 file_names[file]); /* shadow's name for it: under the same locks */
	return subid_text_write(job->etc_fd, file_names[file], temporary, 0644, text, length);
}

/* away: lines that go unless they are wanted. */
static int update(const struct job *job, const struct subid_lines *away)
{
	const struct subid_plan *plan = &job->plan;
	bool same = subid_lines_equal(&plan->before, &plan->wanted);
	int r = same ? 0 : record_both(job);

	if (r < 0)
		return failed(job, STATE_DIR "/" SUBID_LINES_NAME, r);
	for (int i = 0; i < FILES; i++) {
		r = file_update(job, i, away);
		if (r < 0)
			return failed(job, i == 0 ? SYSCONFDIR "/subuid" : SYSCONFDIR "/subgid", r);
	}
	r = same ? 0 : record(job, &plan->wanted);
	return r < 0 ? failed(job, STATE_DIR "/" SUBID_LINES_NAME, r) : 0;
}

static int publish_lines(const struct job *job)
{
	const struct subid_plan *plan = &job->plan;
	struct subid_lines away = { 0 };
	int r = subid_found_note(job->state_fd, job->etc_fd, &plan->before, &plan->wanted);

	if (r < 0)
		return failed(job, STATE_DIR "/" SUBID_FOUND_NAME ", or a file of " SYSCONFDIR, r);
	r = both(&plan->before, &plan->stale, &away);
	r = r < 0 ? failed(job, "memory", r) : update(job, &away);
	subid_lines_free(&away);
	return r;
}

/* Nothing is ours any more. Lines that were there before us stay, unless another user has the ids by now. */
static int cease(const struct job *job)
{
	const struct subid_plan *plan = &job->plan;
	struct subid_lines ours = { 0 }, away = { 0 };
	int r = subid_found_spare(job->state_fd, &plan->before, &ours);

	if (r == 0)
		r = both(&ours, &plan->stale, &away);
	r = r < 0 ? failed(job, STATE_DIR "/" SUBID_FOUND_NAME, r) : update(job, &away);
	if (r == 0 && unlinkat(job->state_fd, SUBID_FOUND_NAME, 0) < 0 && errno != ENOENT)
		r = failed(job, STATE_DIR "/" SUBID_FOUND_NAME, -errno);
	subid_lines_free(&ours);
	subid_lines_free(&away);
	return r;
}

/* ---- the whole */

static bool exists(int dirfd, const char *name)
{
	struct stat st;

	return fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

/* Nothing to write, and no lock that a power cut left: then useradd need not wait for us. */
static bool all_is_well(const struct job *job)
{
	const struct subid_plan *plan = &job->plan;

	if (!subid_lines_equal(&plan->before, &plan->wanted) || plan->stale.count > 0 || subid_lock_left(job->etc_fd) ||
	    (plan->publish == PUBLISH_PLUGIN && exists(job->state_fd, SUBID_FOUND_NAME)))
		return false;
	for (int i = 0; i < FILES; i++) {
		cleanup_free char *text = NULL;
		size_t length = 0;

		if (file_compare(job, i, &plan->before, &text, &length) != 0)
			return false;
	}
	return true;
}

static int write_locked(struct job *job)
{
	int r = subid_lock(job->etc_fd);

	if (r < 0) {
		snprintf(job->why, job->size, "%s",
			 r == -EBUSY ? "another program holds the lock of " SYSCONFDIR "/subuid" : strerror(-r));
		return r;
	}
	r = subid_plan_lines(&job->plan, job->state_fd, job->etc_fd); /* they may have changed before we had the lock */
	if (r < 0)
		failed(job, STATE_DIR "/" SUBID_LINES_NAME ", or a file of " SYSCONFDIR, r);
	else
		r = job->plan.publish == PUBLISH_PLUGIN ? cease(job) : publish_lines(job);
	subid_plan_look(&job->plan, job->etc_fd);
	subid_unlock(job->etc_fd);
	return r;
}

/* No failure: the call that waits for this change did not touch them, and they are looked at each minute. */
static void doubts_tell(const struct job *job)
{
	const struct subid_plan *plan = &job->plan;

	if (plan->doubtful[0] != '\0')
		snprintf(job->why, job->size, "the user database does not answer for %s: lines that stand stay%s",
			 plan->doubtful, plan->waiting > 0 ? ", others are written when it does" : "");
}

int subid_write(int state_fd, int etc_fd, enum publish_to publish, struct stat seen[2], char *why, size_t size)
{
	struct job job = { .state_fd = state_fd, .etc_fd = etc_fd, .why = why, .size = size };
	int r = subid_plan_ask(&job.plan, publish, etc_fd); /* not while others wait for the lock */

	if (r == 0)
		r = subid_plan_lines(&job.plan, state_fd, etc_fd);
	if (r < 0)
		failed(&job, "the index, or the files", r);
	else
		r = all_is_well(&job) ? 0 : write_locked(&job);
	if (r == 0)
		doubts_tell(&job);
	for (int i = 0; seen != NULL && i < FILES; i++)
		if (job.plan.moved)
			seen[i] = (struct stat){ 0 };
		else
			seen[i] = job.plan.seen[i];
	subid_plan_free(&job.plan);
	return r;
}
