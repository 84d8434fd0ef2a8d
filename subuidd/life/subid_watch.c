/* SPDX-License-Identifier: ISC */
/*
 * Why so eagerly: newuidmap that cannot load the plug-in goes by the files, and its caller can see to that (ulimit -n
 * 6). So whatever stands there is granted, and a line of a name that has gone to another user must not stand for an
 * hour.
 *
 * useradd, usermod and vipw put a new /etc/passwd in the place of the old one, editors write it in place: both are
 * heard of when the file is whole. The first event of several sets the time, so that no series of them puts it off.
 */
#include "subuidd/life/subid_watch.h"

#include <errno.h>
#include <string.h>
#include <sys/inotify.h>

#include "confine/clock.h"
#include "subuidd/base/log.h"
#include "subid/held.h"

#define SOON_USEC 100000u
#define LOOK_SECONDS 60u
#define LOOK_SHARE 10u /* a look that takes long is made so that it takes a tenth of the time at the most */
#define USEC UINT64_C(1000000)

static const char *const ours[WATCH_FILES] = { SYSCONFDIR "/subuid", SYSCONFDIR "/subgid" };
static const char *const watched[] = { "passwd", "nsswitch.conf", "subuid", "subgid" };

static void plan(sd_event_source *timer, uint64_t usec)
{
	if (timer == NULL || sd_event_source_set_time_relative(timer, usec) < 0 ||
	    sd_event_source_set_enabled(timer, SD_EVENT_ONESHOT) < 0)
		log_error(SYSCONFDIR "/passwd: a look at it cannot be planned");
}

static void stat_files(struct stat now[WATCH_FILES])
{
	for (size_t i = 0; i < WATCH_FILES; i++)
		if (lstat(ours[i], &now[i]) < 0) /* as the writer looks at them, which follows no link */
			memset(&now[i], 0, sizeof(now[i]));
}

static bool same(const struct stat *a, const struct stat *b)
{
	return subid_file_same(a, b) || (a->st_ino == 0 && b->st_ino == 0);
}

bool subid_watch_files_empty(void)
{
	struct stat now[WATCH_FILES];

	stat_files(now);
	return now[0].st_size == 0 && now[1].st_size == 0;
}

static int on_soon(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct subid_watch *watch = userdata;

	(void)source;
	(void)usec;
	watch->look(watch->data);
	return 0;
}

static int on_minute(sd_event_source *source, uint64_t usec, void *userdata)
{
	plan(source, LOOK_SECONDS * USEC); /* should no look follow */
	return on_soon(source, usec, userdata);
}

/* Somebody else has written them. */
static bool changed(const struct subid_watch *watch)
{
	struct stat now[WATCH_FILES];

	stat_files(now);
	return !(same(&watch->seen[0], &now[0]) && same(&watch->seen[1], &now[1]));
}

static bool concerns(const struct subid_watch *watch, const struct inotify_event *event)
{
	if ((event->mask & IN_Q_OVERFLOW) != 0)
		return true;
	for (size_t i = 0; event->len > 0 && i < sizeof(watched) / sizeof(*watched); i++) {
		if (strcmp(event->name, watched[i]) != 0)
			continue;
		if (i < 2)
			return true;
		/* while a look is under way they may be its own: it says at its end how it left them */
		return watch->begun == 0 && changed(watch);
	}
	return false;
}

static void plan_soon(struct subid_watch *watch)
{
	int enabled = SD_EVENT_OFF;

	sd_event_source_get_enabled(watch->soon, &enabled);
	if (enabled == SD_EVENT_OFF)
		plan(watch->soon, SOON_USEC);
}

static int on_event(sd_event_source *source, const struct inotify_event *event, void *userdata)
{
	struct subid_watch *watch = userdata;

	(void)source;
	if (concerns(watch, event))
		plan_soon(watch);
	return 0;
}

static int timer_make(struct subid_watch *watch, sd_event_source **timer, sd_event_time_handler_t handler)
{
	int r = sd_event_add_time(watch->event, timer, CLOCK_MONOTONIC, UINT64_MAX, 10000, handler, watch);

	return r < 0 ? r : sd_event_source_set_enabled(*timer, SD_EVENT_OFF);
}

int subid_watch_open(struct subid_watch *watch, sd_event *event, void (*look)(void *data), void *data)
{
	int r;

	if (watch->event != NULL)
		return 0;
	*watch = (struct subid_watch){ .event = event, .look = look, .data = data };
	stat_files(watch->seen);
	r = timer_make(watch, &watch->soon, on_soon);
	if (r >= 0)
		r = timer_make(watch, &watch->minute, on_minute);
	if (r < 0) {
		subid_watch_close(watch);
		return r;
	}
	r = sd_event_add_inotify(event, &watch->inotify, SYSCONFDIR,
				 IN_MOVED_TO | IN_CLOSE_WRITE | IN_DELETE | IN_ONLYDIR, on_event, watch);
	if (r < 0) /* the minute is left */
		log_error(SYSCONFDIR ": changes of passwd are seen within a minute only: %s", strerror(-r));
	plan(watch->minute, LOOK_SECONDS * USEC);
	return 0;
}

void subid_watch_close(struct subid_watch *watch)
{
	sd_event_source_disable_unref(watch->inotify);
	sd_event_source_disable_unref(watch->soon);
	sd_event_source_disable_unref(watch->minute);
	*watch = (struct subid_watch){ 0 };
}

void subid_watch_begun(struct subid_watch *watch)
{
	watch->begun = clock_usec();
}

void subid_watch_seen(struct subid_watch *watch, const struct stat seen[WATCH_FILES])
{
	uint64_t took = clock_usec() - watch->begun, wait = LOOK_SECONDS * USEC;

	watch->begun = 0;
	if (seen != NULL)
		memcpy(watch->seen, seen, sizeof(watch->seen));
	else
		stat_files(watch->seen);
	if (watch->event == NULL)
		return;
	if (changed(watch))
		plan_soon(watch);
	plan(watch->minute, took * LOOK_SHARE > wait ? took * LOOK_SHARE : wait);
}
