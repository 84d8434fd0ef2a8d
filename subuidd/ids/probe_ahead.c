/* SPDX-License-Identifier: ISC */
/* A child process that asks NSS about the ids of the next batch of an import, so that the broker need not wait. */
#include "subuidd/ids/probe_ahead.h"

#include <errno.h>
#include <stddef.h>
#include <sys/mman.h>
#include <unistd.h>

#include "confine/child.h"
#include "confine/clock.h"
#include "subuidd/base/child.h"

#define TYPES 2
#define CHILD_SECONDS 15

struct questions {
	struct probe_ahead *ahead;
	int (*taken)(enum id_type type, uint32_t id);
};

static volatile unsigned char *answer_of(const struct probe_ahead *ahead, enum id_type type, uint32_t id)
{
	return ahead->unused + (size_t)type * PROBE_AHEAD_IDS + (id - ahead->first);
}

/* From the last to the first: should the broker come before the child has done, it begins at the other end. */
static int ask(const void *argument)
{
	const struct questions *questions = argument;
	const struct probe_ahead *ahead = questions->ahead;

	for (uint32_t i = ahead->count; i-- > 0;)
		for (enum id_type type = TYPE_UID; type <= TYPE_GID; type++)
			if (questions->taken(type, ahead->first + i) == 0)
				*answer_of(ahead, type, ahead->first + i) = 1;
	return 0;
}

static void asked(void *data, int status)
{
	struct probe_ahead *ahead = data;

	(void)status;
	ahead->running = false;
}

static int answers_clear(struct probe_ahead *ahead)
{
	const size_t size = (size_t)TYPES * PROBE_AHEAD_IDS;

	if (ahead->unused == NULL)
		ahead->unused = child_memory(size);
	if (ahead->unused == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < size; i++)
		ahead->unused[i] = 0;
	return 0;
}

int probe_ahead_start(struct probe_ahead *ahead, sd_event *event, uint32_t first, uint32_t count,
		      int (*taken)(enum id_type type, uint32_t id))
{
	const struct questions questions = { ahead, taken };
	const struct child_job job = { .run = ask, .argument = &questions, .seconds = CHILD_SECONDS };
	pid_t pid;
	int pidfd = -1, r;

	if (ahead->running)
		return -EBUSY;
	ahead->count = 0;
	r = answers_clear(ahead);
	if (r < 0)
		return r;
	ahead->first = first;
	ahead->count = count < PROBE_AHEAD_IDS ? count : PROBE_AHEAD_IDS;
	ahead->until = clock_usec() + PROBE_AHEAD_SECONDS * 1000000ull;
	r = child_start(&job, &pid, &pidfd);
	if (r >= 0)
		r = child_watch(event, pidfd, CHILD_SECONDS, asked, ahead);
	ahead->running = r >= 0;
	return r;
}

bool probe_ahead_unused(struct probe_ahead *ahead, enum id_type type, uint32_t id)
{
	volatile unsigned char *answer;

	if (id < ahead->first || id - ahead->first >= ahead->count || clock_usec() > ahead->until)
		return false;
	answer = answer_of(ahead, type, id);
	if (*answer == 0)
		return false;
	*answer = 0;
	return true;
}

void probe_ahead_free(struct probe_ahead *ahead)
{
	if (ahead->unused != NULL)
		munmap((void *)(uintptr_t)ahead->unused, (size_t)TYPES * PROBE_AHEAD_IDS);
	ahead->unused = NULL;
	ahead->count = 0;
}
