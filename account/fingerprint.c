/* SPDX-License-Identifier: ISC */
/*
 * A file of its own because it needs libmd, which no guest may be linked with. Run by the broker, as root, when a key
 * is added; the blob was checked before.
 */
#include <errno.h>
#include <sha2.h>
#include <stdbool.h>
#include <string.h>

#include "account/fingerprint.h"
#include "account/key.h"

/* 43 characters: base64 without padding, as OpenSSH prints it. */
static void digest_text(const uint8_t digest[SHA256_DIGEST_LENGTH], char out[44])
{
	static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	uint32_t bits = 0;
	unsigned have = 0;
	size_t used = 0;

	for (size_t i = 0; i < SHA256_DIGEST_LENGTH; i++) {
		bits = (bits << 8 | digest[i]) & 0xffff;
		for (have += 8; have >= 6; have -= 6)
			out[used++] = alphabet[bits >> (have - 6) & 63];
	}
	out[used++] = alphabet[bits << (6 - have) & 63];
	out[used] = '\0';
}

int key_fingerprint(struct ssh_key *key)
{
	uint8_t blob[KEY_BLOB_BYTES_MAX], digest[SHA256_DIGEST_LENGTH];
	size_t length = strnlen(key->blob, sizeof(key->blob));
	SHA2_CTX context;
	char text[44];
	long size;

	if (length == 0 || length > KEY_BLOB_MAX)
		return -EINVAL;
	size = base64_decode(key->blob, length, blob, sizeof(blob));
	if (size <= 0)
		return -EINVAL;
	SHA256Init(&context);
	SHA256Update(&context, blob, (size_t)size);
	SHA256Final(digest, &context);
	digest_text(digest, text);
	memset(key->fingerprint, 0, sizeof(key->fingerprint));
	memcpy(key->fingerprint, "SHA256:", 7);
	memcpy(key->fingerprint + 7, text, sizeof(text));
	return 0;
}
