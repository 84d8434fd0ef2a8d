/* SPDX-License-Identifier: ISC */
/* One line of nsswitch.conf(5), taken apart. Pure: offsets into a text that stays the caller's. */
#ifndef SETUP_NSSWITCH_LINE_H
#define SETUP_NSSWITCH_LINE_H

#include <stdbool.h>
#include <stddef.h>

#define NSS_SOURCES_MAX 32

/* How glibc goes on after a source has answered. */
struct nss_actions {
	bool success_goes_on; /* merge or continue */
	bool failure_ends;    /* not found, unavailable or try again: the search is over */
};

/* One source and the [actions] behind it, as offsets into the line. */
struct nss_source {
	size_t start, name_end, end;
	struct nss_actions actions;
};

/* "passwd:  files systemd  # comment" */
struct nss_line {
	char database[32];
	size_t value_start, value_end; /* without comment and trailing space */
	struct nss_source source[NSS_SOURCES_MAX];
	size_t count;
};

/* 0; -ENOENT: a comment, an empty line, no database; -EBADMSG, -E2BIG: one that cannot be edited safely. */
int nss_line_parse(const char *line, struct nss_line *parsed);

bool nss_source_is(const char *line, const struct nss_source *source, const char *name);

/* Index of our source, or -1. */
long nss_source_ours(const char *line, const struct nss_line *parsed);

/* Whether our source is listed and nothing before it ends the search. */
bool nss_line_reaches(const char *line, const struct nss_line *parsed);

#endif
