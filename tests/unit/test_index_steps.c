/* SPDX-License-Identifier: ISC */
/*
 * A thread is stopped before each instruction of a hold in turn, and meanwhile another one of its process opens a new
 * file and lets the old one go: once, and twice, on which the mapping's number has come round. The first goes on: what
 * it holds is the file as it was or as it is, and nothing stays mapped for nobody.
 *
 * The process is a child of the test, which takes the first thread (its main one) through by ptrace and tells the
 * second by a pipe. The first says by signals where it is.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

#include "index/map.h"
#include "index/view.h"
#include "tests/unit/index_fixture.h"

#define ACCOUNTS 3u
#define EACH 256 /* there are fewer, or twice as many and two passes; more only under a sanitizer */
enum { BEGUN = SIGUSR1, OPENED = SIGUSR2, ENDED = SIGHUP }; /* what the first thread says */

static struct index_reader reader;
static struct fixture *fixture;
static int go[2], done[2]; /* to the second thread, the number of files to publish; and back */
static _Thread_local bool is_first;

/* ---- in the child */

static uint64_t generation_held(const struct index_hold *hold)
{
	struct index_account account;
	uint64_t shown;

	if (index_view_generation(hold->view, &shown) != 0 ||
	    index_view_by_uid(hold->view, UID_FIRST + 1, &account) != 0 || account.uid != UID_FIRST + 1)
		abort();
	return shown;
}

static uint64_t generation_now(void)
{
	struct index_hold hold;
	uint64_t generation;

	if (index_enter(&reader, &hold) != 0)
		abort();
	generation = generation_held(&hold);
	index_leave(&hold);
	return generation;
}

static unsigned mapped(void)
{
	FILE *file = fopen("/proc/self/maps", "re");
	char line[512];
	unsigned count = 0;

	if (file == NULL)
		abort();
	while (fgets(line, sizeof(line), file) != NULL)
		count += strstr(line, fixture->directory) != NULL;
	fclose(file);
	return count;
}

static void publish(void)
{
	index_writer_free(fixture_publish(fixture, ACCOUNTS, 1, generation_now() + 1));
}

static void *second(void *nothing)
{
	uint8_t times;

	while (read(go[0], &times, 1) == 1) {
		for (; times > 0; times--) {
			publish();
			generation_now();
		}
		if (write(done[1], &times, 1) != 1)
			abort();
	}
	return nothing;
}

int __real_index_view_init(struct index_view *view, const void *base, uint64_t size);
int __wrap_index_view_init(struct index_view *view, const void *base, uint64_t size);
int __wrap_index_view_init(struct index_view *view, const void *base, uint64_t size)
{
	int rc = __real_index_view_init(view, base, size);

	if (is_first)
		raise(OPENED);
	return rc;
}

/* In and out. */
static void first_passes(bool superseded)
{
	uint64_t before = generation_now();
	struct index_hold hold;

	if (superseded)
		publish();
	is_first = true;
	raise(BEGUN);
	if (index_enter(&reader, &hold) != 0)
		abort();
	index_leave(&hold);
	raise(ENDED);
	is_first = false;
	if (generation_now() < before + superseded || mapped() != 1)
		abort();
}

/* In, and it stays. */
static void first_stays(void)
{
	uint64_t before = generation_now();
	struct index_hold hold;

	raise(BEGUN);
	if (index_enter(&reader, &hold) != 0)
		abort();
	raise(ENDED);
	if (generation_held(&hold) < before || mapped() > 2)
		abort();
	publish();
	generation_now();
	if (generation_held(&hold) < before)
		abort();
	index_leave(&hold);
	if (mapped() != 1)
		abort();
}

enum shape { PASSES, OPENS, STAYS };

static _Noreturn void child(enum shape shape)
{
	pthread_t thread;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0 || pthread_create(&thread, NULL, second, NULL) != 0)
		abort();
	for (;;) {
		if (shape == STAYS)
			first_stays();
		else
			first_passes(shape == OPENS);
	}
}

/* The look at the path, once a second, would make some lookups longer than others: no second passes here. */
int __wrap_clock_gettime(clockid_t clock, struct timespec *now);
int __wrap_clock_gettime(clockid_t clock, struct timespec *now)
{
	(void)clock;
	*now = (struct timespec){ 0 };
	return 0;
}

/* ---- in the test */

/* Which signal it stops for. */
static int stopped(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSTOPPED(status));
	return WSTOPSIG(status);
}

/* Lets it go on for one instruction, or until the next signal. */
static int resume(pid_t pid, bool one)
{
	assert_int_equal(ptrace(one ? PTRACE_SINGLESTEP : PTRACE_CONT, pid, NULL, NULL), 0);
	return stopped(pid);
}

static void let_second_publish(uint8_t times)
{
	assert_int_equal(write(go[1], &times, 1), 1);
	assert_int_equal(read(done[0], &times, 1), 1);
}

static void resume_until(pid_t pid, int signal)
{
	for (int at = 0; at != signal;) {
		at = resume(pid, false);
		assert_true(at == BEGUN || at == OPENED || at == ENDED); /* and not SIGSEGV, SIGABRT */
	}
}

/* Takes so many steps, or as many as there are until it says something; answers how many. */
static unsigned take_steps(pid_t pid, unsigned steps)
{
	for (unsigned i = 0; i < steps; i++) {
		int signal = resume(pid, true);

		if (signal == OPENED || signal == ENDED)
			return i;
		assert_int_equal(signal, SIGTRAP);
	}
	return steps;
}

/* From one round's beginning to the next one's, with the second thread's turn so many steps after the first has said
 * `from`. */
static void round_with(pid_t pid, int from, unsigned steps, uint8_t times)
{
	if (from != BEGUN)
		resume_until(pid, from);
	assert_int_equal(take_steps(pid, steps), steps);
	let_second_publish(times);
	resume_until(pid, BEGUN);
}

/* At each instruction, or at this many of more. */
static void stop_at_each(enum shape shape, int from, unsigned stops, uint8_t times)
{
	unsigned steps;
	int status;
	pid_t pid;

	assert_int_equal(pipe2(go, O_CLOEXEC), 0);
	assert_int_equal(pipe2(done, O_CLOEXEC), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		child(shape);
	assert_int_equal(stopped(pid), BEGUN);
	if (from != BEGUN)
		resume_until(pid, from);
	steps = take_steps(pid, UINT32_MAX);
	assert_true(steps > 40);
	resume_until(pid, BEGUN);
	for (unsigned i = times - 1u; i < steps; i += steps / stops + 1) /* the second time those between */
		round_with(pid, from, i, times);
	kill(pid, SIGKILL);
	while (waitpid(pid, &status, 0) == pid && !WIFSIGNALED(status))
		;
	for (int i = 0; i < 2; i++) {
		close(go[i]);
		close(done[i]);
	}
}

static void a_lookup_is_stopped_at_any_instruction(void **state)
{
	(void)state;
	for (uint8_t times = 1; times <= 2; times++)
		stop_at_each(PASSES, BEGUN, EACH, times);
}

static void a_lookup_that_stays_is_stopped_at_any_instruction(void **state)
{
	(void)state;
	for (uint8_t times = 1; times <= 2; times++)
		stop_at_each(STAYS, BEGUN, EACH, times);
}

/* What it does with the file that it has opened; the opening itself, some thousand instructions, is sampled. */
static void an_opening_is_stopped_at_any_instruction(void **state)
{
	(void)state;
	for (uint8_t times = 1; times <= 2; times++)
		stop_at_each(OPENS, OPENED, EACH, times);
	stop_at_each(OPENS, BEGUN, 20, 1);
}

static int setup(void **state)
{
	(void)state;
	fixture = fixture_make();
	index_writer_free(fixture_publish(fixture, ACCOUNTS, 1, 1));
	reader = (struct index_reader){ .path = fixture->path, .trusted = getuid() };
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	fixture_free(fixture);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_lookup_is_stopped_at_any_instruction, setup, teardown),
		cmocka_unit_test_setup_teardown(a_lookup_that_stays_is_stopped_at_any_instruction, setup, teardown),
		cmocka_unit_test_setup_teardown(an_opening_is_stopped_at_any_instruction, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
