/* SPDX-License-Identifier: ISC */
/*
 * Names of owners and sub-accounts: "alice" + separator + "web1". Pure, libc
 * only; runs in every program and in foreign processes (NSS, PAM).
 */
#ifndef ACCOUNT_NAME_H
#define ACCOUNT_NAME_H

#include <stdbool.h>
#include <stddef.h>

#define OWNER_MAX 32 /* bytes, as useradd(8) */
#define LABEL_MAX 31 /* bytes */
#define ACCOUNT_NAME_MAX (OWNER_MAX + 1 + LABEL_MAX)
#define SEPARATOR_DEFAULT '+'

/* Characters that may be configured as the separator. A name without any of them is not a sub-account, whatever the
 * setting: guests use this to say "not found" without opening the index. */
#define SEPARATORS "+%=~."

/* True when label is [a-z0-9][a-z0-9_-]{0,30}. */
bool label_valid(const char *label);

/* True when owner may own sub-accounts: 1..32 bytes of [A-Za-z0-9_.@-], first
 * one [A-Za-z0-9_], not containing the separator, safe as one path component. */
bool owner_name_valid(const char *owner, char separator);

/* True when name has a byte of SEPARATORS in it. */
bool name_has_separator(const char *name);

/* Splits "alice+web1" at the (only) separator.
 * owner: OWNER_MAX+1 bytes, label: LABEL_MAX+1 bytes.
 * 0, or -EINVAL (outputs untouched) when either half is not valid. */
int name_split(const char *name, char separator, char *owner, char *label);

/* Joins both into name (ACCOUNT_NAME_MAX+1 bytes). 0 or -EINVAL. */
int name_join(const char *owner, char separator, const char *label, char *name);

/* The name of whoever holds a range: of an account, or, label "", its owner's. The same. */
int name_of_holder(const char *owner, char separator, const char *label, char *name);

/* True when text is printable on one line: valid UTF-8 without C0, C1, DEL, line
 * separators and bidirectional controls; max: the most bytes. */
bool text_valid(const char *text, size_t max);

/* text_valid() and without ':', as passwd(5) needs it. */
bool comment_valid(const char *text, size_t max);

/* Escapes what text_valid() refuses (C0, C1, DEL, invalid UTF-8, …) byte by byte as \xHH and '\' as '\\',
 * cutting at a whole escape so that out (size bytes, size >= 1) is always
 * ended by NUL. Returns out. For logs, audit and tables (invariant 12). */
char *text_escape(const char *text, char *out, size_t size);

/* Paths go into passwd entries, link texts, command lines and files of words: no byte that means something there. An
 * absolute path, "/" apart, without . and .. in it; and one part of it. */
bool path_plain(const char *path);
bool path_component_plain(const char *text, size_t length);

#endif
