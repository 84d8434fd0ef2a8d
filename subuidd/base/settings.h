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

#define SETTINGS_BLOCKS_MAX 16

/* publish = : where else than in the index subordinate ids are told */
enum publish_to {
	PUBLISH_PLUGIN, /* nowhere: libsubid_subuid answers */
	PUBLISH_FILES,  /* all in /etc/subuid and /etc/subgid: ranges and the uids of sub-accounts */
	PUBLISH_BOTH,   /* ranges there too, for tools that read the files themselves */
};
extern const char *const publish_names[];

struct settings {
	/* [ids] */
	struct id_block accounts[SETTINGS_BLOCKS_MAX]; /* accounts = 2100000000-2147352575 … */
	unsigned accounts_count;
	struct id_block ranges[SETTINGS_BLOCKS_MAX];   /* ranges = 1073741824-1879048191 … */
	unsigned ranges_count;
	/* [subid] */
	enum publish_to publish; /* publish = plugin */
	/* [names] */
	char separator; /* separator = + ; fixed once there are accounts */
	bool enumerate; /* enumerate = no */
	bool range_names; /* range_names = yes: ids inside ranges have names */
	/* [homes] */
	char homes[128];          /* directory = /srv/subuid */
	char link_directory[64];  /* link_directory = subuid */
	unsigned views_at_start;  /* views_at_start = 1000: above so many accounts, on demand */
	uint32_t view;            /* view = theirs: enum account_view_kind, of accounts that do not say */
	uint64_t files_per_size;  /* files_per_size = 16K: bytes of the quota for each file; 0: no limit from the size */
	unsigned grace_days;      /* grace_days = 30: removed data is kept so long */
	/* [limits], per owner unless `subuid limit` says otherwise */
	uint32_t limit_accounts; /* accounts = 16 */
	uint32_t limit_keys;     /* keys = 16, per account */
	uint32_t limit_ranges;   /* ranges = 16, blocks of 65536 */
	/* [sessions] of sub-accounts: told to logins and gates by the index */
	uint32_t sessions_key;     /* per_key = 16: connections at once */
	uint32_t sessions_account; /* per_account = 32 */
	uint32_t unused_seconds;   /* unused_seconds = 60: a connection without a command; 0 never ends. `subuid setup` tells sshd */
	uint32_t silence_seconds;  /* silence_seconds = 3600: rsync of a client that says nothing; 0 waits for ever */
	uint32_t memory_mib;       /* memory_mib = 1024: each process of a run */
	uint32_t cpu_weight;       /* cpu_weight = 50: of a session, where systemd has control groups */
	/* [access] */
	char admin_group[OWNER_MAX + 1]; /* admin_group = ; its members may act for every owner */
	/* [alarm] */
	char hook[128]; /* hook = ; program for accounts that are silent, and well again */
	/* [state] */
	char backup_directory[128]; /* backup_directory = /var/backups/subuidd: of `subuid state save --daily` */
	unsigned backups_kept;      /* backups_kept = 7; 0: no daily copies */
	/* [service] */
	unsigned connections_per_uid; /* connections_per_uid = 32 */
	unsigned connections;         /* connections = 256 */
	unsigned idle_seconds;        /* idle_seconds = 30: a peer that says nothing */
};

void settings_default(struct settings *settings);

/* 0, or a negative errno and a sentence in why (size bytes); settings untouched on failure.
 * root: "" or a directory in front of the paths, for tests. */
int settings_load(const char *root, struct settings *settings, char *why, size_t size);

#endif
