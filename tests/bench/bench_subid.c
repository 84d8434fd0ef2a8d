/* SPDX-License-Identifier: ISC */
/*
 * bench_subid PLUG-IN KIND SECONDS < WHAT
 *
 * Nanoseconds of one question to a plug-in of libsubid: KIND list, holds (a block of 65536, as newuidmap asks)
 * or owners. WHAT: lines "OWNER UID ID", where ID is of a block that OWNER, whose uid is UID, holds.
 *
 * The plug-in resolves names through the C library, at whatever price the host's name service has. So this
 * program stands between the two: what the plug-in calls is getpwnam_r and getpwuid_r from here. They
 * answer at once with UID ("plugin": all that the plug-in does by itself), or ask the C library ("whole"). "names"
 * is the C library alone, asked for the same names as often. "files" is what of "plugin" is the
 * kernel's: the very system calls of one question, as they were seen passing through here, done once more without the
 * plug-in. The four take turns. Thread's own processor time, median of the rounds; each answer is checked.
 */
#undef _FORTIFY_SOURCE /* its inline pread would come before the one below */
#include <dlfcn.h>
#include <err.h>
#include <fcntl.h>
#include <pwd.h>
#include <shadow/subid.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define ROUNDS 7
#define BLOCK 65536
#define EXPORT __attribute__((visibility("default")))

enum kind { LIST, HOLDS, OWNERS, KINDS };
enum what { PLUGIN, WHOLE, NAMES, FILES, WHATS };
static const char *const kinds[KINDS] = { "list", "holds", "owners" };

struct question {
	char owner[64];
	uint32_t uid, id;
};

typedef int by_name(const char *, struct passwd *, char *, size_t, struct passwd **);
typedef int by_uid(uid_t, struct passwd *, char *, size_t, struct passwd **);

static enum subid_status (*list)(const char *, enum subid_type, struct subid_range **, int *);
static enum subid_status (*holds)(const char *, unsigned long, unsigned long, enum subid_type, bool *);
static enum subid_status (*owners)(unsigned long, enum subid_type, uid_t **, int *);
static by_name *libc_by_name;
static by_uid *libc_by_uid;

static enum kind kind;
static struct question *questions;
static size_t count;
static const struct question *asked; /* now */
static bool at_once;                 /* who answers */
static uint64_t names;               /* how often it was asked */

static int answer(bool is_his, struct passwd *entry, struct passwd **found)
{
	*entry = (struct passwd){ .pw_name = (char *)(uintptr_t)asked->owner, .pw_uid = asked->uid };
	*found = is_his ? entry : NULL;
	return 0;
}

EXPORT int getpwnam_r(const char *name, struct passwd *entry, char *buffer, size_t size, struct passwd **found)
{
	names++;
	return at_once ? answer(strcmp(name, asked->owner) == 0, entry, found) :
			 libc_by_name(name, entry, buffer, size, found);
}

EXPORT int getpwuid_r(uid_t uid, struct passwd *entry, char *buffer, size_t size, struct passwd **found)
{
	names++;
	return at_once ? answer(uid == asked->uid, entry, found) : libc_by_uid(uid, entry, buffer, size, found);
}

/* ---- the plug-in's own system calls */

static int (*libc_open)(const char *, int, ...);
static int (*libc_close)(int);
static int (*libc_lstat)(const char *, struct stat *);
static int (*libc_fstat)(int, struct stat *);
static ssize_t (*libc_pread)(int, void *, size_t, off_t);

enum act { OPEN, CLOSE, LSTAT, FSTAT, PREAD };

struct deed {
	enum act act;
	char path[256];
	int flags;
	size_t size;
	off_t at;
};

static struct deed deeds[64];
static size_t deeds_done;
static bool recording;

static void seen(enum act act, const char *path, int flags, size_t size, off_t at)
{
	struct deed *deed = &deeds[deeds_done];

	if (!recording)
		return;
	if (deeds_done++ == sizeof(deeds) / sizeof(*deeds))
		errx(1, "more system calls than expected");
	*deed = (struct deed){ .act = act, .flags = flags, .size = size, .at = at };
	snprintf(deed->path, sizeof(deed->path), "%s", path);
}

EXPORT int open(const char *path, int flags, ...)
{
	seen(OPEN, path, flags, 0, 0);
	return libc_open(path, flags);
}

EXPORT int close(int fd)
{
	seen(CLOSE, "", 0, 0, 0);
	return libc_close(fd);
}

EXPORT int lstat(const char *path, struct stat *st)
{
	seen(LSTAT, path, 0, 0, 0);
	return libc_lstat(path, st);
}

EXPORT int fstat(int fd, struct stat *st)
{
	seen(FSTAT, "", 0, 0, 0);
	return libc_fstat(fd, st);
}

EXPORT ssize_t pread(int fd, void *buffer, size_t size, off_t at)
{
	seen(PREAD, "", 0, size, at);
	return libc_pread(fd, buffer, size, at);
}

/* One file at a time is open. */
static void repeat_deeds(void)
{
	static char buffer[65536];
	struct stat st;
	int fd = -1;

	for (const struct deed *deed = deeds; deed < deeds + deeds_done; deed++) {
		if (deed->act == OPEN)
			fd = libc_open(deed->path, deed->flags);
		else if (deed->act == CLOSE)
			libc_close(fd);
		else if (deed->act == LSTAT)
			libc_lstat(deed->path, &st);
		else if (deed->act == FSTAT)
			libc_fstat(fd, &st);
		else if (libc_pread(fd, buffer, deed->size < sizeof(buffer) ? deed->size : sizeof(buffer), deed->at) <
			 0)
			errx(1, "pread");
	}
}

/* ---- questions */

static bool ask_list(void)
{
	struct subid_range *ranges = NULL;
	int n = 0;
	bool found = false;

	if (list(asked->owner, ID_TYPE_UID, &ranges, &n) != SUBID_STATUS_SUCCESS)
		return false;
	for (int i = 0; i < n && !found; i++)
		found = asked->id >= ranges[i].start && asked->id - ranges[i].start + BLOCK <= ranges[i].count;
	free(ranges);
	return found;
}

static bool ask_owners(void)
{
	uid_t *uids = NULL;
	int n = 0;
	bool found =
		owners(asked->id, ID_TYPE_UID, &uids, &n) == SUBID_STATUS_SUCCESS && n == 1 && uids[0] == asked->uid;

	free(uids);
	return found;
}

static bool ask_plugin(void)
{
	bool yes = false;

	switch (kind) {
	case LIST:
		return ask_list();
	case OWNERS:
		return ask_owners();
	default:
		return holds(asked->owner, asked->id, BLOCK, ID_TYPE_UID, &yes) == SUBID_STATUS_SUCCESS && yes;
	}
}

static bool ask_names(uint64_t times)
{
	struct passwd entry, *found = NULL;
	char buffer[16384];

	for (uint64_t i = 0; i < times; i++)
		if (libc_by_name(asked->owner, &entry, buffer, sizeof(buffer), &found) != 0 || found == NULL)
			return false;
	return true;
}

static double now(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static bool ask(enum what what, uint64_t names_each)
{
	switch (what) {
	case NAMES:
		return ask_names(names_each);
	case FILES:
		repeat_deeds();
		return true;
	default:
		return ask_plugin();
	}
}

/* Nanoseconds of one question. */
static double measure(enum what what, double seconds, uint64_t names_each)
{
	double cpu = now(CLOCK_THREAD_CPUTIME_ID), until = now(CLOCK_MONOTONIC) + seconds;
	uint64_t done = 0, batch = 1;

	at_once = what == PLUGIN;
	do {
		for (uint64_t k = 0; k < batch; k++, done++) {
			asked = &questions[done % count];
			if (!ask(what, names_each))
				errx(1, "%s %s %u: not what it should be", kinds[kind], asked->owner, asked->id);
		}
		batch = batch < 256 ? batch * 2 : batch;
	} while (now(CLOCK_MONOTONIC) < until);
	return (now(CLOCK_THREAD_CPUTIME_ID) - cpu) / (double)done * 1e9;
}

static int ascending(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void read_questions(void)
{
	struct question question = { 0 };
	size_t room = 0;

	while (scanf("%63s %u %u", question.owner, &question.uid, &question.id) == 3) {
		if (count == room) {
			room = room * 2 + 1024;
			questions = realloc(questions, room * sizeof(*questions));
			if (questions == NULL)
				errx(1, "no memory");
		}
		questions[count++] = question;
	}
	if (count == 0)
		errx(1, "nothing to ask for");
}

static void *next(const char *name)
{
	void *found = dlsym(RTLD_NEXT, name);

	if (found == NULL)
		errx(3, "%s: %s", name, dlerror());
	return found;
}

static void load(const char *path)
{
	void *library;

	*(void **)&libc_by_name = next("getpwnam_r");
	*(void **)&libc_by_uid = next("getpwuid_r");
	*(void **)&libc_open = next("open");
	*(void **)&libc_close = next("close");
	*(void **)&libc_lstat = next("lstat");
	*(void **)&libc_fstat = next("fstat");
	*(void **)&libc_pread = next("pread");
	library = dlopen(path, RTLD_NOW);
	if (library == NULL)
		errx(3, "%s", dlerror());
	*(void **)&list = dlsym(library, "shadow_subid_list_owner_ranges");
	*(void **)&holds = dlsym(library, "shadow_subid_has_range");
	*(void **)&owners = dlsym(library, "shadow_subid_find_subid_owners");
	if (list == NULL || holds == NULL || owners == NULL)
		errx(3, "%s: %s", path, dlerror());
}

/* The second question of a process tells what each costs; the first maps the index as well. */
static uint64_t learn(void)
{
	uint64_t before;

	at_once = true;
	asked = &questions[0];
	for (int i = 0; i < 2; i++) {
		before = names;
		recording = i == 1;
		if (!ask_plugin())
			errx(1, "%s %s %u: not what it should be", kinds[kind], asked->owner, asked->id);
	}
	recording = false;
	return names - before;
}

int main(int argc, char **argv)
{
	double spent[WHATS][ROUNDS], seconds;
	uint64_t names_each;

	if (argc != 4)
		errx(2, "usage: bench_subid PLUG-IN KIND SECONDS < WHAT");
	while (kind < KINDS && strcmp(argv[2], kinds[kind]) != 0)
		kind++;
	if (kind == KINDS)
		errx(2, "%s: not a kind", argv[2]);
	seconds = strtod(argv[3], NULL) / ROUNDS / WHATS;
	load(argv[1]);
	read_questions();
	names_each = learn();
	for (int round = 0; round < ROUNDS; round++)
		for (enum what what = PLUGIN; what < WHATS; what++)
			spent[what][round] = measure(what, seconds, names_each);
	for (enum what what = PLUGIN; what < WHATS; what++)
		qsort(spent[what], ROUNDS, sizeof(double), ascending);
	printf("{\"plugin\": %.1f, \"whole\": %.1f, \"names\": %.1f, \"files_ns\": %.1f, \"names_asked\": %llu, "
	       "\"system_calls\": %zu}\n",
	       spent[PLUGIN][ROUNDS / 2], spent[WHOLE][ROUNDS / 2], spent[NAMES][ROUNDS / 2], spent[FILES][ROUNDS / 2],
	       (unsigned long long)names_each, deeds_done);
	return 0;
}
