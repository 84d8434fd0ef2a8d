/* SPDX-License-Identifier: ISC */
/*
 * tracer -o TRACE [-i ROLE:SYSCALL:K:WHAT] [-p PID:ROLE]... [-c ROLE -- COMMAND [ARG ...]]
 *
 * Counts the system calls of a daemon and of all that it makes, by role, and lets one of them fail or be the last: the
 * K-th SYSCALL of everything that has ROLE, all its processes taken together. WHAT: `kill` (SIGKILL, the call is not
 * made) or the number of an error (the call is not made and answers that). TRACE has a line "ROLE SYSCALL K PID
 * ARGUMENT ARGUMENT" for each call, in order (its second and third argument), and "hit" behind the one that was chosen.
 *
 * strace counts for each process by itself, so that it cannot choose a helper's second write and spare the daemon's.
 *
 * Roles: what -p and -c say; of children: `worker`, `forker` (makes the owners' children), `owner` (these), `child`
 * (others of the broker). Says "ready" on standard output when everything is traced; ends when nothing is left, or when
 * it is killed: what it traced goes on. Run by the tests, as root.
 */
#include <elf.h>
#include <errno.h>
#include <seccomp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#define PROCESSES_MAX 512
#define SYSCALLS_MAX 600
#define OPTIONS                                                                                                        \
	(PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC)

enum role { BROKER, WORKER, FORKER, OWNER, CHILD, COMMAND, ROLES };
static const char *const role_names[ROLES] = { "broker", "worker", "forker", "owner", "child", "command" };

struct process {
	pid_t pid; /* 0: free */
	enum role role;
	bool waits;   /* stopped; its parent has not said yet whose it is */
	bool renamed; /* by the call that it is in, perhaps */
};

static struct process processes[PROCESSES_MAX];
static unsigned counts[ROLES][SYSCALLS_MAX];
static const char *names[SYSCALLS_MAX];
static struct {
	enum role role;
	int syscall;
	unsigned k;
	int error; /* 0: kill; -1: nothing is injected */
} injection = { .error = -1 };
static FILE *trace;

static __attribute__((noreturn)) void fail(const char *what)
{
	fprintf(stderr, "tracer: %s: %s\n", what, strerror(errno));
	exit(EXIT_FAILURE);
}

static enum role role_parse(const char *name)
{
	for (int i = 0; i < ROLES; i++)
		if (strcmp(name, role_names[i]) == 0)
			return (enum role)i;
	errno = EINVAL;
	fail(name);
}

static struct process *process_find(pid_t pid)
{
	for (int i = 0; i < PROCESSES_MAX; i++)
		if (processes[i].pid == pid)
			return &processes[i];
	return NULL;
}

static struct process *process_add(pid_t pid, enum role role)
{
	struct process *process = process_find(pid);

	if (process == NULL)
		process = process_find(0);
	if (process == NULL) {
		errno = ENOMEM;
		fail("processes");
	}
	*process = (struct process){ .pid = pid, .role = role };
	return process;
}

static enum role role_of_child(enum role parent)
{
	switch (parent) {
	case BROKER:
		return CHILD;
	case FORKER:
		return OWNER;
	default:
		return parent;
	}
}

/* What a child of the broker is, it says by its name. */
static void role_look(struct process *process)
{
	char path[64], name[32] = "";
	FILE *file;

	if (process->role != CHILD)
		return;
	snprintf(path, sizeof(path), "/proc/%d/comm", (int)process->pid);
	file = fopen(path, "re");
	if (file == NULL)
		return;
	if (fgets(name, sizeof(name), file) != NULL) {
		if (strcmp(name, "worker\n") == 0)
			process->role = WORKER;
		else if (strcmp(name, "subuidd-links\n") == 0)
			process->role = FORKER;
	}
	fclose(file);
}

/* At its entry: the call is not made, and answers -error. */
static void refuse(pid_t pid, int error)
{
	struct user_regs_struct registers;
	struct iovec part = { &registers, sizeof(registers) };

	if (ptrace(PTRACE_GETREGSET, pid, NT_PRSTATUS, &part) < 0)
		return; /* it has ended */
#if defined(__x86_64__)
	registers.orig_rax = (unsigned long long)-1;
	registers.rax = (unsigned long long)-error;
#elif defined(__aarch64__)
	int none = -1;
	struct iovec number = { &none, sizeof(none) };

	if (ptrace(PTRACE_SETREGSET, pid, NT_ARM_SYSTEM_CALL, &number) < 0)
		return;
	registers.regs[0] = (unsigned long long)-error;
#else
#error "how a system call is refused on this architecture"
#endif
	(void)ptrace(PTRACE_SETREGSET, pid, NT_PRSTATUS, &part);
}

static const char *syscall_name(int number)
{
	if (names[number] == NULL)
		names[number] = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, number);
	return names[number] != NULL ? names[number] : "unknown";
}

static void entered(struct process *process, const struct __ptrace_syscall_info *info)
{
	int number = (int)info->entry.nr;
	unsigned k;
	bool hit;

	if (number < 0 || number >= SYSCALLS_MAX)
		return;
	k = ++counts[process->role][number];
	hit = injection.error >= 0 && injection.role == process->role && injection.syscall == number &&
	      injection.k == k;
	process->renamed = number == __NR_prctl;
	fprintf(trace, "%s %s %u %d %llx %llx%s\n", role_names[process->role], syscall_name(number), k,
		(int)process->pid, (unsigned long long)info->entry.args[1], (unsigned long long)info->entry.args[2],
		hit ? " hit" : "");
	if (!hit)
		return;
	if (injection.error == 0)
		kill(process->pid, SIGKILL);
	else
		refuse(process->pid, injection.error);
}

static void on_syscall(struct process *process)
{
	struct __ptrace_syscall_info info;

	if (ptrace(PTRACE_GET_SYSCALL_INFO, process->pid, sizeof(info), &info) <= 0)
		return;
	if (info.op == PTRACE_SYSCALL_INFO_ENTRY)
		entered(process, &info);
	else if (process->renamed)
		role_look(process);
}

/* Its maker decides what it is; its parent may be another process (CLONE_PARENT). */
static void child_made(const struct process *maker, pid_t pid)
{
	const struct process *known = process_find(pid);
	bool waits = known != NULL && known->waits;

	process_add(pid, role_of_child(maker->role));
	if (waits)
		(void)ptrace(PTRACE_SYSCALL, pid, 0, 0);
}

/* The signal to give on to the process, or 0. */
static int on_stop(struct process *process, int status)
{
	unsigned event = (unsigned)status >> 16;
	unsigned long child;

	if (WSTOPSIG(status) == (SIGTRAP | 0x80)) {
		on_syscall(process);
		return 0;
	}
	switch (event) {
	case 0:
		return WSTOPSIG(status);
	case PTRACE_EVENT_FORK:
	case PTRACE_EVENT_VFORK:
	case PTRACE_EVENT_CLONE:
		if (ptrace(PTRACE_GETEVENTMSG, process->pid, 0, &child) == 0)
			child_made(process, (pid_t)child);
		return 0;
	case PTRACE_EVENT_EXEC:
		role_look(process);
		return 0;
	default:
		return 0;
	}
}

/* A child may be heard of before its parent says whose it is: it waits, stopped, until it has a role. */
static void on_status(pid_t pid, int status)
{
	struct process *process = process_find(pid);
	int signal;

	if (WIFEXITED(status) || WIFSIGNALED(status)) {
		if (process != NULL)
			process->pid = 0;
		return;
	}
	if (process == NULL) {
		process_add(pid, CHILD)->waits = true;
		return;
	}
	signal = on_stop(process, status);
	(void)ptrace(PTRACE_SYSCALL, pid, 0, (long)signal);
}

static void attach(char *word)
{
	char *colon = strchr(word, ':');
	pid_t pid = (pid_t)atoi(word);
	enum role role = role_parse(colon != NULL ? colon + 1 : "");

	if (ptrace(PTRACE_SEIZE, pid, 0, OPTIONS) < 0 || ptrace(PTRACE_INTERRUPT, pid, 0, 0) < 0) {
		if (role == BROKER || (errno != ESRCH && errno != EPERM)) /* a helper that has just ended */
			fail(word);
		return;
	}
	process_add(pid, role);
}

static void inject(char *word)
{
	char *role = strtok(word, ":"), *name = strtok(NULL, ":"), *k = strtok(NULL, ":"), *what = strtok(NULL, ":");

	errno = EINVAL;
	if (what == NULL)
		fail("-i");
	injection.role = role_parse(role);
	injection.syscall = seccomp_syscall_resolve_name(name);
	injection.k = (unsigned)atoi(k);
	injection.error = strcmp(what, "kill") == 0 ? 0 : atoi(what);
	if (injection.syscall < 0)
		fail(name);
}

/* Stopped before its first instruction of ours is run, so that the first call of the command is the first that is
 * counted. */
static void command_start(char **argv, enum role role)
{
	pid_t pid = fork();

	if (pid < 0)
		fail("fork");
	if (pid == 0) {
		raise(SIGSTOP);
		execv(argv[0], argv);
		_exit(127);
	}
	if (waitpid(pid, NULL, WUNTRACED) != pid || ptrace(PTRACE_SEIZE, pid, 0, OPTIONS) < 0)
		fail(argv[0]);
	process_add(pid, role);
	kill(pid, SIGCONT);
	if (ptrace(PTRACE_INTERRUPT, pid, 0, 0) < 0)
		fail(argv[0]);
}

int main(int argc, char **argv)
{
	enum role role = COMMAND;
	int option, status;
	pid_t pid;

	while ((option = getopt(argc, argv, "+o:i:p:c:")) != -1) {
		if (option == 'o' && (trace = fopen(optarg, "we")) == NULL)
			fail(optarg);
		else if (option == 'i')
			inject(optarg);
		else if (option == 'p')
			attach(optarg);
		else if (option == 'c')
			role = role_parse(optarg);
		else if (option == '?')
			return 2;
	}
	if (trace == NULL)
		return 2;
	if (optind < argc)
		command_start(argv + optind, role);
	setvbuf(trace, NULL, _IOLBF, 0); /* whole lines, however it ends */
	puts("ready");
	fflush(stdout);
	while ((pid = waitpid(-1, &status, __WALL)) > 0 || errno == EINTR)
		if (pid > 0)
			on_status(pid, status);
	fclose(trace);
	return EXIT_SUCCESS;
}
