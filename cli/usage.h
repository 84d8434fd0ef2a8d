/* SPDX-License-Identifier: ISC */
/*
 * The commands of subuid(1) and their options, written down once: getopt_long(3)'s options and the help come from this
 * table (usage_help.c), and so do the completion and the lists of the manual, when subuidd is built (make_docs.c).
 */
#ifndef CLI_USAGE_H
#define CLI_USAGE_H

#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>

/* What option_next() returns for the fact i of an account (facts_record), above all letters. */
#define USAGE_FACT 1000

/* usage.ssh: who may give a command through /usr/libexec/subuidd/manage. 0: nobody. */
enum usage_ssh {
	SSH_OWNER = 1u << 0,   /* an owner, with a manage key */
	SSH_ACCOUNT = 1u << 1, /* a sub-account about itself: the daemon answers it, and it changes nothing */
};

struct usage_option {
	char letter;        /* that option_next() returns */
	const char *name;   /* "owner" */
	const char *value;  /* as help and manual show it: "NAME", "theirs|owner"; NULL: it takes none */
	const char *help;   /* lines, the first word in lower case */
	const char *offers; /* of the completion: "user", "file", "key", or words; NULL: a value's in lower case */
};

struct usage {
	const char *name;          /* "add", "key", "key add" */
	const char *forms;         /* of what follows the name, a line each; NULL: words follow ("key") */
	const char *operands;      /* what they are, in order, for the completion: "account", "file", "key", "user",
				    * "command", "default", "any"; "?": may be left out; "...": again and again, or not
				    * at all. NULL: none */
	const char *summary;       /* in the list of commands, or of a command's words */
	const char *about, *after; /* paragraphs before and behind the options */
	const struct usage_option *options; /* ended by name NULL; NULL: none of its own */
	const char *letters;                /* of its options with values that are short ones, too; NULL: none */
	bool facts;                         /* the settings of an account, too */
	bool bounds;                        /* those of them that an owner's limit has for each account */
	bool changes;                       /* something, so that it takes --dry-run, too */
	bool plain;                         /* --json shows nothing else */
	unsigned ssh;                       /* enum usage_ssh, or-ed */
	const char *instead;                /* what to do where it is not allowed over ssh; NULL: ask root */
};

/* Ended by name NULL; words of a command stand behind it. */
extern const struct usage usages[];

/* ---- usage_options.c, each ended by name NULL */

extern const struct usage_option usage_add[];
extern const struct usage_option usage_key_add[], usage_passwd_add[];
extern const struct usage_option usage_key_change[];
extern const struct usage_option usage_owner_all[];
extern const struct usage_option usage_owner[];
extern const struct usage_option usage_remove[], usage_owner_change[], usage_kill[], usage_top[];
extern const struct usage_option usage_list[], usage_restore[];
extern const struct usage_option usage_range_add[];
extern const struct usage_option usage_range_remove[];
extern const struct usage_option usage_exec[], usage_shell[], usage_doctor[];
extern const struct usage_option usage_ls[];
extern const struct usage_option usage_copy[];
extern const struct usage_option usage_idmap[];
extern const struct usage_option usage_limit[];
extern const struct usage_option usage_status[];
extern const struct usage_option usage_metrics[];
extern const struct usage_option usage_log[];
extern const struct usage_option usage_audit[];
extern const struct usage_option usage_check[];
extern const struct usage_option usage_import[];
extern const struct usage_option usage_adopt[];
extern const struct usage_option usage_save[];
extern const struct usage_option usage_load[];
extern const struct usage_option usage_setup[];
extern const struct usage_option usage_manage_key_add[];

/* ---- usage_help.c */

/* The row of this name; NULL: not found. */
const struct usage *usage_find(const char *name);

/* The option can be given by its letter, too: the first one of this letter, if the command has that letter. */
bool usage_brief(const struct usage *usage, const struct usage_option *option);

/* True when `word` is a word of the command (`key add` of `key`). */
bool usage_of_group(const struct usage *word, const struct usage *group);

#define USAGE_OPTIONS_MAX 48
#define USAGE_LETTERS_MAX 16

/* The options of a command, its own, the settings of an account and --dry-run, without --json; ended by name NULL. */
void usage_options(const struct usage *usage, struct usage_option out[USAGE_OPTIONS_MAX]);

/* The same and those of every command, for getopt_long(3): long options, and the letters of short ones. */
void usage_getopt(const struct usage *usage, struct option out[USAGE_OPTIONS_MAX], char letters[USAGE_LETTERS_MAX]);

/* `subuid help COMMAND`: of a command that has words, and of each of its words, all of it. */
void usage_print(const struct usage *usage, FILE *to);

/* The list of commands. */
void usage_print_commands(FILE *to);

#endif
