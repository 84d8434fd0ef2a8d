/* SPDX-License-Identifier: ISC */
/*
 * The broker: the one process with privilege. Root with the capabilities of
 * broker_capabilities, one thread, one event loop. Everything that it has open
 * and knows hangs on this struct (but for the count of refusals, audit.c).
 */
#ifndef SUBUIDD_BROKER_H
#define SUBUIDD_BROKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <systemd/sd-event.h>

#include "account/failure.h"
#include "subuidd/base/handed.h"
#include "home/home.h"
#include "subuidd/call/counters.h"
#include "subuidd/ids/local.h"
#include "subuidd/ids/probe.h"
#include "subuidd/base/settings.h"
#include "store/store.h"
#include "subuidd/publish/withheld.h"

struct alarms;
struct call;
struct memory;
struct meter;
struct publication;
struct purge;
struct rehearsal;
struct spool;
struct strays;
struct subid_publisher;
struct watermark;
struct workers;

#define WORKER_USER "subuidd"
#define HOOK_USER "subuidd-hook"
#define KEYS_GROUP "subuidd-keys"
#define SUBUIDS_GROUP "subuids"
#define FORWARD_GROUP "subuids-forward"
#define PASSWORDS_GROUP "subuids-passwords"
#define BOTH_GROUP "subuids-both"
#define VERIFY_GROUP "subuidd-verify"
#define SOCKET_PATH RUN_DIR "/socket"
#define REASON_MAX 1280
#define REFUSED_MAX 32

struct broker {
	sd_event *event;
	struct settings settings;
	struct store *store;
	struct watermark *watermark; /* the ids given out, recorded outside of the store */
	struct publication *publication;
	struct workers *workers;
	struct owners *owners;          /* life/owners.h */
	struct subid_publisher *subids; /* our lines in /etc/subuid and /etc/subgid */
	struct homes homes;
	struct handed handed;        /* of the host's mounts */
	int forker;                  /* of the children that make links; -1: none */
	struct host_probe host;      /* ids that the rest of the host holds */
	struct allocate_probe probe; /* points to it */
	struct local local;          /* users and groups, for lists and checks; forgotten when they end */
	int state_fd;                /* /var/lib/subuidd */
	int lock_fd;                 /* locked as long as this process lives */
	int listen_fd;
	int refused[REFUSED_MAX]; /* connections that were told "no" last; -1 none */
	unsigned refused_next;
	bool listen_drained; /* connections that the service manager has kept since nobody knows when were accepted */
	sd_event_source *listen_source;
	sd_event_source *maintenance; /* next look at removed data and unfinished work, maintain.h */
	void (*maintain)(struct broker *broker);
	struct call *calls;                                    /* under way, newest first */
	bool (*hold)(struct call *call, enum failure failure); /* ends the call later; false: it may end now */
	struct rehearsal *rehearsal;                           /* a dry run of an import; NULL: none */
	bool views_doubt;      /* some were not, since the user database did not answer */
	struct strays *strays; /* homes without an account, life/strays.h */
	uint64_t views_after;  /* recovery: uid of the last account whose view was mounted */
	bool views_on_demand;  /* more accounts than views_at_start */
	bool unfinished;       /* accounts may be left in between: recovery looks again */
	bool purging;          /* the data that is due is being looked through */
	struct purge *purges;  /* under way */
	int64_t started;       /* CLOCK_BOOTTIME, seconds */
	int64_t known_begin;   /* known_time.h: at the start */
	int64_t known_kept;    /* as `started`: when it was written last */
	int64_t rehash_until;  /* ms of the clock: a worker hashes a password once more; past: none does */
	bool stopping;
	struct withheld withheld;       /* locks that are not in the store, urgent.h */
	bool unproved;                  /* the store is too large to be proved within the start: evidence_beside() */
	bool homes_unheard;             /* they are being compared with the store: no id is given out */
	char refused_store[REASON_MAX]; /* why it is not accepted; "": it is. Exit status EVIDENCE_STATUS */
	struct spool *spool;            /* of runs, runs.c; NULL: none */
	struct alarms *alarms;          /* alarm.c */
	struct admission *admission;    /* ends what may not log in any more; NULL: nobody does */
	struct memory *memory;          /* ends what has too much of it; NULL: nobody does */
	struct meter *meter;            /* of limits that no file system keeps; NULL: none */
	struct counters counters;       /* for metrics */
	void *used;                     /* used.h: what accounts with limits use, as it was counted */
	/* told what an account uses of its limits, whenever that is looked at; NULL: nobody is */
	void (*used_seen)(struct broker *broker, const struct account *account, uint64_t bytes, uint64_t files);
};

/* Everything from the lock to the first ready worker. 0, or negative errno and a
 * sentence in why (REASON_MAX bytes); broker->refused_store is the same sentence when the store is not accepted. */
int broker_open(struct broker *broker, char *why);

/* Takes our lines out of /etc/subuid and /etc/subgid, which nobody keeps true from then on, and the owners' views off:
 * for a host that is switched off. Instead of broker_open(), and only while no daemon runs. 0, or negative errno and a
 * sentence in why. */
int broker_withdraw(char *why);

/* Runs until TERM or INT. 0 or negative errno. */
int broker_run(struct broker *broker);
void broker_close(struct broker *broker);

/* listen.c: the socket, ours or the service manager's. A descriptor or negative errno. */
int listen_open(char *why, size_t size);
void listen_close(int fd);

/* For a connection (borrowed) that no worker can be had for. */
void listen_refuse_broken(struct broker *broker, int fd);
bool listen_activated(void); /* the service manager holds the socket: it stays when we go */
/* Accepts what waits; userdata is the broker. */
int listen_ready(sd_event_source *source, int fd, uint32_t events, void *userdata);

#endif
