/* SPDX-License-Identifier: ISC */
/*
 * OpenSSH public keys: one strict line. Pure, libc only (the fingerprint, which
 * needs libmd, is in account/fingerprint.h and in no guest).
 * Formats: RFC 4253 section 6.6, RFC 5656 section 3.1, RFC 8709 section 4,
 * OpenSSH PROTOCOL.u2f; authorized_keys in sshd(8).
 */
#ifndef ACCOUNT_KEY_H
#define ACCOUNT_KEY_H

#include <stddef.h>
#include <stdint.h>

#include "account/account.h"

#define KEY_RSA_BITS_MIN 2048u
#define KEY_BLOB_BYTES_MAX ((KEY_BLOB_MAX + 1) / 4 * 3)

enum key_error {
	KEY_OK = 0,
	KEY_EMPTY,
	KEY_PRIVATE, /* a private key was pasted */
	KEY_LINES,   /* more than one line, or CR or another control byte */
	KEY_TOO_LONG,
	KEY_OPTIONS, /* something precedes the type */
	KEY_TYPE,    /* not a type, or one that is not accepted (ssh-dss) */
	KEY_BASE64,
	KEY_BLOB,        /* the blob does not say what the type says, or has bytes left over */
	KEY_WEAK,        /* RSA below KEY_RSA_BITS_MIN bits, bad exponent, wrong curve */
	KEY_CERTIFICATE, /* certificates are not keys */
	KEY_COMMENT,     /* not printable */
};

/* Parses `TYPE BASE64 [COMMENT]` (one final newline is allowed) into type, blob and comment of *key; other members, and
 * on failure all, are untouched. length: bytes of line, which need not end with NUL; a NUL inside is KEY_LINES. */
enum key_error key_parse(const char *line, size_t length, struct ssh_key *key);

/* "a private key was pasted" … */
const char *key_error_text(enum key_error error);
/* what to do about it */
const char *key_error_todo(enum key_error error);

/* Decodes base64 strictly (padding required, no spaces, canonical last bits).
 * Returns the number of bytes, or -EINVAL / -ENOSPC. */
long base64_decode(const char *text, size_t length, uint8_t *out, size_t size);

/* True when a from= pattern list is safe to print inside "from=\"…\"" and has
 * the shape of one: 1..FROM_MAX of [A-Za-z0-9.:*?!_/,%-], no empty element. */
int from_valid(const char *from);

#endif
