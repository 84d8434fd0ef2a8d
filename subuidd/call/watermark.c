/* SPDX-License-Identifier: ISC */
/*
 * Between the store and the high-water mark. Ids of single accounts are taken some ahead, so that an account waits
 * for the disk once more only every so often; a crash costs those ids, a clean stop none. Near the end of a block
 * less and less is taken ahead, so that no number of crashes uses a small block up. Run by the broker (root).
 */
#include "subuidd/call/watermark.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "subuidd/broker.h"
#include "subuidd/call/earlier.h"
#include "subuidd/base/log.h"
#include "store/high_water.h"
#include "subuidd/base/trouble.h"

#define AHEAD 256u
#define AHEAD_PART 16u /* of what is left in the block */

struct watermark {
	struct broker *broker;
	struct high_water_files *files;
	struct store_witness witness;
	uint32_t marks[HIGH_WATER_REGIONS]; /* as they are in the files */
	uint32_t floor[HIGH_WATER_REGIONS]; /* as they were at the start */
	bool noted;                         /* where earlier.h looks */
};

/* How far to raise it for this id. */
static uint32_t ahead(const struct settings *settings, uint32_t id)
{
	for (unsigned i = 0; i < settings->accounts_count; i++) {
		const struct id_block *block = &settings->accounts[i];
		uint32_t part;

		if (id < block->first || id > block->last)
			continue;
		part = (block->last - id) / AHEAD_PART;
		return id + (part < AHEAD ? part : AHEAD);
	}
	return id;
}

/* A third place, which only says that there was something: where it cannot be written, the two marks go on. */
static void note(struct watermark *watermark)
{
	int r = watermark->noted ? 0 : earlier_note();

	watermark->noted = true;
	if (r < 0)
		log_warn(EARLIER_DIRECTORY "/" EARLIER_NOTE " cannot be made: %s", strerror(-r));
}

static int on_give(void *data, const uint32_t marks[HIGH_WATER_REGIONS])
{
	struct watermark *watermark = data;
	int r = watermark->broker->homes_unheard ? -EAGAIN : 0; /* whatever asked for them has not waited */

	note(watermark);
	for (unsigned i = 0; r == 0 && i < HIGH_WATER_REGIONS; i++) {
		uint32_t last;

		if (marks[i] <= watermark->marks[i])
			continue;
		last = ahead(&watermark->broker->settings, marks[i]);
		if (last >> HIGH_WATER_REGION_BITS != i)
			last = marks[i];
		r = high_water_raise(watermark->files, marks[i], last);
		if (r == 0)
			watermark->marks[i] = last;
	}
	if (r < 0)
		log_error("the high-water mark cannot be raised, no ids are given out: %s", strerror(-r));
	return r;
}

static void on_commit(void *data, uint64_t generation)
{
	struct watermark *watermark = data;

	high_water_generation(watermark->files, generation);
}

/* The mark that both know. *files as in high_water_read(). */
static int mark_collect(struct broker *broker, struct high_water *mark, unsigned *files)
{
	uint32_t marks[HIGH_WATER_REGIONS];
	int r = high_water_read(broker->state_fd, broker->homes.fd, mark, files);

	if (r < 0 && r != -ENOENT)
		return r;
	r = store_marks(broker->store, marks);
	mark->store = store_identity(broker->store);
	high_water_merge(mark, store_generation(broker->store), marks);
	return r;
}

static void missing_say(const struct broker *broker, unsigned files)
{
	const unsigned both = HIGH_WATER_AT_STATE | HIGH_WATER_AT_HOMES;

	if (store_first_open(broker->store) || (files & both) == both)
		return;
	if ((files & both) == 0)
		log_warn("the high-water mark is gone: %s and %s/%s are made anew from the store",
			 STATE_DIR "/" HIGH_WATER_STATE, broker->homes.path, HIGH_WATER_HOMES);
	else if ((files & HIGH_WATER_AT_STATE) == 0)
		log_warn("%s is gone or damaged: it is made anew from %s/%s", STATE_DIR "/" HIGH_WATER_STATE,
			 broker->homes.path, HIGH_WATER_HOMES);
	else
		log_warn("%s/%s is gone or damaged: it is made anew from %s", broker->homes.path, HIGH_WATER_HOMES,
			 STATE_DIR "/" HIGH_WATER_STATE);
}

int watermark_open(struct broker *broker, char *why, size_t size)
{
	struct watermark *watermark = calloc(1, sizeof(*watermark));
	struct high_water mark = { 0 };
	unsigned files = 0;
	int r = watermark == NULL ? -ENOMEM : mark_collect(broker, &mark, &files);

	if (r == 0) {
		missing_say(broker, files);
		r = high_water_open(broker->state_fd, broker->homes.fd, &mark, &watermark->files);
	}
	if (r < 0) {
		free(watermark);
		return trouble_say(why, size,
				   "the high-water mark (" STATE_DIR "/" HIGH_WATER_STATE " and the one of the homes)",
				   r);
	}
	watermark->broker = broker;
	watermark->witness = (struct store_witness){ on_give, on_commit, watermark };
	memcpy(watermark->marks, mark.marks, sizeof(watermark->marks));
	memcpy(watermark->floor, mark.marks, sizeof(watermark->floor));
	store_floor(broker->store, watermark->floor);
	store_witness_set(broker->store, &watermark->witness);
	broker->watermark = watermark;
	return 0;
}

void watermark_close(struct broker *broker)
{
	struct watermark *watermark = broker->watermark;
	struct high_water mark = { 0 };
	int r;

	if (watermark == NULL)
		return;
	store_witness_set(broker->store, NULL);
	r = store_marks(broker->store, mark.marks);
	high_water_merge(&mark, 0, watermark->floor);
	if (r == 0)
		r = high_water_settle(watermark->files, mark.marks);
	if (r < 0)
		log_warn("the high-water mark stays some ids ahead: %s", strerror(-r));
	high_water_close(watermark->files);
	free(watermark);
	broker->watermark = NULL;
}
