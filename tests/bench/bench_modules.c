/* SPDX-License-Identifier: ISC */
/*
 * bench_modules LIBRARY SERVICE KIND THREADS SECONDS < WHAT
 *
 * Nanoseconds of one lookup, of ours and of others' modules alike: LIBRARY is loaded and asked by its
 * own entry points (_nss_SERVICE_getpwnam_r, ...), or, with SERVICE "glibc", by getpwnam_r and the like, through
 * nsswitch.conf. KIND: name, uid, miss (a name that nobody has), groups; ranges, through
 * libsubid (LIBRARY libsubid.so.4, SERVICE "libsubid"; what of it is the plug-in's: bench_subid.c). WHAT: what
 * to ask for, a line each, in the order of asking.
 *
 * Prints a JSON object: best and median over the rounds, by the threads' own processor time and by the clock. Every
 * answer is checked to be one (or none, for misses): a module that finds nothing is not fast.
 */
#include <dlfcn.h>
#include <err.h>
#include <errno.h>
#include <grp.h>
#include <nss.h>
#include <pthread.h>
#include <pwd.h>
#include <shadow/subid.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ROUNDS 5
#define BUFFER 4096

enum kind { BY_NAME, BY_UID, MISS, GROUPS, RANGES };
static const char *const kinds[] = { "name", "uid", "miss", "groups", "ranges" };

static enum nss_status (*module_name)(const char *, struct passwd *, char *, size_t, int *);
static enum nss_status (*module_uid)(uid_t, struct passwd *, char *, size_t, int *);
static enum nss_status (*module_groups)(const char *, gid_t, long *, long *, gid_t **, long, int *);
static int (*subid_ranges)(const char *, struct subid_range **);

static enum kind kind;
static bool by_glibc;
static char **ask;
static uint32_t *numbers;
static size_t count;
static double seconds;

struct worker {
	pthread_t thread;
	size_t start;
	uint64_t lookups;
	double cpu, clock;
};

static double now(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static bool ask_passwd(size_t i, char *buffer)
{
	struct passwd entry, *found = NULL;
	int error = 0;

	if (by_glibc && kind == BY_UID)
		return getpwuid_r(numbers[i], &entry, buffer, BUFFER, &found) == 0 && found != NULL;
	if (by_glibc)
		return getpwnam_r(ask[i], &entry, buffer, BUFFER, &found) == 0 && found != NULL;
	if (kind == BY_UID)
		return module_uid(numbers[i], &entry, buffer, BUFFER, &error) == NSS_STATUS_SUCCESS &&
		       entry.pw_uid == numbers[i];
	return module_name(ask[i], &entry, buffer, BUFFER, &error) == NSS_STATUS_SUCCESS &&
	       strcmp(entry.pw_name, ask[i]) == 0;
}

static bool ask_groups(size_t i)
{
	int error = 0, n = 16;
	long start = 0, size = 16;
	gid_t array[16], *groups;

	if (by_glibc)
		return getgrouplist(ask[i], 65534, array, &n) >= 1;
	groups = malloc(16 * sizeof(*groups));
	module_groups(ask[i], 65534, &start, &size, &groups, 0, &error);
	free(groups);
	return true;
}

static bool ask_ranges(size_t i)
{
	struct subid_range *ranges = NULL;
	int n = subid_ranges(ask[i], &ranges);

	free(ranges);
	return n > 0;
}

static bool ask_one(size_t i, char *buffer)
{
	switch (kind) {
	case RANGES:
		return ask_ranges(i);
	case GROUPS:
		return ask_groups(i);
	default:
		return ask_passwd(i, buffer);
	}
}

static void lookup(size_t i, char *buffer)
{
	bool found = ask_one(i, buffer);

	if (found == (kind == MISS))
		errx(1, "%s %s: %s", kinds[kind], ask[i], found ? "found" : "not found");
}

static void *work(void *data)
{
	struct worker *worker = data;
	char buffer[BUFFER];
	double cpu, began = now(CLOCK_MONOTONIC);
	size_t i = worker->start, batch = 1;

	cpu = now(CLOCK_THREAD_CPUTIME_ID);
	worker->lookups = 0;
	do {
		for (size_t k = 0; k < batch; k++, i = i + 1 < count ? i + 1 : 0)
			lookup(i, buffer);
		worker->lookups += batch;
		batch = batch < 1024 ? batch * 2 : batch;
		worker->clock = now(CLOCK_MONOTONIC) - began;
	} while (worker->clock < seconds);
	worker->cpu = now(CLOCK_THREAD_CPUTIME_ID) - cpu;
	return NULL;
}

static int ascending(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void read_questions(void)
{
	char line[512];
	size_t room = 0;

	while (fgets(line, sizeof(line), stdin) != NULL) {
		if (count == room) {
			room = room * 2 + 1024;
			ask = realloc(ask, room * sizeof(*ask));
			numbers = realloc(numbers, room * sizeof(*numbers));
			if (ask == NULL || numbers == NULL)
				errx(1, "no memory");
		}
		line[strcspn(line, "\n")] = '\0';
		numbers[count] = (uint32_t)strtoul(line, NULL, 10);
		ask[count++] = strdup(line);
	}
	if (count == 0)
		errx(1, "nothing to ask for");
}

static void *symbol(void *library, const char *service, const char *function)
{
	char name[128];
	void *found;

	snprintf(name, sizeof(name), "_nss_%s_%s", service, function);
	found = dlsym(library, name);
	if (found == NULL)
		errx(3, "%s: %s", name, dlerror());
	return found;
}

static void load(const char *path, const char *service)
{
	void *library;

	by_glibc = strcmp(service, "glibc") == 0;
	if (by_glibc)
		return;
	library = dlopen(path, RTLD_NOW);
	if (library == NULL)
		errx(3, "%s", dlerror());
	if (kind == RANGES)
		*(void **)&subid_ranges = dlsym(library, "subid_get_uid_ranges");
	else if (kind == GROUPS)
		*(void **)&module_groups = symbol(library, service, "initgroups_dyn");
	else if (kind == BY_UID)
		*(void **)&module_uid = symbol(library, service, "getpwuid_r");
	else
		*(void **)&module_name = symbol(library, service, "getpwnam_r");
	if (kind == RANGES && subid_ranges == NULL)
		*(void **)&subid_ranges = dlsym(library, "get_subuid_ranges"); /* before shadow 4.13's names */
	if (kind == RANGES && subid_ranges == NULL)
		errx(3, "%s: no subid_get_uid_ranges", path);
}

int main(int argc, char **argv)
{
	double cpu[ROUNDS], clock[ROUNDS];
	struct worker workers[8];
	unsigned threads;
	uint64_t lookups = 0;

	if (argc != 6)
		errx(2, "usage: bench_modules LIBRARY SERVICE KIND THREADS SECONDS < WHAT");
	for (unsigned i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
		if (strcmp(argv[3], kinds[i]) == 0)
			kind = (enum kind)i;
	threads = (unsigned)strtoul(argv[4], NULL, 10);
	seconds = strtod(argv[5], NULL) / ROUNDS;
	if (threads == 0 || threads > 8)
		errx(2, "1 to 8 threads");
	load(argv[1], argv[2]);
	read_questions();
	lookup(0, (char[BUFFER]){ 0 });
	for (int round = 0; round < ROUNDS; round++) {
		double spent = 0, passed = 0;
		uint64_t done = 0;

		for (unsigned t = 0; t < threads; t++) {
			workers[t].start = (count / (threads * ROUNDS) * (t + (size_t)round * threads)) % count;
			if (pthread_create(&workers[t].thread, NULL, work, &workers[t]) != 0)
				errx(1, "pthread_create");
		}
		for (unsigned t = 0; t < threads; t++) {
			pthread_join(workers[t].thread, NULL);
			spent += workers[t].cpu;
			done += workers[t].lookups;
			passed += workers[t].clock;
		}
		cpu[round] = spent / (double)done * 1e9;
		clock[round] = passed / (double)done * 1e9;
		lookups += done;
	}
	qsort(cpu, ROUNDS, sizeof(*cpu), ascending);
	qsort(clock, ROUNDS, sizeof(*clock), ascending);
	printf("{\"ns\": %.1f, \"best\": %.1f, \"clock\": %.1f, \"lookups\": %llu}\n", cpu[ROUNDS / 2], cpu[0],
	       clock[ROUNDS / 2], (unsigned long long)lookups);
	return 0;
}
