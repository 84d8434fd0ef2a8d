/* SPDX-License-Identifier: ISC */
/* Records of runs, as an unprivileged process may have written them. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "account/run.h"

static struct run sound(void)
{
	struct run run = { .magic = RUN_MAGIC,
			   .started = 1700000000,
			   .duration_ms = 1500,
			   .bytes_in = 10,
			   .bytes_out = RUN_UNKNOWN,
			   .files = RUN_UNKNOWN,
			   .deleted = RUN_UNKNOWN,
			   .key_id = 3,
			   .status = 0,
			   .kind = RUN_BACKUP };

	strcpy(run.tool, "rsync");
	strcpy(run.address, "fe80::1%eth0");
	strcpy(run.fingerprint, "SHA256:abc+/");
	strcpy(run.error, "subuid-rrsync: \xc3\xa4: no");
	return run;
}

static int reads(const struct run *run)
{
	struct run out;

	return run_read(run, sizeof(*run), &out);
}

static void a_sound_one_is_read_as_it_is(void **state)
{
	struct run run = sound(), out;

	(void)state;
	assert_int_equal(run_read(&run, sizeof(run), &out), 0);
	assert_memory_equal(&run, &out, sizeof(run));
	run.status = RUN_UNFINISHED;
	assert_int_equal(reads(&run), 0);
	run.status = RUN_SIGNAL + 64;
	assert_int_equal(reads(&run), 0);
}

static void any_other_size_is_refused(void **state)
{
	unsigned char bytes[sizeof(struct run) + 1] = { 0 };
	struct run run = sound(), out;

	(void)state;
	memcpy(bytes, &run, sizeof(run));
	for (size_t size = 0; size <= sizeof(bytes); size++)
		assert_int_equal(run_read(bytes, size, &out), size == sizeof(run) ? 0 : -EINVAL);
}

#define REFUSED(change)                                                                                                \
	do {                                                                                                           \
		struct run run = sound();                                                                              \
		change;                                                                                                \
		assert_int_equal(reads(&run), -EINVAL);                                                                \
	} while (0)

static void each_number_has_its_bounds(void **state)
{
	(void)state;
	REFUSED(run.magic++);
	REFUSED(run.reserved = 1);
	REFUSED(run.kind = 0);
	REFUSED(run.kind = RUN_KIND_MAX_);
	REFUSED(run.status = RUN_SIGNAL + 65);
	REFUSED(run.status = 999);
	REFUSED(run.status = UINT32_MAX);
	REFUSED(run.started = -1);
	REFUSED(run.started = INT64_MAX);
	REFUSED(run.duration_ms = UINT64_MAX);
	REFUSED(run.bytes_in = UINT64_MAX - 1);
	REFUSED(run.bytes_out = UINT64_C(1) << 63);
	REFUSED(run.files = UINT64_C(1) << 63);
	REFUSED(run.deleted = UINT64_C(1) << 63);
}

static void each_text_is_ended_padded_and_of_its_alphabet(void **state)
{
	(void)state;
	REFUSED(memset(run.tool, 'a', sizeof(run.tool)));
	REFUSED(memset(run.address, '1', sizeof(run.address)));
	REFUSED(memset(run.fingerprint, 'A', sizeof(run.fingerprint)));
	REFUSED(memset(run.error, 'x', sizeof(run.error)));
	REFUSED(run.tool[sizeof(run.tool) - 1] = 'x');
	REFUSED(run.error[sizeof(run.error) - 1] = 'x');
	REFUSED(memset(run.tool, 0, sizeof(run.tool)));
	REFUSED(run.tool[0] = ' ');
	REFUSED(run.tool[0] = '/');
	REFUSED(run.address[0] = ' ');
	REFUSED(run.fingerprint[0] = '\n');
	REFUSED(run.error[0] = '\033');
	REFUSED(run.error[0] = '\n');
	REFUSED(run.error[0] = 0x7f);
}

static void only_a_backup_has_a_verdict(void **state)
{
	static const struct {
		uint32_t kind, status;
		const char *tool;
		enum run_verdict strict, lax;
	} cases[] = { { RUN_BACKUP, 0, "rsync", RUN_GOOD, RUN_GOOD },
		      { RUN_BACKUP, 24, "rsync", RUN_BAD, RUN_GOOD },
		      { RUN_BACKUP, 24, "borg", RUN_BAD, RUN_BAD },
		      { RUN_BACKUP, 23, "rsync", RUN_BAD, RUN_BAD },
		      { RUN_BACKUP, RUN_SIGNAL + 24, "rsync", RUN_BAD, RUN_BAD },
		      { RUN_BACKUP, RUN_UNFINISHED, "sftp", RUN_BAD, RUN_BAD },
		      { RUN_READ, 0, "rsync", RUN_SAYS_NOTHING, RUN_SAYS_NOTHING },
		      { RUN_READ, 23, "rsync", RUN_SAYS_NOTHING, RUN_SAYS_NOTHING },
		      { RUN_PROBE, 0, "rsync", RUN_SAYS_NOTHING, RUN_SAYS_NOTHING },
		      { RUN_REFUSED, 1, "rsync", RUN_SAYS_NOTHING, RUN_SAYS_NOTHING } };

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct run run = sound();

		run.kind = cases[i].kind;
		run.status = cases[i].status;
		memset(run.tool, 0, sizeof(run.tool));
		strcpy(run.tool, cases[i].tool);
		assert_int_equal(run_verdict(&run, false), cases[i].strict);
		assert_int_equal(run_verdict(&run, true), cases[i].lax);
	}
	assert_false(run_last_failed(0, 100, 50));
	assert_false(run_last_failed(24, 100, 100));
	assert_true(run_last_failed(24, 100, 50));
	assert_true(run_last_failed(23, 100, 100));
	assert_true(run_last_failed(RUN_UNFINISHED, 100, 0));
}

static void a_large_share_is_a_change(void **state)
{
	static const struct {
		uint64_t most, files, deleted;
		unsigned deleted_share, changed_share;
		enum run_change change;
	} cases[] = { { 100, 0, 50, 50, 50, RUN_CHANGE_DELETED },
		      { 100, 0, 49, 50, 50, RUN_CHANGE_NONE },
		      { 100, 50, 0, 50, 50, RUN_CHANGE_MANY },
		      { 100, 100, 100, 0, 0, RUN_CHANGE_NONE },
		      { 100, 100, 100, 0, 50, RUN_CHANGE_MANY },
		      { 0, 1000, 1000, 50, 50, RUN_CHANGE_NONE }, /* the first */
		      { 20, 19, 19, 50, 50, RUN_CHANGE_NONE },    /* few */
		      { 100, RUN_UNKNOWN, RUN_UNKNOWN, 50, 50, RUN_CHANGE_NONE },
		      { INT64_MAX, INT64_MAX, 1, 50, 50, RUN_CHANGE_MANY } };

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct run run = sound();

		run.files = cases[i].files;
		run.deleted = cases[i].deleted;
		assert_int_equal(run_change(&run, cases[i].most, cases[i].deleted_share, cases[i].changed_share),
				 cases[i].change);
		/* what is none after a backup of one file is none after any: nobody has to ask for the largest */
		if (run_change(&run, 1, cases[i].deleted_share, cases[i].changed_share) == RUN_CHANGE_NONE)
			assert_int_equal(cases[i].change, RUN_CHANGE_NONE);
		run.kind = RUN_READ;
		assert_int_equal(run_change(&run, cases[i].most, cases[i].deleted_share, cases[i].changed_share),
				 RUN_CHANGE_NONE);
	}
}

static void one_that_is_lost_is_a_record_of_a_failed_backup(void **state)
{
	struct run run;

	(void)state;
	for (int64_t started = -5; started < 6; started += 5) {
		run_lost(started, &run);
		assert_int_equal(reads(&run), 0);
		assert_int_equal(run_verdict(&run, true), RUN_BAD);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_sound_one_is_read_as_it_is),
		cmocka_unit_test(any_other_size_is_refused),
		cmocka_unit_test(each_number_has_its_bounds),
		cmocka_unit_test(only_a_backup_has_a_verdict),
		cmocka_unit_test(a_large_share_is_a_change),
		cmocka_unit_test(one_that_is_lost_is_a_record_of_a_failed_backup),
		cmocka_unit_test(each_text_is_ended_padded_and_of_its_alphabet),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
