/* SPDX-License-Identifier: ISC */
/* When a mapping goes: once nobody is in it and not before, whichever lane they are in, whatever was published
 * meanwhile, in a child that was forked amid lookups too, and with a signal's handler that looks up in the middle of a
 * lookup. Run under ThreadSanitizer too. */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "index/map.h"
#include "index/view.h"
#include "tests/unit/index_fixture.h"

#define ACCOUNTS 50u
#define HOLDS (2 * INDEX_LANES)
#define DISTANCE 65536u /* of stacks, the smallest that matters */
#define INSIDE (INDEX_LANES + 8)

static struct index_reader reader;
static uint64_t generation;

static void publish(struct fixture *f)
{
	index_writer_free(fixture_publish(f, ACCOUNTS, 3, ++generation));
}

/* How many files of the fixture this process has mapped. */
static unsigned mapped(const struct fixture *f)
{
	FILE *file = fopen("/proc/self/maps", "re");
	char line[512];
	unsigned count = 0;

	assert_non_null(file);
	while (fgets(line, sizeof(line), file) != NULL)
		count += strstr(line, f->directory) != NULL;
	fclose(file);
	return count;
}

static bool found(uint32_t i)
{
	struct index_account account;

	return index_account_by_uid(&reader, UID_FIRST + i, &account) == 0 && account.uid == UID_FIRST + i;
}

static void begin(struct fixture *f)
{
	generation = 0;
	publish(f);
	reader = (struct index_reader){ .path = f->path, .trusted = getuid() };
	assert_true(found(0)); /* threads that open it at once may each map it alone */
}

/* What is held answers, whatever has become of it elsewhere. */
static bool found_held(const struct index_hold *hold, uint64_t at)
{
	struct index_account account;
	uint64_t shown;

	return index_view_generation(hold->view, &shown) == 0 && shown == at &&
	       index_view_by_uid(hold->view, UID_FIRST + 7, &account) == 0 && account.uid == UID_FIRST + 7;
}

/* Memory in which holds lie as far apart as if they were on stacks. */
static char *stacks_make(size_t count, size_t distance)
{
	char *stacks = mmap(NULL, count * distance, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
			    -1, 0);

	assert_ptr_not_equal(stacks, MAP_FAILED);
	return stacks;
}

static struct index_hold *hold_at(char *stacks, size_t i, size_t distance)
{
	return (struct index_hold *)(void *)(stacks + i * distance);
}

static void the_last_one_out_unmaps_whatever_the_lane(void **state)
{
	struct fixture *f = *state;
	char *stacks = stacks_make(HOLDS, DISTANCE);
	uint64_t lanes = 0;

	begin(f);
	for (size_t i = 0; i < HOLDS; i++) {
		struct index_hold *hold = hold_at(stacks, i, DISTANCE);

		assert_int_equal(index_enter(&reader, hold), 0);
		lanes |= UINT64_C(1) << (hold->lane - reader.lanes);
	}
	assert_int_equal(lanes, (UINT64_C(1) << INDEX_LANES) - 1); /* in each somebody, in some more than one */
	publish(f);
	assert_true(found(1));
	assert_int_equal(mapped(f), 2);
	for (size_t i = 0; i < HOLDS; i++) { /* 29: each once, and the last not in the last lane */
		struct index_hold *hold = hold_at(stacks, i * 29 % HOLDS, DISTANCE);

		assert_true(found_held(hold, 1));
		index_leave(hold);
		assert_true(found(2));
		assert_int_equal(mapped(f), i + 1 < HOLDS ? 2 : 1);
	}
	munmap(stacks, HOLDS * DISTANCE);
}

/* Only one is in it, in each lane in turn: none is overlooked. */
static void one_in_any_lane_keeps_it(void **state)
{
	struct fixture *f = *state;
	char *stacks = stacks_make(HOLDS, DISTANCE);

	begin(f);
	for (size_t i = 0; i < HOLDS; i++) {
		struct index_hold *hold = hold_at(stacks, i, DISTANCE);
		uint64_t held = generation;

		assert_int_equal(index_enter(&reader, hold), 0);
		publish(f);
		assert_true(found(1));
		assert_int_equal(mapped(f), 2);
		assert_true(found_held(hold, held));
		index_leave(hold);
		assert_int_equal(mapped(f), 1);
	}
	munmap(stacks, HOLDS * DISTANCE);
}

/* More generations are held than there are mappings: the rest is mapped for one call each. */
static void held_generations_are_bounded(void **state)
{
	struct fixture *f = *state;
	struct index_hold holds[INDEX_MAPPINGS + 3];
	size_t count = sizeof(holds) / sizeof(holds[0]);

	begin(f);
	for (size_t i = 0; i < count; i++) {
		if (i > 0)
			publish(f);
		assert_int_equal(index_enter(&reader, &holds[i]), 0);
		assert_int_equal(holds[i].reader == NULL, i >= INDEX_MAPPINGS);
		assert_int_equal(mapped(f), i + 1);
	}
	for (size_t i = 0; i < count; i++) {
		assert_true(found_held(&holds[i], i + 1));
		index_leave(&holds[i]);
	}
	assert_true(found(1));
	assert_int_equal(mapped(f), 1);
}

/* Threads' stacks lie at one distance of each other: neighbours do not meet in a lane. */
static void neighbours_have_lanes_of_their_own(void **state)
{
	static const size_t distances[] = { 64 << 10,         68 << 10, 256 << 10, 1 << 20,
					    (1 << 20) + 4096, 2 << 20,  8 << 20,   (8 << 20) + 4096 };
	struct fixture *f = *state;

	begin(f);
	for (size_t d = 0; d < sizeof(distances) / sizeof(distances[0]); d++) {
		char *stacks = stacks_make(4, distances[d]);
		uint64_t lanes = 0;

		for (size_t i = 0; i < 4; i++) {
			struct index_hold *hold = hold_at(stacks, i, distances[d]);

			assert_int_equal(index_enter(&reader, hold), 0);
			lanes |= UINT64_C(1) << (hold->lane - reader.lanes);
		}
		for (size_t i = 0; i < 4; i++)
			index_leave(hold_at(stacks, i, distances[d]));
		assert_int_equal(__builtin_popcountll(lanes), 4);
		munmap(stacks, 4 * distances[d]);
	}
}

/* In one lane by their addresses, two that meet again and again part soon, wherever they lie; what they hold meanwhile
 * is counted where it was. */
static void who_meets_often_parts(void **state)
{
	struct fixture *f = *state;
	char *stacks = stacks_make(HOLDS, DISTANCE);
	struct index_hold *stays = hold_at(stacks, 0, DISTANCE);
	unsigned met = 0;

	begin(f);
	assert_int_equal(index_enter(&reader, stays), 0);
	for (size_t i = 1; i < HOLDS; i++) {
		struct index_hold *comes = hold_at(stacks, i, DISTANCE);
		unsigned times = 0;

		do {
			index_leave(stays);
			assert_int_equal(index_enter(&reader, stays), 0);
			assert_int_equal(index_enter(&reader, comes), 0);
			index_leave(comes);
		} while (comes->lane == stays->lane && ++times < 100000);
		assert_true(times < 100000);
		met += times > 0;
	}
	assert_true(met > 0);
	index_leave(stays);
	publish(f);
	assert_true(found(1));
	assert_int_equal(mapped(f), 1);
	munmap(stacks, HOLDS * DISTANCE);
}

/* ---- threads that stay inside */

struct inside {
	pthread_t threads[INSIDE];
	pthread_barrier_t entered, leave;
	atomic_uint wrong;
};

static void *stay_inside(void *data)
{
	struct inside *inside = data;
	struct index_hold hold;

	if (index_enter(&reader, &hold) != 0)
		abort();
	pthread_barrier_wait(&inside->entered);
	pthread_barrier_wait(&inside->leave);
	if (!found_held(&hold, 1))
		atomic_fetch_add(&inside->wrong, 1);
	index_leave(&hold);
	return NULL;
}

static void inside_start(struct inside *inside)
{
	atomic_init(&inside->wrong, 0);
	pthread_barrier_init(&inside->entered, NULL, INSIDE + 1);
	pthread_barrier_init(&inside->leave, NULL, INSIDE + 1);
	for (size_t i = 0; i < INSIDE; i++)
		assert_int_equal(pthread_create(&inside->threads[i], NULL, stay_inside, inside), 0);
	pthread_barrier_wait(&inside->entered);
}

static void inside_end(struct inside *inside)
{
	pthread_barrier_wait(&inside->leave);
	for (size_t i = 0; i < INSIDE; i++)
		pthread_join(inside->threads[i], NULL);
	assert_int_equal(atomic_load(&inside->wrong), 0);
}

static void threads_inside_keep_it(void **state)
{
	struct fixture *f = *state;
	struct inside inside;

	begin(f);
	inside_start(&inside);
	for (uint32_t i = 0; i < 5; i++) {
		publish(f);
		assert_true(found(i));
		assert_int_equal(mapped(f), 2); /* those between were in nobody's hands */
	}
	inside_end(&inside);
	assert_int_equal(mapped(f), 1);
}

/* The child has the others' counts and not the others: what they were in stays mapped, all else is as ever. */
static int child_goes_on(struct fixture *f, const struct index_hold *mine)
{
	for (uint32_t i = 0; i < 10; i++) {
		publish(f);
		if (!found(i) || !found_held(mine, 1) || mapped(f) != 2)
			return 1;
	}
	index_leave((struct index_hold *)(uintptr_t)mine);
	return found(1) && mapped(f) == 2 ? 0 : 2;
}

static void a_child_forked_with_threads_inside_goes_on(void **state)
{
	struct fixture *f = *state;
	struct index_hold hold;
	struct inside inside;
	int status;
	pid_t pid;

	begin(f);
	inside_start(&inside);
	assert_int_equal(index_enter(&reader, &hold), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		_exit(child_goes_on(f, &hold));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_true(found(3));
	assert_int_equal(mapped(f), 2);
	index_leave(&hold);
	assert_int_equal(mapped(f), 2);
	inside_end(&inside);
	assert_int_equal(mapped(f), 1);
}

/* ---- a handler that looks up */

static atomic_bool stop;
static atomic_uint wrong, handled, amid;
static _Thread_local volatile sig_atomic_t looking;

static void look_up(int signal)
{
	int saved = errno;

	(void)signal;
	errno = E2BIG;
	if (!found(5) || errno != E2BIG)
		atomic_fetch_add(&wrong, 1);
	atomic_fetch_add(&handled, 1);
	if (looking)
		atomic_fetch_add(&amid, 1);
	errno = saved;
}

static void *look_on(void *data)
{
	(void)data;
	while (!atomic_load(&stop)) {
		bool right;

		looking = 1;
		right = found(3);
		looking = 0;
		if (!right)
			atomic_fetch_add(&wrong, 1);
	}
	return NULL;
}

static void *signal_on(void *threads)
{
	while (!atomic_load(&stop))
		for (size_t i = 0; i < 2; i++)
			pthread_kill(((pthread_t *)threads)[i], SIGUSR1);
	return NULL;
}

static void a_handler_may_look_up_amid_a_lookup(void **state)
{
	struct fixture *f = *state;
	struct sigaction action = { .sa_handler = look_up };
	pthread_t threads[2], signals;

	begin(f);
	atomic_store(&stop, false);
	assert_int_equal(sigaction(SIGUSR1, &action, NULL), 0);
	for (size_t i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, look_on, NULL), 0);
	assert_int_equal(pthread_create(&signals, NULL, signal_on, threads), 0);
	for (uint32_t rounds = 0; rounds < 50 || atomic_load(&amid) < 1000; rounds++)
		publish(f);
	atomic_store(&stop, true);
	pthread_join(signals, NULL);
	for (size_t i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(atomic_load(&wrong), 0);
	assert_true(found(1));
	assert_int_equal(mapped(f), 1);
}

static int setup(void **state)
{
	*state = fixture_make();
	return 0;
}

static int teardown(void **state)
{
	fixture_free(*state);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_last_one_out_unmaps_whatever_the_lane, setup, teardown),
		cmocka_unit_test_setup_teardown(one_in_any_lane_keeps_it, setup, teardown),
		cmocka_unit_test_setup_teardown(held_generations_are_bounded, setup, teardown),
		cmocka_unit_test_setup_teardown(neighbours_have_lanes_of_their_own, setup, teardown),
		cmocka_unit_test_setup_teardown(who_meets_often_parts, setup, teardown),
		cmocka_unit_test_setup_teardown(threads_inside_keep_it, setup, teardown),
		cmocka_unit_test_setup_teardown(a_child_forked_with_threads_inside_goes_on, setup, teardown),
		cmocka_unit_test_setup_teardown(a_handler_may_look_up_amid_a_lookup, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
