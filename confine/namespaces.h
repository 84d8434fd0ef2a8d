/* SPDX-License-Identifier: ISC */
/* A user namespace of an unprivileged process, for the other namespaces that can be had in it. */
#ifndef CONFINE_NAMESPACES_H
#define CONFINE_NAMESPACES_H

/*
 * A user namespace in which uid and gid are what they were (every other id shows as nobody), and the namespaces of
 * `others` (CLONE_NEW…). This process has all capabilities in them until it drops them, for good. A CLONE_NEWPID is for
 * its children. Before no_new_privs and before the process is made undumpable, with a single thread. 0 or negative
 * errno, and *step.
 */
int namespaces_enter(int others, const char **step);
int namespaces_drop(void);

#endif
