/* SPDX-License-Identifier: ISC */
/* Ending what runs as an account: with whichever of the four uids, in whichever thread, and forking. */
#include <cap-ng.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/mount.h>
#include <sys/pidfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "confine/clock.h"
#include "confine/identity.h"
#include "home/groups.h"
#include "home/sessions.h"
#include "home/stopped.h"
#include "tests/unit/home_fixture.h"

#define UID 2100777011u
#define OTHER_UID 2100777012u
#define RANGE 1879000000u

static const struct id_range ranges[] = { { .first = RANGE, .count = 65536 } };
static const struct session_ids whole = { .uid = UID, .ranges = ranges, .count = 1 };

static int sleep_for_good(void *data)
{
	int ready = *(int *)data;

	/* not for good when the test is broken, and not in the way of who reads its output */
	alarm(120);
	close(1);
	close(2);
	signal(SIGTERM, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	if (write(ready, "x", 1) != 1)
		return 1;
	for (;;)
		pause();
}

/* A family that detaches itself, and goes on doing so: each child has a child and ends. */
static int fork_for_good(void *data)
{
	int ready = *(int *)data;

	for (int i = 0; i < 4; i++)
		if (fork() == 0) {
			setsid();
			if (fork() == 0)
				return sleep_for_good(&ready);
			_exit(0);
		}
	if (write(ready, "x", 1) != 1)
		return 1;
	close(1);
	close(2);
	for (int i = 0; i < 5000; i++) {
		pid_t pid = fork();

		if (pid != 0)
			_exit(0);
		setsid();
	}
	return 0;
}

static int count_processes(uid_t uid)
{
	char text[160];
	FILE *file;
	int count = -1;

	snprintf(text, sizeof(text),
		 "cat /proc/[0-9]*/status 2>/dev/null | "
		 "awk '/^State:/{s=$2} /^Uid:/{if (s!=\"Z\" && $2==%u) n++} END{print n+0}'",
		 uid);
	file = popen(text, "re");
	assert_non_null(file);
	assert_int_equal(fscanf(file, "%d", &count), 1);
	pclose(file);
	return count;
}

static int count_one(void *data, int proc, const struct session *session)
{
	(void)data;
	(void)proc;
	(void)session;
	return 1;
}

static int ids_end(const struct session_ids *ids)
{
	struct pollfd ended = { .events = POLLIN };
	int pidfd = -1, status = 0, r;
	pid_t pid;

	r = sessions_end_start(&(struct sessions_ending){ .ids = ids, .cgroups = -1 }, &pid, &pidfd);
	if (r < 0)
		return r;
	ended.fd = pidfd;
	assert_int_equal(poll(&ended, 1, 10000), 1);
	close(pidfd);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static int sessions_end(uint32_t uid)
{
	const struct session_ids ids = { .uid = uid };

	return ids_end(&ids);
}

static void sessions_end_to_the_last_one(void **state)
{
	int ready[2];
	char byte;
	pid_t family, single, other;

	(void)state;
	/* what a run that failed may have left */
	assert_int_equal(sessions_end(UID), SESSIONS_NONE);
	assert_int_equal(sessions_end(OTHER_UID), 0);
	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	family = start_as(UID, fork_for_good, &ready[1]);
	single = start_as(UID, sleep_for_good, &ready[1]);
	other = start_as(OTHER_UID, sleep_for_good, &ready[1]);
	for (int i = 0; i < 7; i++)
		assert_int_equal(read(ready[0], &byte, 1), 1);
	assert_true(count_processes(UID) >= 5);
	assert_int_equal(sessions_end(UID), SESSIONS_NONE);
	assert_int_equal(count_processes(UID), 0);
	assert_int_equal(sessions_end(UID), SESSIONS_NONE);
	/* nobody else's */
	assert_int_equal(kill(other, 0), 0);
	assert_int_equal(count_processes(OTHER_UID), 1);
	assert_int_equal(sessions_end(OTHER_UID), 0);
	waitpid(family, NULL, 0);
	waitpid(single, NULL, 0);
	waitpid(other, NULL, 0);
	close(ready[0]);
	close(ready[1]);
}

static void sessions_of_special_uids_are_refused(void **state)
{
	static const uint32_t refused[] = { 0, 1, 33, 999, 65534, 65535, 4294967295u };

	(void)state;
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
		assert_int_equal(sessions_end(refused[i]), -EINVAL);
}

/* ---- with whichever uid */

static const struct uids {
	uid_t real, effective, saved, files;
	bool ended;
} kinds[] = {
	{ UID, OTHER_UID, OTHER_UID, OTHER_UID, true },
	/* what a file with mode 6755 makes, in the order that hides most */
	{ OTHER_UID, UID, OTHER_UID, UID, true },
	{ OTHER_UID, OTHER_UID, UID, OTHER_UID, true },
	{ OTHER_UID, OTHER_UID, OTHER_UID, UID, true },
	{ RANGE, RANGE, RANGE, RANGE, true },
	{ OTHER_UID, RANGE + 65535, OTHER_UID, OTHER_UID, true },
	{ 0, UID, UID, UID, true },
	/* controls: a neighbour's, and servers of root's that act for the account for a moment */
	{ OTHER_UID, RANGE - 1, RANGE + 65536, OTHER_UID, false },
	{ 0, UID, 0, UID, false },
	{ 0, 0, 0, UID, false },
};

/* Of the thread that calls it alone: not by libc, which tells the others. */
static void become_kind(const struct uids *kind)
{
	if (kind->files == kind->effective) {
		if (syscall(SYS_setresuid, kind->real, kind->effective, kind->saved) != 0)
			_exit(1);
		return;
	}
	/* any of those sets it to the effective one: said afterwards, with the capability that is kept */
	if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) != 0 ||
	    syscall(SYS_setresuid, kind->real, kind->effective, kind->saved) != 0 || capng_get_caps_process() != 0 ||
	    capng_update(CAPNG_ADD, CAPNG_EFFECTIVE, CAP_SETUID) != 0 || capng_apply(CAPNG_SELECT_CAPS) != 0)
		_exit(1);
	setfsuid(kind->files);
}

enum where { ITSELF, THREAD, LAST_THREAD };

static struct start {
	const struct uids *kind;
	int ready;
} start;

static void *thread(void *argument)
{
	(void)argument;
	become_kind(start.kind);
	sleep_for_good(&start.ready);
	return NULL;
}

static pid_t start_kind(const struct uids *kind, enum where where, int ready)
{
	static const struct uids neutral = { OTHER_UID, OTHER_UID, OTHER_UID, OTHER_UID, false };
	pid_t pid = fork();
	pthread_t id;

	assert_true(pid >= 0);
	if (pid > 0)
		return pid;
	start = (struct start){ kind, ready };
	if (where == ITSELF)
		thread(NULL);
	if (pthread_create(&id, NULL, thread, NULL) != 0)
		_exit(1);
	become_kind(&neutral);
	if (where == LAST_THREAD)
		syscall(SYS_exit, 0);
	for (;;)
		pause();
}

static void it_is_known_by_each_of_its_uids(void **state)
{
	int ready[2], status;
	char byte;

	(void)state;
	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		for (enum where where = ITSELF; where <= LAST_THREAD; where++) {
			pid_t pid = start_kind(&kinds[i], where, ready[1]);

			assert_int_equal(read(ready[0], &byte, 1), 1);
			if (where == LAST_THREAD)
				usleep(2000);
			assert_int_equal(ids_end(&whole), SESSIONS_NONE);
			if (!kinds[i].ended) {
				usleep(2000);
				assert_int_equal(waitpid(pid, &status, WNOHANG), 0);
				kill(pid, SIGKILL);
			}
			assert_int_equal(waitpid(pid, &status, 0), pid);
			assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
		}
	close(ready[0]);
	close(ready[1]);
}

/* ---- forking */

/* At most so many processes of the uid that counts for it: the real one. */
static int bomb(const struct uids *kind, int ready)
{
	const struct rlimit limit = { 100, 100 };

	alarm(120);
	if (setrlimit(RLIMIT_NPROC, &limit) != 0)
		return 1;
	setsid();
	become_kind(kind);
	if (write(ready, "x", 1) != 1)
		return 1;
	for (;;)
		if (fork() == 0)
			alarm(120);
}

static void bombs_end(const struct uids *kind)
{
	int ready[2];
	char byte;
	pid_t pid;

	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	pid = fork();
	if (pid == 0)
		_exit(bomb(kind, ready[1]));
	assert_int_equal(read(ready[0], &byte, 1), 1);
	usleep(50000);
	assert_int_equal(ids_end(&whole), SESSIONS_NONE);
	assert_int_equal(sessions_find(&whole, 0, count_one, NULL), 0);
	waitpid(pid, NULL, 0);
	close(ready[0]);
	close(ready[1]);
}

/* As whom they fork: the account, its owner's process with a file of it, an id of its range. */
static const struct uids bombs[] = {
	{ UID, UID, UID, UID, true },
	{ OTHER_UID, UID, OTHER_UID, UID, true },
	{ RANGE + 7, RANGE + 7, RANGE + 7, RANGE + 7, true },
};

static void a_fork_bomb_ends(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(bombs) / sizeof(bombs[0]); i++)
		bombs_end(&bombs[i]);
}

/* One process that is another one all the time. */
static int hop(void *data)
{
	alarm(120);
	for (int i = 0;; i++) {
		pid_t next;

		/* those that have ended count until they are waited for: the host's numbers are not used up */
		while ((next = fork()) < 0)
			sched_yield();
		if (next != 0)
			_exit(0);
		if (i == 50 && write(*(int *)data, "x", 1) != 1)
			return 1;
	}
}

static void one_that_forks_and_ends_is_caught(void **state)
{
	int ready[2];
	char byte;
	pid_t pid;

	(void)state;
	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	pid = fork();
	if (pid == 0) {
		if (setrlimit(RLIMIT_NPROC, &(const struct rlimit){ 100, 100 }) != 0)
			_exit(1);
		become_kind(&kinds[1]);
		_exit(hop(&ready[1]));
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	assert_int_equal(ids_end(&whole), SESSIONS_NONE);
	/* none has the other end any more: a look would pass over it as well */
	assert_int_equal(poll(&(struct pollfd){ .fd = ready[0], .events = POLLIN }, 1, 1000), 1);
	assert_int_equal(read(ready[0], &byte, 1), 0);
	waitpid(pid, NULL, 0);
	close(ready[0]);
}

/* ---- what is gone, or no process, when its turn comes */

static void *wait_in_thread(void *data)
{
	*(pid_t *)data = (pid_t)syscall(SYS_gettid);
	if (write(((int *)data)[1], "x", 1) == 1)
		for (;;)
			pause();
	return NULL;
}

/* Its thread's number goes to whoever reads; it lives. */
static int with_a_thread(void *data)
{
	int ready = *(int *)data, told[2];
	int word[2] = { 0 };
	pthread_t thread;
	char byte;

	alarm(120);
	if (pipe(told) != 0)
		return 1;
	word[1] = told[1];
	if (pthread_create(&thread, NULL, wait_in_thread, word) != 0 || read(told[0], &byte, 1) != 1 ||
	    write(ready, &word[0], sizeof(word[0])) != sizeof(word[0]))
		return 1;
	for (;;)
		pause();
}

static int session_kill_pid(pid_t pid)
{
	const struct session_ids ids = { .uid = UID };
	struct session session = { .real = UID };
	int proc = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r;

	snprintf(session.pid, sizeof(session.pid), "%d", (int)pid);
	r = session_signal_one(&ids, proc, &session, SIGKILL);
	close(proc);
	return r;
}

/* The newest number may be that of a thread: the chase looks at it, and /proc shows it to whoever asks for it by name.
 */
static void a_thread_is_no_failure(void **state)
{
	int ready[2];
	pid_t pid, thread;

	(void)state;
	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	pid = start_as(UID, with_a_thread, &ready[1]);
	assert_int_equal(read(ready[0], &thread, sizeof(thread)), sizeof(thread));
	assert_int_not_equal(thread, pid);
	assert_true(pidfd_open(thread, 0) < 0 && errno != ESRCH); /* the control: there is no such process */
	assert_true(session_kill_pid(thread) >= 0);
	assert_int_equal(sessions_end(UID), SESSIONS_NONE);
	waitpid(pid, NULL, 0);
	close(ready[0]);
	close(ready[1]);
}

/* Between the look and the signal it has ended and been waited for; its number stays in use by its process group. */
static void one_that_has_left_its_number_to_its_group_is_no_failure(void **state)
{
	int ready[2];
	char byte;
	pid_t leader = fork(), member;

	(void)state;
	if (leader == 0) {
		setpgid(0, 0);
		for (;;)
			pause();
	}
	setpgid(leader, leader);
	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	member = fork();
	if (member == 0)
		_exit(sleep_for_good(&ready[1]));
	assert_int_equal(setpgid(member, leader), 0);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	kill(leader, SIGKILL);
	assert_int_equal(waitpid(leader, NULL, 0), leader);
	assert_true(pidfd_open(leader, 0) < 0); /* EINVAL of Linux 6.1, ESRCH of 6.18 */
	assert_true(session_kill_pid(leader) >= 0);
	kill(member, SIGKILL);
	assert_int_equal(waitpid(member, NULL, 0), member);
	assert_int_equal(session_kill_pid(leader), 0);
	assert_int_equal(sessions_ended(SESSIONS_LEFT), -EBUSY);
	assert_int_equal(sessions_ended(SESSIONS_FAILED + EMFILE), -EMFILE);
	assert_int_equal(sessions_ended(125), -ECHILD);
	close(ready[0]);
	close(ready[1]);
}

/* ---- standing still */

static int ids_freeze(const struct session_ids *ids, enum sessions_freeze how)
{
	struct pollfd ended = { .events = POLLIN };
	int pidfd = -1, status = 0, r;
	pid_t pid;

	r = sessions_freeze_start(ids, how, -1, &pid, &pidfd);
	if (r < 0)
		return r;
	ended.fd = pidfd;
	assert_int_equal(poll(&ended, 1, 15000), 1);
	close(pidfd);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static int count_running(void *data, int proc, const struct session *session)
{
	return !session_stands(data, -1, proc, session);
}

static int running(const struct session_ids *ids)
{
	struct session_ids copy = *ids;

	return sessions_find(ids, 0, count_running, &copy);
}

/* Nothing of it runs, and then everything does again. */
static void bombs_stand(const struct uids *kind)
{
	int ready[2], before;
	char byte;
	pid_t pid;

	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	pid = fork();
	if (pid == 0)
		_exit(bomb(kind, ready[1]));
	assert_int_equal(read(ready[0], &byte, 1), 1);
	usleep(50000);
	assert_true(running(&whole) > 0);
	assert_int_equal(ids_freeze(&whole, FREEZE), SESSIONS_NONE);
	assert_int_equal(running(&whole), 0);
	before = sessions_find(&whole, 0, count_one, NULL);
	assert_true(before > 0);
	usleep(20000);
	assert_int_equal(sessions_find(&whole, 0, count_one, NULL), before);
	assert_int_equal(ids_freeze(&whole, FREEZE_AGAIN), SESSIONS_NONE);
	assert_int_equal(ids_freeze(&whole, THAW), SESSIONS_NONE);
	assert_true(running(&whole) > 0);
	assert_int_equal(ids_freeze(&whole, FREEZE), SESSIONS_NONE);
	assert_int_equal(ids_end(&whole), SESSIONS_NONE);
	stopped_forget(UID);
	waitpid(pid, NULL, 0);
	close(ready[0]);
	close(ready[1]);
}

static void a_fork_bomb_stands_still_and_goes_on(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(bombs) / sizeof(bombs[0]); i++)
		bombs_stand(&bombs[i]);
}

/* Each lets all others go on, all the time. */
static int storm(void *data)
{
	alarm(120);
	setsid();
	for (int i = 0; i < 12; i++)
		if (fork() == 0)
			for (alarm(120);;)
				kill(-1, SIGCONT);
	if (write(*(int *)data, "x", 1) != 1)
		return 1;
	for (;;)
		kill(-1, SIGCONT);
}

static void a_storm_of_continuing_stands_still(void **state)
{
	int ready[2];
	char byte;
	pid_t pid;

	(void)state;
	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	pid = start_as(UID, storm, &ready[1]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	for (int i = 0; i < 5; i++) {
		assert_int_equal(ids_freeze(&whole, FREEZE), SESSIONS_NONE);
		assert_int_equal(running(&whole), 0);
		assert_int_equal(ids_freeze(&whole, THAW), SESSIONS_NONE);
		assert_true(running(&whole) > 0);
	}
	assert_int_equal(ids_end(&whole), SESSIONS_NONE);
	waitpid(pid, NULL, 0);
	close(ready[0]);
	close(ready[1]);
}

static void one_that_stood_before_stands_after(void **state)
{
	const struct session_ids ids = { .uid = UID };
	struct session session = { .state = 0 };
	int ready[2], proc = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC), status;
	pid_t stopped, other;
	char byte;

	(void)state;
	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	stopped = start_as(UID, sleep_for_good, &ready[1]);
	other = start_as(UID, sleep_for_good, &ready[1]);
	for (int i = 0; i < 2; i++)
		assert_int_equal(read(ready[0], &byte, 1), 1);
	kill(stopped, SIGSTOP);
	assert_int_equal(waitpid(stopped, &status, WUNTRACED), stopped);
	assert_int_equal(ids_freeze(&ids, FREEZE), SESSIONS_NONE);
	assert_int_equal(ids_freeze(&ids, FREEZE_AGAIN), SESSIONS_NONE); /* by when all of them stand */
	assert_int_equal(ids_freeze(&ids, FREEZE), SESSIONS_NONE); /* as after a thaw that did not come to its end */
	assert_int_equal(ids_freeze(&ids, THAW), SESSIONS_NONE);
	snprintf(session.pid, sizeof(session.pid), "%d", (int)stopped);
	assert_true(session_still(&ids, proc, &session) && session.state == 'T');
	snprintf(session.pid, sizeof(session.pid), "%d", (int)other);
	assert_true(session_still(&ids, proc, &session) && session.state != 'T');
	/* and it is forgotten: stopped by whoever else, and frozen once more, the control goes on */
	kill(stopped, SIGCONT);
	assert_int_equal(ids_freeze(&ids, FREEZE), SESSIONS_NONE);
	assert_int_equal(ids_freeze(&ids, THAW), SESSIONS_NONE);
	assert_int_equal(running(&ids), 2);
	assert_int_equal(sessions_end(UID), SESSIONS_NONE);
	waitpid(stopped, NULL, 0);
	waitpid(other, NULL, 0);
	close(proc);
	close(ready[0]);
	close(ready[1]);
}

static void *count_up(void *data)
{
	volatile uint64_t *turns = data;

	while (*turns != UINT64_MAX)
		++*turns;
	return NULL;
}

/* A debugger that is stopped already, of a process whose first thread it holds, and whose second runs. */
static int debug_and_stop(void *data)
{
	const volatile uint64_t *turns = data;
	pthread_t second;
	int status;
	pid_t pid;

	alarm(120);
	prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
	pid = fork();
	if (pid == 0) {
		alarm(120);
		if (pthread_create(&second, NULL, count_up, data) != 0)
			return 1;
		for (;;)
			pause();
	}
	while (*turns == 0)
		usleep(1000);
	if (ptrace(PTRACE_SEIZE, pid, NULL, NULL) != 0 || ptrace(PTRACE_INTERRUPT, pid, NULL, NULL) != 0 ||
	    waitpid(pid, &status, __WALL) != pid)
		return 1;
	raise(SIGSTOP);
	for (;;)
		pause();
}

static bool counts_on(const volatile uint64_t *turns)
{
	const uint64_t before = *turns;

	for (int i = 0; i < 2000 && *turns == before; i++)
		usleep(1000);
	return *turns != before;
}

static void a_thread_beside_one_that_a_debugger_holds_stands_still(void **state)
{
	const struct session_ids ids = { .uid = UID };
	volatile uint64_t *turns = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	uint64_t before;
	pid_t pid;
	int status;

	(void)state;
	assert_true(turns != MAP_FAILED);
	pid = start_as(UID, debug_and_stop, (void *)(uintptr_t)turns);
	assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
	assert_true(WIFSTOPPED(status) && counts_on(turns));
	assert_int_equal(running(&ids), 1);
	assert_int_equal(ids_freeze(&ids, FREEZE), SESSIONS_NONE);
	assert_int_equal(running(&ids), 0);
	before = *turns;
	usleep(20000);
	assert_true(*turns == before);
	assert_int_equal(ids_freeze(&ids, THAW), SESSIONS_NONE);
	assert_true(counts_on(turns));
	assert_int_equal(sessions_end(UID), SESSIONS_NONE);
	waitpid(pid, NULL, 0);
	munmap((void *)(uintptr_t)turns, 4096);
}

/* Reaches those whom the child reaches that stops another account's processes, without an end, and is not reached. */
static pid_t start_stopping(int ready)
{
	pid_t pid = fork();

	if (pid != 0)
		return pid;
	alarm(120);
	if (setresuid(OTHER_UID, IDENTITY_NOBODYS, OTHER_UID) != 0 || write(ready, "x", 1) != 1)
		_exit(1);
	for (;;)
		kill(-1, SIGSTOP);
}

static void a_freeze_of_another_account_holds_up_nothing(void **state)
{
	int ready[2], status;
	pid_t stopping, pid;
	int64_t begin;
	char byte;

	(void)state;
	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	stopping = start_stopping(ready[1]);
	pid = start_as(UID, sleep_for_good, &ready[1]);
	for (int i = 0; i < 2; i++)
		assert_int_equal(read(ready[0], &byte, 1), 1);
	for (int i = 0; i < 20; i++) {
		begin = clock_ms();
		assert_int_equal(sessions_signal_uid(UID, SIGSTOP), 0);
		assert_true(clock_ms() - begin < 4000); /* what is held up for good is given up after five seconds */
	}
	assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
	assert_true(WIFSTOPPED(status));
	assert_int_equal(sessions_end(UID), SESSIONS_NONE);
	waitpid(pid, NULL, 0);
	kill(stopping, SIGKILL);
	waitpid(stopping, NULL, 0);
	close(ready[0]);
	close(ready[1]);
}

static void special_uids_do_not_stand_still(void **state)
{
	static const uint32_t refused[] = { 0, 1, 999, 65534, 65535, 4294967295u };

	(void)state;
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
		assert_int_equal(ids_freeze(&(struct session_ids){ .uid = refused[i] }, FREEZE), -EINVAL);
}

/* ---- by cgroup */

static bool made_parent;

/* A process of another uid in the account's group; its number. The hierarchy is mounted for this test. */
static pid_t start_in_group(const char *parent, const char *form, char *group, size_t size, int ready[2])
{
	char path[160], text[16];
	char byte;
	pid_t pid;
	int fd;

	assert_int_equal(mount("cgroup2", "/sys/fs/cgroup", "cgroup2", 0, NULL), 0);
	snprintf(path, sizeof(path), "/sys/fs/cgroup/%s", parent);
	made_parent = mkdir(path, 0755) == 0;
	snprintf(group, size, "%s/%s", path, form);
	assert_true(mkdir(group, 0755) == 0 || errno == EEXIST); /* of a run that failed */
	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	pid = start_as(OTHER_UID, sleep_for_good, &ready[1]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	snprintf(path, sizeof(path), "%s/cgroup.procs", group);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	snprintf(text, sizeof(text), "%d", (int)pid);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
	return pid;
}

static void group_leave(const char *parent, const char *group, int ready[2])
{
	char path[160];

	rmdir(group);
	snprintf(path, sizeof(path), "/sys/fs/cgroup/%s", parent);
	if (made_parent)
		rmdir(path);
	umount2("/sys/fs/cgroup", MNT_DETACH);
	close(ready[0]);
	close(ready[1]);
}

static const struct {
	const char *parent, *name;
} group_places[] = { { "user.slice", "user-2100777011.slice" }, { "subuidd", "2100777011" } };

static void what_is_in_its_cgroup_goes_whatever_it_is(void **state)
{
	char group[128];
	int ready[2], status;
	pid_t pid;

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		pid = start_in_group(group_places[i].parent, group_places[i].name, group, sizeof(group), ready);
		assert_int_equal(sessions_end(UID), SESSIONS_NONE);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		group_leave(group_places[i].parent, group, ready);
		assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	}
}

static bool says(const char *group, const char *file, const char *word)
{
	char path[192], text[256] = "";
	int fd;

	snprintf(path, sizeof(path), "%s/%s", group, file);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || read(fd, text, sizeof(text) - 1) < 0)
		return false;
	close(fd);
	return strstr(text, word) != NULL;
}

/* One of the account's own in it gets no signal: it is not stopped when the group goes on. */
static void what_is_in_its_cgroup_stands_and_goes_on(void **state)
{
	char group[128];
	int ready[2], status;
	pid_t pid;

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		pid = start_in_group(group_places[i].parent, group_places[i].name, group, sizeof(group), ready);
		assert_int_equal(ids_freeze(&whole, FREEZE), SESSIONS_NONE);
		assert_true(says(group, "cgroup.events", "frozen 1"));
		assert_int_equal(ids_freeze(&whole, THAW), SESSIONS_NONE);
		assert_true(says(group, "cgroup.events", "frozen 0"));
		assert_int_equal(ids_freeze(&whole, FREEZE), SESSIONS_NONE);
		assert_int_equal(sessions_end(UID), SESSIONS_NONE);
		stopped_forget(UID);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		group_leave(group_places[i].parent, group, ready);
		assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	}
}

static void an_empty_group_is_removed_and_one_in_use_stays(void **state)
{
	char group[128];
	int ready[2], cgroups;
	pid_t pid;

	(void)state;
	pid = start_in_group("subuidd", "2100777011", group, sizeof(group), ready);
	mkdir("/sys/fs/cgroup/subuidd/2100777013", 0755);
	cgroups = open("/sys/fs/cgroup", O_PATH | O_DIRECTORY | O_CLOEXEC);
	groups_tidy(cgroups);
	assert_int_equal(access(group, F_OK), 0);
	assert_int_not_equal(access("/sys/fs/cgroup/subuidd/2100777013", F_OK), 0);
	assert_int_equal(sessions_end(UID), SESSIONS_NONE);
	waitpid(pid, NULL, 0);
	groups_tidy(cgroups);
	assert_int_not_equal(access(group, F_OK), 0);
	close(cgroups);
	group_leave("subuidd", group, ready);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sessions_end_to_the_last_one),
		cmocka_unit_test(sessions_of_special_uids_are_refused),
		cmocka_unit_test(it_is_known_by_each_of_its_uids),
		cmocka_unit_test(a_fork_bomb_ends),
		cmocka_unit_test(one_that_forks_and_ends_is_caught),
		cmocka_unit_test(a_thread_is_no_failure),
		cmocka_unit_test(one_that_has_left_its_number_to_its_group_is_no_failure),
		cmocka_unit_test(a_fork_bomb_stands_still_and_goes_on),
		cmocka_unit_test(a_storm_of_continuing_stands_still),
		cmocka_unit_test(one_that_stood_before_stands_after),
		cmocka_unit_test(a_thread_beside_one_that_a_debugger_holds_stands_still),
		cmocka_unit_test(a_freeze_of_another_account_holds_up_nothing),
		cmocka_unit_test(special_uids_do_not_stand_still),
		cmocka_unit_test(what_is_in_its_cgroup_goes_whatever_it_is),
		cmocka_unit_test(what_is_in_its_cgroup_stands_and_goes_on),
		cmocka_unit_test(an_empty_group_is_removed_and_one_in_use_stays),
	};

	/* for what is noted there; this process has mounts of its own */
	if (mount("tmpfs", "/run", "tmpfs", 0, NULL) != 0 || mkdir(RUN_DIR, 0755) != 0)
		return 1;
	/* a child that did not come up would be waited for */
	alarm(60);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
