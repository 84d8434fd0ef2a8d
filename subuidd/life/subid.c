/* SPDX-License-Identifier: ISC */
/*
 * Has a child write our lines into /etc/subuid and /etc/subgid, and holds back answers until the files show a
 * change. Run by the broker.
 */
#include "subuidd/life/subid.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "confine/child.h"
#include "confine/cleanup.h"
#include "subuidd/base/child.h"
#include "subuidd/base/log.h"
#include "subuidd/call/maintain.h"
#include "subuidd/publish/publish.h"
#include "subid/plan.h"
#include "subuidd/life/owners.h"
#include "subuidd/life/subid_watch.h"
#include "subid/write.h"

#define WRITE_SECONDS                                                                                                  \
	120u /* lckpwdf alone waits 15; a directory that does not answer 10, and what it takes for one name */
#define AGAIN_SECONDS 60u
#define WHY_MAX 256

struct waiting {
	struct waiting *next;
	struct call *call;
	enum failure failure; /* of the call itself */
};

struct subid_publisher {
	struct waiting *served; /* by the child that runs */
	struct waiting *next;   /* by the one after it */
	int why_fd;             /* of the child: struct outcome */
	bool running, again, failed;
	char said[WHY_MAX]; /* to the log, so that it is not said each minute */
	struct subid_watch watch;
};

/* The child's message. */
struct outcome {
	char why[WHY_MAX];
	struct stat seen[WATCH_FILES];
};

struct writer_job {
	struct broker *broker;
	int why_fd;
};

static int write_files(const void *argument)
{
	const struct writer_job *job = argument;
	struct broker *broker = job->broker;
	cleanup_fd int etc_fd = handed_etc_open(&broker->handed);
	struct outcome outcome = { .why = "" };
	int r;

	umask(022);
	r = etc_fd < 0 ? etc_fd :
			 subid_write(broker->state_fd, etc_fd, broker->settings.publish, outcome.seen, outcome.why,
				     sizeof(outcome.why));
	if (r < 0 && outcome.why[0] == '\0')
		snprintf(outcome.why, sizeof(outcome.why), SYSCONFDIR ": %s", strerror(-r));
	if (pwrite(job->why_fd, &outcome, sizeof(outcome), 0) != (ssize_t)sizeof(outcome))
		return 2;
	return r < 0 ? 1 : 0;
}

/* It dies with the daemon: it must not write behind the next one's back. No alarm(2): lckpwdf(3) needs it. */
static int writer_start(struct broker *broker, int *pidfd)
{
	struct subid_publisher *publisher = broker->subids;
	cleanup_fd int why_fd = memfd_create("subid", MFD_CLOEXEC);
	const struct writer_job job = { broker, why_fd };
	const struct child_job child = { .run = write_files, .argument = &job };
	pid_t pid;
	int r;

	if (why_fd < 0)
		return -errno;
	r = child_start(&child, &pid, pidfd);
	if (r == 0)
		publisher->why_fd = steal_fd(&why_fd);
	return r;
}

static void finish_all(struct waiting *list, const char *why)
{
	while (list != NULL) {
		struct waiting *waiting = list;
		struct call *call = waiting->call;
		enum failure failure = waiting->failure;

		list = waiting->next;
		free(waiting);
		if (why != NULL && failure == FAILURE_NONE)
			failure = call_fail(call, FAILURE_FAILED, NULL, why,
					    "the change itself is done; writing the files is tried again");
		call_finish_now(call, failure);
	}
}

/* Once, until it is another matter. */
static void tell(struct subid_publisher *publisher, const char *why, int status)
{
	if (strcmp(publisher->said, why) == 0)
		return;
	if (status != 0)
		log_error("subordinate ids in the files: %s", why);
	else if (why[0] != '\0')
		log_warn("subordinate ids in the files: %s", why);
	else
		log_info("subordinate ids in the files: as they should be again");
	snprintf(publisher->said, sizeof(publisher->said), "%s", why);
}

static void run(struct broker *broker);

static void written(void *data, int status)
{
	struct broker *broker = data;
	struct subid_publisher *publisher = broker->subids;
	struct waiting *served = publisher->served;
	cleanup_fd int why_fd = publisher->why_fd;
	struct outcome outcome = { .why = "" };
	bool told = pread(why_fd, &outcome, sizeof(outcome), 0) == (ssize_t)sizeof(outcome);

	publisher->served = NULL;
	publisher->why_fd = -1;
	publisher->running = false;
	publisher->failed = status != 0;
	outcome.why[WHY_MAX - 1] = '\0';
	subid_watch_seen(&publisher->watch,
			 told && status == 0 ? outcome.seen : NULL); /* else it is tried again anyway */
	if (outcome.why[0] == '\0' && status != 0)
		snprintf(outcome.why, sizeof(outcome.why), "%s",
			 status == -ETIMEDOUT ? SYSCONFDIR "/subuid: it takes too long" :
						"the process that writes " SYSCONFDIR "/subuid failed");
	tell(publisher, outcome.why, status);
	if (status != 0)
		maintain_in(broker, AGAIN_SECONDS);
	finish_all(served, status != 0 ? outcome.why : NULL);
	if (publisher->again && !broker->stopping)
		run(broker);
}

static void run(struct broker *broker)
{
	struct subid_publisher *publisher = broker->subids;
	int pidfd = -1, r;

	subid_watch_begun(&publisher->watch);
	r = writer_start(broker, &pidfd);
	publisher->again = false;
	publisher->served = publisher->next;
	publisher->next = NULL;
	publisher->running = true;
	if (r >= 0)
		r = child_watch(broker->event, pidfd, WRITE_SECONDS, written, broker);
	if (r < 0)
		written(broker, r);
}

static void trigger(struct broker *broker)
{
	broker->subids->again = true;
	if (!broker->subids->running)
		run(broker);
}

/* Where the files were never ours there can be lines of adopted ranges in them all the same. */
static bool worth_a_look(const struct broker *broker)
{
	struct stat st;

	return broker->settings.publish != PUBLISH_PLUGIN || fstatat(broker->state_fd, SUBID_LINES_NAME, &st, 0) == 0 ||
	       !subid_watch_files_empty();
}

static void look(void *data)
{
	struct broker *broker = data;

	owners_look(broker);
	if (worth_a_look(broker))
		trigger(broker);
}

/* Its own change may have been told of by another call that ended before it. */
static bool may_have_changed(const struct call *call)
{
	return (call->operation->traits & TRAIT_LINES) != 0 && call->broker->settings.publish != PUBLISH_PLUGIN;
}

/* A call that changed something is answered when the files show it. */
static bool hold(struct call *call, enum failure failure)
{
	struct broker *broker = call->broker;
	unsigned changes = publication_changes(broker->publication) & PUBLISHED_RANGES;
	struct waiting *waiting;

	if (broker->settings.publish == PUBLISH_PLUGIN)
		changes = 0;
	if (changes == 0 && !(broker->subids->running && may_have_changed(call)))
		return false;
	waiting = malloc(sizeof(*waiting));
	if (waiting != NULL) {
		*waiting = (struct waiting){ .next = broker->subids->next, .call = call, .failure = failure };
		broker->subids->next = waiting;
	}
	trigger(broker); /* may end the call */
	return waiting != NULL;
}

int subid_publish_start(struct broker *broker)
{
	int r;

	if (broker->subids == NULL) {
		broker->subids = calloc(1, sizeof(*broker->subids));
		if (broker->subids == NULL)
			return -ENOMEM;
		broker->subids->why_fd = -1;
		broker->hold = hold;
	}
	publication_changes(broker->publication);
	r = subid_watch_open(&broker->subids->watch, broker->event, look, broker);
	if (r < 0)
		return r;
	look(broker);
	return 0;
}

void subid_publish_again(struct broker *broker)
{
	if (broker->subids != NULL && (broker->subids->failed || broker->settings.publish != PUBLISH_PLUGIN))
		trigger(broker);
}

static void waiting_free(struct waiting *list)
{
	while (list != NULL) {
		struct waiting *waiting = list;

		list = waiting->next;
		free(waiting);
	}
}

/* The child that runs, if any, goes on and ends by itself. */
void subid_publish_close(struct broker *broker)
{
	struct subid_publisher *publisher = broker->subids;

	if (publisher == NULL)
		return;
	broker->subids = NULL;
	broker->hold = NULL;
	subid_watch_close(&publisher->watch);
	waiting_free(publisher->served);
	waiting_free(publisher->next);
	free(publisher);
}
