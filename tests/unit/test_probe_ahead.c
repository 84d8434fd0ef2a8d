/* SPDX-License-Identifier: ISC */
/* Asking about ids ahead: by a child process, each answer once, and not for long. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "subuidd/ids/probe_ahead.h"

#define FIRST 2100000000u

static pid_t parent;
static int gate[2]; /* the child waits for a byte before its last question */

/* As NSS would answer: one user, one group, one that cannot be said. */
static int taken(enum id_type type, uint32_t id)
{
	char byte;

	if (getpid() == parent)
		return -ENOTSUP; /* never in the broker */
	if (id == FIRST && type == TYPE_UID && read(gate[0], &byte, 1) != 1)
		return -EIO;
	if (id == FIRST + 3)
		return type == TYPE_UID;
	if (id == FIRST + 4)
		return type == TYPE_GID;
	return id == FIRST + 5 ? -EIO : 0;
}

static void run_to_the_end(struct probe_ahead *ahead, sd_event *event)
{
	assert_int_equal(write(gate[1], "x", 1), 1);
	while (ahead->running)
		assert_true(sd_event_run(event, UINT64_MAX) > 0);
}

static int set_up(void **state)
{
	sd_event *event = NULL;

	parent = getpid();
	if (pipe(gate) != 0 || sd_event_new(&event) < 0)
		return -1;
	*state = event;
	return 0;
}

static int tear_down(void **state)
{
	close(gate[0]);
	close(gate[1]);
	sd_event_unref(*state);
	return 0;
}

static void only_what_nobody_has_is_known_and_once(void **state)
{
	struct probe_ahead ahead = { 0 };

	assert_int_equal(probe_ahead_start(&ahead, *state, FIRST, 10, taken), 0);
	run_to_the_end(&ahead, *state);
	for (uint32_t id = FIRST; id < FIRST + 10; id++) {
		assert_int_equal(probe_ahead_unused(&ahead, TYPE_UID, id), id != FIRST + 3 && id != FIRST + 5);
		assert_int_equal(probe_ahead_unused(&ahead, TYPE_GID, id), id != FIRST + 4 && id != FIRST + 5);
		assert_false(probe_ahead_unused(&ahead, TYPE_UID, id));
	}
	assert_false(probe_ahead_unused(&ahead, TYPE_UID, FIRST - 1));
	assert_false(probe_ahead_unused(&ahead, TYPE_UID, FIRST + 10));
	probe_ahead_free(&ahead);
}

static void answers_do_not_hold_for_long(void **state)
{
	struct probe_ahead ahead = { 0 };

	assert_int_equal(probe_ahead_start(&ahead, *state, FIRST, 10, taken), 0);
	run_to_the_end(&ahead, *state);
	assert_true(probe_ahead_unused(&ahead, TYPE_UID, FIRST + 1));
	ahead.until -= PROBE_AHEAD_SECONDS * 1000000ull; /* as if the time had passed */
	assert_false(probe_ahead_unused(&ahead, TYPE_UID, FIRST + 2));
	probe_ahead_free(&ahead);
}

static void one_child_at_a_time(void **state)
{
	struct probe_ahead ahead = { 0 };

	assert_int_equal(probe_ahead_start(&ahead, *state, FIRST, 10, taken), 0);
	assert_int_equal(probe_ahead_start(&ahead, *state, FIRST + 10, 10, taken), -EBUSY);
	run_to_the_end(&ahead, *state);
	assert_true(probe_ahead_unused(&ahead, TYPE_UID, FIRST));
	assert_false(probe_ahead_unused(&ahead, TYPE_UID, FIRST + 10));

	/* the next one knows nothing of what the first was told */
	assert_int_equal(probe_ahead_start(&ahead, *state, FIRST + 5, 1000, taken), 0);
	assert_int_equal(ahead.count, PROBE_AHEAD_IDS);
	assert_false(probe_ahead_unused(&ahead, TYPE_UID, FIRST + 1));
	run_to_the_end(&ahead, *state);
	assert_false(probe_ahead_unused(&ahead, TYPE_UID, FIRST + 5));
	assert_true(probe_ahead_unused(&ahead, TYPE_GID, FIRST + 6));
	probe_ahead_free(&ahead);
}

/* An event loop of another process watches nothing. */
static int start_unwatched(sd_event *event)
{
	struct probe_ahead ahead = { 0 };
	siginfo_t info = { 0 };

	alarm(30);
	if (probe_ahead_start(&ahead, event, FIRST, 10, taken) != -ECHILD || ahead.running)
		return 1;
	/* it would go on for as long as NSS hangs, and answer in the place of the next one */
	if (waitid(P_ALL, 0, &info, WEXITED) != 0)
		return errno == ECHILD ? 0 : 2;
	return info.si_code == CLD_KILLED && info.si_status == SIGKILL ? 0 : 3;
}

static void who_cannot_be_watched_is_ended(void **state)
{
	pid_t pid = fork();
	int status;

	if (pid == 0)
		_exit(start_unwatched(*state));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(only_what_nobody_has_is_known_and_once, set_up, tear_down),
		cmocka_unit_test_setup_teardown(answers_do_not_hold_for_long, set_up, tear_down),
		cmocka_unit_test_setup_teardown(one_child_at_a_time, set_up, tear_down),
		cmocka_unit_test_setup_teardown(who_cannot_be_watched_is_ended, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
