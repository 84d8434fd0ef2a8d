/* SPDX-License-Identifier: ISC */
/*
 * What an account is: the plain records that the store keeps, the wire between
 * worker and broker carries and the index publishes a part of. Fixed size, no
 * pointers; every string ends by NUL inside its array.
 */
#ifndef ACCOUNT_ACCOUNT_H
#define ACCOUNT_ACCOUNT_H

#include <stdint.h>

#include "account/name.h"

#define COMMENT_MAX 127
#define CONTACT_MAX 127
#define FROM_MAX 255
#define KEY_TYPE_MAX 47
#define KEY_BLOB_MAX 4095  /* base64 characters: RSA of 16384 bits needs 2,800 */
#define FINGERPRINT_MAX 63 /* "SHA256:" and 43 characters */
#define PATH_TEXT_MAX 255
#define TOOLS_MAX 127   /* names of tools with commas between */
#define FORWARD_MAX 127 /* host:port */
#define COMMAND_MAX 255 /* of the role command: bytes of its line */
#define NET_MAX 63      /* "443,5432" */
#define PASSWORD_HASH_MAX 127

/* intent: the id is taken, everything else of it will be undone. active: acknowledged, published. moving: it has
 * another name from now on, and its directory and link still follow. removing: no longer published, home and link on
 * their way out. Only `active` is ever in the index. */
enum account_state {
	ACCOUNT_INTENT = 1,
	ACCOUNT_MOVING = 2,
	ACCOUNT_ACTIVE = 3,
	ACCOUNT_REMOVING = 4,
};

/* account.flags, as stored and as published */
enum {
	ACCOUNT_LOCKED = 1u << 0,
	ACCOUNT_KEEP_HOME = 1u << 1, /* removal: set the data aside without end */
	ACCOUNT_PURGE = 1u << 2,     /* removal: delete the data now */
	ACCOUNT_FORWARDS = 1u << 3,  /* published only: one of its keys has the role forward */
	/* Only set in an intent, never published: what existed before, so that no undo touches it. */
	ACCOUNT_HOME_THERE = 1u << 4,  /* its account directory, in its place */
	ACCOUNT_ASIDE_THERE = 1u << 5, /* its data, set aside: an undo puts it back there, */
	ACCOUNT_ASIDE_DUE =
		1u << 6, /* ... for the grace period; with KEEP_HOME for good; without either nobody knew of it */
	ACCOUNT_OWNER_THERE = 1u << 7,  /* the directory of the owner's accounts */
	ACCOUNT_VIEW_THERE = 1u << 8,   /* the owner's view, mounted */
	ACCOUNT_LINK_THERE = 1u << 9,   /* the link in the owner's home */
	ACCOUNT_LINKS_THERE = 1u << 10, /* the directory of the links, empty */
	ACCOUNT_FULL = 1u << 11, /* over a limit that is metered: nothing can be written until it is below it again */
	ACCOUNT_PASSWORDS = 1u << 12, /* published only: it has passwords, and this host takes them */
	ACCOUNT_FROZEN = 1u << 13,    /* what runs as it stands still, and nothing new begins */
	ACCOUNT_BOTH = 1u << 14,      /* published only: FACTORS_BOTH */
	ACCOUNT_SERVICES = 1u << 15,  /* published only: SERVICES_YES. The last bit that the index has room for */
};
#define ACCOUNT_THERE                                                                                                  \
	(ACCOUNT_HOME_THERE | ACCOUNT_ASIDE_THERE | ACCOUNT_ASIDE_DUE | ACCOUNT_OWNER_THERE | ACCOUNT_VIEW_THERE |     \
	 ACCOUNT_LINK_THERE | ACCOUNT_LINKS_THERE)

/* The parts of an account outside of the store. Missing parts are made again. */
enum account_part {
	PART_DATA = 1u << 0,   /* it was set aside, and is back in its place */
	PART_HOME = 1u << 1,   /* an empty one */
	PART_ACCESS = 1u << 2, /* owner, mode and ACL of the account directory */
	PART_VIEW = 1u << 3,   /* the owner's */
	PART_LINK = 1u << 4,   /* in the owner's home */
	PART_END = 1u << 5,
};

/* How the owner sees the files of an account: account.view, and the setting of the host. */
enum account_view_kind {
	VIEW_DEFAULT = 0, /* as the setting of the host says */
	VIEW_THEIRS = 1,  /* as the account's, as another user's */
	VIEW_OWNER = 2,   /* as the owner's own: the owner's programs trust what was pushed */
};

/* What a login of an account takes. */
enum account_factors {
	FACTORS_ANY = 0,  /* a key or a password */
	FACTORS_BOTH = 1, /* a key and a password: it may do what the key may */
};

/* Whether the account may have a service manager of its own, and linger. Root alone allows it. */
enum account_services {
	SERVICES_NO = 0,
	SERVICES_YES = 1,
};

/* Whether the owner is still the user that an account was made for. */
enum owner_state {
	OWNER_STANDS = 0, /* or nobody knows at this moment */
	OWNER_GONE,       /* there is no user of that name */
	OWNER_CHANGED,    /* it has another uid */
};

/* The enforcer of a limit of the account, of bytes or files. */
enum account_keeper {
	KEPT_NONE,    /* there is no limit, or nobody knows */
	KEPT_METERED, /* not the file system: usage is counted after each run */
	KEPT_FOR_UID, /* the file system, for files of the account's own uid; others' files below its home do not count
		       */
	KEPT_BY_DISK, /* the file system, for everything below its home */
	KEPT_MAX_,
};

#define FILES_FROM_SIZE 0 /* account.files: account_files_limit() */
#define FILES_NONE (-1)
#define FILES_MAX (INT64_C(1) << 40)
#define FILES_LEAST 10000 /* the least limit that follows from the size */

/* How much of the host an account may take: of it, of each of its owner's, and of this host. Each is a number, 0: not
 * said here, so that the next one in this order counts (bounds.h). */
enum bound {
	BOUND_PROCESSES,  /* threads included */
	BOUND_MEMORY,     /* bytes: of all its processes, where systemd has control groups, and of each of them */
	BOUND_OPEN_FILES, /* of a process */
	BOUND_FILE_SIZE,  /* bytes */
	BOUND_CPU_WEIGHT,
	BOUND_IO_WEIGHT,
	BOUND_SESSIONS,  /* at once */
	BOUND_LOGINS,    /* in any minute */
	BOUND_BANDWIDTH, /* bytes a second, of a run, each way */
	BOUNDS,
};

struct bounds {
	uint64_t of[BOUNDS];
};

#define BOUND_PROCESSES_DEFAULT 512u
#define BOUND_OPEN_FILES_DEFAULT 1024u
#define BOUND_PROCESSES_MAX 4194304 /* the kernel's own */
#define BOUND_OPEN_FILES_MAX 1048576
#define BOUND_WEIGHT_MAX 10000
#define SESSIONS_MAX 1024u /* connections of one account at once */
#define LOGINS_MAX 1000u   /* a minute */
#define BANDWIDTH_MAX (INT64_C(1) << 40)

/* The settings of an account, made by its owner or an import. Each member is a row of facts_record (records.c), in
 * this order: all code that reads, checks, stores, sends or shows them goes by that table. */
struct facts {
	int32_t expires_day; /* days since the epoch, shadow(5): unusable from that day on; -1 never */
	uint64_t quota;      /* bytes; 0 none */
	int64_t files;       /* the most names (inodes); FILES_FROM_SIZE, FILES_NONE */
	uint32_t view;       /* enum account_view_kind */
	uint64_t alarm;      /* seconds without a good backup after which there is an alarm; 0 never */
	char comment[COMMENT_MAX + 1];
	char contact[CONTACT_MAX + 1]; /* a mail address for alarms; "" none */
	uint32_t factors;              /* enum account_factors */
	uint32_t services;             /* enum account_services */
	struct bounds bounds;          /* 0: as its owner's limit says, or the host */
};

/* The bits of a set of facts are 1 << these. */
enum fact {
	FACT_EXPIRES,
	FACT_QUOTA,
	FACT_FILES,
	FACT_VIEW,
	FACT_ALARM,
	FACT_COMMENT,
	FACT_CONTACT,
	FACT_FACTORS,
	FACT_SERVICES,
	FACT_BOUNDS, /* and the others, in the order of enum bound */
	FACTS = FACT_BOUNDS + BOUNDS,
};

struct account {
	uint32_t uid; /* gid is the same number */
	uint32_t owner_uid;
	uint32_t state; /* enum account_state */
	uint32_t flags;
	int64_t created; /* seconds since the epoch */
	struct facts facts;
	char owner[OWNER_MAX + 1];
	char label[LABEL_MAX + 1];
};

/* An account that was removed, and whose data is set aside. */
struct removed_view {
	uint32_t uid;
	uint32_t restorable;    /* 1: it can be taken back */
	int64_t removed, until; /* until 0: for good, or it is being deleted */
	char owner[OWNER_MAX + 1];
	char label[LABEL_MAX + 1];
	char name[ACCOUNT_NAME_MAX + 1];
};

/* A contiguous block of subordinate uids (the same numbers for gids). */
struct id_range {
	uint32_t first;
	uint32_t count;
	uint32_t owner_uid;   /* the owner, also when the range is a sub-account's */
	uint32_t account_uid; /* the sub-account that it was given to; 0: the owner */
	int64_t created;
	uint32_t place; /* among those of its holder: they are listed in this order */
	char owner[OWNER_MAX + 1];
	char label[LABEL_MAX + 1]; /* of account_uid; "" for the owner's own */
	uint16_t behind[2]; /* listed behind so many lines of others for the holder, in /etc/subuid and /etc/subgid;
			       not told */
};

/* What a login with a key may do with rsync (the names are the contract). Beside
 * it, or in its place, a key may have tools (ssh_key.tools) and one forward. */
enum role {
	ROLE_PUSH = 1,
	ROLE_PULL = 2,
	ROLE_SYNC = 3,
	ROLE_BLIND = 4,  /* push that learns nothing about existing files */
	ROLE_NONE = 5,   /* no rsync at all */
	ROLE_MANAGE = 8, /* asks and changes by subuid(1); no files, and nothing beside it */
};

/* ssh_key.options */
enum {
	KEY_NO_DELETE = 1u << 0,
	KEY_NO_OVERWRITE = 1u << 1,
	KEY_NO_FAKE_SUPER = 1u << 2, /* modes and owners as plain rsync sets them */
	KEY_APPEND_ONLY = 1u << 3,   /* tools in their append-only form; rsync without deletion and overwriting */
	KEY_READ_ONLY = 1u << 4,     /* tools in their read-only form */
	KEY_TTY = 1u << 5,           /* a terminal, for shell and command: the one option that gives something */
	KEY_OPTIONS_END = 1u << 6,
};

struct ssh_key {
	uint32_t id;  /* the row's; never used again */
	uint32_t uid; /* of the account; of an owner's key the owner's */
	uint32_t role;
	uint32_t options;
	int64_t created;
	int64_t expires;               /* seconds since the epoch; 0 never */
	uint64_t storage_quota;        /* bytes of one repository, for tools that count them (borg); 0 none */
	char tools[TOOLS_MAX + 1];     /* "sftp,borg": profiles of these names; "" none */
	char forward[FORWARD_MAX + 1]; /* the one address that it may forward to; "" none */
	char command[COMMAND_MAX + 1]; /* of the role command: what is run, by the shell; "" none */
	char net[NET_MAX + 1];         /* shell and command: TCP ports that may be connected to; "" no network */
	char from[FROM_MAX + 1];       /* sshd(8) from= pattern list; "" any */
	char type[KEY_TYPE_MAX + 1];   /* "ssh-ed25519" */
	char comment[COMMENT_MAX + 1];
	char fingerprint[FINGERPRINT_MAX + 1];
	char blob[KEY_BLOB_MAX + 1]; /* base64; of a password its first group */
	/* Of a password that is added, and in the verifier's index. The store gives it out by store_key_hash() alone.
	 */
	char hash[PASSWORD_HASH_MAX + 1];
	char owner[OWNER_MAX + 1]; /* of a key with which an owner manages all accounts; "": the account's */
};

/* The rows of key_record, in this order: which members of a key are given is said by the bits 1 << these. */
enum key_member {
	KEY_ROW_ID,
	KEY_ROW_UID,
	KEY_ROW_ROLE,
	KEY_ROW_OPTIONS,
	KEY_ROW_CREATED,
	KEY_ROW_EXPIRES,
	KEY_ROW_QUOTA,
	KEY_ROW_TOOLS,
	KEY_ROW_FORWARD,
	KEY_ROW_COMMAND,
	KEY_ROW_NET,
	KEY_ROW_FROM,
	KEY_ROW_TYPE,
	KEY_ROW_COMMENT,
	KEY_ROW_FINGERPRINT,
	KEY_ROW_BLOB,
	KEY_ROW_HASH,
	KEY_ROW_OWNER,
	KEY_ROWS,
};
#define KEY_ROWS_ROLE (1u << KEY_ROW_ROLE | 1u << KEY_ROW_TOOLS)
#define KEY_ROWS_ITSELF (1u << KEY_ROW_TYPE | 1u << KEY_ROW_BLOB)
/* Members that can change while the key keeps its id. */
#define KEY_ROWS_CHANGE                                                                                                \
	(KEY_ROWS_ROLE | KEY_ROWS_ITSELF | 1u << KEY_ROW_OPTIONS | 1u << KEY_ROW_EXPIRES | 1u << KEY_ROW_QUOTA |       \
	 1u << KEY_ROW_FORWARD | 1u << KEY_ROW_COMMAND | 1u << KEY_ROW_NET | 1u << KEY_ROW_FROM |                      \
	 1u << KEY_ROW_COMMENT)

#define LIMIT_ACCOUNTS_MAX 10000000
#define LIMIT_KEYS_MAX 1024
#define LIMIT_RANGES_MAX 32768

/* What an owner may have. */
struct limit {
	uint32_t accounts;
	uint32_t keys;       /* per account */
	uint32_t ranges;     /* RANGE_UNIT blocks, the owner's and their accounts' together */
	uint32_t is_default; /* 1: the owner has no row, the settings apply */
	char owner[OWNER_MAX + 1];
	struct bounds bounds; /* of each of their accounts: by default, and at most */
};

/* Rows of limit_record: the first of them, and all of them as a set. */
#define LIMIT_ROW_BOUNDS 5
#define LIMIT_BOUNDS_SET (((1u << BOUNDS) - 1) << LIMIT_ROW_BOUNDS)

/* One line of the audit trail. */
struct audit_entry {
	uint64_t seq;
	int64_t time;                                  /* seconds since the epoch */
	uint32_t uid;                                  /* of the caller */
	int32_t pid;                                   /* of the caller, for the log only */
	uint32_t status;                               /* enum failure in account/failure.h; 0 done */
	uint32_t target_uid;                           /* 0 none */
	char caller[OWNER_MAX + ACCOUNT_NAME_MAX + 1]; /* name, or the number where it has none */
	char action[32];                               /* "account.add" */
	char target[ACCOUNT_NAME_MAX + 1];             /* "alice+web1" */
	char detail[256];                              /* escaped */
};

#endif
