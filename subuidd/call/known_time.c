/* SPDX-License-Identifier: ISC */
/* Time that is known to have passed; run by the broker. */
#include "subuidd/call/known_time.h"

#include <string.h>
#include <time.h>

#include "subuidd/broker.h"
#include "subuidd/base/log.h"

#define DAY 86400
#define KEEP_SECONDS 3600

int64_t known_time_begin(const struct known_time *written, int64_t clock)
{
	int64_t gap = written->at == 0 || clock <= written->at ? 0 : clock - written->at;

	return written->known + (gap < KNOWN_TIME_GAP_MAX ? gap : KNOWN_TIME_GAP_MAX);
}

struct due known_time_due(int64_t clock, int64_t known, int64_t running, uint32_t grace_days)
{
	int64_t grace = (int64_t)grace_days * DAY;

	if (running < PURGE_QUIET_SECONDS)
		return (struct due){ 1, 1 };
	/* a clock before 1971 counts as none: 0 is what is to be deleted at once */
	return (struct due){ clock - grace > 1 ? clock - grace : 1, known - grace };
}

static int64_t seconds(void)
{
	struct timespec now = { 0 };

	clock_gettime(CLOCK_BOOTTIME, &now);
	return now.tv_sec;
}

int known_time_open(struct broker *broker)
{
	struct known_time written;
	int r = store_known_time(broker->store, &written);

	if (r < 0)
		return r;
	broker->started = broker->known_kept = seconds();
	broker->known_begin = known_time_begin(&written, (int64_t)time(NULL));
	known_time_keep(broker, true);
	return 0;
}

int64_t known_time_running(const struct broker *broker)
{
	return seconds() - broker->started;
}

int64_t known_time_now(const struct broker *broker)
{
	return broker->known_begin + known_time_running(broker);
}

static int keep(struct broker *broker)
{
	const struct known_time time_now = { .known = known_time_now(broker), .at = (int64_t)time(NULL) };
	int r = store_begin(broker->store);

	if (r < 0)
		return r;
	r = store_known_time_set(broker->store, &time_now);
	if (r == 0)
		return store_commit(broker->store);
	store_rollback(broker->store);
	return r;
}

void known_time_keep(struct broker *broker, bool now)
{
	int r;

	if (!now && seconds() - broker->known_kept < KEEP_SECONDS)
		return;
	broker->known_kept = seconds(); /* not again at once when it fails */
	r = keep(broker);
	if (r < 0)
		log_error("the known time cannot be written: %s", strerror(-r));
}
