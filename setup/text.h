/* SPDX-License-Identifier: ISC */
/*
 * The texts of configuration files that setup edits and doctor reads: text in,
 * text out, no files. Comments, order and spacing of everything that is not
 * ours stay as they are. Returned texts are on the heap, the caller frees them.
 */
#ifndef CLI_SETUP_TEXT_H
#define CLI_SETUP_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* ---- nsswitch.conf(5) */

#define NSS_SOURCE "subuid"

/* Lists our source for passwd, group, shadow and, if there is such a line, initgroups;
 * with subid, for that too, in place of its first source (the only one that libsubid asks).
 *
 * It goes behind `files`: local entries keep their precedence and nothing of ours runs
 * when root is looked up; and before everything that asks a daemon or a network, so
 * that lookups do not depend on those. If `files` is not first, or ends the search, our source goes to the front: it
 * has no opinion about names without a separator. 0 or negative errno. */
int nsswitch_add(const char *text, bool subid, char **out);

/* Takes our source out of every line. subid: the source that takes its place there; "": none. */
int nsswitch_remove(const char *text, const char *subid, char **out);

/* The same for the line of subid alone. */
int nsswitch_remove_subid(const char *text, const char *subid, char **out);

/* True when our source is listed for the database and nothing before it ends the search. */
bool nsswitch_reaches(const char *text, const char *database);

/* True if a source of users or groups may ask over the network by itself; says which one. nslcd: `ldap` is the module
 * that asks nslcd(8) instead. */
bool nsswitch_needs_network(const char *text, bool nslcd, char *source, size_t size);

/* Copies the first source of the database into source; "" if there is none. */
void nsswitch_first_source(const char *text, const char *database, char *source, size_t size);

/* ---- fstab(5) */

#define FSTAB_OURS "# subuidd: made by `subuid setup --homes`, taken back by `subuid setup --undo`"
/* The text with this line behind our comment at its end. -EEXIST: another line mounts something on the directory;
 * -ENOMEM. */
int fstab_with(const char *text, const char *directory, const char *line, char **out);
/* Without our comment and the line behind it. 0 or -ENOMEM. */
int fstab_without(const char *text, char **out);

/* ---- pam.d(5) */

#define PAM_BEGIN "# subuidd: begin"
#define PAM_END "# subuidd: end"
#define PAM_MODULE "pam_subuid.so"

/* Puts `account required MODULE`, `session required MODULE` or both between our two comments, before the first account
 * line (and before the block of pam-auth-update, which keeps lines outside it); and with the one of PAM_AUTH, before
 * the first line that could end the auth stack, or ask for a password itself. */
enum { PAM_ACCOUNT = 1u << 0, PAM_SESSION = 1u << 1, PAM_AUTH = 1u << 2 };

/* Sub-accounts are decided by our module alone, and it has no say about anybody else. */
#define PAM_AUTH_CONTROL "auth\t[success=done ignore=ignore default=die]\t"
int pam_add(const char *text, unsigned stacks, const char *module, char **out);

/* The stacks that have a line of ours between our comments, or-ed. */
unsigned pam_own_stacks(const char *text);

/* Removes our comments and the lines between them. */
int pam_remove(const char *text, char **out);

enum pam_place {
	PAM_PLACE_ABSENT,
	PAM_PLACE_FIRST, /* evaluated whatever the other modules say */
	PAM_PLACE_LATE,  /* something before it may end the stack with success, or jump over it */
};

/* Yields the text of another file of /etc/pam.d, NULL if it does not exist; freed by the callee. */
typedef char *(*pam_load)(void *data, const char *name);

/* Where our module stands in this stack ("account", "session", "auth") of a service, included files too. Without `load`
 * an included file may do anything.
 * options: the words behind the module; may be NULL. */
enum pam_place pam_place(const char *text, const char *stack, pam_load load, void *data, char *options,
			 size_t options_size);

/* True when the service has an account stack at all. */
bool pam_has_account(const char *text, pam_load load, void *data);

/* ---- sshd_config(5) */

/* True when the global part of the file has an Include that reads path. */
bool sshd_config_includes(const char *text, const char *directory, const char *path);

/* The drop-in with this time (seconds) in the place of @UNUSED@; NULL: without the lines that have one. */
int sshd_dropin(const char *source, const char *unused, char **out);

/* The value of a keyword in the output of `sshd -T`; "" if it is missing. */
void sshd_value(const char *output, const char *keyword, char *value, size_t size);

/* ---- files in which each line stands for itself */

/* Takes out of `now` the lines that `after` has and `before` has not. 0 or negative errno. */
int lines_take_out(const char *now, const char *before, const char *after, char **out);

/* lxc-usernet(5): the user has a line; and one more, for ten devices on LXC's bridge. */
bool usernet_allows(const char *text, const char *user);
int usernet_add(const char *text, const char *user, char **out);

/* ---- what a change looks like */

/* Prints removed lines with `-` and added ones with `+`, each after the prefix. */
void text_diff(FILE *out, const char *prefix, const char *before, const char *after);

/* Copies the next line (without newline) to *line; false at the end. The caller frees *line. */
bool text_next_line(const char **at, char **line);

#endif
