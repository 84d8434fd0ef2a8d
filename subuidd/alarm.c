/* SPDX-License-Identifier: ISC */
/*
 * Accounts that have been silent for longer than their owners said, and those that are well again. Each change is
 * written down before it is told: once, or, when the host ends in between, not at all.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "account/name.h"
#include "subuidd/child.h"
#include "subuidd/hook.h"
#include "subuidd/log.h"
#include "subuidd/runs.h"

#define HOOKS_MAX 8u
#define HOOK_SECONDS 60u
#define ROUNDS_MAX 8         /* of HOOKS_MAX in one go: others get their turn */
#define LATEST_SECONDS 86400 /* nothing is planned for longer: clocks are set */

struct hook {
	struct broker *broker;
	char name[ACCOUNT_NAME_MAX + 1];
};

static void hook_done(void *data, int status)
{
	struct hook *hook = data;
	struct broker *broker = hook->broker;

	if (status != 0)
		log_warn("%s: hook: %s", hook->name,
			 status == -ETIMEDOUT ? "ended, since it took too long" : "did not end with status 0");
	free(hook);
	broker->hooks--;
	if (!broker->stopping)
		alarm_look(broker);
}

static void hook_run(struct broker *broker, const char *name, bool silent, int64_t age)
{
	const char *arguments[] = { name, silent ? "silent" : "well", NULL, NULL };
	struct hook *hook;
	char text[24], why[256] = "";
	int pidfd = -1, r;

	if (broker->settings.hook[0] == '\0')
		return;
	hook = calloc(1, sizeof(*hook));
	if (hook == NULL)
		return;
	hook->broker = broker;
	snprintf(hook->name, sizeof(hook->name), "%s", name);
	snprintf(text, sizeof(text), "%lld", (long long)age);
	arguments[2] = text;
	r = hook_start(broker->settings.hook, arguments, &pidfd, why, sizeof(why));
	if (r >= 0)
		r = child_watch(broker->event, pidfd, HOOK_SECONDS, hook_done, hook);
	if (r < 0) {
		log_error("hook %s: %s", broker->settings.hook, why[0] != '\0' ? why : strerror(-r));
		free(hook);
		return;
	}
	broker->hooks++;
}

static int tell(struct broker *broker, const struct watch *watch, bool silent, int64_t now)
{
	int64_t age = now - (watch->last_good != 0 ? watch->last_good : watch->since);
	char name[ACCOUNT_NAME_MAX + 1] = "";
	struct account account;
	int r = store_begin(broker->store);

	if (r < 0)
		return r;
	r = store_watch_told(broker->store, watch->uid, silent);
	if (r == 0)
		r = store_account_by_uid(broker->store, watch->uid, &account);
	if (r < 0) {
		store_rollback(broker->store);
		return r;
	}
	r = store_commit(broker->store);
	if (r < 0 || name_join(account.owner, broker->settings.separator, account.label, name) < 0)
		return r;
	if (silent)
		log_warn("%s: no good backup for %lld s", name, (long long)age);
	else
		log_info("%s: backups are well again", name);
	hook_run(broker, name, silent, age < 0 ? 0 : age);
	return 0;
}

static int alarm_due(sd_event_source *source, uint64_t usec, void *userdata)
{
	(void)source;
	(void)usec;
	alarm_look(userdata);
	return 0;
}

static void alarm_plan(struct broker *broker, int64_t now)
{
	int64_t due = now + LATEST_SECONDS;
	uint64_t usec;
	int r = store_watch_next(broker->store, &due);

	if (r < 0 && r != -ENOENT)
		log_error("alarms: %s", store_error(broker->store));
	if (due > now + LATEST_SECONDS)
		due = now + LATEST_SECONDS;
	if (due <= now) /* that could not be told of now */
		due = now + (broker->hooks > 0 ? (int64_t)HOOK_SECONDS : 1);
	usec = (uint64_t)due * 1000000u;
	r = 0;
	if (broker->alarm == NULL)
		r = sd_event_add_time(broker->event, &broker->alarm, CLOCK_REALTIME, usec, 100000, alarm_due, broker);
	else if (sd_event_source_set_time(broker->alarm, usec) < 0 ||
		 sd_event_source_set_enabled(broker->alarm, SD_EVENT_ONESHOT) < 0)
		r = -EINVAL;
	if (r < 0)
		log_error("alarms cannot be planned");
}

void alarm_look(struct broker *broker)
{
	struct watch rows[HOOKS_MAX];
	int64_t now = time(NULL);

	for (int silent = 1; silent >= 0; silent--) {
		int n = 0, room, r = 0, rounds = 0;

		do {
			room = (int)(HOOKS_MAX - (broker->hooks < HOOKS_MAX ? broker->hooks : HOOKS_MAX));
			n = 0;
			if (room > 0)
				n = silent ? store_watch_silent(broker->store, now, rows, room) :
					     store_watch_well(broker->store, now, rows, room);
			for (int i = 0; i < n && r == 0; i++)
				r = tell(broker, &rows[i], silent, now);
		} while (n == room && n > 0 && r == 0 && ++rounds < ROUNDS_MAX);
		if (n < 0 || r < 0)
			log_error("alarms: %s", store_error(broker->store));
	}
	alarm_plan(broker, now);
}

void alarm_close(struct broker *broker)
{
	sd_event_source_disable_unref(broker->alarm);
	broker->alarm = NULL;
}
