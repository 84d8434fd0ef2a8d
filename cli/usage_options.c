/* SPDX-License-Identifier: ISC */
/* The options of the commands of subuid(1), those that are no settings of an account: words alone; who reads them is
 * said in usage.h. */
#include "cli/usage.h"

/* clang-format off */
#define END { 0, NULL, NULL, NULL, NULL }
#define OWNER(help) { 'o', "owner", "NAME", help, "user" }
#define ALL(help) { 'a', "all", NULL, help, NULL }
#define NUMBER(help) { 'n', "number", "N", help, NULL }
#define JSON(help) { 'J', "json", NULL, help, NULL }
/* clang-format on */

#define KEY_ROLE(lead)                                                                                                 \
	{                                                                                                              \
		'r', "role", "ROLES",                                                                                  \
			lead "sftp, borg, restic or another tool; shell or command; forward; or manage alone",         \
			"push blind pull sync sftp borg restic shell command forward manage"                           \
	}
#define KEY_OPTIONS                                                                                                    \
	{ 'F', "forward", "HOST:PORT", "it may forward to this one address", NULL },                                   \
		{ 'x', "command", "LINE", "of the role command: the one line that is run, by the shell", NULL },       \
		{ 'T', "tty", NULL, "a terminal, for shell and command", NULL },                                       \
		{ 'P', "net", "PORTS", "shell and command may connect to these TCP ports (443,5432)", NULL },          \
		{ 'A', "append-only", NULL, "it may add, but not change or delete what is there", NULL },              \
		{ 'L', "read-only", NULL, "it may only read, with tools and with pull", NULL },                        \
		{ 'Q', "storage-quota", "SIZE", "of one repository, for tools that keep count of it (borg)", NULL },   \
		{ 'f', "from", "PATTERNS", "from where: addresses, networks, names, as from= in sshd(8)", NULL },      \
		{ 'D', "no-delete", NULL, "it may not delete what is there", NULL },                                   \
		{ 'O', "no-overwrite", NULL, "it may not change what is there", NULL },                                \
	{                                                                                                              \
		'S', "no-fake-super", NULL, "owners and modes as plain rsync sets them", NULL                          \
	}
#define KEY_EXPIRES                                                                                                    \
	{                                                                                                              \
		'e', "expires", "DATE", "refused from then on: +30d, +12h, YYYY-MM-DD or\nYYYY-MM-DDTHH:MM (UTC)",     \
			NULL                                                                                           \
	}

const struct usage_option usage_add[] = {
	{ 'k', "key", "FILE|-", "the public half of the server's ssh key", "key" },
	KEY_ROLE("with commas between: push (default), blind, pull or sync for rsync;\n"),
	KEY_OPTIONS,
	{ 'R', "range", "N", "this many subordinate ids for containers, rounded up to a multiple of 65536", NULL },
	OWNER("for this owner (root and administrators)"),
	JSON("{account, created, command, mended}"),
	END,
};

const struct usage_option usage_key_add[] = {
	KEY_ROLE("with commas between: push (default), blind, pull or sync for rsync;\n"),
	KEY_OPTIONS,
	KEY_EXPIRES,
	{ 'c', "comment", "TEXT", "instead of the one in FILE", NULL },
	JSON("the key, or a list of keys"),
	END,
};

const struct usage_option usage_passwd_add[] = {
	KEY_ROLE("as of a key, with commas between: push (default), blind, pull, sync;\n"),
	{ 'x', "command", "LINE", "of the role command: the one line that is run, by the shell", NULL },
	{ 'T', "tty", NULL, "a terminal, for shell and command", NULL },
	{ 'P', "net", "PORTS", "shell and command may connect to these TCP ports (443,5432)", NULL },
	{ 'A', "append-only", NULL, "it may add, but not change or delete what is there", NULL },
	{ 'L', "read-only", NULL, "it may only read, with tools and with pull", NULL },
	{ 'f', "from", "PATTERNS", "from where: addresses and networks, no names of hosts", NULL },
	{ 'D', "no-delete", NULL, "it may not delete what is there", NULL },
	{ 'O', "no-overwrite", NULL, "it may not change what is there", NULL },
	KEY_EXPIRES,
	{ 't', "title", "TEXT", "which program or device has it", NULL },
	JSON("{key, password}"),
	END,
};

const struct usage_option usage_key_change[] = {
	KEY_ROLE("instead of its roles, with commas between: push, blind, pull or sync;\n"),
	KEY_OPTIONS,
	{ 'C', "clear-options", NULL,
	  "without append-only, read-only, no-delete, no-overwrite, no-fake-super and tty,\n"
	  "but for those that are given; otherwise given ones are added",
	  NULL },
	KEY_EXPIRES,
	{ 'c', "comment", "TEXT", "another one", NULL },
	JSON("the key"),
	END,
};

const struct usage_option usage_manage_key_add[] = {
	{ 'f', "from", "PATTERNS", "from where: addresses, networks, names, as from= in sshd(8)", NULL },
	KEY_EXPIRES,
	{ 'c', "comment", "TEXT", "instead of the one in FILE", NULL },
	OWNER("this owner's (root and administrators)"),
	END,
};

const struct usage_option usage_owner_all[] = {
	OWNER("this owner's (root and administrators)"),
	ALL("everybody's (administrators; the default for root)"),
	END,
};

const struct usage_option usage_list[] = {
	{ 'r', "removed", NULL, "accounts that were removed, and until when they can be taken back", NULL },
	OWNER("this owner's (root and administrators)"),
	ALL("everybody's (administrators; the default for root)"),
	END,
};

const struct usage_option usage_owner[] = { OWNER("this owner's (root and administrators)"), END };

const struct usage_option usage_owner_change[] = {
	{ 'H', "hand-over", NULL, "although the user whom the accounts were made for is still there", NULL },
	JSON("{accounts, ranges, linksMissing, why}"),
	END,
};

const struct usage_option usage_remove[] = {
	{ 'k', "keep-home", NULL, "keep its files for good", NULL },
	{ 'p', "purge", NULL, "delete its files now", NULL },
	{ 'y', "yes", NULL, "do not ask (without a terminal the command never asks)", NULL },
	END,
};

const struct usage_option usage_kill[] = {
	{ 'n', "now", NULL, "without the grace that the host's setting gives them to end by themselves", NULL },
	END,
};

const struct usage_option usage_top[] = {
	{ '1', "once", NULL, "show it once, and end", NULL },
	{ 'i', "interval", "SECONDS", "between two looks, 2 by default", NULL },
	{ 's', "sort", "cpu|memory|io|sessions", "by what it is sorted, cpu by default", NULL },
	{ 'n', "idle", NULL, "also accounts that run nothing", NULL },
	OWNER("this owner's (root and administrators)"),
	ALL("everybody's (administrators; the default for root)"),
	END,
};

const struct usage_option usage_restore[] = {
	{ 'a', "as", "LABEL", "by another label, if there is another account of this name by now", NULL },
	{ 'u', "uid", "UID", "that one, if several of this name were removed", NULL },
	END,
};

const struct usage_option usage_range_add[] = {
	OWNER("to this owner (root and administrators)"),
	{ 'g', "grow", "FIRST", "behind the range that begins with FIRST, without a gap", NULL },
	{ 's', "small", NULL, "COUNT is 4096 or 16384, and is not rounded up", NULL },
	END,
};

const struct usage_option usage_range_remove[] = {
	OWNER("this owner's (root and administrators)"),
	{ 'y', "yes", NULL, "although the ids of ranges behind it move in the maps of containers", NULL },
	END,
};

#define FOLLOW_LINKS                                                                                                   \
	{                                                                                                              \
		'l', "follow-links", NULL,                                                                             \
			"follow symbolic links in the home. The account's server made them, and\n"                     \
			"they may lead to your own files",                                                             \
			NULL                                                                                           \
	}
#define AS_ACCOUNT                                                                                                     \
	{                                                                                                              \
		'a', "as-account", NULL,                                                                               \
			"the command runs as the account itself: for files that it gave to\n"                          \
			"another of its groups, which even this root cannot change",                                   \
			NULL                                                                                           \
	}
const struct usage_option usage_exec[] = {
	AS_ACCOUNT,
	FOLLOW_LINKS,
	{ 'C', "container", NULL,
	  "the command runs as the account, which is root over its ranges: podman and\n"
	  "other programs for containers. All such commands of an account see one\n"
	  "another's containers",
	  NULL },
	END,
};

const struct usage_option usage_shell[] = { AS_ACCOUNT, FOLLOW_LINKS, END };

const struct usage_option usage_ls[] = {
	{ 'R', "recursive", NULL, "all that is below PATH", NULL },
	END,
};

const struct usage_option usage_copy[] = {
	{ 'l', "list", NULL, "a line for each file, with the mode and the owner that the server had", NULL },
	{ 'u', "untrusted", NULL,
	  "for data of a server that was broken into: only you can enter DEST; files in it\n"
	  "belong to the account's uid and cannot be run. Programs that trust a\n"
	  "file by its owner (git, ...) do not trust these",
	  NULL },
	END,
};

const struct usage_option usage_idmap[] = {
	{ 'f', "format", "newuidmap|lxc|podman|quadlet", "for which of these (newuidmap)", NULL },
	OWNER("of this owner"),
	END,
};

const struct usage_option usage_limit[] = {
	{ 'a', "accounts", "N", "sub-accounts", NULL },
	{ 'k', "keys", "N", "keys of one account", NULL },
	{ 'r', "ranges", "N", "blocks of 65536 ids, those of the owner and of their accounts together", NULL },
	{ 'R', "reset", NULL, "back to the default of this host's settings", NULL },
	END,
};

const struct usage_option usage_status[] = {
	{ 'C', "check", NULL,
	  "for monitoring: a line with performance data, then a line for each account\n"
	  "that is not well. Exit status 0 ok, 1 warning, 2 critical, 3 unknown",
	  NULL },
	{ 'c', "critical", "RANGE",
	  "critical if the last good backup is older than this: 26h, 3d, or a range of\n"
	  "the Monitoring Plugins, [@][START:][END], of such times. Left out: if it is\n"
	  "older than the alarm of the account (`subuid set NAME --alarm`)",
	  NULL },
	{ 'c', "max-age", "RANGE", "the same as --critical", NULL },
	{ 'w', "warning", "RANGE", "a warning if it is older than this", NULL },
	{ 'w', "warn-age", "RANGE", "the same as --warning", NULL },
	OWNER("this owner's (root and administrators)"),
	ALL("everybody's (administrators; the default for root)"),
	END,
};

const struct usage_option usage_metrics[] = {
	{ 't', "textfile", "FILE",
	  "into this file, which is replaced as a whole, has mode 0644 and should end in\n"
	  ".prom: for node_exporter's collector of such files",
	  "file" },
	{ 'n', "no-accounts", NULL, "only owners and the host: for a large number of accounts", NULL },
	OWNER("this owner's (root and administrators)"),
	ALL("everybody's, and the host's own (administrators; the default for root)"),
	END,
};

const struct usage_option usage_log[] = { NUMBER("this many runs (20); the newest 500 are kept"), END };

const struct usage_option usage_audit[] = {
	NUMBER("this many entries (20)"),
	OWNER("this owner's (root and administrators)"),
	ALL("everybody's (administrators; the default for root)"),
	END,
};

const struct usage_option usage_check[] = {
	OWNER("this owner's accounts (root and administrators)"),
	ALL("the whole host (administrators; the default for root)"),
	{ 'r', "repair", NULL,
	  "makes again what can be made from what exists, removes empty leftovers,\n"
	  "and checks again. Never deletes data: anything with data in it is set\n"
	  "aside, after a question",
	  NULL },
	{ 'y', "yes", NULL, "answers yes to every question", NULL },
	JSON("{checked, findings: [{subject, fault, todo, repair, ...}], repairs}"),
	END,
};

const struct usage_option usage_import[] = {
	{ 'k', "keep-going", NULL,
	  "skip lines that fail; otherwise the first one ends the import, and\n"
	  "nothing of the call that it was in (up to 64 rows) is made",
	  NULL },
	{ 'r', "report", "FILE",
	  "as JSON: lines that failed {line, error, what, why, todo}, and accounts\n"
	  "that partly existed {line, account, home, link}",
	  "file" },
	END,
};

const struct usage_option usage_adopt[] = {
	OWNER("only this owner's"),
	{ 'r', "remove", NULL,
	  "remove the adopted lines from both files, under the locks of usermod(8);\n"
	  "lines that the daemon itself keeps there (publish=) stay",
	  NULL },
	END,
};

const struct usage_option usage_save[] = {
	{ 'f', "force", NULL, "over a file that is no saved state", NULL },
	{ 'd', "daily", NULL, "into backup_directory, as state-YYYY-MM-DD; keeps the newest backups_kept", NULL },
	END,
};

const struct usage_option usage_load[] = {
	{ 'y', "yes", NULL, "lose what is newer here", NULL },
	{ 'r', "restart", NULL,
	  "stop the daemon first, and start it again; one that did not run is started\n"
	  "where systemd is to start it",
	  NULL },
	END,
};

const struct usage_option usage_setup[] = {
	{ 'u', "undo", NULL,
	  "take back exactly what it did, and the daemon's lines in\n"
	  "/etc/subuid and /etc/subgid; homes and the store stay",
	  NULL },
	{ 'k', "keep-data", NULL, "undo although there are sub-accounts", NULL },
	{ 'm', "metrics", NULL,
	  "metrics each minute for node_exporter, although its directory\n"
	  "/var/lib/prometheus/node-exporter does not exist yet (it is made)",
	  NULL },
	{ 'H', "homes", "FILE[:SIZE]",
	  "a file system of their own for the homes, mounted on /srv/subuid:\n"
	  "in this file, which is made, or on this empty DEVICE",
	  NULL },
	{ 'F', "fs", "KIND", "of that kind: btrfs (default), xfs, ext4", NULL },
	{ 'c', "containers", NULL, "let systemd delegate all controllers to users, for limits of their containers",
	  NULL },
	{ 'l', "lxc", "OWNER",
	  "let root of OWNER's LXC containers pass through OWNER's home:\n"
	  "an ACL for this one id, on each directory on the way that needs it",
	  NULL },
	{ 'L', "lxc-network", NULL, "and let OWNER connect ten containers to LXC's bridge, lxcbr0", NULL },
	END,
};

const struct usage_option usage_doctor[] = {
	{ 'C', "containers", NULL,
	  "only what containers of OWNER need, and a container made as OWNER\n"
	  "(without a name: of anyone who has a range)",
	  NULL },
	END,
};
