/* SPDX-License-Identifier: ISC */
/*
 * Three processes of an isolated shell, all with the account's uid:
 *
 *   outer   this program: waits; of the namespaces it has only the way to make the second one
 *   first   process 1 of the shell's own pid namespace, behind all walls: reaps, and ends all of it when it ends;
 *           connects for it where Landlock knows no ports (connector.c), behind a filter of its own
 *   shell
 *
 * When outer is gone, the kernel kills the first, and with it everything in its namespace: no process stays.
 */
#include "backup/shell.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "backup/connector.h"
#include "backup/exit_status.h"
#include "backup/refuse.h"
#include "confine/harden.h"
#include "confine/namespaces.h"

#define PROGRAM "subuid"
#define FILTER "system call filter"
#define EVERYBODY (-1)

/* Blocked all along in the two that wait, who take them as they come. */
static void signals_waited_for(sigset_t *set)
{
	static const int signals[] = { SIGCHLD, SIGTERM, SIGHUP, SIGINT };

	sigemptyset(set);
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		sigaddset(set, signals[i]);
}

/* An interactive shell is ended by a hangup, and not by SIGTERM; what is stopped has to go on to end. */
static void pass_on(pid_t to)
{
	static const int signals[] = { SIGHUP, SIGTERM, SIGCONT };

	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		kill(to, signals[i]);
}

/* Until pid ends; `told` is asked to end when we are. Its exit status, as a shell says it. */
static int wait_for(pid_t pid, pid_t told, struct connector *connector)
{
	sigset_t set;

	signals_waited_for(&set);
	for (;;) {
		int number = connector->listener >= 0 ? connector_wait(connector) : sigwaitinfo(&set, NULL), status;
		pid_t ended;

		if (number > 0 && number != SIGCHLD)
			pass_on(told);
		while ((ended = waitpid(-1, &status, WNOHANG)) > 0)
			if (ended == pid)
				return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
		if (ended < 0 && errno == ECHILD)
			return EXIT_UNCONFINED;
	}
}

/* In the shell's own process: the terminal is its own, and signals are as they were. */
static int become(const struct shell_order *order, struct text_list *argv, struct text_list *environment,
		  const sigset_t *before, const struct connector *connector)
{
	sigset_t output;
	int r;

	if (order->tty) { /* a process in the background may take it only if this signal does not stop it */
		sigemptyset(&output);
		sigaddset(&output, SIGTTOU);
		sigprocmask(SIG_BLOCK, &output, NULL);
		if (setpgid(0, 0) != 0 || tcsetpgrp(STDIN_FILENO, getpid()) != 0)
			return refuse(PROGRAM, "terminal", strerror(errno), EXIT_UNCONFINED);
	}
	sigprocmask(SIG_SETMASK, before, NULL);
	r = connector->ports != NULL ? connector_ask(connector) : 0;
	if (r < 0)
		return refuse_unconfined(PROGRAM, FILTER, r);
	execve(shell_program(order), argv->items, environment->items);
	return refuse(PROGRAM, shell_program(order), errno == ENOENT ? "not installed on this host" : strerror(errno),
		      EXIT_UNCONFINED);
}

/* The shell is behind its filter by now. Without a connector there is nothing to do but to wait. */
static int wait_as_first(pid_t pid, struct connector *connector)
{
	sigset_t set;
	int r = 0;

	signals_waited_for(&set);
	if (connector->ports != NULL)
		r = connector_begin(connector, &set);
	else
		descriptors_close_from(0);
	return r < 0 ? EXIT_UNCONFINED : wait_for(pid, EVERYBODY, connector);
}

/* Process 1. outer: a pidfd of it. */
static int first(const struct shell_order *order, const sigset_t *before, int outer)
{
	struct text_list argv = { 0 }, environment = { 0 };
	struct connector connector = CONNECTOR_NONE;
	const char *step = "end";
	pid_t pid;
	int r = process_bind_apart(outer);

	close(outer);
	if (r < 0)
		return refuse_unconfined(PROGRAM, step, r);
	r = shell_arguments(order, &argv);
	if (r == 0)
		r = shell_environment(order, &environment);
	if (r == 0)
		r = shell_confine(order, &step);
	if (r == 0 && connector_needed(order->ports))
		r = connector_prepare(&connector, order->ports);
	if (r < 0)
		return refuse_unconfined(PROGRAM, step, r);
	pid = fork();
	if (pid < 0)
		return refuse_unconfined(PROGRAM, "process", -errno);
	if (pid == 0)
		return become(order, &argv, &environment, before, &connector);
	return wait_as_first(pid, &connector);
}

int shell_run(const struct shell_order *order)
{
	const pid_t login = getppid();
	struct connector nobody = CONNECTOR_NONE;
	sigset_t waited, before;
	const char *step = "signals";
	pid_t pid;
	int outer, r;

	signals_waited_for(&waited);
	if (sigprocmask(SIG_BLOCK, &waited, &before) != 0)
		return refuse_unconfined(PROGRAM, step, -errno);
	outer = pidfd_open(getpid(), 0);
	if (outer < 0)
		return refuse_unconfined(PROGRAM, "process", -errno);
	r = shell_namespaces(order, &step);
	if (r < 0)
		return refuse_unconfined(PROGRAM, step, r);
	pid = fork();
	if (pid < 0)
		return refuse_unconfined(PROGRAM, "process", -errno);
	if (pid == 0)
		_exit(first(order, &before, outer));
	if (namespaces_drop() < 0 || process_harden() < 0 || process_bind(login) < 0) {
		kill(pid, SIGKILL);
		return refuse_unconfined(PROGRAM, "capabilities", -EPERM);
	}
	descriptors_close_from(0);
	return wait_for(pid, pid, &nobody);
}
