/* SPDX-License-Identifier: ISC */
/*
 * subuid(1): turns a command line into calls of io.subuidd.Accounts and shows the replies. Runs with the caller's
 * own rights and nothing more; the daemon decides what the caller may do, and knows them from the socket.
 */
#ifndef CLI_SUBUID_H
#define CLI_SUBUID_H

#include <getopt.h> /* optarg, optind: of option_next() */
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

/* Exit statuses that do not come from a failure of the daemon; the others are failure_exit_status(). */
#define STATUS_DONE 0
#define STATUS_FAILED 1
#define STATUS_USAGE 2
#define STATUS_UNREACHABLE 7

#define SOCKET_PATH RUN_DIR "/socket"

/* Options that every command takes, */
struct common {
	bool json;
	bool over_ssh; /* the caller sits elsewhere (manage.c): no file of this host, and nothing that gives more than
			* managing */
	bool dry_run;  /* ... or every one that changes something (usage.changes) */
	const char *socket;
	const char *command; /* the one that was typed, "key add"; NULL: none so far */
};
extern struct common common;

/* The last thing that a program does: returns its exit status, or STATUS_FAILED if its output did not arrive. */
int output_ended(int status);

/* A command: argv[0] is its own last word. Each returns an exit status, having said why. */
int command_add(int argc, char **argv);
int command_list(int argc, char **argv);
int command_show(int argc, char **argv);
int command_set(int argc, char **argv);
int command_release(int argc, char **argv);
int command_lock(int argc, char **argv);
int command_unlock(int argc, char **argv);
int command_freeze(int argc, char **argv);
int command_thaw(int argc, char **argv);
int command_kill(int argc, char **argv);
int command_remove(int argc, char **argv);
int command_rename(int argc, char **argv);
int command_owner(int argc, char **argv);
int command_restore(int argc, char **argv);
int command_mount(int argc, char **argv);
int command_key(int argc, char **argv);
int command_passwd(int argc, char **argv);
int command_range(int argc, char **argv);
int command_limit(int argc, char **argv);
int command_exec(int argc, char **argv);
int command_shell(int argc, char **argv);
int command_socket(int argc, char **argv);
int command_ls(int argc, char **argv);
int command_copy(int argc, char **argv);
int command_idmap(int argc, char **argv);
int command_log(int argc, char **argv);
int command_status(int argc, char **argv);
int command_top(int argc, char **argv);
int command_metrics(int argc, char **argv);
int command_audit(int argc, char **argv);
int command_check(int argc, char **argv);
int command_import(int argc, char **argv);
int command_export(int argc, char **argv);
int command_adopt(int argc, char **argv);
int command_state(int argc, char **argv);
int command_setup(int argc, char **argv);
int command_doctor(int argc, char **argv);
int command_manage_key(int argc, char **argv);

/* A command of several words: runs the one named by argv[1]. */
struct subcommand {
	const char *name;
	int (*run)(int argc, char **argv);
};
int subcommand_run(const struct subcommand *commands, const char *name, int argc, char **argv);

/*
 * The next option of a command (a row of usages), as getopt_long(3), which it is. --json and --help
 * are every command's; --dry-run goes into common.dry_run. > 0: its letter, or USAGE_FACT and those after it; 0: the
 * operands (from optind) follow, as many as the row says; < 0: stop with *status; everything has been reported.
 */
int option_next(const char *name, int argc, char **argv, int *status);

/* 0, or STATUS_USAGE when there are not least..most operands: of a command in which that depends on its options. */
int operands_check(const char *name, int argc, int least, int most);

/* 0, or STATUS_USAGE for a file that is named over ssh. */
int file_allowed(const char *file);

/* "subuid: what: why; todo" on standard error. todo may be "" or NULL. */
void complain(const char *what, const char *why, const char *todo);
int usage_error(const char *what, const char *why, const char *todo); /* the same; STATUS_USAGE */

/* Calls a method of io.subuidd.Accounts (by its last word). Takes the reference of
 * parameters. STATUS_DONE and *reply (caller decrefs), or another status, after saying why. */
int call(const char *method, json_t *parameters, json_t **reply);

/* The same of one that changes something: in a dry run with `dryRun`, which is in the reply, too. */
int call_change(const char *method, json_t *parameters, json_t **reply);

/* Connects to the daemon, as the next call would: for one that has to be made from a user namespace, after the daemon
 * has seen this process on the host. An exit status; a failure has been reported. */
int call_connect(void);

/* The same, printed with --json (`member` of the reply; NULL: all of it). Otherwise, if it went well, that is *told, to
 * be said in words: caller decrefs; else NULL. */
int call_told(const char *method, json_t *parameters, const char *member, json_t **told);

/* The daemon's Status, silently NULL if it does not answer. Caller decrefs. */
json_t *daemon_status(void);
bool daemon_answers(void);

/* The same for a list: the member of each row goes into *rows (an array, caller decrefs). */
int call_list(const char *method, json_t *parameters, const char *member, json_t **rows);
int call_list_most(const char *method, json_t *parameters, const char *member, uint64_t most, json_t **rows);

/* The same, printed: as JSON, or by `print`, which returns an exit status. */
int list_told(const char *method, json_t *parameters, const char *member, uint64_t most,
	      int (*print)(const json_t *rows));

/* A list, row by row; each returns 0 to go on, else the call ends there. */
typedef int (*call_each)(json_t *reply, void *data);
int call_each_reply(const char *method, json_t *parameters, call_each each, void *data);

/* What a command has to know of the daemon. An exit status. */
struct daemon_facts {
	char separator;
	uint64_t generation; /* of the store's last change */
};
int daemon_facts(struct daemon_facts *facts);

/* NAME of a command line, "web1" or "alice+web1", as the members label and owner of
 * *parameters (a new object). Asks the daemon which separator names have here. */
int name_parameters(const char *name, json_t **parameters);

/* A command line without options of its own: NAME and what follows. The same, or -1 - status to end with, which may be
 * STATUS_DONE (--help). */
int name_operand(const char *command, int argc, char **argv, json_t **parameters);

/* Each account that the operands name, from optind on, as Get tells it; borrowed. Ends at the first that fails: an exit
 * status. */
int call_named(int argc, char **argv, void (*take)(void *data, json_t *account), void *data);

#endif
