/* SPDX-License-Identifier: ISC */
/*
 * subuid(1): turns a command line into calls of io.subuidd.Accounts and shows the replies. Runs with the caller's
 * own rights and nothing more; the daemon decides what the caller may do, and knows them from the socket.
 */
#ifndef CLI_SUBUID_H
#define CLI_SUBUID_H

#include <getopt.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

/* Exit statuses that do not come from a failure of the daemon; the others are failure_exit_status(). */
#define STATUS_DONE 0
#define STATUS_FAILED 1
#define STATUS_USAGE 2
#define STATUS_UNREACHABLE 7

#define SOCKET_PATH RUN_DIR "/socket"

/* Options that every command takes. */
struct common {
	bool json;
	const char *socket;
};
extern struct common common;

/* The last thing that a program does: its exit status, or STATUS_FAILED when what it printed did not arrive. */
int output_ended(int status);

/* A command: argv[0] is its own last word. Each returns an exit status, having said why. */
int command_add(int argc, char **argv);
int command_list(int argc, char **argv);
int command_show(int argc, char **argv);
int command_set(int argc, char **argv);
int command_release(int argc, char **argv);
int command_lock(int argc, char **argv);
int command_unlock(int argc, char **argv);
int command_remove(int argc, char **argv);
int command_mount(int argc, char **argv);
int command_key(int argc, char **argv);
int command_range(int argc, char **argv);
int command_limit(int argc, char **argv);
int command_exec(int argc, char **argv);
int command_shell(int argc, char **argv);
int command_ls(int argc, char **argv);
int command_copy(int argc, char **argv);
int command_idmap(int argc, char **argv);
int command_log(int argc, char **argv);
int command_status(int argc, char **argv);
int command_audit(int argc, char **argv);
int command_check(int argc, char **argv);
int command_import(int argc, char **argv);
int command_export(int argc, char **argv);
int command_adopt(int argc, char **argv);
int command_state(int argc, char **argv);
int command_setup(int argc, char **argv);
int command_doctor(int argc, char **argv);

/* A command of several words: runs the one named by argv[1]. */
struct subcommand {
	const char *name;
	int (*run)(int argc, char **argv);
};
int subcommand_run(const struct subcommand *commands, const char *name, const char *help, int argc, char **argv);

/*
 * The next option of a command, as getopt_long(3), which it is. --json and --help
 * are every command's. > 0: its value; 0: the operands (from optind) follow;
 * < 0: stop with *status; everything has been reported.
 */
#define COMMON_OPTIONS                                                                                             \
	{"json", no_argument, NULL, 'J'}, {"help", no_argument, NULL, 'h'},                                        \
	{                                                                                                          \
		NULL, 0, NULL, 0                                                                                   \
	}
int option_next(const char *name, const char *help, int argc, char **argv, const struct option *options,
		int *status);

/* 0, or STATUS_USAGE when there are not least..most operands. */
int operands_check(const char *name, int argc, int least, int most);

/* "subuid: what: why; todo" on standard error. todo may be "" or NULL. */
void complain(const char *what, const char *why, const char *todo);
int usage_error(const char *what, const char *why, const char *todo); /* the same; STATUS_USAGE */

/* Calls a method of io.subuidd.Accounts (by its last word). Takes the reference of
 * parameters. STATUS_DONE and *reply (caller decrefs), or another status, after saying why. */
int call(const char *method, json_t *parameters, json_t **reply);

/* The daemon's Status, without a word when it does not answer (NULL). Caller decrefs. */
json_t *daemon_status(void);
bool daemon_answers(void);

/* The same for a list: the member of each row goes into *rows (an array, caller decrefs). */
int call_list(const char *method, json_t *parameters, const char *member, json_t **rows);
int call_list_most(const char *method, json_t *parameters, const char *member, uint64_t most, json_t **rows);

/* The same, row by row; each returns 0 to go on, else the call ends there. */
typedef int (*call_each)(json_t *reply, void *data);
int call_each_reply(const char *method, json_t *parameters, call_each each, void *data);

/* NAME of a command line, "web1" or "alice+web1", as the members label and owner of
 * *parameters (a new object). Asks the daemon which separator names have here. */
int name_parameters(const char *name, json_t **parameters);

#endif
