/* SPDX-License-Identifier: ISC */
/* Readers in threads and in forked children while the writer changes, grows and replaces the file: accounts and
 * ranges, by name, by id and in their owners' lists.
 * Run under ThreadSanitizer too: all that readers share is in index/map.c. */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "index/map.h"
#include "index/view.h"
#include "tests/unit/index_fixture.h"

#define THREADS 8
#define STABLE 300u /* accounts that are there all the time; only their comments change */
#define OWNERS (STABLE / 3)
#define RANGES 30u /* there all the time, of the first owners */
#define COMING 40u /* ranges that come and go, of the first four: their lists grow and have holes */

static struct index_reader reader;
static atomic_bool stop;
static atomic_uint wrong, lookups, came, went;

static struct id_range coming_range(uint32_t i)
{
	struct id_range range = fixture_range(RANGES + i % COMING);

	range.owner_uid = 1000 + i % 4;
	snprintf(range.owner, sizeof(range.owner), "owner%u", i % 4);
	return range;
}

static bool same_range(const struct id_range *found, const struct id_range *range)
{
	return found->first == range->first && found->count == range->count && found->owner_uid == range->owner_uid &&
	       found->account_uid == range->account_uid && strcmp(found->owner, range->owner) == 0 &&
	       strcmp(found->label, range->label) == 0;
}

static bool stable_range_found(uint32_t i)
{
	struct id_range range = fixture_range(i % RANGES), found;
	uint32_t ids[] = { range.first, range.first + i % range.count, range.first + (range.count - 1) };

	for (size_t k = 0; k < sizeof(ids) / sizeof(ids[0]); k++)
		if (index_range_by_id(&reader, ids[k], &found) != 0 || !same_range(&found, &range))
			return false;
	range = fixture_range(i % RANGES / 3 * 3); /* one block: nobody's ids follow */
	return index_range_by_id(&reader, range.first + range.count, &found) == -ENOENT;
}

/* All of it, or nothing of it. */
static bool coming_range_whole(uint32_t i, uint32_t offset)
{
	struct id_range range = coming_range(i), found;
	int rc = index_range_by_id(&reader, range.first + offset % range.count, &found);

	atomic_fetch_add(rc == 0 ? &came : &went, 1);
	return rc == 0 ? same_range(&found, &range) : rc == -ENOENT;
}

/* One of those that can be of this owner: 1 when it is there all the time. */
static int listed_range(uint32_t owner, const struct id_range *found)
{
	struct id_range range = fixture_range(owner);

	if (owner < RANGES && same_range(found, &range))
		return 1;
	for (uint32_t i = 0; i < COMING; i++) {
		range = coming_range(i);
		if (range.owner_uid == 1000 + owner && same_range(found, &range))
			return 0;
	}
	return -1;
}

/* In one file, as the plug-in reads a list: what is there all the time comes once, whatever comes and goes beside. */
static bool list_sound(uint32_t owner)
{
	struct index_account account;
	struct index_hold hold;
	struct id_range range;
	uint32_t accounts = 0, ranges = 0;
	uint64_t cursor = 0;
	int is_range, rc = index_enter(&reader, &hold);

	if (rc < 0)
		return false;
	while ((rc = index_view_owner_next(hold.view, 1000 + owner, &cursor, &is_range, &account, &range)) == 0) {
		int stable = is_range ? listed_range(owner, &range) : 1;

		if (stable < 0 ||
		    (!is_range && (account.owner_uid != 1000 + owner || (account.uid - UID_FIRST) / 3 != owner)))
			break;
		accounts += !is_range ? 1u << (account.uid - UID_FIRST) % 3 * 4 : 0; /* a digit for each */
		ranges += is_range && stable;
	}
	index_leave(&hold);
	return rc == -ENOENT && accounts == 0x111 && ranges == (owner < RANGES);
}

static bool stable_found(uint32_t i)
{
	struct index_account account;
	char name[ACCOUNT_NAME_MAX + 1];

	fixture_name(i, name);
	if (index_account_by_name(&reader, name, &account) != 0 || account.uid != UID_FIRST + i ||
	    strcmp(account.name, name) != 0)
		return false;
	return index_account_by_uid(&reader, UID_FIRST + i, &account) == 0 && account.uid == UID_FIRST + i &&
	       strcmp(account.name, name) == 0 && stable_range_found(i);
}

static void *read_on(void *seed)
{
	uint32_t random = (uint32_t)(uintptr_t)seed * 2654435761u + 1;

	while (!atomic_load(&stop)) {
		struct index_account account;

		random = random * 1664525u + 1013904223u;
		if (!stable_found((random >> 8) % STABLE))
			atomic_fetch_add(&wrong, 1);
		if (index_account_by_uid(&reader, UID_LAST, &account) != -ENOENT)
			atomic_fetch_add(&wrong, 1);
		if (!coming_range_whole(random >> 20, random >> 4))
			atomic_fetch_add(&wrong, 1);
		if (!list_sound((random >> 12) % (random & 64 ? OWNERS : 4)))
			atomic_fetch_add(&wrong, 1);
		atomic_fetch_add(&lookups, 1);
	}
	return NULL;
}

/* Grows the file several times, replaces, removes and puts back. */
static void change(struct index_writer *writer, uint32_t rounds)
{
	for (uint32_t i = 0; i < rounds; i++) {
		struct account account = fixture_account(STABLE + i % 500), stable = fixture_account(i % STABLE);
		struct id_range coming = coming_range(i), going = coming_range(i + COMING / 2);

		assert_int_equal(index_put_account(writer, &account, '+'), 0);
		snprintf(stable.facts.comment, sizeof(stable.facts.comment), "round %u", i);
		assert_int_equal(index_put_account(writer, &stable, '+'), 0);
		if (i % 2)
			assert_int_equal(index_remove_account(writer, &account), 0);
		assert_int_equal(index_put_range(writer, &coming), 0);
		if (i >= COMING / 2)
			assert_int_equal(index_remove_range(writer, &going), 0);
	}
}

/* One mapping is left, and nobody is in it. */
static void assert_nothing_leaked(void)
{
	unsigned taken = 0, users = 0;

	for (size_t i = 0; i < INDEX_MAPPINGS; i++) {
		taken += atomic_load(&reader.mappings[i].steps) % 4 != 0;
		for (size_t lane = 0; lane < INDEX_LANES; lane++)
			users += atomic_load(&reader.lanes[lane].users[i]);
	}
	assert_int_equal(taken, 1);
	assert_int_equal(users, 0);
}

static void readers_see_no_wrong_answer_while_it_changes(void **state)
{
	struct fixture *f = *state;
	struct index_writer *writer = fixture_publish(f, STABLE, RANGES, 1);
	pthread_t threads[THREADS];

	reader = (struct index_reader){ .path = f->path, .trusted = getuid() };
	atomic_store(&stop, false);
	for (uintptr_t i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, read_on, (void *)i), 0);
	for (uint32_t round = 0; round < 30; round++) {
		change(writer, 300);
		index_writer_free(writer);
		writer = fixture_publish(f, STABLE, RANGES, round + 2); /* all new, superseding the old one */
	}
	atomic_store(&stop, true);
	for (size_t i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	index_writer_free(writer);
	assert_int_equal(atomic_load(&wrong), 0);
	assert_true(atomic_load(&lookups) > 1000);
	assert_true(atomic_load(&came) > 100 && atomic_load(&went) > 100); /* both answers were seen */
	assert_nothing_leaked();
}

static void *find_on(void *nothing)
{
	for (uint32_t i = 0; !atomic_load(&stop); i++)
		if (!stable_found(i % STABLE))
			atomic_fetch_add(&wrong, 1);
	return nothing;
}

static void more_threads_than_lanes_look_up(void **state)
{
	struct fixture *f = *state;
	struct index_writer *writer = fixture_publish(f, STABLE, RANGES, 1);
	pthread_t threads[INDEX_LANES + 8];
	size_t count = sizeof(threads) / sizeof(threads[0]);

	reader = (struct index_reader){ .path = f->path, .trusted = getuid() };
	atomic_store(&stop, false);
	for (size_t i = 0; i < count; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, find_on, NULL), 0);
	for (uint32_t round = 0; round < 20; round++) {
		index_writer_free(writer);
		writer = fixture_publish(f, STABLE, RANGES, round + 2);
	}
	atomic_store(&stop, true);
	for (size_t i = 0; i < count; i++)
		pthread_join(threads[i], NULL);
	index_writer_free(writer);
	assert_int_equal(atomic_load(&wrong), 0);
	assert_true(stable_found(1)); /* the last file, if nobody has looked since */
	assert_nothing_leaked();
}

static void a_fork_amid_lookups_goes_on(void **state)
{
	struct fixture *f = *state;
	struct index_writer *writer = fixture_publish(f, STABLE, RANGES, 1);
	pthread_t threads[THREADS];

	reader = (struct index_reader){ .path = f->path, .trusted = getuid() };
	atomic_store(&stop, false);
	for (uintptr_t i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, read_on, (void *)i), 0);
	for (uint32_t round = 0; round < 60; round++) {
		struct index_writer *next;
		pid_t pid;
		int status;

		next = fixture_publish(f, STABLE, RANGES, round + 2);
		pid = fork();
		assert_true(pid >= 0);
		if (pid == 0) {
			for (uint32_t i = 0; i < 50; i++)
				if (!stable_found(i % STABLE) || !list_sound(i))
					_exit(1);
			_exit(0);
		}
		index_writer_free(writer);
		writer = next;
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_int_equal(status, 0);
	}
	atomic_store(&stop, true);
	for (size_t i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	index_writer_free(writer);
	assert_int_equal(atomic_load(&wrong), 0);
}

/* SIGKILL anywhere in a change, a growth or a publication: readers are never wrong, and
 * follow the next writer wherever the last one died. */
static void a_writer_may_be_killed_anywhere(void **state)
{
	struct fixture *f = *state;

	index_writer_free(fixture_publish(f, STABLE, RANGES, 1));
	reader = (struct index_reader){ .path = f->path, .trusted = getuid() };
	for (uint32_t round = 0; round < 60; round++) {
		struct account mark = fixture_account(10000 + round);
		struct index_writer *writer = NULL;
		struct index_account found;
		int status, rc;
		pid_t pid = fork();

		assert_true(pid >= 0);
		if (pid == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL); /* not to outlive a test that fails */
			for (;;) {
				writer = fixture_publish(f, STABLE, RANGES, round + 2);
				change(writer, 200);
				index_writer_free(writer);
			}
		}
		usleep(500 + round * 397 % 7000);
		assert_int_equal(kill(pid, SIGKILL), 0);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		for (uint32_t i = 0; i < STABLE; i++)
			assert_true(stable_found(i));
		for (uint32_t i = 0; i < OWNERS; i++)
			assert_true(list_sound(i));
		rc = index_writer_open(f->dirfd, &f->options, round + 2, &writer);
		assert_true(rc == 0 || rc == -ESTALE);
		if (rc < 0)
			writer = fixture_publish(f, STABLE, RANGES, round + 2);
		assert_int_equal(index_put_account(writer, &mark, '+'), 0);
		assert_int_equal(index_account_by_uid(&reader, mark.uid, &found), 0);
		for (uint32_t i = 0; i < STABLE; i++)
			assert_true(stable_found(i));
		index_writer_free(writer);
	}
}

/* As a child finds it that was forked while other threads were opening. */
static void with_every_mapping_taken_it_maps_alone(void **state)
{
	struct fixture *f = *state;
	struct index_writer *writer = fixture_publish(f, STABLE, RANGES, 1);

	reader = (struct index_reader){ .path = f->path, .trusted = getuid() };
	for (size_t i = 0; i < INDEX_MAPPINGS; i++)
		atomic_store(&reader.mappings[i].steps, 1);
	for (uint32_t i = 0; i < STABLE; i++)
		assert_true(stable_found(i));
	index_writer_free(writer);
}

static void without_descriptors_to_spare(void **state)
{
	struct fixture *f = *state;
	struct index_writer *writer = fixture_publish(f, STABLE, RANGES, 1);
	struct index_account account;
	struct rlimit limit, none;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	none = limit;
	none.rlim_cur = 3;
	reader = (struct index_reader){ .path = f->path, .trusted = getuid() };
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	assert_int_equal(index_account_by_uid(&reader, UID_FIRST, &account), -EMFILE);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	assert_true(stable_found(1));
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	for (uint32_t i = 0; i < STABLE; i++)
		assert_true(stable_found(i)); /* mapped: needs none any more */
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	index_writer_free(writer);
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
		cmocka_unit_test_setup_teardown(readers_see_no_wrong_answer_while_it_changes, setup, teardown),
		cmocka_unit_test_setup_teardown(more_threads_than_lanes_look_up, setup, teardown),
		cmocka_unit_test_setup_teardown(a_fork_amid_lookups_goes_on, setup, teardown),
		cmocka_unit_test_setup_teardown(a_writer_may_be_killed_anywhere, setup, teardown),
		cmocka_unit_test_setup_teardown(with_every_mapping_taken_it_maps_alone, setup, teardown),
		cmocka_unit_test_setup_teardown(without_descriptors_to_spare, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
