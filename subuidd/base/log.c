/* SPDX-License-Identifier: ISC */
/* The log: to standard error, the journal or syslog, whichever there is. */
#define SD_JOURNAL_SUPPRESS_LOCATION /* the place would always be this file */

#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <syslog.h>
#include <systemd/sd-journal.h>
#include <unistd.h>

#include "account/name.h"
#include "subuidd/base/log.h"

#define LINE_MAX_BYTES 2048

static const char *log_name = "subuidd";
static enum { TO_STDERR, TO_JOURNAL, TO_SYSLOG } log_target = TO_STDERR;

/* JOURNAL_STREAM names device and inode of the stream that systemd gave us; a
 * shell's redirection leaves the variable behind, so it has to be ours still. */
static bool stderr_is_journal(void)
{
	const char *text = secure_getenv("JOURNAL_STREAM");
	struct stat st;
	char ours[64];

	if (text == NULL || fstat(STDERR_FILENO, &st) < 0)
		return false;
	snprintf(ours, sizeof(ours), "%ju:%ju", (uintmax_t)st.st_dev, (uintmax_t)st.st_ino);
	return strcmp(text, ours) == 0;
}

void log_open(const char *name, bool daemonised)
{
	log_name = name;
	if (stderr_is_journal()) {
		log_target = TO_JOURNAL;
	} else if (daemonised) {
		log_target = TO_SYSLOG;
		openlog(name, LOG_PID | LOG_NDELAY, LOG_AUTHPRIV);
	} else {
		log_target = TO_STDERR;
	}
}

static const char *level_text(int priority)
{
	switch (priority) {
	case LOG_WARNING:
		return "warning: ";
	case LOG_ERR:
		return "error: ";
	case LOG_CRIT:
		return "fatal: ";
	case LOG_ALERT:
		return "bug: ";
	default:
		return "";
	}
}

/* One write for the whole line, so that lines of several processes do not mix. */
static void write_stderr(int priority, const char *line)
{
	char out[LINE_MAX_BYTES + 128];
	int length = snprintf(out, sizeof(out), "%s: %s%s\n", log_name, level_text(priority), line);

	if (length < 0)
		return;
	if ((size_t)length >= sizeof(out)) {
		length = sizeof(out) - 1;
		out[length - 1] = '\n';
	}
	/* There is nobody left to tell when standard error is gone. */
	if (write(STDERR_FILENO, out, (size_t)length) < 0)
		return;
}

__attribute__((format(printf, 2, 0))) static void log_line(int priority, const char *format, va_list arguments)
{
	char text[LINE_MAX_BYTES], line[LINE_MAX_BYTES];
	int saved = errno; /* of the caller, which may go on to use it */

	/* NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized): each caller has started it */
	text_escape(vsnprintf(text, sizeof(text), format, arguments) < 0 ? format : text, line, sizeof(line));

	switch (log_target) {
	case TO_JOURNAL:
		if (sd_journal_send("MESSAGE=%s%s", level_text(priority), line, "PRIORITY=%d", priority,
				    "SYSLOG_IDENTIFIER=%s", log_name, "SYSLOG_FACILITY=%d", LOG_AUTHPRIV >> 3,
				    NULL) < 0)
			write_stderr(priority, line);
		break;
	case TO_SYSLOG:
		syslog(priority, "%s%s", level_text(priority), line);
		break;
	case TO_STDERR:
		write_stderr(priority, line);
		break;
	}
	errno = saved;
}

void log_info(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	log_line(LOG_INFO, format, arguments);
	va_end(arguments);
}

void log_warn(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	log_line(LOG_WARNING, format, arguments);
	va_end(arguments);
}

void log_error(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	log_line(LOG_ERR, format, arguments);
	va_end(arguments);
}

void fatal(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	log_line(LOG_CRIT, format, arguments);
	va_end(arguments);
	exit(1);
}

void bug(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	log_line(LOG_ALERT, format, arguments);
	va_end(arguments);
	abort();
}
