/* SPDX-License-Identifier: ISC */
/* A container as an owner has it, made of the kernel's parts as podman makes them: what does not work is named. */
#ifndef SETUP_TRIAL_H
#define SETUP_TRIAL_H

#include <stdint.h>

struct trial {
	uint32_t uid, gid;
	const char *name;
	uint32_t first, count;   /* a range of theirs */
	const char *step, *todo; /* if it failed: where, and what to do */
};

/* 0, or negative errno. */
int trial_run(struct trial *trial);

#endif
