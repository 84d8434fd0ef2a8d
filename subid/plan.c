/* SPDX-License-Identifier: ISC */
/* Puts together what index, user database, files and our own records say. Run by children of the broker (root). */
#include "subid/plan.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "index/map.h"
#include "index/view.h"
#include "confine/cleanup.h"
#include "subid/held.h"
#include "subid/text.h"

#define FILES 2

static const char *const file_names[FILES] = { "subuid", "subgid" };

/* ---- of the index */

static int gather_ranges(const struct index_view *view, struct subid_claims *claims)
{
	struct subid_claim claim = { 0 };
	uint64_t cursor = 0;
	int r;

	while ((r = index_view_range_next(view, &cursor, &claim.range)) == 0) {
		r = subid_claims_add(claims, &claim);
		if (r < 0)
			return r;
	}
	return r == -ENOENT ? 0 : r;
}

/* ---- of the files */

static void file_look(int etc_fd, size_t i, struct stat *seen)
{
	if (fstatat(etc_fd, file_names[i], seen, AT_SYMLINK_NOFOLLOW) < 0)
		*seen = (struct stat){ 0 };
}

static bool file_changed(int etc_fd, size_t i, struct stat *seen)
{
	struct stat before = *seen;

	file_look(etc_fd, i, seen);
	return !subid_file_same(&before, seen) && (before.st_ino != 0 || seen->st_ino != 0);
}

void subid_plan_look(struct subid_plan *plan, int etc_fd)
{
	for (size_t i = 0; i < FILES; i++)
		file_look(etc_fd, i, &plan->seen[i]);
}

/* Large files take long to sort: once, while they are the same. */
static int files_read(struct subid_plan *plan, int etc_fd)
{
	bool changed = false;
	int r = 0;

	for (size_t i = 0; i < FILES; i++)
		changed |= file_changed(etc_fd, i, &plan->seen[i]); /* before it is read */
	if (!changed)
		return 0;
	plan->moved = true;
	subid_lines_free(&plan->present);
	for (size_t i = 0; r == 0 && i < FILES; i++) {
		cleanup_free char *text = NULL;
		size_t length = 0;

		r = subid_text_read(etc_fd, file_names[i], &text, &length);
		if (r == 0)
			r = subid_lines_add_text(&plan->present, text, length);
		if (r == 0 && length > 0 && text[length - 1] != '\n')
			r = subid_lines_add_text(&plan->present, "\n", 1);
	}
	return r == 0 ? subid_lines_sort(&plan->present) : r;
}

/* ---- both */

static int ask_view(struct subid_plan *plan, const struct index_view *view)
{
	int r = 0;

	plan->separator = view->header.host.separator;
	if (plan->publish != PUBLISH_PLUGIN)
		r = gather_ranges(view, &plan->claims);
	if (r == 0)
		r = subid_claims_ask(&plan->claims);
	return r == 0 ? subid_stale_find(view, &plan->present, &plan->stale) : r;
}

static int ask_index(struct subid_plan *plan)
{
	struct index_reader reader = INDEX_READER(INDEX_PATH);
	struct index_hold hold;
	int r = index_enter(&reader, &hold); /* one file from first to last, whatever the broker does meanwhile */

	if (r < 0)
		return r;
	r = ask_view(plan, hold.view);
	index_leave(&hold);
	return r;
}

int subid_plan_ask(struct subid_plan *plan, enum publish_to publish, int etc_fd)
{
	int r;

	*plan = (struct subid_plan){ .publish = publish };
	r = files_read(plan, etc_fd);
	plan->moved = false;
	if (r == 0 && (publish != PUBLISH_PLUGIN || plan->present.count > 0))
		r = ask_index(plan);
	if (r < 0 &&
	    publish == PUBLISH_PLUGIN) { /* without an index nothing is stale, and ours can still be taken out */
		subid_lines_free(&plan->stale);
		r = 0;
	}
	return r;
}

/* Lines that others wrote, now or before us: they keep their shape. */
static int fixed_find(const struct subid_plan *plan, int state_fd, struct subid_lines *fixed)
{
	int r = subid_found_read(state_fd, fixed);

	if (r == 0)
		r = subid_lines_pick(&plan->present, &plan->before, false, fixed);
	return r == 0 ? subid_lines_sort(fixed) : r;
}

static void doubts_note(struct subid_plan *plan)
{
	plan->doubtful[0] = '\0';
	for (size_t i = 0; i < plan->claims.count && plan->doubtful[0] == '\0'; i++)
		if (plan->claims.list[i].stand == STAND_DOUBT)
			memcpy(plan->doubtful, plan->claims.list[i].range.owner, sizeof(plan->doubtful));
}

int subid_plan_lines(struct subid_plan *plan, int state_fd, int etc_fd)
{
	struct subid_lines fixed = { 0 };
	int r;

	subid_lines_free(&plan->before);
	subid_lines_free(&plan->wanted);
	free(plan->turns);
	plan->turns = NULL;
	r = subid_lines_recorded(state_fd, &plan->before);
	if (r == 0)
		r = files_read(plan, etc_fd);
	if (r == 0)
		r = fixed_find(plan, state_fd, &fixed);
	if (r == 0)
		r = subid_lines_of(&plan->claims, plan->separator, &fixed, &plan->before, &plan->wanted, &plan->turns,
				   &plan->waiting);
	doubts_note(plan);
	subid_lines_free(&fixed);
	return r;
}

void subid_plan_free(struct subid_plan *plan)
{
	subid_claims_free(&plan->claims);
	subid_lines_free(&plan->present);
	subid_lines_free(&plan->stale);
	subid_lines_free(&plan->before);
	subid_lines_free(&plan->wanted);
	free(plan->turns);
}
