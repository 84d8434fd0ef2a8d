/* SPDX-License-Identifier: ISC */
/* Waits for child processes in the event loop, each with a deadline and perhaps a channel, and gets the memory in which
 * they answer. Run by the broker. */
#include "subuidd/base/child.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#ifndef P_PIDFD
#define P_PIDFD 3
#endif

struct child {
	int pidfd;
	int channel; /* -1: none */
	sd_event_source *exit_source, *timer, *answer_source;
	child_done done; /* NULL: has been told */
	void *data;
};

void *child_memory(size_t size)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	return memory == MAP_FAILED ? NULL : memory;
}

static void child_free(struct child *child)
{
	sd_event_source_disable_unref(child->exit_source);
	sd_event_source_disable_unref(child->timer);
	sd_event_source_disable_unref(child->answer_source);
	close(child->pidfd);
	if (child->channel >= 0)
		close(child->channel);
	free(child);
}

static void child_tell(struct child *child, int status)
{
	child_done done = child->done;

	child->done = NULL;
	if (done != NULL)
		done(child->data, status);
}

static int child_ended(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
	struct child *child = userdata;
	siginfo_t info = { 0 };
	int status = -EINTR;

	(void)source;
	(void)events;
	if (waitid((idtype_t)P_PIDFD, (id_t)fd, &info, WEXITED | WNOHANG) < 0 && errno == EINTR)
		return 0;
	if (info.si_code == CLD_EXITED)
		status = info.si_status;
	child_tell(child, status);
	child_free(child);
	return 0;
}

static int child_late(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct child *child = userdata;

	(void)source;
	(void)usec;
	syscall(SYS_pidfd_send_signal, child->pidfd, SIGKILL, NULL, 0);
	child_tell(child, -ETIMEDOUT);
	return 0;
}

static void channel_close(struct child *child)
{
	if (child->channel < 0)
		return;
	child->answer_source = sd_event_source_disable_unref(child->answer_source);
	close(child->channel);
	child->channel = -1;
}

static int child_answered(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
	struct child *child = userdata;
	unsigned char answer;
	bool told = recv(fd, &answer, 1, MSG_DONTWAIT) == 1;

	(void)source;
	(void)events;
	if (told) /* else its end tells */
		child_tell(child, answer);
	if (!told || child->done == NULL)
		channel_close(child);
	return 0;
}

/* Nobody would hear of its end, and its successor must not meet it. It is not waited for, since that may take
 * long. */
static void unwatched(int pidfd)
{
	siginfo_t info;

	syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0);
	waitid((idtype_t)P_PIDFD, (id_t)pidfd, &info, WEXITED | WNOHANG);
}

static int watch(sd_event *event, int pidfd, int channel, unsigned seconds, child_done done, void *data,
		 struct child **ret)
{
	struct child *child = calloc(1, sizeof(*child));
	int r;

	if (child == NULL) {
		unwatched(pidfd);
		close(pidfd);
		if (channel >= 0)
			close(channel);
		return -ENOMEM;
	}
	*child = (struct child){ .pidfd = pidfd, .channel = channel, .done = done, .data = data };
	r = sd_event_add_io(event, &child->exit_source, pidfd, EPOLLIN, child_ended, child);
	if (r >= 0 && seconds > 0)
		r = sd_event_add_time_relative(event, &child->timer, CLOCK_MONOTONIC, seconds * 1000000ull, 100000,
					       child_late, child);
	if (r >= 0 && channel >= 0)
		r = sd_event_add_io(event, &child->answer_source, channel, EPOLLIN, child_answered, child);
	if (r < 0) {
		unwatched(pidfd);
		child_free(child);
		return r;
	}
	*ret = child;
	return 0;
}

int child_watch(sd_event *event, int pidfd, unsigned seconds, child_done done, void *data)
{
	struct child *child;

	return watch(event, pidfd, -1, seconds, done, data, &child);
}

int child_watch_answer(sd_event *event, int pidfd, int channel, unsigned seconds, child_done done, void *data,
		       struct child **child)
{
	return watch(event, pidfd, channel, seconds, done, data, child);
}

void child_go(struct child *child)
{
	/* one that has ended already is reported by its end */
	(void)!send(child->channel, "", 1, MSG_NOSIGNAL);
}

void child_await(struct child *child, unsigned seconds, child_done done)
{
	child->done = done;
	if (child->timer == NULL)
		return;
	/* where the deadline cannot be set, the child's own one ends it */
	if (seconds > 0)
		sd_event_source_set_time_relative(child->timer, seconds * 1000000ull);
	sd_event_source_set_enabled(child->timer, seconds > 0 ? SD_EVENT_ONESHOT : SD_EVENT_OFF);
}

void child_forget(struct child *child)
{
	child->done = NULL;
	channel_close(child);
}
