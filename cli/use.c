/* SPDX-License-Identifier: ISC */
/* Looks at what runs as accounts, and compares two looks. Runs with the caller's own rights. */
#include "cli/use.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "account/id.h"
#include "cli/use_group.h"
#include "confine/cleanup.h"
#include "confine/proc_stat.h"
#include "confine/clock.h"

static struct index_reader reader = INDEX_READER(INDEX_PATH);

static bool wanted(const struct use_want *want, const struct index_account *account)
{
	return want->uid != 0 ? account->uid == want->uid : want->all || account->owner_uid == want->owner;
}

/* The place of the account, which may be among the first ones; SIZE_MAX: no memory. */
static size_t account_place(struct use *use, size_t among, const struct index_account *account)
{
	const size_t count = use->account_count;
	struct use_account *grown;

	for (size_t i = 0; i < among; i++)
		if (use->accounts[i].account.uid == account->uid)
			return i;
	grown = (count & (count - 1)) == 0 ? reallocarray(use->accounts, count == 0 ? 1 : count * 2, sizeof(*grown)) :
					     use->accounts;
	if (grown == NULL)
		return SIZE_MAX;
	use->accounts = grown;
	grown[count] =
		(struct use_account){ .account = *account, .cpu_percent = -1, .read_rate = -1, .written_rate = -1 };
	return use->account_count++;
}

/* The account that has this id, or a range with it. */
static bool account_of(uint32_t id, struct index_account *account)
{
	struct id_range range;

	if (id <= SYSTEM_UID_MAX || id_special(id))
		return false;
	if (index_account_by_uid(&reader, id, account) == 0)
		return true;
	return index_range_by_id(&reader, id, &range) == 0 && range.account_uid != 0 &&
	       index_account_by_uid(&reader, range.account_uid, account) == 0;
}

static uint64_t member(const char *text, const char *name)
{
	const char *at = strstr(text, name);

	return at == NULL ? 0 : strtoull(at + strlen(name), NULL, 10);
}

static bool stat_read(int proc, const char *pid, struct use_process *process)
{
	const uint64_t tick = 1000000u / (uint64_t)sysconf(_SC_CLK_TCK);
	uint64_t parent, user, system;
	char path[32], text[1024];

	snprintf(path, sizeof(path), "%.16s/stat", pid);
	if (!use_read(proc, path, text, sizeof(text)) || !proc_stat_number(text, PROC_STAT_PARENT, &parent) ||
	    !proc_stat_number(text, PROC_STAT_USER, &user) || !proc_stat_number(text, PROC_STAT_SYSTEM, &system) ||
	    !proc_stat_number(text, PROC_STAT_START, &process->start))
		return false;
	process->parent = (pid_t)parent;
	process->counters.cpu_usec = (user + system) * tick;
	return true;
}

static void io_read(int proc, const char *pid, struct use_counters *counters)
{
	char path[32], text[512];

	snprintf(path, sizeof(path), "%.16s/io", pid);
	counters->read = counters->written = USE_UNKNOWN;
	if (!use_read(proc, path, text, sizeof(text)) || strstr(text, "read_bytes:") == NULL)
		return;
	counters->read = member(text, "\nread_bytes: ");
	counters->written = member(text, "\nwrite_bytes: ");
}

static int process_add(struct use *use, const struct use_process *process)
{
	const size_t count = use->process_count;
	struct use_process *grown = use->processes;

	if ((count & (count - 1)) == 0)
		grown = reallocarray(grown, count == 0 ? 1 : count * 2, sizeof(*grown));
	if (grown == NULL)
		return -ENOMEM;
	use->processes = grown;
	grown[use->process_count++] = *process;
	return 0;
}

/* Of all others but this one file is read. A process that ends meanwhile is none. */
static int process_look(int proc, const char *pid, const struct use_want *want, struct use *use)
{
	struct use_process process = { .pid = (int)strtol(pid, NULL, 10) };
	struct index_account account;
	char path[32], text[2048];
	const char *state;

	snprintf(path, sizeof(path), "%.16s/status", pid);
	if (!use_read(proc, path, text, sizeof(text)) || (state = strstr(text, "\nState:\t")) == NULL ||
	    state[8] == 'Z' || state[8] == 'X' || !account_of((uint32_t)member(text, "\nUid:\t"), &account) ||
	    !wanted(want, &account) || !stat_read(proc, pid, &process))
		return 0;
	process.memory = member(text, "\nVmRSS:\t") * 1024;
	io_read(proc, pid, &process.counters);
	process.account = account_place(use, use->account_count, &account);
	return process.account == SIZE_MAX ? -ENOMEM : process_add(use, &process);
}

static int by_pid(const void *a, const void *b)
{
	const struct use_process *x = a, *y = b;

	return (x->pid > y->pid) - (x->pid < y->pid);
}

static const struct use_process *process_of(const struct use *use, int pid)
{
	const struct use_process key = { .pid = pid };

	return use->process_count == 0 ? NULL : bsearch(&key, use->processes, use->process_count, sizeof(key), by_pid);
}

static void add(uint64_t *sum, uint64_t value)
{
	*sum = *sum == USE_UNKNOWN || value == USE_UNKNOWN ? USE_UNKNOWN : *sum + value;
}

/* A session is what another user began and has under way: a connection (sshd), a job (cron), a command (su). */
static void accounts_sum(struct use *use)
{
	for (size_t i = 0; i < use->process_count; i++) {
		const struct use_process *process = &use->processes[i], *parent = process_of(use, process->parent);
		struct use_account *account = &use->accounts[process->account];

		account->processes++;
		account->sessions += process->parent > 1 && (parent == NULL || parent->account != process->account);
		account->memory += process->memory;
		add(&account->counters.cpu_usec, process->counters.cpu_usec);
		add(&account->counters.read, process->counters.read);
		add(&account->counters.written, process->counters.written);
	}
	for (size_t i = 0; i < use->account_count; i++) {
		struct use_account *account = &use->accounts[i];
		struct use_counters group;

		account->grouped = account->processes > 0 && use_group(account->account.uid, &group, &account->memory);
		if (account->grouped && group.read == USE_UNKNOWN) {
			group.read = account->counters.read;
			group.written = account->counters.written;
		}
		if (account->grouped)
			account->counters = group;
	}
}

/* Those that run nothing, behind the others. */
static int idle_add(const struct use_want *want, struct use *use)
{
	const size_t running = use->account_count;
	struct index_account account;
	uint64_t cursor = 0;
	int r;

	while ((r = index_account_next(&reader, &cursor, &account)) == 0)
		if (wanted(want, &account) && account_place(use, running, &account) == SIZE_MAX)
			return -ENOMEM;
	return r == -ENOENT ? 0 : r;
}

int use_look(const struct use_want *want, struct use *use)
{
	cleanup_dir DIR *dir = opendir("/proc");
	const struct dirent *entry;
	struct index_host host;
	int r;

	if (dir == NULL)
		return -errno;
	r = index_host(&reader, &host);
	*use = (struct use){ .when = clock_ms() };
	while (r == 0 && (entry = readdir(dir)) != NULL)
		if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9')
			r = process_look(dirfd(dir), entry->d_name, want, use);
	if (r == 0 && use->process_count > 0)
		qsort(use->processes, use->process_count, sizeof(*use->processes), by_pid);
	if (r == 0)
		accounts_sum(use);
	if (r == 0 && want->idle)
		r = idle_add(want, use);
	if (r < 0)
		use_free(use);
	return r;
}

void use_free(struct use *use)
{
	free(use->processes);
	free(use->accounts);
	*use = (struct use){ .when = 0 };
}

const struct use_account *use_of(const struct use *use, uint32_t uid)
{
	for (size_t i = 0; i < use->account_count; i++)
		if (use->accounts[i].account.uid == uid)
			return &use->accounts[i];
	return NULL;
}

static uint64_t grown(uint64_t before, uint64_t now)
{
	return before == USE_UNKNOWN || now == USE_UNKNOWN ? USE_UNKNOWN : now > before ? now - before : 0;
}

/* Those that have ended between the looks took something that is not counted; those that began count whole. */
static void process_rates(const struct use *before, const struct use *use, struct use_counters *sums)
{
	for (size_t i = 0; i < use->process_count; i++) {
		const struct use_process *process = &use->processes[i], *then = process_of(before, process->pid);
		const struct use_counters none = { 0 };
		const struct use_counters *from =
			then != NULL && then->start == process->start ? &then->counters : &none;
		struct use_counters *sum = &sums[process->account];

		add(&sum->cpu_usec, grown(from->cpu_usec, process->counters.cpu_usec));
		add(&sum->read, grown(from->read, process->counters.read));
		add(&sum->written, grown(from->written, process->counters.written));
	}
}

static double rate(uint64_t value, double seconds)
{
	return value == USE_UNKNOWN ? -1 : (double)value / seconds;
}

void use_rates(const struct use *before, struct use *use)
{
	const double seconds = use->when > before->when ? (double)(use->when - before->when) / 1000 : 1;
	cleanup_free struct use_counters *sums = calloc(use->account_count + 1, sizeof(*sums));

	if (sums == NULL)
		return;
	process_rates(before, use, sums);
	for (size_t i = 0; i < use->account_count; i++) {
		struct use_account *account = &use->accounts[i];
		const struct use_account *then =
			account->grouped ? use_of(before, account->account.uid) : NULL; /* of those that run */
		struct use_counters *sum = &sums[i];

		if (then != NULL && then->grouped)
			*sum = (struct use_counters){ grown(then->counters.cpu_usec, account->counters.cpu_usec),
						      grown(then->counters.read, account->counters.read),
						      grown(then->counters.written, account->counters.written) };
		account->cpu_percent = rate(sum->cpu_usec, seconds) / 10000;
		account->read_rate = rate(sum->read, seconds);
		account->written_rate = rate(sum->written, seconds);
	}
}

const char *use_size_text(uint64_t bytes, char out[USE_TEXT_MAX])
{
	static const char units[] = "KMGTPE";
	double value = (double)bytes / 1024;
	size_t unit = 0;

	while (value >= 1024 && unit + 2 < sizeof(units)) {
		value /= 1024;
		unit++;
	}
	if (bytes < 1024)
		snprintf(out, USE_TEXT_MAX, "%u", (unsigned)bytes);
	else
		snprintf(out, USE_TEXT_MAX, value < 10 ? "%.1f%c" : "%.0f%c", value, units[unit]);
	return out;
}
