/* SPDX-License-Identifier: ISC */
/*
 * Whether the host's root has no number in the user namespace of this process, and which number the kernel shows in its
 * place. podman asks libsubid once more from inside its own namespace, where /etc/subuid belongs to such a number.
 * Header only, libc only: guests include it too.
 */
#ifndef CONFINE_ROOT_UNMAPPED_H
#define CONFINE_ROOT_UNMAPPED_H

#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <unistd.h>

#include "confine/cleanup.h"
#include "confine/read_full.h"

/* Reads lines "inside outside count" in pieces of any size. */
struct uid_map_scan {
	unsigned word; /* of the line */
	bool in_word;
	bool zero; /* the word so far is 0 */
	bool maps_root;
};

static inline void uid_map_scan(struct uid_map_scan *scan, const char *text, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		bool in_word = text[i] != ' ' && text[i] != '\n';

		if (in_word && !scan->in_word) {
			scan->word++;
			scan->zero = true;
		}
		if (in_word)
			scan->zero = scan->zero && text[i] == '0';
		else if (scan->in_word && scan->word == 2 && scan->zero)
			scan->maps_root = true;
		if (text[i] == '\n')
			scan->word = 0;
		scan->in_word = in_word;
	}
}

/* True only if the map could be read to its end, and no line of it begins with 0 outside. In the initial namespace,
 * which maps every uid to itself, it is false. */
static inline bool root_unmapped(void)
{
	cleanup_fd int fd = open("/proc/self/uid_map", O_RDONLY | O_CLOEXEC | O_NOCTTY);
	struct uid_map_scan scan = { 0 };
	char text[512];
	ssize_t got = fd < 0 ? -1 : 1;

	while (got > 0) {
		got = read_full(fd, text, sizeof(text));
		if (got > 0)
			uid_map_scan(&scan, text, (size_t)got);
	}
	return got == 0 && !scan.maps_root;
}

/* The kernel shows this uid in place of every one that has no number here. */
static inline bool uid_overflows(uid_t uid)
{
	cleanup_fd int fd = open("/proc/sys/kernel/overflowuid", O_RDONLY | O_CLOEXEC | O_NOCTTY);
	char text[16];
	ssize_t got = fd < 0 ? 0 : read_full(fd, text, sizeof(text)), digits = 0;
	uint64_t number = 0;

	for (; digits < got && text[digits] >= '0' && text[digits] <= '9'; digits++)
		number = number * 10 + (uint64_t)(text[digits] - '0');
	return digits > 0 && digits == got - 1 && text[digits] == '\n' && number == uid;
}

/* A file of this uid may be one of the host's root. */
static inline bool uid_is_unmapped_root(uid_t uid)
{
	return uid_overflows(uid) && root_unmapped();
}

#endif
