/* SPDX-License-Identifier: ISC */
/*
 * The daemon's own log. Only the top of a program uses it: everything below
 * returns an error and keeps quiet. Control bytes are escaped, so that no name
 * from outside can make a line of its own (invariant 12).
 */
#ifndef SUBUIDD_LOG_H
#define SUBUIDD_LOG_H

#include <stdbool.h>

/* Where lines go from now on: to the journal when standard error is the journal's
 * own stream (JOURNAL_STREAM, systemd.exec(5)), else to syslog (authpriv) for a
 * daemon without a terminal, else to standard error. Before the first call: standard error.
 * name: as the lines are marked; it must stay valid. */
void log_open(const char *name, bool daemonised);

__attribute__((format(printf, 1, 2))) void log_info(const char *format, ...);
__attribute__((format(printf, 1, 2))) void log_warn(const char *format, ...);
__attribute__((format(printf, 1, 2))) void log_error(const char *format, ...);

/* The world does not let us go on: logged, then exit(1). */
__attribute__((format(printf, 1, 2), noreturn)) void fatal(const char *format, ...);

/* The program is wrong: logged, then abort(). */
__attribute__((format(printf, 1, 2), noreturn)) void bug(const char *format, ...);

#endif
