/* SPDX-License-Identifier: ISC */
/*
 * `verify`: says pam_subuid whether a password of a sub-account is right. Started as the user subuidd-verify, which has
 * nothing but the group that may read the passwords' index, with a socket on descriptor 3 that only root can connect
 * to: by systemd, or by the daemon where there is none. It asks nobody, and goes on without the daemon.
 *
 * The first process takes the questions, counts them (tries.c), and lets them wait for their turn (queue.c): each
 * account and each address has its share, whatever the others ask. It gives them to a few workers, which compute one
 * hash at a time. A worker that ends is started again.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/resource.h>
#include <unistd.h>

#include "confine/harden.h"
#include "confine/landlock.h"
#include "confine/seccomp.h"
#include "verify/serve.h"
#include "verify/work.h"

#define LISTENER 3
#define CHANNEL 3 /* of a worker */
#define WORKERS_LEAST 2
#define PATIENT_NICE 10
#define MEMORY_MAX (96u * 1024 * 1024) /* one hash of the highest cost; the indexes are mapped */

static struct index_reader accounts = INDEX_READER(INDEX_PATH);
static struct index_reader passwords = INDEX_READER(PASSWORDS_PATH);
static struct tries tries;

static __attribute__((noreturn)) void fatal(const char *what, int error)
{
	fprintf(stderr, "verify: %s: %s\n", what, strerror(error < 0 ? -error : error));
	_exit(1);
}

static void check_start(void)
{
	int listens = 0, r;
	socklen_t size = sizeof(listens);

	if (getuid() == 0 || geteuid() == 0)
		fatal("must not run as root: systemd or the daemon starts it as subuidd-verify", EPERM);
	if (getsockopt(LISTENER, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) < 0 || !listens)
		fatal("no socket on descriptor 3: started by systemd or the daemon only", EINVAL);
	r = descriptors_close_from(LISTENER + 1);
	if (r < 0)
		fatal("descriptors", r);
}

static void confine(void)
{
	const struct landlock_rule rules[] = { { .path = STATE_DIR, .fd = -1, .access = LANDLOCK_READ }, LANDLOCK_END };
	int r = process_harden();

	if (r < 0)
		fatal("hardening", r);
	r = landlock_confine(rules);
	if (r < 0)
		fatal("Landlock, which it does not run without, of " STATE_DIR, r);
}

static void tries_begin(void)
{
	if (getrandom(&tries.seed, sizeof(tries.seed), 0) != sizeof(tries.seed))
		fatal("getrandom", EIO);
}

/* Of all descriptors the worker keeps its channel and the log. */
static __attribute__((noreturn)) void work(int channel, struct verifier *verifier, bool patient, pid_t parent)
{
	int r = prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0 ? -errno : 0;

	if (getppid() != parent)
		_exit(0);
	if (patient && setpriority(PRIO_PROCESS, 0, PATIENT_NICE) < 0)
		fprintf(stderr, "verify: a worker does not yield to others: %s\n", strerror(errno));
	if (r == 0 && dup2(channel, CHANNEL) < 0)
		r = -errno;
	if (r == 0)
		r = descriptors_close_from(CHANNEL + 1);
	if (r == 0)
		r = process_bound(RLIMIT_DATA, MEMORY_MAX, CHANNEL + 8);
	if (r < 0)
		fatal("limits", r);
	r = seccomp_confine(SECCOMP_USERDB);
	if (r < 0)
		fatal("seccomp, which it does not run without", r);
	r = verify_work(CHANNEL, verifier);
	if (r < 0)
		fatal("working", r);
	_exit(0);
}

static int worker_start(struct verifier *verifier, bool patient)
{
	pid_t parent = getpid(), pid;
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		return -errno;
	pid = fork();
	if (pid == 0)
		work(ends[1], verifier, patient, parent);
	close(ends[1]);
	if (pid > 0)
		return ends[0];
	close(ends[0]);
	return -EAGAIN;
}

int main(void)
{
	struct verifier verifier = { &accounts, &passwords, &tries };
	long workers = sysconf(_SC_NPROCESSORS_ONLN);

	check_start();
	confine();
	tries_begin();
	signal(SIGCHLD, SIG_IGN); /* nobody waits for a worker: its channel says that it has ended */
	workers = workers < WORKERS_LEAST ? WORKERS_LEAST : workers > WORKERS_MOST ? WORKERS_MOST : workers;
	fatal("serving", verify_serve(LISTENER, &verifier, (unsigned)workers, worker_start));
}
