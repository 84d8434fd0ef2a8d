/* SPDX-License-Identifier: ISC */
/*
 * The whole of subid_write(), with an index and users of the fuzzer's, on real files: rounds of changes, each with a
 * fault. What is left at any fault is the old file or the new one; a second run without a fault ends where a run that
 * had none ends; lines of others are there to the last, but for those under a name that has gone to somebody else; who
 * cannot be looked up loses nothing.
 *
 * Input: /etc/subuid and /etc/subgid, each ended by 0xff, then rounds of bytes.
 */
#include "tests/fuzz/fuzz.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <unistd.h>

#include "index/map.h"
#include "index/view.h"
#include "account/passwd.h"
#include "account/source.h"
#include "subid/lock.h"
#include "subid/found.h"
#include "subid/line.h"
#include "subid/plan.h"
#include "subid/text.h"
#include "subid/write.h"

/* ---- the index and the users */

#define OWNERS 4
#define RANGES_MAX 8

enum standing { STANDS, OTHER_UID, GONE, DOUBT, STANDINGS };

static const char *const owners[OWNERS] = { "alice", "bob", "carol", "dave" };

static struct round {
	enum publish_to publish;
	enum standing standing[OWNERS];
	struct id_range ranges[RANGES_MAX];
	struct index_account accounts[RANGES_MAX];
	size_t ranges_count, accounts_count;
	bool locked, dies;
	unsigned fault; /* at this step; 0 none */
} round_now;

int index_enter(struct index_reader *reader, struct index_hold *hold)
{
	(void)reader;
	hold->alone.header.host.separator = '+';
	hold->view = &hold->alone;
	return 0;
}

void index_leave(struct index_hold *hold)
{
	hold->view = NULL;
}

int index_view_range_next(const struct index_view *view, uint64_t *cursor, struct id_range *range)
{
	must(view->header.host.separator == '+');
	if (*cursor >= round_now.ranges_count)
		return -ENOENT;
	*range = round_now.ranges[(*cursor)++];
	return 0;
}

int index_view_next(const struct index_view *view, uint64_t *cursor, struct index_account *account)
{
	must(view->header.host.separator == '+');
	if (*cursor >= round_now.accounts_count)
		return -ENOENT;
	*account = round_now.accounts[(*cursor)++];
	return 0;
}

int index_view_range_by_id(const struct index_view *view, uint32_t id, struct id_range *range)
{
	must(view->header.host.separator == '+');
	for (size_t i = 0; i < round_now.ranges_count; i++)
		if (id - round_now.ranges[i].first < round_now.ranges[i].count) {
			*range = round_now.ranges[i];
			return 0;
		}
	return -ENOENT;
}

int index_view_by_uid(const struct index_view *view, uint32_t uid, struct index_account *account)
{
	must(view->header.host.separator == '+');
	for (size_t i = 0; i < round_now.accounts_count; i++)
		if (round_now.accounts[i].uid == uid) {
			*account = round_now.accounts[i];
			return 0;
		}
	return -ENOENT;
}

static uint32_t owner_uid(unsigned owner)
{
	return 1000 + owner;
}

bool source_files_first(const char *database)
{
	(void)database;
	return false; /* so that everybody is asked for below */
}

int user_find(const char *name, struct host_entry *entry)
{
	unsigned owner = 0;

	while (owner < OWNERS && strcmp(owners[owner], name) != 0)
		owner++;
	if (owner == OWNERS || round_now.standing[owner] == GONE)
		return -ENOENT;
	if (round_now.standing[owner] == DOUBT)
		return -EAGAIN;
	entry->user.pw_uid = owner_uid(owner) + (round_now.standing[owner] == OTHER_UID);
	return 0;
}

void host_entry_done(struct host_entry *entry)
{
	must(entry->buffer == NULL);
}

bool subid_lock_left(int dirfd)
{
	(void)dirfd;
	return false;
}

int subid_lock(int dirfd)
{
	(void)dirfd;
	return round_now.locked ? -EBUSY : 0;
}

void subid_unlock(int dirfd)
{
	(void)dirfd;
}

/* ---- faults */

static struct {
	bool on;
	unsigned steps, changed; /* calls that change something, and those that did */
} faults;

/* 1: this call fails. */
static int falls(void)
{
	if (!faults.on)
		return 0;
	faults.steps++;
	if (round_now.fault != 0 &&
	    (faults.steps == round_now.fault || (round_now.dies && faults.steps > round_now.fault))) {
		errno = EIO;
		return 1;
	}
	faults.changed++;
	return 0;
}

#define WRAP(result, name, parameters, arguments)                                                                      \
	result __real_##name parameters;                                                                               \
	result __wrap_##name parameters;                                                                               \
	result __wrap_##name parameters                                                                                \
	{                                                                                                              \
		if (falls())                                                                                           \
			return (result)-1;                                                                             \
		return __real_##name arguments;                                                                        \
	}
WRAP(ssize_t, write, (int fd, const void *bytes, size_t count), (fd, bytes, count))
WRAP(int, fsync, (int fd), (fd))
WRAP(int, unlinkat, (int fd, const char *name, int flags), (fd, name, flags))
WRAP(int, fchmod, (int fd, mode_t mode), (fd, mode))
WRAP(int, fchown, (int fd, uid_t uid, gid_t gid), (fd, uid, gid))
WRAP(int, renameat, (int from_fd, const char *from, int to_fd, const char *to), (from_fd, from, to_fd, to))

int __real_openat(int fd, const char *name, int flags, ...);
int __wrap_openat(int fd, const char *name, int flags, ...);
int __wrap_openat(int fd, const char *name, int flags, ...)
{
	va_list list;
	mode_t mode;

	va_start(list, flags);
	mode = (flags & O_CREAT) != 0 ? va_arg(list, mode_t) : 0;
	va_end(list);
	if ((flags & O_CREAT) != 0 && falls())
		return -1;
	return __real_openat(fd, name, flags, mode);
}

/* ---- a host: its files, as texts */

enum { SUBUID, SUBGID, LINES, FOUND, FILES };
static const char *const file_names[FILES] = { "subuid", "subgid", SUBID_LINES_NAME, SUBID_FOUND_NAME };
static const char *const left_overs[FILES] = { "subuid+", "subgid+", SUBID_LINES_NAME ".new", SUBID_FOUND_NAME ".new" };

static char root[32];

static struct host {
	int etc, state;
} faulty = { -1, -1 }, sound = { -1, -1 };

static int directory_of(const struct host *host, int file)
{
	return file < LINES ? host->etc : host->state;
}

static char *file_text(const struct host *host, int file)
{
	char *text = NULL;
	size_t length = 0;

	must(subid_text_read(directory_of(host, file), file_names[file], &text, &length) == 0);
	return text;
}

static void file_put(const struct host *host, int file, const char *text)
{
	int fd = openat(directory_of(host, file), file_names[file], O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	must(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	close(fd);
}

static void host_clear(const struct host *host)
{
	for (int i = 0; i < FILES; i++) {
		unlinkat(directory_of(host, i), file_names[i], 0);
		unlinkat(directory_of(host, i), left_overs[i], 0);
	}
}

static int directory_make(const char *name)
{
	char path[64];

	snprintf(path, sizeof(path), "%s/%s", root, name);
	must(mkdir(path, 0755) == 0);
	return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static void clean_up(void)
{
	static const char *const made[] = { "/etc1", "/state1", "/etc2", "/state2", "" };
	char path[64];

	host_clear(&faulty);
	host_clear(&sound);
	for (size_t i = 0; i < sizeof(made) / sizeof(made[0]); i++) {
		snprintf(path, sizeof(path), "%s%s", root, made[i]);
		rmdir(path);
	}
}

static void set_up(void)
{
	snprintf(root, sizeof(root), "%s/fuzz_subid.XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	must(mkdtemp(root) != NULL);
	faulty = (struct host){ directory_make("etc1"), directory_make("state1") };
	sound = (struct host){ directory_make("etc2"), directory_make("state2") };
	atexit(clean_up);
}

/* ---- what has to be */

static bool has_line(const char *text, const char *line, size_t length)
{
	for (const char *at = text; *at != '\0'; at += strcspn(at, "\n"), at += *at == '\n')
		if (strcspn(at, "\n") == length && memcmp(at, line, length) == 0)
			return true;
	return false;
}

static bool names(const struct subid_line *line, const struct id_range *range)
{
	char number[16], account[ACCOUNT_NAME_MAX + 1];

	snprintf(number, sizeof(number), "%u", range->owner_uid);
	snprintf(account, sizeof(account), "%s+%s", range->owner, range->label);
	return subid_line_is(line, range->owner) || subid_line_is(line, number) ||
	       (range->label[0] != '\0' && subid_line_is(line, account));
}

static struct id_range of_account(const struct index_account *account)
{
	struct id_range range = { .first = account->uid, .count = 1, .owner_uid = account->owner_uid };

	memcpy(range.owner, account->owner, sizeof(range.owner));
	return range;
}

static enum standing standing_of(const struct id_range *range)
{
	return round_now.standing[range->owner_uid - owner_uid(0)];
}

static bool gives(const struct subid_line *line, const struct id_range *range)
{
	return line->ids.first < (uint64_t)range->first + range->count && range->first <= line->ids.last &&
	       names(line, range) && (standing_of(range) == GONE || standing_of(range) == OTHER_UID);
}

/* The line gives ids of the index to a name that is somebody else's, or nobody's, by now. */
static bool stale(const char *at, size_t length)
{
	struct subid_line line;

	if (!subid_line_parse(at, length, &line))
		return false;
	for (size_t i = 0; i < round_now.ranges_count; i++)
		if (gives(&line, &round_now.ranges[i]))
			return true;
	for (size_t i = 0; i < round_now.accounts_count; i++) {
		const struct id_range range = of_account(&round_now.accounts[i]);

		if (gives(&line, &range))
			return true;
	}
	return false;
}

/* Every line of `text` that is in none of ours is in `now`, unless it is stale. */
static void all_stay(const char *text, const char *ours, const char *now)
{
	for (const char *at = text; *at != '\0'; at += strcspn(at, "\n"), at += *at == '\n') {
		size_t length = strcspn(at, "\n");

		if (!has_line(ours, at, length) && !stale(at, length))
			must(has_line(now, at, length));
	}
}

static void none_stale(const char *now)
{
	for (const char *at = now; *at != '\0'; at += strcspn(at, "\n"), at += *at == '\n')
		must(!stale(at, strcspn(at, "\n")));
}

/* A line of the text gives all of these ids to the name. */
static bool covered(const char *text, const char *name, const struct id_range *range)
{
	struct subid_line line;

	for (const char *at = text; *at != '\0'; at += strcspn(at, "\n"), at += *at == '\n')
		if (subid_line_parse(at, strcspn(at, "\n"), &line) && subid_line_is(&line, name) &&
		    line.ids.first <= range->first &&
		    (uint64_t)range->first + range->count <= (uint64_t)line.ids.last + 1)
			return true;
	return false;
}

/* Ranges of the index are there, their holder's, if the owner stands, and stay if nobody can say whether the owner
 * does. */
static void check_claim(const char *before, const char *now, const char *name, const struct id_range *range, bool done)
{
	bool there = covered(now, name, range);

	must(there || standing_of(range) != STANDS || !done);
	must(there || standing_of(range) != DOUBT || !covered(before, name, range));
}

static void check_claims(const char *before, const char *now, bool done)
{
	for (size_t i = 0; i < round_now.ranges_count; i++) {
		const struct id_range *range = &round_now.ranges[i];
		char name[ACCOUNT_NAME_MAX + 1];

		snprintf(name, sizeof(name), "%s%s%s", range->owner, range->label[0] != '\0' ? "+" : "", range->label);
		check_claim(before, now, name, range, done);
	}
}

static int run(const struct host *host)
{
	char why[256] = "";
	int r;

	faults.on = true;
	faults.steps = faults.changed = 0;
	r = subid_write(host->state, host->etc, round_now.publish, NULL, why, sizeof(why));
	faults.on = false;
	must(r <= 0 && (r == 0 || why[0] != '\0'));
	return r;
}

static void check_after(char *before[FILES], char *now[FILES], int r)
{
	for (int i = SUBUID; i <= SUBGID; i++) {
		all_stay(before[i], before[LINES], now[i]);
		if (r == 0)
			none_stale(now[i]);
		if (round_now.publish != PUBLISH_PLUGIN)
			check_claims(before[i], now[i], r == 0);
		must(r == 0 || strcmp(before[i], now[i]) == 0); /* no fault, and refused: nothing has changed */
	}
	if (r == 0 && round_now.publish == PUBLISH_PLUGIN)
		must(now[LINES][0] == '\0' && now[FOUND][0] == '\0');
}

/* At a fault each file is what it was, or what it will be. */
static void check_cut(char *before[FILES], char *after[FILES])
{
	for (int i = SUBUID; i <= SUBGID; i++) {
		char *cut = file_text(&faulty, i);

		must(strcmp(cut, before[i]) == 0 || strcmp(cut, after[i]) == 0);
		free(cut);
	}
}

static void texts_take(const struct host *host, char *texts[FILES])
{
	for (int i = 0; i < FILES; i++)
		texts[i] = file_text(host, i);
}

static void texts_free(char *texts[FILES])
{
	for (int i = 0; i < FILES; i++)
		free(texts[i]);
}

/* Of our own two files the lines count, each once. */
static bool same_lines(const char *a, const char *b)
{
	struct subid_lines lines[2] = { { 0 } };
	const char *text[] = { a, b };
	bool same;

	for (int i = 0; i < 2; i++)
		must(subid_lines_add_text(&lines[i], text[i], strlen(text[i])) == 0 &&
		     subid_lines_sort(&lines[i]) == 0);
	same = subid_lines_equal(&lines[0], &lines[1]);
	subid_lines_free(&lines[0]);
	subid_lines_free(&lines[1]);
	return same;
}

static void same_must(int file, const char *a, const char *b)
{
	bool same = file < LINES ? strcmp(a, b) == 0 : same_lines(a, b);

	if (!same)
		fprintf(stderr, "%s, with a fault:\n%s\nwithout:\n%s\n", file_names[file], a, b);
	must(same);
}

/* Everything that was reported as done is done. */
static void check_done(char *after[FILES])
{
	char *now[FILES];

	texts_take(&faulty, now);
	for (int i = 0; i < FILES; i++)
		same_must(i, now[i], after[i]);
	texts_free(now);
}

static void round_run(void)
{
	unsigned fault = round_now.fault;
	char *before[FILES], *after[FILES];
	int r;

	texts_take(&sound, before);
	round_now.fault = 0;
	r = run(&sound);
	texts_take(&sound, after);
	check_after(before, after, r);
	must(run(&sound) == r && (r < 0 || faults.changed == 0)); /* again: nothing to do */

	round_now.fault = fault;
	if (run(&faulty) == 0)
		check_done(after);
	check_cut(before, after);
	round_now.fault = 0;
	must(run(&faulty) == r);
	if (r == 0)
		check_done(after);
	texts_free(before);
	texts_free(after);
}

static void range_take(struct input *input, struct id_range *range)
{
	uint8_t what = take_byte(input);

	*range = (struct id_range){ .first = 1073741824u + (what >> 4) * RANGE_UNIT,
				    .count = RANGE_UNIT,
				    .owner_uid = owner_uid(what % OWNERS) };
	snprintf(range->owner, sizeof(range->owner), "%s", owners[what % OWNERS]);
	if ((what & 4) != 0)
		snprintf(range->label, sizeof(range->label), "%s", (what & 8) != 0 ? "web1" : "web2");
}

static void round_take(struct input *input)
{
	uint8_t how = take_byte(input), counts = take_byte(input), standing = take_byte(input);
	const struct index_view any = { .header.host.separator = '+' };
	struct id_range range, other;
	size_t ranges;

	memset(&round_now, 0, sizeof(round_now));
	round_now.publish = (enum publish_to)(how % 3);
	round_now.locked = (how & 0xf0) == 0xf0;
	round_now.dies = (how & 8) != 0;
	round_now.fault = take_byte(input) % 48;
	for (unsigned i = 0; i < OWNERS; i++)
		round_now.standing[i] = (enum standing)(standing >> 2 * i & 3);
	round_now.ranges_count = counts % RANGES_MAX;
	round_now.accounts_count = (counts >> 4) % RANGES_MAX;
	ranges = round_now.ranges_count;
	round_now.ranges_count = 0;
	while (ranges-- > 0) {
		range_take(input, &range);
		if (index_view_range_by_id(&any, range.first, &other) != 0) /* nothing is given out twice */
			round_now.ranges[round_now.ranges_count++] = range;
	}
	for (size_t i = 0; i < round_now.accounts_count; i++) {
		uint8_t what = take_byte(input);

		round_now.accounts[i] = (struct index_account){ .uid = 2100000000u + (what >> 2) * 8 + (uint32_t)i,
								.owner_uid = owner_uid(what % OWNERS) };
		snprintf(round_now.accounts[i].owner, sizeof(round_now.accounts[i].owner), "%s", owners[what % OWNERS]);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input input = { data, size };

	if (root[0] == '\0')
		set_up();
	for (int i = SUBUID; i <= SUBGID; i++) {
		char *text = take_text(&input);

		file_put(&faulty, i, text);
		file_put(&sound, i, text);
		free(text);
	}
	for (unsigned rounds = 0; rounds < 4 && input.left > 0; rounds++) {
		round_take(&input);
		round_run();
	}
	host_clear(&faulty);
	host_clear(&sound);
	return 0;
}
