/* SPDX-License-Identifier: ISC */
/*
 * Opening a damaged store. Stores that the store's own code has made, with and without a log that was not brought
 * over, are changed byte by byte and page by page; the checksums of the log are made right again where the input says
 * so. Such a store is refused with an errno, or every row that is read of it is sound in itself; and where it is proved
 * (store_check), it has exactly the rows of one of its commits, and takes a change after which it is proved as well.
 * Nothing takes longer than a second of the processor's time.
 *
 * Input: which store, flags, then changes of five bytes and more: see change_take().
 */
#include "tests/fuzz/fuzz.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <sqlite3.h>

#include "account/name.h"
#include "store/store.h"

#define PAGE 4096u
#define FRAME (24u + PAGE)
#define WAL_HEAD 32u
#define ROOM (1u << 21)
#define COMMITS_MAX 32
#define UID 2100000000u
#define RANGE 1073741824u

/* SQLite allocates a lot, and is not instrumented: half of the time would go into filling and keeping its memory. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "max_malloc_fill_size=0:quarantine_size_mb=1:malloc_context_size=2:detect_leaks=0";
}

static char directory[40], path[64];

static void name_of(const char *end, char name[80])
{
	snprintf(name, 80, "%s%s", path, end);
}

/* ---- all rows, as text */

static void account_sound(const struct account *a)
{
	must(owner_name_valid(a->owner, '\0') && label_valid(a->label) && !id_special(a->uid));
	must(a->facts.expires_day >= -1 && (int64_t)a->facts.quota >= 0 && a->uid != a->owner_uid);
	must(strnlen(a->facts.comment, sizeof(a->facts.comment)) < sizeof(a->facts.comment));
	must(a->state >= ACCOUNT_INTENT && a->state <= ACCOUNT_REMOVING);
}

static int accounts_dump(struct store *store, FILE *out)
{
	struct account rows[4], one;
	uint32_t after = 0;
	int n, r;

	while ((n = store_account_list(store, NULL, after, rows, 4)) > 0) {
		must(n <= 4);
		for (int i = 0; i < n; i++) {
			const struct account *a = &rows[i];

			must(a->uid > after);
			after = a->uid;
			account_sound(a);
			fprintf(out, "account %u %u %u %u %s %s %s %d %llu\n", a->uid, a->owner_uid, a->state, a->flags,
				a->owner, a->label, a->facts.comment, a->facts.expires_day,
				(unsigned long long)a->facts.quota);
			r = store_account_get(store, a->owner, a->label, &one);
			if (r == 0)
				account_sound(&one);
			fprintf(out, "by name %d\n", r == 0 ? (int)(one.uid - UID) : r);
			r = store_account_by_uid(store, a->uid, &one);
			if (r == 0)
				account_sound(&one);
			fprintf(out, "by uid %d\n", r == 0 ? (int)(one.uid - UID) : r);
		}
	}
	return n;
}

static int keys_dump(struct store *store, FILE *out)
{
	struct ssh_key rows[2];
	uint32_t after = 0;
	int n;

	while ((n = store_key_list(store, 0, after, rows, 2)) > 0) {
		for (int i = 0; i < n; i++) {
			const struct ssh_key *k = &rows[i];

			must(k->id > after);
			after = k->id;
			must(k->type[strspn(k->type, "abcdefghijklmnopqrstuvwxyz0123456789@.-")] == '\0' &&
			     k->type[0] != '\0');
			must(k->blob[strspn(k->blob,
					    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=")] ==
			     '\0');
			must(k->expires >= 0 && (int64_t)k->storage_quota >= 0 && k->blob[0] != '\0');
			fprintf(out, "key %u %u %u %u %s %s %s %s %s %s\n", k->id, k->uid, k->role, k->options, k->from,
				k->type, k->blob, k->fingerprint, k->tools, k->forward);
		}
	}
	return n;
}

static int ranges_dump(struct store *store, FILE *out)
{
	struct id_range rows[4];
	uint32_t after = 0;
	int n;

	while ((n = store_range_list(store, NULL, after, rows, 4)) > 0) {
		for (int i = 0; i < n; i++) {
			const struct id_range *range = &rows[i];

			must(range->first > after);
			after = range->first;
			must(id_range_valid(range->first, range->count) && owner_name_valid(range->owner, '\0'));
			must((range->label[0] == '\0') == (range->account_uid == 0) || range->label[0] == '\0');
			must(range->label[0] == '\0' || label_valid(range->label));
			fprintf(out, "range %u %u %s %s %u\n", range->first, range->count, range->owner, range->label,
				range->account_uid);
		}
	}
	return n;
}

static int tombstones_dump(struct store *store, FILE *out)
{
	struct id_range rows[4];
	uint32_t after = 0;
	int n;

	while ((n = store_tombstone_list(store, after, rows, 4)) > 0) {
		for (int i = 0; i < n; i++) {
			must(rows[i].first > after && id_range_valid(rows[i].first, rows[i].count));
			must(rows[i].owner[0] == '\0' || owner_name_valid(rows[i].owner, '\0'));
			must(rows[i].label[0] == '\0' || label_valid(rows[i].label));
			after = rows[i].first;
			fprintf(out, "tombstone %u %u %s %s\n", rows[i].first, rows[i].count, rows[i].owner,
				rows[i].label);
		}
	}
	return n;
}

static int removed_dump(struct store *store, FILE *out)
{
	struct removed rows[4];
	int n = store_removed_due(store, INT64_MAX, INT64_MAX, NULL, rows, 4);

	for (int i = 0; i < n; i++) {
		must(rows[i].keep == 0 && owner_name_valid(rows[i].owner, '\0') && label_valid(rows[i].label));
		fprintf(out, "removed %u %s %s %lld\n", rows[i].uid, rows[i].owner, rows[i].label,
			(long long)rows[i].when);
	}
	return n < 0 ? n : 0;
}

static int limits_dump(struct store *store, FILE *out)
{
	struct limit rows[4];
	uint64_t last = 0;
	int n = store_limit_list(store, 0, rows, 4, &last);

	for (int i = 0; i < n; i++) {
		must(owner_name_valid(rows[i].owner, '\0'));
		fprintf(out, "limit %s %u %u %u\n", rows[i].owner, rows[i].accounts, rows[i].keys, rows[i].ranges);
	}
	return n < 0 ? n : 0;
}

/* What the digest does not cover: read, and no more. */
static void others_read(struct store *store)
{
	uint32_t marks[HIGH_WATER_REGIONS], number = 0;
	struct audit_entry entries[4];
	struct run_row runs[4];
	struct watch watches[4];
	int64_t when = 0;
	int n;

	n = store_audit_list(store, NULL, 0, entries, 4);
	for (int i = 0; i < n; i++)
		must(strnlen(entries[i].detail, sizeof(entries[i].detail)) < sizeof(entries[i].detail));
	n = store_run_list(store, UID, 0, runs, 4);
	for (int i = 0; i < n; i++)
		must(strnlen(runs[i].run.error, sizeof(runs[i].run.error)) < sizeof(runs[i].run.error));
	store_marks(store, marks);
	store_account_count(store, NULL, &number);
	store_range_units(store, "alice", &number);
	store_watch_changed(store, true, INT64_MAX, NULL, watches, 4);
	store_watch_changed(store, false, INT64_MAX, NULL, watches, 4);
	store_watch_next(store, 0, &when);
	store_key_used(store, 1, &when);
	store_key_forwards(store, UID);
}

/* 0 and *text, or the errno of a read. */
static int dump(struct store *store, char **text)
{
	static int (*const parts[])(struct store * store, FILE * out) = { accounts_dump,   keys_dump,    ranges_dump,
									  tombstones_dump, removed_dump, limits_dump };
	size_t size = 0;
	FILE *out = open_memstream(text, &size);
	int r = 0;

	must(out != NULL);
	for (size_t i = 0; r == 0 && i < sizeof(parts) / sizeof(parts[0]); i++)
		r = parts[i](store, out);
	must(fclose(out) == 0 && r <= 0);
	return r;
}

/* ---- stores as they were left */

static struct seed {
	uint8_t *bytes[2]; /* the file, the log */
	size_t size[2];
	char *commits[COMMITS_MAX]; /* all rows after each */
	size_t count;
} seeds[3];
#define SEEDS (sizeof(seeds) / sizeof(seeds[0]))

static struct store *made;
static struct seed *seed;

static void commit(int r)
{
	must(r == 0 && store_commit(made) == 0);
	must(seed->count < COMMITS_MAX && dump(made, &seed->commits[seed->count]) == 0);
	seed->count++;
}

static void add(unsigned number, const char *owner)
{
	struct account a = { .uid = UID + number,
			     .owner_uid = 1000,
			     .state = ACCOUNT_INTENT,
			     .created = 1700000000,
			     .facts.expires_day = -1 };
	struct ssh_key key = { .uid = UID + number,
			       .role = ROLE_PUSH,
			       .created = 1,
			       .type = "ssh-ed25519",
			       .fingerprint = "SHA256:abc",
			       .blob = "AAAAC3NzaC1lZDI1NTE5AAAA" };

	snprintf(a.owner, sizeof(a.owner), "%s", owner);
	snprintf(a.label, sizeof(a.label), "web%u", number);
	snprintf(a.facts.comment, sizeof(a.facts.comment), "account number %u", number);
	must(store_begin(made) == 0 && store_account_insert(made, &a) == 0);
	commit(store_key_insert(made, &key));
}

static void range(unsigned unit, const char *owner, uint32_t account)
{
	struct id_range r = { .first = RANGE + unit * RANGE_UNIT,
			      .count = RANGE_UNIT,
			      .owner_uid = 1000,
			      .account_uid = account,
			      .created = 5 };

	snprintf(r.owner, sizeof(r.owner), "%s", owner);
	must(store_begin(made) == 0);
	commit(store_range_insert(made, &r));
}

static void others(void)
{
	struct run run = {
		.magic = RUN_MAGIC, .started = 1700000000, .kind = RUN_BACKUP, .key_id = 1, .tool = "rsync"
	};
	struct audit_entry entry = {
		.time = 1, .uid = 0, .caller = "root", .action = "account.add", .target = "alice+web0"
	};
	struct limit limit = { .accounts = 3, .keys = 4, .ranges = 5, .owner = "bob" };

	must(store_begin(made) == 0 && store_run_add(made, UID, &run, 1700000100, run_verdict(&run, true)) == 0);
	must(store_audit_add(made, &entry) == 0 && store_watch_alarm(made, UID, 86400, 1700000100) == 0);
	commit(store_limit_set(made, &limit));
}

static void removal(unsigned number)
{
	struct removed removed = { .uid = UID + number, .when = 1700000500, .owner = "alice", .label = "web3" };

	must(store_begin(made) == 0 && store_account_delete(made, UID + number, 1700000500) == 0);
	commit(store_removed_insert(made, &removed));
}

static void take_file(const char *end, int which)
{
	char name[80];
	int fd;
	ssize_t got;

	name_of(end, name);
	fd = open(name, O_RDONLY | O_CLOEXEC);
	seed->bytes[which] = malloc(ROOM);
	must(seed->bytes[which] != NULL);
	got = fd < 0 ? 0 : read(fd, seed->bytes[which], ROOM);
	must(got >= 0 && got < (ssize_t)ROOM);
	seed->size[which] = (size_t)got;
	if (fd >= 0)
		close(fd);
}

static void files_remove(void)
{
	static const char *const ends[] = { "", "-wal", "-shm", "-journal" };
	char name[80];

	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		name_of(ends[i], name);
		unlink(name);
	}
}

static void clean_up(void)
{
	files_remove();
	rmdir(directory);
}

/* 0: closed; 1: killed after more; 2: killed on a young host, all is in the log. */
static void seed_make(unsigned number)
{
	seed = &seeds[number];
	must(store_open(path, &made) == 0);
	must(dump(made, &seed->commits[seed->count++]) == 0);
	for (unsigned i = 0; i < 5; i++)
		add(i, i % 2 == 0 ? "alice" : "bob");
	range(0, "alice", 0);
	range(1, "alice", UID);
	others();
	if (number == 1) {
		store_close(made);
		must(store_open(path, &made) == 0);
		add(7, "carol");
		range(4, "bob", 0);
	}
	if (number < 2) {
		must(store_begin(made) == 0);
		commit(store_range_delete(made, RANGE, 1700000400));
		removal(2);
	}
	if (number == 0)
		store_close(made);
	take_file("", 0);
	take_file("-wal", 1);
	if (number != 0)
		store_close(made);
	files_remove();
}

static void set_up(void)
{
	must(sqlite3_config(SQLITE_CONFIG_SINGLETHREAD) == SQLITE_OK &&
	     sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0) == SQLITE_OK);
	snprintf(directory, sizeof(directory), "%s/fuzz_store.XXXXXX",
		 access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	must(mkdtemp(directory) != NULL);
	snprintf(path, sizeof(path), "%s/state.db", directory);
	atexit(clean_up);
	for (unsigned i = 0; i < SEEDS; i++)
		seed_make(i);
}

/* ---- damage */

enum { LOG_MENDED = 1, JOURNAL = 2, VIEWED = 4, COPIED = 8 };
static uint8_t flags;

static struct {
	uint8_t bytes[2][ROOM];
	size_t size[2];
} now;

static void word_put(uint8_t *at, uint32_t word)
{
	for (int i = 0; i < 4; i++)
		at[i] = (uint8_t)(word >> (24 - 8 * i));
}

static uint32_t word_at(const uint8_t *at, bool big)
{
	return big ? (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3] :
		     (uint32_t)at[3] << 24 | (uint32_t)at[2] << 16 | (uint32_t)at[1] << 8 | at[0];
}

static void checksum(const uint8_t *at, size_t size, bool big, uint32_t sum[2])
{
	for (size_t i = 0; i + 8 <= size; i += 8) {
		sum[0] += word_at(at + i, big) + sum[1];
		sum[1] += word_at(at + i + 4, big) + sum[0];
	}
}

/* https://www.sqlite.org/fileformat2.html#walformat: each frame goes on from the one before. */
static void log_mend(uint8_t *log, size_t size)
{
	uint32_t sum[2] = { 0, 0 };
	bool big = size >= WAL_HEAD && (log[3] & 1) != 0;

	if (size < WAL_HEAD)
		return;
	checksum(log, 24, big, sum);
	word_put(log + 24, sum[0]);
	word_put(log + 28, sum[1]);
	for (size_t at = WAL_HEAD; at + FRAME <= size; at += FRAME) {
		memcpy(log + at + 8, log + 16, 8); /* of this log */
		checksum(log + at, 8, big, sum);
		checksum(log + at + 24, PAGE, big, sum);
		word_put(log + at + 16, sum[0]);
		word_put(log + at + 20, sum[1]);
	}
}

enum change { XOR, SET, NUMBER, CUT, GROW, COPY, ZERO, CHANGES };

/* What, and in which file (low bit); where (3 bytes); then one byte more, or several. */
static void change_take(struct input *input)
{
	uint8_t what = take_byte(input);
	unsigned file = what & 1;
	size_t offset = take_number(input, 3), value = take_byte(input), size = now.size[file];
	uint8_t *bytes = now.bytes[file];

	if (size == 0)
		return;
	offset %= size;
	switch ((enum change)((what >> 1) % CHANGES)) {
	case XOR:
		bytes[offset] ^= (uint8_t)(value != 0 ? value : 1);
		break;
	case SET:
		for (size_t i = 0; i < value % 32 && offset + i < size; i++)
			bytes[offset + i] = take_byte(input);
		break;
	case NUMBER:
		if (offset + 4 <= size)
			word_put(bytes + offset, (uint32_t)take_number(input, 4));
		break;
	case CUT:
		now.size[file] = value % 2 == 0 ? offset : offset / PAGE * PAGE;
		break;
	case GROW:
		if (size + value * 64 < ROOM)
			memset(bytes + size, (int)(offset & 0xff), value * 64), now.size[file] += value * 64;
		break;
	case COPY:
		offset = offset / PAGE * PAGE;
		value = value * PAGE % size / PAGE * PAGE;
		if (offset + PAGE <= size && value + PAGE <= size)
			memmove(bytes + offset, bytes + value, PAGE);
		break;
	default:
		offset = offset / PAGE * PAGE;
		memset(bytes + offset, 0, size - offset < PAGE ? size - offset : PAGE);
	}
}

static void file_put(const char *end, const uint8_t *bytes, size_t size)
{
	char name[80];
	int fd;

	name_of(end, name);
	fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	must(fd >= 0 && write(fd, bytes, size) == (ssize_t)size);
	close(fd);
}

/* ---- what is read of it */

static bool of_a_commit(const char *text)
{
	for (size_t i = 0; i < seed->count; i++)
		if (strcmp(seed->commits[i], text) == 0)
			return true;
	return false;
}

/* An id that nobody has, given to an account. */
static int change_make(struct store *store)
{
	const struct id_block block = { UID, UID + 99 };
	struct account a = { .owner_uid = 1000,
			     .state = ACCOUNT_INTENT,
			     .created = 1,
			     .facts.expires_day = -1,
			     .owner = "zoe",
			     .label = "new" },
		       other;
	struct id_range holder;
	enum id_kind kind;
	int r = store_ids_free(store, block, UID, 1, &a.uid);

	if (r < 0)
		return r;
	must(store_account_by_uid(store, a.uid, &other) != 0);
	must(store_id_holder(store, a.uid, a.uid, &holder, &kind) != 0);
	r = store_begin(store);
	if (r == 0)
		r = store_account_insert(store, &a);
	if (r < 0) {
		store_rollback(store);
		return r;
	}
	return store_commit(store);
}

static void same_must(const char *text)
{
	if (!of_a_commit(text))
		fprintf(stderr, "proved, and of no commit:\n%s", text);
	must(of_a_commit(text));
}

static void copy_check(struct store *store, const char *text)
{
	struct store_copy *copying = NULL;
	struct store *copy = NULL;
	char *again = NULL;
	int r = store_copy_begin(store, &copying);

	if (r < 0)
		return;
	while ((r = store_copy_step(copying)) == 1)
		;
	if (r < 0) {
		store_copy_abandon(copying);
		return;
	}
	if (store_copy_end(copying, &copy) < 0)
		return;
	must(dump(copy, &again) == 0 && strcmp(text, again) == 0);
	free(again);
	store_close(copy);
}

static void proved_check(struct store *store, const char *text, int read)
{
	char why[256] = "";
	uint64_t generation = store_generation(store);

	must(read == 0);
	same_must(text);
	if ((flags & COPIED) != 0)
		copy_check(store, text);
	must(store_identity(store) != 0);
	if (change_make(store) < 0)
		return;
	must(store_generation(store) == generation + 1);
	if (store_check(store, why, sizeof(why)) < 0)
		fprintf(stderr, "after a change: %s\n", why);
	must(store_check(store, why, sizeof(why)) == 0);
}

static void store_look(int r, struct store *store, bool writable)
{
	char why[256] = "", *text = NULL;
	int read;

	must(r <= 0);
	if (r < 0) {
		must(store == NULL);
		return;
	}
	read = dump(store, &text);
	others_read(store);
	r = store_check(store, why, sizeof(why));
	must(r == 0 || (r < 0 && why[0] != '\0'));
	if (r == 0 && writable)
		proved_check(store, text, read);
	free(text);
	store_close(store);
}

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double open_damaged(void)
{
	struct store *store = NULL;
	double start = seconds();
	int r;

	if ((flags & VIEWED) != 0) {
		r = store_view(path, &store);
		store_look(r, store, false);
		store = NULL;
	}
	r = store_open(path, &store);
	store_look(r, store, true);
	return seconds() - start;
}

static void files_put(const struct input *journal)
{
	file_put("", now.bytes[0], now.size[0]);
	if (seed->size[1] > 0)
		file_put("-wal", now.bytes[1], now.size[1]);
	if ((flags & JOURNAL) != 0)
		file_put("-journal", journal->at, journal->left);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input input = { data, size };

	if (directory[0] == '\0')
		set_up();
	seed = &seeds[take_byte(&input) % SEEDS];
	flags = take_byte(&input);
	for (int i = 0; i < 2; i++) {
		memcpy(now.bytes[i], seed->bytes[i], seed->size[i]);
		now.size[i] = seed->size[i];
	}
	for (unsigned i = 0; i < 16 && input.left > 0 && !((flags & JOURNAL) != 0 && i == 4); i++)
		change_take(&input);
	if ((flags & LOG_MENDED) != 0)
		log_mend(now.bytes[1], now.size[1]);
	for (unsigned tries = 0, slow = 1; slow != 0; tries++) { /* on a busy machine one may be */
		must(tries < 4);
		files_put(&input);
		slow = open_damaged() >= 1;
		files_remove();
	}
	return 0;
}
