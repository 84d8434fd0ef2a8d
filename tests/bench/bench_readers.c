/* SPDX-License-Identifier: ISC */
/*
 * bench_readers ACCOUNTS DIRECTORY KIND ROUNDS MODULE...
 *
 * What lookups cost beside each other: 1, 2, 4 and 8 threads of one process ask the same MODULE as fast as they can.
 * KIND: name (there is one), miss (a name that nobody has), both of libnss_subuid; holds (a block, as newuidmap asks),
 * of libsubid_subuid. MODULE is a build that looks in DIRECTORY and trusts the caller (tests/tests.mk); the index
 * there is made here. Several modules, of two states of the sources, are measured by turns.
 *
 * In a round every thread asks for some milliseconds, after some that do not count. On a machine with other work
 * threads may not run beside each other at all, which would say nothing: they ask to run before all else (SCHED_FIFO,
 * as root), and a slice in which they had to wait is done again. Prints a line of JSON for each module and number of
 * threads, medians of the rounds: nanoseconds of the asking thread's own processor time for a lookup; lookups a second
 * by the clock, and how many times as many these are as one thread's of the same round. Each answer is checked.
 */
#include <dlfcn.h>
#include <err.h>
#include <fcntl.h>
#include <nss.h>
#include <pthread.h>
#include <pwd.h>
#include <sched.h>
#include <shadow/subid.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "index/writer/writer.h"

#define UID_FIRST 2100000000u
#define RANGE_FIRST 1073741824u
#define BLOCK 65536u
#define PER_OWNER 16u
#define OWNERS_MAX 10000u /* that have a range */
#define QUESTIONS 262144u /* more than caches hold the answers of */
#define ROUNDS_MAX 999
#define WARM 0.015 /* seconds: other work has used the caches */
#define SLICE 0.004
#define TRIES 2000
#define MODULES_MAX 4
#define THREADS_MAX 8
#define EXPORT __attribute__((visibility("default")))

enum kind { NAME, MISS, HOLDS, KINDS };
static const char *const kinds[KINDS] = { "name", "miss", "holds" };
static const unsigned crowds[] = { 1, 2, 4, 8 };
#define CROWDS (sizeof(crowds) / sizeof(*crowds))

struct question {
	char name[48];
	uint32_t uid, id;
};

struct module {
	const char *path;
	enum nss_status (*by_name)(const char *, struct passwd *, char *, size_t, int *);
	enum subid_status (*holds)(const char *, unsigned long, unsigned long, enum subid_type, bool *);
	double ns[CROWDS][ROUNDS_MAX], together[CROWDS][ROUNDS_MAX], rate[CROWDS][ROUNDS_MAX];
};

struct worker {
	pthread_t thread;
	const struct module *module;
	uint32_t start;
	uint64_t lookups;
	double cpu, began, ended;
};

static struct index_options options = {
	.file = INDEX_FILE_PUBLIC,
	.name = "index",
	.mode = 0644,
	.host = { .subuids_gid = 987,
		  .uid_first = UID_FIRST,
		  .uid_last = UID_FIRST + 47352575u,
		  .separator = '+',
		  .homes = "/srv/subuid",
		  .shell = "/usr/libexec/subuidd/login" },
};

static enum kind kind;
static int rounds;
static struct question questions[QUESTIONS];
static pthread_barrier_t together;
static _Thread_local const struct question *asked;

/* The plug-in asks the C library for the owner: answered here at once, as only the plug-in's own time is wanted. */
static int answer(bool is_his, struct passwd *entry, struct passwd **found)
{
	*entry = (struct passwd){ .pw_name = (char *)(uintptr_t)asked->name, .pw_uid = asked->uid };
	*found = is_his ? entry : NULL;
	return 0;
}

EXPORT int getpwnam_r(const char *name, struct passwd *entry, char *buffer, size_t size, struct passwd **found)
{
	(void)buffer;
	(void)size;
	return answer(strcmp(name, asked->name) == 0, entry, found);
}

EXPORT int getpwuid_r(uid_t uid, struct passwd *entry, char *buffer, size_t size, struct passwd **found)
{
	(void)buffer;
	(void)size;
	return answer(uid == asked->uid, entry, found);
}

static double now(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* ---- the index, and what is asked */

static uint32_t owners_of(uint32_t accounts)
{
	uint32_t owners = (accounts + PER_OWNER - 1) / PER_OWNER;

	return owners < OWNERS_MAX ? owners : OWNERS_MAX;
}

static void put_account(struct index_writer *writer, uint32_t i)
{
	struct account account = { .uid = UID_FIRST + i, .owner_uid = 1000 + i / PER_OWNER, .facts.expires_day = -1 };

	snprintf(account.owner, sizeof(account.owner), "owner%05u", i / PER_OWNER);
	snprintf(account.label, sizeof(account.label), "web%u", i);
	if (index_put_account(writer, &account, '+') < 0)
		errx(1, "index_put_account");
}

static void put_range(struct index_writer *writer, uint32_t i)
{
	struct id_range range = { .first = RANGE_FIRST + i * BLOCK, .count = BLOCK, .owner_uid = 1000 + i };

	snprintf(range.owner, sizeof(range.owner), "owner%05u", i);
	if (index_put_range(writer, &range) < 0)
		errx(1, "index_put_range");
}

static void build(int dirfd, uint32_t accounts)
{
	struct index_writer *writer;

	options.expected = accounts;
	options.group = getegid();
	if (index_writer_create(dirfd, &options, &writer) < 0)
		errx(1, "index_writer_create");
	for (uint32_t i = 0; i < accounts; i++)
		put_account(writer, i);
	for (uint32_t i = 0; i < owners_of(accounts); i++)
		put_range(writer, i);
	if (index_writer_publish(writer, 1) < 0)
		errx(1, "index_writer_publish");
	index_writer_free(writer);
}

static void make_questions(uint32_t accounts)
{
	srandom(1);
	for (uint32_t k = 0; k < QUESTIONS; k++) {
		struct question *question = &questions[k];
		uint32_t i = (uint32_t)random() % accounts, owner = i % owners_of(accounts);

		if (kind == HOLDS)
			snprintf(question->name, sizeof(question->name), "owner%05u", owner);
		else
			snprintf(question->name, sizeof(question->name), "owner%05u+%s%u", i / PER_OWNER,
				 kind == NAME ? "web" : "none", i);
		question->uid = kind == HOLDS ? 1000 + owner : UID_FIRST + i;
		question->id = RANGE_FIRST + owner * BLOCK;
	}
}

/* ---- asking */

static void ask(const struct module *module)
{
	struct passwd entry;
	char buffer[1024];
	enum nss_status status;
	bool yes = false;
	int error = 0;

	if (kind == HOLDS) {
		if (module->holds(asked->name, asked->id, BLOCK, ID_TYPE_UID, &yes) != SUBID_STATUS_SUCCESS || !yes)
			errx(1, "%s: %s does not hold %u", module->path, asked->name, asked->id);
		return;
	}
	status = module->by_name(asked->name, &entry, buffer, sizeof(buffer), &error);
	if (kind == NAME ? status != NSS_STATUS_SUCCESS || entry.pw_uid != asked->uid : status != NSS_STATUS_NOTFOUND)
		errx(1, "%s: %s: status %d", module->path, asked->name, status);
}

/* Until so many seconds have passed; answers how many lookups these were. */
static uint64_t ask_for(double time, const struct module *module, uint32_t start, double *began, double *ended)
{
	uint64_t lookups = 0;

	*began = now(CLOCK_MONOTONIC);
	do {
		for (unsigned k = 0; k < 256; k++, lookups++) {
			asked = &questions[(start + lookups) % QUESTIONS];
			ask(module);
		}
		*ended = now(CLOCK_MONOTONIC);
	} while (*ended - *began < time);
	return lookups;
}

static void *work(void *data)
{
	struct worker *worker = data;
	uint64_t warmed;
	double cpu;

	pthread_barrier_wait(&together);
	warmed = ask_for(WARM, worker->module, worker->start, &worker->began, &worker->ended);
	pthread_barrier_wait(&together);
	cpu = now(CLOCK_THREAD_CPUTIME_ID);
	worker->lookups =
		ask_for(SLICE, worker->module, worker->start + (uint32_t)warmed, &worker->began, &worker->ended);
	worker->cpu = now(CLOCK_THREAD_CPUTIME_ID) - cpu;
	return NULL;
}

struct slice {
	double cpu, clock;
	uint64_t lookups;
};

static struct slice crowd_asks(const struct module *module, unsigned threads, uint32_t start)
{
	struct worker workers[THREADS_MAX];
	double began = 0, ended = 0;
	struct slice slice = { 0 };

	pthread_barrier_init(&together, NULL, threads);
	for (unsigned t = 0; t < threads; t++) {
		workers[t] = (struct worker){ .module = module, .start = start + QUESTIONS / threads * t };
		if (pthread_create(&workers[t].thread, NULL, work, &workers[t]) != 0)
			errx(1, "pthread_create");
	}
	for (unsigned t = 0; t < threads; t++) {
		pthread_join(workers[t].thread, NULL);
		slice.lookups += workers[t].lookups;
		slice.cpu += workers[t].cpu;
		began = t == 0 || workers[t].began < began ? workers[t].began : began;
		ended = workers[t].ended > ended ? workers[t].ended : ended;
	}
	pthread_barrier_destroy(&together);
	slice.clock = ended - began;
	return slice;
}

/* A slice in which the crowd had the processors that it could use. */
static void measure(struct module *module, size_t crowd, int round)
{
	long online = sysconf(_SC_NPROCESSORS_ONLN);
	unsigned threads = crowds[crowd];
	double processors = online < (long)threads ? (double)online : threads;
	struct slice slice;
	int tries = 0;

	do {
		if (tries++ == TRIES)
			errx(1, "the machine has too much other work: %u threads do not run beside each other",
			     threads);
		slice = crowd_asks(module, threads, (uint32_t)random());
	} while (slice.cpu < 0.85 * processors * slice.clock);
	module->ns[crowd][round] = slice.cpu / (double)slice.lookups * 1e9;
	module->rate[crowd][round] = (double)slice.lookups / slice.clock;
	module->together[crowd][round] = module->rate[crowd][round] / module->rate[0][round];
}

/* ---- from first to last */

static void *symbol(void *library, const char *path, const char *name)
{
	void *found = library != NULL ? dlsym(library, name) : NULL;

	if (found == NULL)
		errx(1, "%s: %s: %s", path, name, dlerror());
	return found;
}

static void load(struct module *module, const char *path)
{
	void *library = dlopen(path, RTLD_NOW);

	module->path = path;
	if (kind == HOLDS)
		*(void **)&module->holds = symbol(library, path, "shadow_subid_has_range");
	else
		*(void **)&module->by_name = symbol(library, path, "_nss_subuid_getpwnam_r");
}

static int ascending(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(double *values)
{
	qsort(values, (size_t)rounds, sizeof(*values), ascending);
	return values[rounds / 2];
}

static void print(struct module *module, unsigned long accounts)
{
	for (size_t crowd = 0; crowd < CROWDS; crowd++)
		printf("{\"module\": \"%s\", \"accounts\": %lu, \"kind\": \"%s\", \"threads\": %u, \"ns\": %.1f, "
		       "\"together\": %.2f, \"rate\": %.0f}\n",
		       module->path, accounts, kinds[kind], crowds[crowd], median(module->ns[crowd]),
		       median(module->together[crowd]), median(module->rate[crowd]));
}

int main(int argc, char **argv)
{
	static struct module modules[MODULES_MAX];
	int count = argc - 5, dirfd;
	uint32_t accounts;

	if (count < 1 || count > MODULES_MAX)
		errx(2, "usage: bench_readers ACCOUNTS DIRECTORY KIND ROUNDS MODULE...");
	accounts = (uint32_t)strtoul(argv[1], NULL, 10);
	dirfd = open(argv[2], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	while (kind < KINDS && strcmp(argv[3], kinds[kind]) != 0)
		kind++;
	rounds = atoi(argv[4]);
	if (accounts == 0 || dirfd < 0 || kind == KINDS || rounds < 1 || rounds > ROUNDS_MAX)
		errx(2, "%s, %s, %s, %s: cannot be used", argv[1], argv[2], argv[3], argv[4]);
	for (int m = 0; m < count; m++)
		load(&modules[m], argv[5 + m]);
	build(dirfd, accounts);
	make_questions(accounts);
	sched_setscheduler(0, SCHED_FIFO,
			   &(struct sched_param){ .sched_priority = 1 }); /* as root; else it takes longer */
	for (int round = 0; round < rounds; round++)
		for (size_t crowd = 0; crowd < CROWDS; crowd++)
			for (int m = 0; m < count; m++)
				measure(&modules[(m + round) % count], crowd, round); /* nobody is always first */
	for (int m = 0; m < count; m++)
		print(&modules[m], accounts);
	unlinkat(dirfd, "index", 0);
	return 0;
}
