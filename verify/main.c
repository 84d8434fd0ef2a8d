/* SPDX-License-Identifier: ISC */
/*
 * `verify`: says pam_subuid whether a password of a sub-account is right. Started as the user subuidd-verify, which has
 * nothing but the group that may read the passwords' index, with a socket on descriptor 3 that only root can connect
 * to: by systemd, or by the daemon where there is none. It asks nobody, and goes on without the daemon.
 *
 * A few processes wait at the socket; each takes one question and computes one hash at a time. So a question waits for
 * those before it, of which each address and each account has but a few (tries.c). One that ends is started again.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "confine/harden.h"
#include "confine/landlock.h"
#include "confine/seccomp.h"
#include "verify/serve.h"

#define LISTENER 3
#define WORKERS_LEAST 2
#define WORKERS_MOST 8
#define MEMORY_MAX (96u * 1024 * 1024) /* one hash of the highest cost; the indexes are mapped */
#define AGAIN_MS 200                   /* before one that ended is started again */

static struct index_reader accounts = INDEX_READER(INDEX_PATH);
static struct index_reader passwords = INDEX_READER(PASSWORDS_PATH);

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

static struct tries *tries_make(void)
{
	struct tries *tries = mmap(NULL, sizeof(*tries), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	uint64_t seed;
	int r;

	if (tries == MAP_FAILED)
		fatal("memory", errno);
	if (getrandom(&seed, sizeof(seed), 0) != sizeof(seed))
		fatal("getrandom", EIO);
	r = tries_init(tries, seed);
	if (r < 0)
		fatal("a lock", r);
	return tries;
}

static __attribute__((noreturn)) void work(struct verifier *verifier, pid_t parent)
{
	int r = prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0 ? -errno : 0;

	if (getppid() != parent)
		_exit(0);
	if (r == 0)
		r = process_bound(RLIMIT_DATA, MEMORY_MAX, LISTENER + 8);
	if (r < 0)
		fatal("limits", r);
	r = seccomp_confine(SECCOMP_USERDB);
	if (r < 0)
		fatal("seccomp, which it does not run without", r);
	fatal("serving", verify_serve(LISTENER, verifier));
}

static void worker_start(struct verifier *verifier)
{
	pid_t parent = getpid(), pid = fork();

	if (pid == 0)
		work(verifier, parent);
	if (pid < 0)
		fatal("fork", errno);
}

int main(void)
{
	struct verifier verifier = { &accounts, &passwords, NULL };
	long workers = sysconf(_SC_NPROCESSORS_ONLN);

	check_start();
	confine();
	verifier.tries = tries_make();
	workers = workers < WORKERS_LEAST ? WORKERS_LEAST : workers > WORKERS_MOST ? WORKERS_MOST : workers;
	for (long i = 0; i < workers; i++)
		worker_start(&verifier);
	for (;;) {
		if (waitpid(-1, NULL, 0) < 0 && errno != EINTR)
			fatal("waitpid", errno);
		usleep(AGAIN_MS * 1000);
		worker_start(&verifier);
	}
}
