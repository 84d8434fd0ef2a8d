/* SPDX-License-Identifier: ISC */
/* The gate's own command line, and what the gate found out about the host. */
#ifndef BACKUP_GATE_POLICY_H
#define BACKUP_GATE_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "confine/limits.h"

struct gate_policy {
	bool read_only;        /* -ro */
	bool write_only;       /* -wo */
	bool blind;            /* -blind: write_only, and the client learns nothing about existing files */
	bool no_delete;        /* -no-del, and with -ro and -blind */
	bool no_overwrite;     /* -no-overwrite */
	bool munge;            /* -munge */
	bool no_lock;          /* -no-lock */
	bool fake_super;       /* -fake-super */
	bool absolute;         /* -absolute */
	bool private_root;     /* -private: refuse if the host gives no private root */
	bool shared_root;      /* -no-private: the host's own mounts */
	bool history;          /* -snapshots: ".snapshots" is the history of the home; with -ro */
	bool report;           /* -report: what the run does, and how many files, to the login shell */
	bool log;              /* rsync's log was sent there */
	unsigned timeout;      /* -timeout=SECONDS: for a client that sends nothing; 0 none */
	struct limits limits;  /* -memory=MIB, of each process of the run, and those of limits_option() */
	uint64_t bandwidth;    /* -bwlimit=KIB a second; 0: the client's own */
	bool everything;       /* DIR is "/" */
	bool drop_devices;     /* this rsync knows --drop-D (3.5) */
	bool confine_root;     /* this rsync knows --confine-root (3.5) */
	const char *files_log; /* rsync's log, for the count of files; NULL: none */
	const char *snapshots; /* with -snapshots, where they are */
	const char *directory; /* DIR, absolute and canonical */
};

#define GATE_TIMEOUT 3600 /* unless the command line says otherwise */
#define GATE_MEMORY (UINT64_C(1) << 30)

/* Why a command was refused: "what: why". Bytes of the client's may be in it: escape before printing. */
#define REFUSAL_TEXT_MAX 255
struct gate_refusal {
	char what[REFUSAL_TEXT_MAX + 1];
	char why[REFUSAL_TEXT_MAX + 1];
};

/* Cuts what does not fit. Returns -EPERM, so that a check can `return gate_refuse(…)`. */
int gate_refuse(struct gate_refusal *refusal, const char *what, const char *why);

/* The gate's own command line. 0; 1: help was asked for; -EPERM and *refusal. *directory points into argv. */
int gate_options_parse(int argc, char **argv, struct gate_policy *policy, const char **directory,
		       struct gate_refusal *refusal);

#endif
