/* SPDX-License-Identifier: ISC */
/* Inside account/: what the binary part of a key must look like, by type. */
#ifndef ACCOUNT_KEY_BLOB_H
#define ACCOUNT_KEY_BLOB_H

#include "account/key.h"

struct key_type;

/* The accepted types; NULL for any other. */
const struct key_type *key_type_find(const char *name, size_t length);

/* KEY_OK, KEY_BLOB, KEY_WEAK or KEY_TOO_LONG (RSA beyond what sshd verifies). */
enum key_error key_blob_check(const struct key_type *type, const uint8_t *blob, size_t size);

#endif
