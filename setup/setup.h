/* SPDX-License-Identifier: ISC */
/*
 * `subuid setup` and `subuid doctor`: run by root, on files that only root can change.
 *
 * Everything that setup does is a deed: written to the record (STATE_DIR/setup.json)
 * before it is done, and taken back in the opposite order by --undo, or at once
 * when a later step of the same run fails. Each deed can be taken back whether it
 * was done, half done or undone by hand, so that a power cut leaves nothing behind
 * that --undo would not find.
 */
#ifndef SETUP_SETUP_H
#define SETUP_SETUP_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

/* Setup's own; the daemon's are next to them. */
#define SETUP_DIR STATE_DIR "/setup"
#define SETUP_RECORD STATE_DIR "/setup.json"
#define HOMES_DIR "/srv/subuid"
#define WORKER_USER "subuidd"
#define KEYS_USER "subuidd-keys"
#define HOOK_USER "subuidd-hook"
#define USERDB_USER "subuidd-userdb"
#define VERIFY_USER "subuidd-verify"
#define ACCOUNTS_GROUP "subuids"
#define OWNERS_GROUP "subuid-owners"    /* whose manage keys sshd asks for */
#define FORWARD_GROUP "subuids-forward" /* the ones that may forward to one address */

#define PASSWORDS_GROUP "subuids-passwords" /* the ones that may log in by password */

#define BOTH_GROUP "subuids-both" /* the ones that need a key and a password */

#define NSSWITCH_PATH SYSCONFDIR "/nsswitch.conf"
#define SUBID_PLUGIN LIBDIR "/libsubid_subuid.so"
/* The plug-in that subid named before, which ours goes on asking (subid/guest/chain.c). */
#define PAM_DIR SYSCONFDIR "/pam.d"
#define SSHD_DIR SYSCONFDIR "/ssh"
#define SSHD_CONFIG SSHD_DIR "/sshd_config"
#define SSHD_DROPIN_DIR SSHD_DIR "/sshd_config.d"
#define SSHD_DROPIN SSHD_DROPIN_DIR "/50-subuidd.conf"
#define SSHD_DROPIN_SOURCE DATADIR "/sshd.conf"
#define SERVICE_UNIT "subuidd.service"
#define TIMER_UNIT "subuidd-save.timer"
#define USERDB_UNIT "subuidd-userdb.service"
#define VERIFY_UNIT "subuidd-verify.socket"
#define METRICS_UNIT "subuidd-metrics.timer"
#define COLLECTOR_PARENT "/var/lib/prometheus"
#define COLLECTOR_DIR COLLECTOR_PARENT "/node-exporter" /* of node_exporter's textfile collector, in Debian */
#define COLLECTOR_FILE "subuid.prom"
#define USERDB_SOCKET "/run/systemd/userdb/io.subuidd.UserDatabase"
#define DELEGATE_DROPIN_DIR SYSCONFDIR "/systemd/system/user@.service.d"
#define DELEGATE_DROPIN DELEGATE_DROPIN_DIR "/60-subuidd-delegate.conf"
#define LXC_USERNET SYSCONFDIR "/lxc/lxc-usernet"
#define NETWORK_DROPIN_DIR SYSCONFDIR "/systemd/system/" SERVICE_UNIT ".d"
#define NETWORK_DROPIN NETWORK_DROPIN_DIR "/network.conf"
#define NETWORK_DROPIN_SOURCE DATADIR "/network.conf"

struct setup {
	bool dry_run;
	bool keep_data;
	bool metrics;         /* though nobody collects them yet */
	bool containers;      /* what containers of users need */
	const char *homes;    /* FILE[:SIZE] or DEVICE: a file system of their own; NULL: none */
	const char *homes_fs; /* NULL: btrfs, or what is there */
	const char *lxc;      /* the owner whose LXC containers this host is made ready for; NULL */
	bool lxc_network;     /* for the bridge, too */
	json_t *deeds;        /* array, in the order in which they were done */
	unsigned changes;     /* said in this run */
	bool sshd_changed;
	bool settings_changed;
};

/* `host setup` and `host doctor`: argv[0] is that word. An exit status of subuid(1). */
int host_setup(int argc, char **argv);
int host_doctor(int argc, char **argv);

/* ---- say.c */

/* "PATH: text" on standard output; counted as a change. */
void say_change(struct setup *setup, const char *what, const char *text);
/* The same for things that are as they should be, or that the reader has to do. */
void say(const char *what, const char *text);
/* complain() and -1: the step has failed. */
int setup_fail(const char *what, const char *why, const char *todo);
int setup_fail_errno(const char *what, int error, const char *todo);

/* ---- containers.c */

/* Systemd does not delegate all controllers to users that containers can be bounded by. */
bool delegate_lacking(void);
int step_containers(struct setup *setup);

/* ---- homes.c */
int step_homes(struct setup *setup);
int homes_revert(struct setup *setup, const json_t *deed);

/* ---- lxc.c */
int step_lxc(struct setup *setup);
int pass_revert(struct setup *setup, const json_t *deed);

/* ---- record.c */

/* Reads the record; an empty one if there is no file. 0, or -1 after saying why. */
int record_load(struct setup *setup);
/* Takes the reference of deed, appends it and writes the record through. 0 or -1. */
int record_add(struct setup *setup, json_t *deed);
/* Writes the record, or removes it with its directory when there are no deeds left. 0 or -1. */
int record_save(struct setup *setup);
bool record_has(const struct setup *setup, const char *kind, const char *name);
/* One setup at a time; the descriptor holds the lock. Negative: said why. */
int record_lock(void);

/* ---- revert.c */

/* Takes back the deeds from the last one down to the first-th. Goes on after a failure, keeps those
 * that failed in the record. 0 or -1. */
int record_revert(struct setup *setup, size_t first);

/* ---- file.c: configuration files */

#define SETUP_FILE_MAX (1024u * 1024u)
#define SETUP_NUMBER_MAX 999999 /* of a deed's copies in SETUP_DIR */

struct setup_file {
	char *text; /* "" if the file does not exist */
	size_t length;
	bool exists;
	struct stat st;
};
void setup_file_done(struct setup_file *file);

/* Opens the directory of an absolute path, which root alone can change; *name: the last part of path. */
int file_directory_open(const char *path, const char **name);

/* Reads a regular file of root that nobody else can write, below trusted directories. 0 (also if it does not
 * exist), or negative errno: -ELOOP a symbolic link, -EPERM not root's alone, -EBADMSG not a text. */
int file_load(const char *path, struct setup_file *file);

/* Writes text beside the file, with the owner, mode and extended attributes of `old`, and renames it
 * over it. -ESTALE: the file is no longer what `old` was. mode: for a new file. */
int file_store(const char *path, const char *text, const struct setup_file *old, mode_t mode);
int file_unlink(const char *path);
/* Removes what a file_store() that was killed has left beside it. */
int file_tidy(const char *path);
/* Renames it to its own name and suffix. */
int file_set_aside(const char *path, const char *suffix);
const char *file_why(int error);

/* ---- file_deed.c */

/* Changes path to text as a deed. edit: "nsswitch", "pam", "lines" or "whole". 0 (also: nothing to do) or -1, said why.
 */
int file_change(struct setup *setup, const char *path, const char *text, const char *edit);
int file_revert(struct setup *setup, const json_t *deed);

/* ---- sshd.c */

/* Asks sshd, in a mount namespace of its own in which /run is empty, /run/sshd is there and, with
 * group, this user is in it, too. user NULL: `sshd -t`, else `sshd -T -C`.
 * Exit status or negative errno, and *output. */
int sshd_ask(const char *user, const char *group, char **output);

struct sshd_demand {
	const char *keyword, *value; /* in the output of sshd -T */
};
/* For a sub-account, for one with passwords where these differ, and for an owner with manage keys. Ended by keyword
 * NULL. */
extern const struct sshd_demand sshd_demands[], sshd_password_demands[], sshd_owner_demands[];
/* The first demand that output does not meet, or NULL. */
const struct sshd_demand *sshd_unmet(const struct sshd_demand *demands, const char *output);

int step_sshd(struct setup *setup);

/* ---- users.c */
int step_users(struct setup *setup);
int user_revert(struct setup *setup, const json_t *deed);
int group_revert(struct setup *setup, const json_t *deed);

/* ---- pam_files.c */

/* Lists of names in PAM_DIR, each ended by NULL, in the order in which they are tried; ended by NULL. */
extern const char *const *const pam_files[];
/* A path that step_pam() may change. */
bool pam_file_known(const char *path);

/* ---- network.c */
int step_network(struct setup *setup);
/* True when the daemon needs a network and its service has none: why, as a sentence. */
bool network_lacking(char *why, size_t size);

/* ---- steps.c */
int step_installed(struct setup *setup);
int step_directories(struct setup *setup);
int step_nsswitch(struct setup *setup);
int step_pam(struct setup *setup);
int step_passwords(struct setup *setup);
/* [passwords] enabled of the settings, as the daemon reads them. 1, 0, or negative errno and why. */
int passwords_wanted(char *why, size_t size);
#define SETTINGS_TODO "see `subuidd --check-config`"
int directory_revert(struct setup *setup, const json_t *deed);
/* 0 when the module can be loaded and has the symbol; or -1, said why. */
int module_check(const char *path, const char *symbol);
/* Makes a directory of root as a deed, if it does not exist. 0 or -1. */
int directory_make(struct setup *setup, const char *path, mode_t mode);

/* ---- subid.c: what answers for subordinate ids */

#define SETTINGS_DIR SYSCONFDIR "/subuidd.conf.d"
#define SUBID_SETTINGS SETTINGS_DIR "/20-subid.conf"

/* The setting publish = as the daemon reads it. */
enum publish_way { PUBLISH_WAY_UNKNOWN, PUBLISH_WAY_PLUGIN, PUBLISH_WAY_FILES, PUBLISH_WAY_BOTH };
/* *said: the daemon's words if it cannot be known; the caller frees it. */
enum publish_way publish_way(char **said);

/* What useradd, usermod and userdel do while subid names a plug-in. */
enum shadow_tools {
	SHADOW_UNKNOWN, /* one of the two */
	SHADOW_SILENT,  /* before 4.14: they write no subordinate ids, and report success */
	SHADOW_FAILS,   /* since 4.14: they end with an error while /etc/subuid or /etc/subgid exists */
};
enum shadow_tools shadow_tools(void);
bool subid_files_present(void);
/* Describes them, and what to do about them. */
const char *shadow_what(enum shadow_tools tools);
const char *shadow_todo(enum shadow_tools tools);

/* nsswitch.conf's text with our plug-in if it has to be there, or without it if it must not. 0; negative
 * errno of the text; or 1: failed, and said why. */
int subid_place(struct setup *setup, const char *text, char **out);

/* ---- withdraw.c */

/* Lines of the daemon may be in /etc/subuid and /etc/subgid. */
bool subid_lines_left(void);
/* Takes them out, and unmounts the owners' views, when there is no daemon any more. Not a deed: the daemon makes all of
 * it again when it starts. 0 or -1. */
int daemon_withdraw(struct setup *setup);

/* ---- running.c: that program runs, and another one is installed since */
bool daemon_replaced(void);
bool userdb_replaced(void);

/* ---- service.c */
int step_service(struct setup *setup);
int step_timer(struct setup *setup);
int step_userdb(struct setup *setup);
int step_metrics(struct setup *setup);
int verify_enable(struct setup *setup);
int units_revert(struct setup *setup, const json_t *deed);
/* Tells sshd and nscd what has changed, as far as possible. */
void services_tell(const struct setup *setup);

#endif
