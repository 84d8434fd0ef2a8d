/* SPDX-License-Identifier: ISC */
/* The verifier of passwords: one hash for each question, whatever is asked; how often one may ask; from where. */
#include "tests/unit/index_fixture.h"

#include <crypt.h>

#include "verify/check.h"
#include "verify/queue.h"

static unsigned hashes;
char *__real_crypt_rn(const char *phrase, const char *setting, void *data, int size);
char *__wrap_crypt_rn(const char *phrase, const char *setting, void *data, int size);

char *__wrap_crypt_rn(const char *phrase, const char *setting, void *data, int size)
{
	hashes++;
	return __real_crypt_rn(phrase, setting, data, size);
}

#define LETTERS "abcdefghijkmnpqrstuvwxyz"
#define TYPED "abcd-efghi-jkmnp-qrstu-vwxyz"
#define NOW 1800000000

static struct index_reader accounts, passwords;
static struct tries tries;
static struct verifier verifier = { &accounts, &passwords, &tries };

/* Accounts: owner0+web0 with a password, owner0+web1 without, owner0+web2 locked with one, owner1+web3 with one from
 * elsewhere that has expired too. */
static void publish(struct fixture *f)
{
	struct index_options options = fixture_options(INDEX_FILE_KEYS, 4);
	struct index_writer *public = NULL, *writer = NULL;
	static struct crypt_data data;
	char setting[CRYPT_GENSALT_OUTPUT_SIZE];

	options.file = INDEX_FILE_PASSWORDS;
	options.name = "passwords";
	options.host.password_cost = 3;
	options.host.password_tries = 1000;
	assert_int_equal(index_writer_create(f->dirfd, &f->options, &public), 0);
	assert_int_equal(index_writer_create(f->dirfd, &options, &writer), 0);
	assert_non_null(crypt_gensalt_rn("$y$", 3, "0123456789abcdef", 16, setting, sizeof(setting)));
	assert_non_null(crypt_rn(LETTERS, setting, &data, sizeof(data)));
	assert_true(password_hash_shaped(data.output, 3));
	for (uint32_t i = 0; i < 4; i++) {
		struct account account = fixture_account(i);
		struct ssh_key key = fixture_key(2 * i);

		account.facts.expires_day = -1;
		account.flags = i == 2 ? ACCOUNT_LOCKED : 0;
		assert_int_equal(index_put_account(public, &account, '+'), 0);
		key.uid = account.uid;
		key.expires = i == 3 ? NOW - 1 : 0;
		key.from[0] = '\0';
		strcpy(key.type, PASSWORD_TYPE);
		strcpy(key.blob, "abcd");
		strcpy(key.hash, data.output);
		if (i != 1)
			assert_int_equal(index_put_key(writer, &key), 0);
	}
	assert_int_equal(index_writer_publish(public, 1), 0);
	assert_int_equal(index_writer_publish(writer, 1), 0);
	index_writer_free(public);
	index_writer_free(writer);
}

static enum password_verdict check(const char *name, const char *typed)
{
	struct password_question question = { .magic = PASSWORD_QUESTION, .address = "192.0.2.1" };
	enum password_verdict verdict;
	struct password_try tried;

	snprintf(question.name, sizeof(question.name), "%s", name);
	snprintf(question.typed, sizeof(question.typed), "%s", typed);
	assert_true(question_sound(&question, sizeof(question)));
	hashes = 0;
	verdict = password_admit(&verifier, &question, 1000000, &tried);
	assert_int_equal(hashes, 0); /* only workers compute */
	return verdict != 0 ? verdict : password_check(&verifier, &question, NOW);
}

static void one_hash_is_computed_whatever_is_asked(void **state)
{
	static const struct {
		const char *name, *typed;
		enum password_verdict verdict;
	} cases[] = {
		{ "owner0+web0", TYPED, PASSWORD_RIGHT },
		{ "owner0+web0", "ABCD EFGHI JKMNP QRSTU VWXYZ", PASSWORD_RIGHT },
		{ "owner0+web0", "abcd-efghi-jkmnp-qrstu-vwxya", PASSWORD_WRONG },
		{ "owner0+web0", "bbcd-efghi-jkmnp-qrstu-vwxyz", PASSWORD_WRONG }, /* begins like none */
		{ "owner0+web0", "", PASSWORD_WRONG },
		{ "owner0+web0", "hunter2", PASSWORD_WRONG },
		{ "owner0+web0", "\b\n\r\177INCORRECT", PASSWORD_WRONG }, /* sshd's, for a name that it does not know */
		{ "owner0+web1", TYPED, PASSWORD_WRONG },
		{ "owner0+web2", TYPED, PASSWORD_WRONG },
		{ "owner1+web3", TYPED, PASSWORD_WRONG },
		{ "owner9+none", TYPED, PASSWORD_WRONG },
		{ "", TYPED, PASSWORD_WRONG },
	};
	struct fixture *f = fixture_make();
	static char path[96];

	(void)state;
	publish(f);
	snprintf(path, sizeof(path), "%s/passwords", f->directory);
	accounts = (struct index_reader){ .path = f->path, .trusted = getuid() };
	passwords = (struct index_reader){ .path = path, .trusted = getuid() };
	tries.seed = 7;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(check(cases[i].name, cases[i].typed), cases[i].verdict);
		assert_int_equal(hashes, 1);
	}
	unlinkat(f->dirfd, "passwords", 0);
	fixture_free(f);
}

/* The most of any minute, however they are spread. */
static unsigned taken_within(unsigned most, int64_t step)
{
	static struct tries bucket;
	static bool was[400000];
	unsigned best = 0, inside = 0;
	const int64_t end = 300000;
	struct tries_key key;

	memset(&bucket, 0, sizeof(bucket));
	memset(was, 0, sizeof(was));
	bucket.seed = 1;
	key = tries_key(&bucket, "name", 4);
	for (int64_t at = 0; at < end; at += step) {
		was[at] = tries_take(&bucket, &key, 1, most, at + 500000);
		inside += was[at];
		if (at >= 60000)
			inside -= was[at - 60000];
		best = inside > best ? inside : best;
	}
	return best;
}

static void no_minute_has_more_tries_than_the_bound(void **state)
{
	(void)state;
	for (unsigned most = 1; most <= 21; most++) {
		assert_true(taken_within(most, 100) <= most);
		assert_true(taken_within(most, 100) + 1 >= most); /* the control: and not none */
	}
}

static void what_was_right_is_given_back_and_others_are_not_shut_out(void **state)
{
	static struct tries bucket;
	unsigned shut_out = 0;
	struct tries_key key;

	(void)state;
	bucket.seed = 99;
	key = tries_key(&bucket, "mine", 4);
	for (int i = 0; i < 100; i++) {
		assert_true(tries_take(&bucket, &key, 1, 2, 5000));
		tries_return(&bucket, &key, 1);
	}
	for (uint32_t i = 0; i < 400; i++) { /* as many names, each with all of its tries used up */
		key = tries_key(&bucket, &i, sizeof(i));
		while (tries_take(&bucket, &key, 1, 10, 5000))
			;
	}
	for (uint32_t i = 10000; i < 11000; i++) {
		key = tries_key(&bucket, &i, sizeof(i));
		shut_out += !tries_take(&bucket, &key, 1, 10, 5000);
	}
	assert_true(shut_out < 20);
}

/* The two cells of one key in 16384 are the same. */
static void what_is_given_back_is_no_more_than_was_taken(void **state)
{
	struct tries_key one_cell = { .cells = { 5, 5 } };
	static struct tries bucket;

	(void)state;
	bucket.seed = 99;
	assert_true(tries_take(&bucket, &one_cell, 1, 4, 5000)); /* a wrong one */
	assert_true(tries_take(&bucket, &one_cell, 1, 4, 5000)); /* a right one */
	tries_return(&bucket, &one_cell, 1);
	assert_true(tries_take(&bucket, &one_cell, 1, 4, 5000));
	assert_false(tries_take(&bucket, &one_cell, 1, 4, 5000));
}

/* Somebody with a password of their own does not give tries back to those who guess another one. */
static void tries_of_others_stay_counted(void **state)
{
	struct tries_key guessed = { .cells = { 6, 6 } }, own = { .cells = { 5, 6 } };
	static struct tries bucket;

	(void)state;
	bucket.seed = 99;
	assert_true(tries_take(&bucket, &guessed, 1, 4, 5000));
	assert_true(tries_take(&bucket, &guessed, 1, 4, 5000));
	assert_false(tries_take(&bucket, &guessed, 1, 4, 5000));
	for (int i = 0; i < 20; i++) {
		assert_true(tries_take(&bucket, &own, 1, 4, 5000));
		tries_return(&bucket, &own, 1);
		assert_false(tries_take(&bucket, &guessed, 1, 4, 5000));
	}
	/* what only a part of was raised, only that part goes down */
	own = (struct tries_key){ .cells = { 7, 8 } };
	bucket.until[7] = 5000 + 10;
	bucket.until[8] = 5000 + 20;
	assert_true(tries_take(&bucket, &own, 1, 4, 5000));
	tries_return(&bucket, &own, 1);
	assert_int_equal(bucket.until[7], 5000 + 10);
	assert_int_equal(bucket.until[8], 5000 + 20);
}

static struct tries_key turn_of(uint32_t who)
{
	static const struct tries seeded = { .seed = 5 };

	return tries_key(&seeded, &who, sizeof(who));
}

/* The account is 1000 and more, the address less. */
static int ask_turn(struct queue *queue, uint32_t account, uint32_t address, int *lost)
{
	const struct tries_key turns[2] = { turn_of(1000 + account), turn_of(address) };

	return queue_put(queue, turns, lost);
}

static void a_flood_does_not_go_before_others(void **state)
{
	static struct queue queue;
	int lost, other, flood[60];

	(void)state;
	memset(&queue, 0, sizeof(queue));
	/* from one address, at many accounts; and then at one account, from many addresses */
	for (unsigned kind = 0; kind < 2; kind++) {
		for (uint32_t i = 0; i < 60; i++)
			flood[i] = ask_turn(&queue, kind == 0 ? i : 500, kind == 0 ? 501 : i, &lost);
		assert_int_equal(queue_take(&queue, true), flood[0]);
		other = ask_turn(&queue, 600, 601, &lost);
		assert_int_equal(queue_take(&queue, true), other);
		for (unsigned i = 1; i < 60; i++) /* the control: and among themselves they are in order */
			assert_int_equal(queue_take(&queue, true), flood[i]);
		assert_int_equal(queue_take(&queue, true), -1);
	}
	/* two who flood have the same share */
	for (uint32_t i = 0; i < 20; i++)
		flood[i] = ask_turn(&queue, i < 10 ? 700 : 800, i < 10 ? 701 : 801, &lost);
	for (unsigned i = 0; i < 10; i++) {
		assert_int_equal(queue_take(&queue, true), flood[i]);
		assert_int_equal(queue_take(&queue, true), flood[10 + i]);
	}
}

static void a_full_queue_loses_the_last_in_turn(void **state)
{
	static struct queue queue;
	int lost, place, last = -1;

	(void)state;
	memset(&queue, 0, sizeof(queue));
	for (unsigned i = 0; i < QUEUE_MAX; i++)
		last = ask_turn(&queue, 1, 1, &lost);
	assert_int_equal(ask_turn(&queue, 1, 1, &lost), -1); /* one more of the same */
	assert_int_equal(lost, -1);
	place = ask_turn(&queue, 2, 2, &lost);
	assert_true(place == last && lost == last);
	assert_int_equal(queue_take(&queue, true), 0);
	assert_int_equal(queue_take(&queue, true), place);
	queue_leave(&queue, 1);
	assert_int_equal(queue_take(&queue, true), 2);
}

/* Others cannot push an account back by questions that cost nothing: they hang up, or find no place. */
static void who_is_not_served_takes_no_turn(void **state)
{
	static struct queue queue; /* too large for the stack */
	int lost, first, other, behind, mine;

	(void)state;
	memset(&queue, 0, sizeof(queue));
	first = ask_turn(&queue, 9, 9, &lost);
	for (uint32_t i = 0; i < 50; i++)
		queue_leave(&queue, ask_turn(&queue, 1, 100 + i, &lost));
	other = ask_turn(&queue, 5, 6, &lost);
	behind = ask_turn(&queue, 5, 7, &lost);
	mine = ask_turn(&queue, 1, 2, &lost);
	assert_int_equal(queue_take(&queue, true), first);
	assert_int_equal(queue_take(&queue, true), other);
	assert_int_equal(queue_take(&queue, true), mine);
	assert_int_equal(queue_take(&queue, true), behind);
	memset(&queue, 0, sizeof(queue));
	for (uint32_t i = 0; i < QUEUE_MAX; i++)
		ask_turn(&queue, 1, 2, &lost);
	for (uint32_t i = 0; i < 50; i++)
		assert_int_equal(ask_turn(&queue, 1, 2, &lost), -1);
	mine = ask_turn(&queue, 3, 4, &lost); /* takes the place of the last of them */
	assert_int_equal(mine, lost);
	assert_int_equal(queue_take(&queue, true), 0);
	assert_int_equal(queue_take(&queue, true), mine);
	behind = ask_turn(&queue, 1, 2, &lost); /* the control: behind those of its own */
	assert_int_equal(queue.places[behind].start, QUEUE_MAX - 1);
}

static void what_is_behind_others_waits_for_a_patient_worker(void **state)
{
	static struct queue queue;
	int lost, first, same_account, same_address, other;

	(void)state;
	memset(&queue, 0, sizeof(queue));
	first = ask_turn(&queue, 1, 1, &lost);
	same_account = ask_turn(&queue, 1, 2, &lost);
	same_address = ask_turn(&queue, 3, 1, &lost);
	other = ask_turn(&queue, 4, 4, &lost);
	assert_int_equal(queue_take(&queue, false), first);
	assert_int_equal(queue_take(&queue, false), other);
	assert_int_equal(queue_take(&queue, false), -1);
	assert_int_equal(queue_take(&queue, true), same_account);
	assert_int_equal(queue_take(&queue, true), same_address);
	/* one after the other they are behind nobody */
	for (unsigned i = 0; i < 3; i++) {
		first = ask_turn(&queue, 1, 1, &lost);
		assert_int_equal(queue_take(&queue, false), first);
	}
}

static void from_is_for_addresses_alone(void **state)
{
	static const struct {
		const char *from, *address;
		bool admits;
	} cases[] = {
		{ "", "anything", true },
		{ "192.0.2.0/24", "192.0.2.9", true },
		{ "192.0.2.0/24", "192.0.3.9", false },
		{ "192.0.2.0/25", "192.0.2.128", false },
		{ "0.0.0.0/0", "8.8.8.8", true },
		{ "0.0.0.0/0", "2001:db8::1", false },
		{ "192.0.2.*", "192.0.2.7", true },
		{ "192.0.2.?", "192.0.2.77", false },
		{ "!192.0.2.7,192.0.2.0/24", "192.0.2.7", false },
		{ "192.0.2.0/24,!192.0.2.7", "192.0.2.7", false },
		{ "192.0.2.0/24,!192.0.2.7", "192.0.2.8", true },
		{ "2001:db8::/32", "2001:db8:1::1", true },
		{ "2001:db8::/33", "2001:db8:8000::1", false },
		{ "192.0.2.1", "::ffff:192.0.2.1", true },
		{ "192.0.2.0/24,*", "host.example.org", false }, /* sshd looks up names: in no list */
		{ "!192.0.2.0/24,*", "host.example.org", false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(password_from_admits(cases[i].from, cases[i].address), cases[i].admits);
	assert_true(password_from_valid("192.0.2.0/24,2001:db8::/32,!10.*"));
	assert_false(password_from_valid("*.example.org"));
	assert_false(password_from_valid("!bad.example,*"));
	assert_false(password_from_valid("192.0.2.1/24"));
}

static void a_hash_is_of_the_cost_that_is_set(void **state)
{
	static const char good[] = "$y$j9T$0123456789abcdefghijkl$0123456789abcdefghijklmnopqrstuvwxyz0123456";
	char other[sizeof(good)];

	(void)state;
	assert_true(password_hash_shaped(good, 5));
	assert_false(password_hash_shaped(good, 4));
	assert_false(password_hash_shaped(good, 0));
	assert_int_equal(password_hash_cost(good), 5);
	assert_int_equal(password_hash_cost("$y$j9T$short"), 0);
	for (size_t i = 0; i < sizeof(good) - 1; i++) {
		memcpy(other, good, sizeof(good));
		other[i] = '!';
		assert_false(password_hash_shaped(other, 5));
	}
}

int main(void)
{
	const struct CMUnitTest all[] = {
		cmocka_unit_test(one_hash_is_computed_whatever_is_asked),
		cmocka_unit_test(no_minute_has_more_tries_than_the_bound),
		cmocka_unit_test(what_was_right_is_given_back_and_others_are_not_shut_out),
		cmocka_unit_test(what_is_given_back_is_no_more_than_was_taken),
		cmocka_unit_test(tries_of_others_stay_counted),
		cmocka_unit_test(a_flood_does_not_go_before_others),
		cmocka_unit_test(a_full_queue_loses_the_last_in_turn),
		cmocka_unit_test(who_is_not_served_takes_no_turn),
		cmocka_unit_test(what_is_behind_others_waits_for_a_patient_worker),
		cmocka_unit_test(from_is_for_addresses_alone),
		cmocka_unit_test(a_hash_is_of_the_cost_that_is_set),
	};

	return cmocka_run_group_tests(all, NULL, NULL);
}
