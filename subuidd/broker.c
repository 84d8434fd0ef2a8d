/* SPDX-License-Identifier: ISC */
/* Opens everything in the order in which it needs one another, runs the event loop, and closes it again. */
#include "subuidd/broker.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>
#include <time.h>
#include <unistd.h>

#include "index/index.h"
#include "confine/cleanup.h"
#include "confine/path.h"
#include "subuidd/life/admission.h"
#include "subuidd/life/evidence.h"
#include "subuidd/call/former.h"
#include "subuidd/change/range.h"
#include "subuidd/call/known_time.h"
#include "subuidd/life/groups.h"
#include "subuidd/life/lifecycle.h"
#include "index/writer/writer.h"
#include "subuidd/base/log.h"
#include "subuidd/base/lower.h"
#include "subuidd/call/maintain.h"
#include "subuidd/life/memory.h"
#include "subuidd/life/meter.h"
#include "subuidd/life/owners.h"
#include "subuidd/life/strays.h"
#include "subuidd/publish/publish.h"
#include "subuidd/call/room.h"
#include "subuidd/call/used.h"
#include "subuidd/runs/runs.h"
#include "subuidd/base/state_directory.h"
#include "subuidd/life/subid.h"
#include "subid/plan.h"
#include "subid/write.h"
#include "subuidd/base/trouble.h"
#include "subuidd/call/watermark.h"
#include "subuidd/life/urgent.h"
#include "subuidd/door/verifier.h"
#include "subuidd/door/workers.h"

#define MAINTAIN_SECONDS 3600u
#define DESCRIPTORS_PER_CONNECTION 3u /* the worker's channel, its pidfd, the waiting connection */
#define DESCRIPTORS_OTHER 128u

static int reason(char *why, const char *what, int error)
{
	return trouble_say(why, REASON_MAX, what, error);
}

static int descriptors_allow(const struct settings *settings, char *why)
{
	rlim_t wanted = (rlim_t)settings->connections * DESCRIPTORS_PER_CONNECTION + DESCRIPTORS_OTHER;
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return reason(why, "descriptors", -errno);
	if (limit.rlim_cur >= wanted)
		return 0;
	if (limit.rlim_max < wanted) {
		snprintf(why, REASON_MAX, "%u connections need %llu descriptors, and %llu are allowed (ulimit -n)",
			 settings->connections, (unsigned long long)wanted, (unsigned long long)limit.rlim_max);
		return -EMFILE;
	}
	limit.rlim_cur = wanted;
	return setrlimit(RLIMIT_NOFILE, &limit) < 0 ? reason(why, "descriptors", -errno) : 0;
}

static int on_stop(sd_event_source *source, const struct signalfd_siginfo *info, void *userdata)
{
	struct broker *broker = userdata;

	(void)source;
	log_info("signal %u: stopping", info->ssi_signo);
	sd_notify(0, "STOPPING=1\nSTATUS=Stopping");
	broker->stopping = true;
	return sd_event_exit(broker->event, 0);
}

/* Settings that cannot change while homes and names are in use keep their value. */
static void settings_apply(struct broker *broker, struct settings *fresh)
{
	const struct settings *now = &broker->settings;
	uint32_t accounts = 1;
	bool kind;

	if (strcmp(fresh->homes, now->homes) != 0 || strcmp(fresh->link_directory, now->link_directory) != 0) {
		log_warn("settings: directory and link_directory change with a restart only");
		memcpy(fresh->homes, now->homes, sizeof(fresh->homes));
		memcpy(fresh->link_directory, now->link_directory, sizeof(fresh->link_directory));
	}
	if (fresh->separator != now->separator &&
	    (store_account_count(broker->store, NULL, &accounts) < 0 || accounts > 0)) {
		log_warn("settings: there are accounts, the separator stays %c", now->separator);
		fresh->separator = now->separator;
	}
	kind = fresh->view != now->view;
	broker->settings = *fresh;
	broker->homes.view = fresh->view;
	broker->homes.files_per_size = fresh->files_per_size;
	if (meter_start(broker) < 0)
		log_error("limits of files are as they were until the next start");
	alarm_dates_start(broker);
	if (kind && recovery_views(broker) < 0)
		log_error("the owners' views are of the former kind until the next start");
}

static int on_reload(sd_event_source *source, const struct signalfd_siginfo *info, void *userdata)
{
	struct broker *broker = userdata;
	struct settings fresh;
	struct timespec now;
	char why[REASON_MAX] = "";
	int r;

	(void)source;
	(void)info;
	clock_gettime(CLOCK_MONOTONIC, &now);
	sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%lld",
		   (long long)now.tv_sec * 1000000 + (long long)now.tv_nsec / 1000);
	r = settings_load("", &fresh, why, sizeof(why));
	if (r >= 0)
		r = descriptors_allow(&fresh, why);
	if (r >= 0) {
		settings_apply(broker, &fresh);
		verifier_bar(broker);
		r = publication_settings(broker->publication, &broker->settings);
		if (r >= 0)
			r = subid_publish_start(broker);
		verifier_start(broker);
		log_info("settings read again");
		sd_notify(0, "STATUS=Serving");
	} else {
		log_error("settings: %s; the old ones stay", why);
		sd_notifyf(0, "STATUS=Serving with the old settings, since the new ones are wrong: %s", why);
	}
	if (r < 0 && why[0] == '\0')
		log_error("the index does not show the new settings yet: %s", strerror(-r));
	sd_notify(0, "READY=1");
	return 0;
}

static void maintain(struct broker *broker)
{
	int r = 0;

	maintain_in(broker, MAINTAIN_SECONDS);
	room_keep(broker);
	known_time_keep(broker, false);
	publication_repair(broker->publication);
	urgent_again(broker);
	if (broker->unfinished)
		r = recovery_start(broker);
	if (r < 0)
		log_error("accounts that are not complete: %s", strerror(-r));
	subid_publish_again(broker);
	removal_purge(broker);
	former_forget(broker);
	runs_look(broker);
	publication_commit(broker->publication);
}

/* Blocked first: signals come by descriptor only. Children reset the mask. */
static int event_open(struct broker *broker)
{
	sigset_t signals;
	int r = sd_event_new(&broker->event);

	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGHUP);
	if (r >= 0 && (sigprocmask(SIG_BLOCK, &signals, NULL) < 0 || signal(SIGPIPE, SIG_IGN) == SIG_ERR))
		r = -errno;
	if (r >= 0)
		r = sd_event_add_signal(broker->event, NULL, SIGTERM, on_stop, broker);
	if (r >= 0)
		r = sd_event_add_signal(broker->event, NULL, SIGINT, on_stop, broker);
	if (r >= 0)
		r = sd_event_add_signal(broker->event, NULL, SIGHUP, on_reload, broker);
	if (r >= 0)
		r = maintain_open(broker, maintain);
	return r < 0 ? r : sd_event_set_watchdog(broker->event, true);
}

static int homes_ready(struct broker *broker, char *why)
{
	const char *path = broker->settings.homes;
	int r = homes_open(path, broker->settings.link_directory, &broker->homes);

	if (r == -EPERM && trouble_owner(path, S_IFDIR, 022, 0711, why, REASON_MAX))
		return r;
	if (r < 0)
		return reason(why, path, r);
	broker->homes.view = broker->settings.view;
	broker->homes.files_per_size = broker->settings.files_per_size;
	if (!broker->homes.views)
		log_warn("%s: no id-mapped mounts here, owners are given access by ACL", path);
	return 0;
}

/* Nothing is published, finished or undone before the store has been accepted. */
static int store_accept(struct broker *broker, char *why)
{
	int r = evidence_before(broker, why, REASON_MAX);

	if (r == 0) {
		r = store_open(STATE_DIR "/state.db", &broker->store);
		r = r < 0 ? evidence_unopened(r, why, REASON_MAX) : evidence_start(broker, why, REASON_MAX);
	}
	if (r == -EUCLEAN)
		memcpy(broker->refused_store, why, REASON_MAX);
	return r < 0 ? r : watermark_open(broker, why, REASON_MAX);
}

static int data_open(struct broker *broker, char *why)
{
	int r = homes_ready(broker, why);

	if (r == 0)
		r = store_accept(broker, why);
	if (r < 0)
		return r;
	room_keep(broker);
	r = known_time_open(broker);
	if (r < 0)
		return reason(why, STATE_DIR "/state.db", r);
	r = urgent_open(broker);
	if (r < 0)
		return reason(why, STATE_DIR "/" URGENT_NAME, r);
	r = host_probe_open("", &broker->host, &broker->probe);
	if (r < 0)
		return reason(why, "/etc/subuid", r);
	r = range_turns_settle(broker);
	if (r < 0)
		log_error("the order of ranges from before an upgrade: %s", strerror(-r));
	r = publication_open(broker->store, &broker->settings, broker->state_fd, &broker->withheld,
			     &broker->publication, why, REASON_MAX);
	/* rebuilding them mends wrong owners and modes, but not a directory in their place */
	if (r < 0 && !trouble_owner(INDEX_PATH, S_IFREG, 0, 0644, why, REASON_MAX))
		trouble_owner(KEYS_PATH, S_IFREG, 0, 0640, why, REASON_MAX);
	return r;
}

static int service_open(struct broker *broker, char *why)
{
	int r = workers_open(broker, why, REASON_MAX);

	if (r < 0)
		return r;
	r = recovery_start(broker);
	if (r >= 0)
		r = recovery_views(broker);
	if (r < 0)
		return reason(why, "accounts that are not complete", r);
	r = subid_publish_start(broker);
	if (r < 0)
		return reason(why, SYSCONFDIR "/subuid", r);
	broker->listen_fd = listen_open(why, REASON_MAX);
	if (broker->listen_fd < 0)
		return broker->listen_fd;
	r = sd_event_add_io(broker->event, &broker->listen_source, broker->listen_fd, EPOLLIN, listen_ready, broker);
	if (r < 0)
		return reason(why, SOCKET_PATH, r);
	r = evidence_beside(broker);
	if (r < 0)
		return reason(why, "a process that proves the store", r);
	runs_open(broker); /* said why not: no reason not to serve */
	r = alarm_open(broker);
	if (r < 0)
		return reason(why, "alarms", r);
	broker->used_seen = alarm_used;
	alarm_dates_start(broker);
	if (meter_start(broker) < 0)
		log_error("limits that the file system does not keep are not kept");
	if (admission_open(broker) < 0)
		log_error("sessions of accounts that expire, and of owners who are locked, are not ended");
	memory_open(broker); /* said why not */
	alarm_look(broker);
	verifier_start(broker);
	maintain_in(broker, 1);
	return 0;
}

int broker_open(struct broker *broker, char *why)
{
	int r;

	broker->lock_fd = broker->listen_fd = broker->forker = -1;
	broker->homes.fd = -1;
	broker->handed = (struct handed){ -1, -1 };
	for (size_t i = 0; i < REFUSED_MAX; i++)
		broker->refused[i] = -1;
	umask(077);
	broker->state_fd = state_directory_open(why, REASON_MAX);
	if (broker->state_fd < 0)
		return broker->state_fd;
	broker->lock_fd = state_directory_lock(broker->state_fd, why, REASON_MAX);
	if (broker->lock_fd < 0)
		return broker->lock_fd;
	verifier_bar(broker);
	groups_start();
	r = descriptors_allow(&broker->settings, why);
	if (r >= 0)
		r = broker_lower(why, REASON_MAX);
	if (r < 0)
		return r;
	r = event_open(broker);
	if (r < 0)
		return reason(why, "event loop", r);
	r = lifecycle_open(broker); /* before there is anything in our memory */
	if (r < 0)
		return reason(why, "a process for the links", r);
	r = handed_take(broker->settings.homes, &broker->handed, why, REASON_MAX);
	if (r == 0)
		r = data_open(broker, why);
	return r < 0 ? r : service_open(broker, why);
}

static int lines_withdraw(int state_fd, char *why)
{
	cleanup_fd int etc_fd = open(SYSCONFDIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r;

	if (faccessat(state_fd, SUBID_LINES_NAME, F_OK, 0) < 0 && errno == ENOENT)
		return 0; /* there never were any */
	if (etc_fd < 0)
		return reason(why, SYSCONFDIR, -errno);
	r = subid_write(state_fd, etc_fd, PUBLISH_PLUGIN, NULL, why, REASON_MAX);
	if (r == 0 && unlinkat(state_fd, SUBID_LINES_NAME, 0) < 0)
		return reason(why, STATE_DIR "/" SUBID_LINES_NAME, -errno);
	return r;
}

int broker_withdraw(char *why)
{
	struct index_reader reader = INDEX_READER(INDEX_PATH);
	cleanup_fd int state_fd = -1, lock_fd = -1;
	struct index_host host;
	int r;

	if (access(STATE_DIR "/" SUBID_LINES_NAME, F_OK) < 0 && access(INDEX_PATH, F_OK) < 0)
		return 0; /* no daemon was here, and no directory is made to find that out */
	umask(022);
	state_fd = state_directory_open(why, REASON_MAX);
	if (state_fd < 0)
		return state_fd;
	lock_fd = state_directory_lock(state_fd, why, REASON_MAX); /* a daemon would do all of it again */
	if (lock_fd < 0)
		return lock_fd;
	r = lines_withdraw(state_fd, why);
	if (r < 0 || index_host(&reader, &host) < 0)
		return r;
	r = homes_switch_off(host.homes);
	return r < 0 ? reason(why, host.homes, r) : 0;
}

int broker_run(struct broker *broker)
{
	return sd_event_loop(broker->event);
}

void broker_close(struct broker *broker)
{
	broker->stopping = true;
	sd_event_source_disable_unref(broker->listen_source);
	broker->listen_source = NULL;
	listen_close(broker->listen_fd);
	workers_close(broker);
	runs_close(broker);
	admission_close(broker);
	memory_close(broker);
	meter_close(broker);
	owners_close(broker);
	alarm_close(broker);
	counters_free(&broker->counters);
	used_free(&broker->used);
	strays_close(broker);
	if (broker->publication != NULL)
		publication_commit(broker->publication);
	subid_publish_close(broker);
	publication_close(broker->publication);
	urgent_close(broker);
	if (broker->store != NULL)
		known_time_keep(broker, true);
	watermark_close(broker);
	store_close(broker->store);
	host_probe_close(&broker->host);
	local_free(&broker->local);
	if (broker->homes.fd >= 0)
		homes_close(&broker->homes);
	lifecycle_close(broker);
}
