/* SPDX-License-Identifier: ISC */
/*
 * bench_nss N MODULE DIRECTORY: nanoseconds of one getpwnam_r and getpwuid_r in the
 * module at N accounts, for random names that exist, and of building and taking over
 * an index of that size. MODULE is a build of libnss_subuid that looks in DIRECTORY and
 * trusts the caller (tests/tests.mk).
 */
#include <dlfcn.h>
#include <err.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "nss/answer.h"
#include "index/writer/writer.h"

#define UID_FIRST 2100000000u
#define LOOKUPS 2000000u
#define ROUNDS 5

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

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Lookups never wait: their cost is processor time, whoever else the machine works for. */
static double spent(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void name_of(uint32_t i, char *name, size_t size)
{
	snprintf(name, size, "owner%05u+web%u", i / 16, i);
}

static struct index_writer *build(int dirfd, uint32_t accounts)
{
	struct index_writer *writer;

	options.expected = accounts;
	options.group = getegid();
	if (index_writer_create(dirfd, &options, &writer) < 0)
		errx(1, "index_writer_create");
	for (uint32_t i = 0; i < accounts; i++) {
		struct account account = { .uid = UID_FIRST + i, .owner_uid = 1000 + i / 16, .facts.expires_day = -1 };

		snprintf(account.owner, sizeof(account.owner), "owner%05u", i / 16);
		snprintf(account.label, sizeof(account.label), "web%u", i);
		if (index_put_account(writer, &account, '+') < 0)
			errx(1, "index_put_account");
	}
	if (index_writer_publish(writer, 1) < 0)
		errx(1, "index_writer_publish");
	return writer;
}

static int ascending(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

int main(int argc, char **argv)
{
	__typeof__(_nss_subuid_getpwnam_r) *by_name;
	__typeof__(_nss_subuid_getpwuid_r) *by_uid;
	double names[ROUNDS], uids[ROUNDS], t, took;
	static char(*ask)[32];
	static uint32_t *which;
	struct index_writer *writer;
	struct passwd pwd;
	char buffer[1024];
	uint32_t accounts;
	int dirfd, error;
	void *module;

	if (argc != 4)
		errx(2, "usage: bench_nss N MODULE DIRECTORY");
	accounts = (uint32_t)strtoul(argv[1], NULL, 10);
	dirfd = open(argv[3], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	module = dlopen(argv[2], RTLD_NOW);
	if (accounts == 0 || dirfd < 0 || module == NULL)
		errx(1, "%s, %s: cannot be used", argv[2], argv[3]);
	*(void **)&by_name = dlsym(module, "_nss_subuid_getpwnam_r");
	*(void **)&by_uid = dlsym(module, "_nss_subuid_getpwuid_r");

	t = now();
	writer = build(dirfd, accounts);
	took = now() - t;
	printf("build %u accounts, durable: %.3f s, %.0f ns each\n", accounts, took, took / accounts * 1e9);
	index_writer_free(writer);
	t = now();
	if (index_writer_open(dirfd, &options, 1, &writer) < 0)
		errx(1, "index_writer_open");
	printf("verify: %.3f s\n", now() - t);
	index_writer_free(writer);

	/* what is asked is made up beforehand, and lies in the order of asking */
	ask = calloc(LOOKUPS, sizeof(*ask));
	which = calloc(LOOKUPS, sizeof(*which));
	srandom(1);
	for (uint32_t i = 0; i < LOOKUPS; i++) {
		which[i] = (uint32_t)random() % accounts;
		name_of(which[i], ask[i], sizeof(ask[i]));
	}
	for (int round = 0; round < ROUNDS; round++) {
		t = spent();
		for (uint32_t i = 0; i < LOOKUPS; i++)
			if (by_name(ask[i], &pwd, buffer, sizeof(buffer), &error) != NSS_STATUS_SUCCESS ||
			    pwd.pw_uid != UID_FIRST + which[i])
				errx(1, "getpwnam_r %s: wrong", ask[i]);
		took = spent() - t;
		names[round] = took / LOOKUPS * 1e9;
		t = spent();
		for (uint32_t i = 0; i < LOOKUPS; i++)
			if (by_uid(UID_FIRST + which[i], &pwd, buffer, sizeof(buffer), &error) != NSS_STATUS_SUCCESS)
				errx(1, "getpwuid_r: wrong");
		took = spent() - t;
		uids[round] = took / LOOKUPS * 1e9;
	}
	qsort(names, ROUNDS, sizeof(names[0]), ascending);
	qsort(uids, ROUNDS, sizeof(uids[0]), ascending);
	printf("getpwnam_r: %.0f ns (best %.0f, worst %.0f)\n", names[ROUNDS / 2], names[0], names[ROUNDS - 1]);
	printf("getpwuid_r: %.0f ns (best %.0f, worst %.0f)\n", uids[ROUNDS / 2], uids[0], uids[ROUNDS - 1]);
	unlinkat(dirfd, "index", 0);
	return 0;
}
