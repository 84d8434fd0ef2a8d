/* SPDX-License-Identifier: ISC */
/* Our lines in /etc/subuid and /etc/subgid are those that the index asks for. Run by a child of the broker. */
#include "subuidd/op/check_child.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "confine/cleanup.h"
#include "subid/plan.h"
#include "subid/text.h"

#define FILES_LOOKS 5

static void check_line(struct check_result *result, const char *name, const char *what,
		       const struct subid_lines_at *line, const char *todo)
{
	char fault[FAILURE_TEXT_MAX + 1], subject[32];

	snprintf(subject, sizeof(subject), SYSCONFDIR "/%s", name);
	snprintf(fault, sizeof(fault), "a line of ours %s%.*s", what, (int)line->length, line->at);
	check_add(result, subject, fault, todo);
}

static void check_file(const struct subid_lines *wanted, const struct subid_lines *recorded, const char *name,
		       int etc_fd, struct check_result *result)
{
	static const char todo[] = "subuidd writes it anew at its next change or start";
	cleanup_free char *text = NULL;
	struct subid_lines present = { 0 };
	size_t length = 0;
	int r = subid_text_read(etc_fd, name, &text, &length);

	if (r == 0)
		r = subid_lines_add_text(&present, text, length);
	if (r == 0)
		r = subid_lines_sort(&present);
	if (r < 0)
		check_add(result, name, r == -EPERM ? "not a plain file of root's" : strerror(-r),
			  "subordinate ids cannot be published there: see publish in subuidd.conf(5)");
	for (size_t i = 0; r == 0 && i < wanted->count; i++)
		if (subid_lines_find(&present, wanted->sorted[i].at, wanted->sorted[i].length) < 0)
			check_line(result, name, "is missing: ", &wanted->sorted[i], todo);
	for (size_t i = 0; r == 0 && i < recorded->count; i++)
		if (subid_lines_find(wanted, recorded->sorted[i].at, recorded->sorted[i].length) < 0 &&
		    subid_lines_find(&present, recorded->sorted[i].at, recorded->sorted[i].length) >= 0)
			check_line(result, name, "is left over: ", &recorded->sorted[i], todo);
	subid_lines_free(&present);
}

static void check_files_once(const struct broker *broker, struct check_result *result)
{
	cleanup_fd int etc_fd = open(SYSCONFDIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct subid_plan plan = { 0 };
	int r = etc_fd < 0 ? -errno : subid_plan_ask(&plan, broker->settings.publish, etc_fd);

	if (r == 0)
		r = subid_plan_lines(&plan, broker->state_fd, etc_fd);
	if (r < 0) {
		check_add(result, "subuid", strerror(-r), "see the log of subuidd");
	} else if (plan.wanted.count > 0 || plan.before.count > 0) {
		check_file(&plan.wanted, &plan.before, "subuid", etc_fd, result);
		check_file(&plan.wanted, &plan.before, "subgid", etc_fd, result);
	}
	if (r == 0 && plan.doubtful[0] != '\0')
		check_add(result, plan.doubtful,
			  "the user database does not answer, so that its lines in the files stay as they are",
			  "try again when `getent passwd` answers");
	subid_plan_free(&plan);
}

/* A change of this moment is in the index before it is in the files. */
void check_files(const struct broker *broker, struct check_result *result)
{
	struct check_result before = *result;

	for (int i = 0; i < FILES_LOOKS; i++) {
		if (i > 0)
			nanosleep(&(struct timespec){ .tv_nsec = 300000000 }, NULL);
		*result = before;
		check_files_once(broker, result);
		if (result->count == before.count)
			return;
	}
}
