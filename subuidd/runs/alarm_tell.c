/* SPDX-License-Identifier: ISC */
/* Tells the administrator's program of an alarm, and waits for none of it. Run by the broker. */
#include "subuidd/runs/alarm_tell.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "confine/clock.h"
#include "subuidd/base/child.h"
#include "subuidd/base/log.h"
#include "subuidd/runs/hook.h"

#define HOOK_SECONDS 60u
#define FINISH_MS 5000 /* at the end: systemd and init wait for us */

struct hook {
	struct broker *broker;
	uint32_t owner;
	int *place; /* in alarms->under_way */
	char name[ACCOUNT_NAME_MAX + 1];
};

static void hook_done(void *data, int status)
{
	struct hook *hook = data;
	struct broker *broker = hook->broker;

	if (status != 0)
		log_warn("%s: hook: %s", hook->name,
			 status == -ETIMEDOUT ? "ended, since it took too long" : "did not end with status 0");
	*hook->place = -1;
	alarm_hook(&broker->alarms->pace, hook->owner, -1);
	broker->alarms->hooks--;
	free(hook);
	if (!broker->stopping)
		alarm_look(broker);
}

/* There is one: alarms->hooks is below ALARM_HOOKS_MAX. */
static int *place_free(struct alarms *alarms)
{
	int *place = alarms->under_way;

	while (*place >= 0)
		place++;
	return place;
}

void alarm_hooks_finish(const struct alarms *alarms)
{
	const int64_t end = clock_ms() + FINISH_MS;

	for (size_t i = 0; i < ALARM_HOOKS_MAX; i++) {
		struct pollfd ended = { .fd = alarms->under_way[i], .events = POLLIN }; /* -1 is passed over */
		const int64_t left = end - clock_ms();

		if (ended.fd >= 0 && poll(&ended, 1, left > 0 ? (int)left : 0) != 1)
			log_warn("a hook is ended with the daemon: it took too long");
	}
}

void alarm_tell(struct broker *broker, const struct alarm *alarm)
{
	char number[24], others[16], why[256] = "";
	const char *arguments[] = { alarm->name, alarm->event, number, others, alarm->whom, alarm->detail, NULL };
	struct hook *hook;
	int pidfd = -1, r;

	if (broker->settings.hook[0] == '\0')
		return;
	hook = calloc(1, sizeof(*hook));
	if (hook == NULL)
		return;
	*hook = (struct hook){ .broker = broker, .owner = alarm->owner, .place = place_free(broker->alarms) };
	snprintf(hook->name, sizeof(hook->name), "%s", alarm->name);
	snprintf(number, sizeof(number), "%lld", (long long)alarm->number);
	snprintf(others, sizeof(others), "%d", alarm->others);
	r = hook_start(broker->settings.hook, arguments, &pidfd, why, sizeof(why));
	if (r >= 0)
		r = child_watch(broker->event, pidfd, HOOK_SECONDS, hook_done, hook);
	if (r < 0) {
		log_error("hook %s: %s", broker->settings.hook, why[0] != '\0' ? why : strerror(-r));
		free(hook);
		return;
	}
	*hook->place = pidfd;
	alarm_hook(&broker->alarms->pace, alarm->owner, 1);
	broker->alarms->hooks++;
}

void alarm_whom(const struct account *account, char whom[CONTACT_MAX + 1])
{
	memcpy(whom, account->facts.contact, CONTACT_MAX + 1);
}

int alarm_address(const struct broker *broker, const struct account *account, struct alarm *alarm)
{
	if (name_join(account->owner, broker->settings.separator, account->label, alarm->name) < 0)
		return -EINVAL;
	alarm->owner = account->owner_uid;
	alarm_whom(account, alarm->whom);
	return 0;
}
