/* SPDX-License-Identifier: ISC */
/* System call filters, an allow-list by name per kind of program (libseccomp). */
#ifndef CONFINE_SECCOMP_H
#define CONFINE_SECCOMP_H

enum seccomp_program {
	SECCOMP_RSYNC,        /* rsync --server: files below its directory, no sockets, no setid modes, no namespaces */
	SECCOMP_RSYNC_BLIND,  /* the same, and it reads none of these files */
	SECCOMP_RSYNC_SENDER, /* as the first, for a sender: makes nothing, changes no metadata */
	SECCOMP_TOOL,         /* other backup tools: as rsync, and what threads and event loops of Python and Go need */
	SECCOMP_TOOL_READER,  /* the same: makes nothing, changes nothing */
	SECCOMP_TOOL_NEW_FILES,   /* the same: makes files and directories, never opens an existing file to write,
				   * removes, renames or changes metadata */
	SECCOMP_SHELL,            /* a shell and what it starts, in namespaces of their own: sockets of AF_UNIX alone */
	SECCOMP_SHELL_NET,        /* the same: TCP clients alone; which ports, Landlock says */
	SECCOMP_SHELL_NET_ASKS,   /* the same, and connect(2) is what seccomp_ask() is for */
	SECCOMP_WORKER,           /* parses JSON: read, write, poll, memory, exit; a forbidden call kills */
	SECCOMP_USERDB,           /* the same, and it accepts connections and opens files to read them */
	SECCOMP_THROTTLE,         /* moves bytes between the descriptors that it has; a forbidden call kills */
	SECCOMP_NEW_FILES_KEEPER, /* receives descriptors and sets dates and modes through them; a forbidden call kills
				   */
	SECCOMP_CONNECTOR,        /* the first process of a shell that asks; a forbidden call kills */
	SECCOMP_GUEST,            /* anything at all on somebody else's terminal, but to type there */
};

/* Loads the filter for this process and its children; foreign architectures are killed.
 * Needs no_new_privs. 0 or negative errno (the caller must refuse to go on). */
int seccomp_confine(enum seccomp_program program);

/* The same for a filter that asks: where it does (close-on-exec, SECCOMP_IOCTL_NOTIF_RECV), or negative errno. Anyone
 * who has that answers for this process and its children. */
int seccomp_ask(enum seccomp_program program);

#endif
