/* SPDX-License-Identifier: ISC */
/*
 * Settings of the daemon: /usr/lib/subuidd.conf, /etc/subuidd.conf and their .d/
 * directories, read with libeconf. Documented in subuidd.conf(5). Run by the broker
 * and by `subuidd --check-config`. An unknown key, a value out of bounds or an
 * unreadable file is an error that names file, line and key: the daemon does not start on it, and
 * keeps the settings it has on SIGHUP.
 */
#ifndef SUBUIDD_SETTINGS_H
#define SUBUIDD_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "account/account.h"
#include "account/id.h"
#include "index/session_rules.h"
#include "subid/publish_to.h"

#define SETTINGS_BLOCKS_MAX 16

extern const char *const publish_names[];

struct settings {
	/* [ids] */
	struct id_block accounts[SETTINGS_BLOCKS_MAX]; /* accounts = 2100000000-2147352575 … */
	unsigned accounts_count;
	struct id_block ranges[SETTINGS_BLOCKS_MAX]; /* ranges = 1073741824-1879048191 … */
	unsigned ranges_count;
	/* [subid] */
	enum publish_to publish; /* publish = plugin */
	/* [names] */
	char separator;   /* separator = + ; fixed once there are accounts */
	bool enumerate;   /* enumerate = no */
	bool range_names; /* range_names = yes: ids inside ranges have names */
	/* [homes] */
	char homes[124];         /* directory = /srv/subuid */
	char link_directory[64]; /* link_directory = subuid */
	unsigned views_at_start; /* views_at_start = 1000: above so many accounts, on demand */
	uint32_t view;           /* view = theirs: enum account_view_kind, of accounts that do not say */
	uint64_t files_per_size; /* files_per_size = 16K: bytes of the quota for each file; 0: no limit from the size */
	unsigned grace_days;     /* grace_days = 30: removed data is kept so long */
	/* [limits], per owner unless `subuid limit` says otherwise */
	uint32_t limit_accounts; /* accounts = 16 */
	uint32_t limit_keys;     /* keys = 16, per account */
	uint32_t limit_ranges;   /* ranges = 16, blocks of 65536 */
	/* [sessions] of sub-accounts: told to logins and gates by the index */
	uint32_t sessions_key;     /* per_key = 16: connections at once */
	uint32_t sessions_account; /* per_account = 32 */
	uint32_t unused_seconds;   /* unused_seconds = 60: a connection without a command; 0 never ends. `subuid setup`
				      tells sshd */
	uint32_t silence_seconds;  /* silence_seconds = 3600: rsync of a client that says nothing; 0 waits for ever */
	uint32_t session_hours;    /* longest_hours = 0: after which a session ends; 0: never */
	uint32_t session_grace;    /* grace_seconds = 2: between SIGTERM and SIGKILL, for sessions that are ended */
	uint32_t memory_mib;       /* memory_mib = 1024: each process of a run */
	uint32_t account_memory_mib; /* account_memory_mib = 4096, or half of a smaller host's: of all processes of an
					account, where systemd has control groups; 0 none */
	uint32_t cpu_weight;         /* cpu_weight = 50: of an account and of each of its sessions, where it has */
	uint32_t processes;          /* processes = 512: of an account, threads included */
	uint32_t open_files;         /* open_files = 1024: of a process */
	uint32_t file_size_mib;      /* file_size_mib = 0: the largest file; 0 none */
	uint32_t io_weight;          /* io_weight = 50: as cpu_weight, of the disks */
	uint32_t logins_minute;      /* logins_minute = 0: of an account; 0 none */
	uint32_t bandwidth_kib;      /* bandwidth_kib = 0: a second, of a run; 0 none */
	uint32_t session_shell;      /* shell = bash: enum session_shell, of the roles shell and command */
	bool sessions_private;       /* private = yes: each session has mounts of its own (pam_subuid) */
	uint32_t tmp_mib;            /* tmp_mib = 256: of what a session has in place of /tmp */
	char hide[SESSION_LIST_MAX]; /* hide = /home /root … */
	char bind[SESSION_LIST_MAX]; /* bind = /srv/shared ro, … */
	/* [passwords] */
	bool passwords;          /* enabled = no: passwords of accounts count, and can be made */
	uint32_t password_cost;  /* cost = 5: of yescrypt; 16 MiB, and twice that for each more */
	uint32_t password_tries; /* tries = 10: wrong ones a minute, of an account and from an address */
	/* [access] */
	char admin_group[OWNER_MAX + 1]; /* admin_group = ; its members may act for every owner */
	/* [alarm] */
	bool vanished_good; /* vanished_is_good = yes: a backup in which files vanished while rsync read them (24) */
	char hook[128];     /* hook = ; program for accounts that are silent, and well again */
	uint32_t deleted_share;    /* deleted_percent = 50: of the files of an account, by one backup; 0 never */
	uint32_t changed_share;    /* changed_percent = 0 */
	bool quota_used;           /* quota_used = yes: at 80 and 95 % */
	uint32_t key_unused_days;  /* key_unused_days = 0; 0 never, as the next two */
	uint32_t key_expires_days; /* key_expires_days = 14: before it does */
	uint32_t expires_days;     /* account_expires_days = 14 */
	/* [state] */
	char backup_directory[128]; /* backup_directory = /var/backups/subuidd: of `subuid state save --daily` */
	unsigned backups_kept;      /* backups_kept = 7; 0: no daily copies */
	/* [service] */
	unsigned connections_per_uid; /* connections_per_uid = 32 */
	unsigned connections;         /* connections = 256 */
	unsigned idle_seconds;        /* idle_seconds = 30: a peer that says nothing */
};

/* What a hash has to cost; 0: there are no passwords here. */
static inline uint32_t passwords_cost(const struct settings *settings)
{
	return settings->passwords ? settings->password_cost : 0;
}

/* What an account may take that nothing else says anything of. */
void settings_bounds(const struct settings *settings, struct bounds *bounds);

void settings_default(struct settings *settings);

/* 0, or a negative errno and a sentence in why (size bytes); settings untouched on failure.
 * root: "" or a directory in front of the paths, for tests. */
int settings_load(const char *root, struct settings *settings, char *why, size_t size);

#endif
