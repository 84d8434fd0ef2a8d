/* SPDX-License-Identifier: ISC */
/*
 * The binary part of a key (RFC 4253 section 5: strings and mpints after 32-bit lengths):
 *
 *   ssh-ed25519         string type, string key[32]
 *   ecdsa-sha2-<curve>  string type, string curve, string 04 x y
 *   ssh-rsa             string type, mpint e, mpint n
 *   sk-…                as the one without sk-, then string application
 *
 * All of it must be there, and nothing after it. Whether an elliptic point is on its curve is not checked here: no
 * client can log in with a key whose point is not.
 */
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "account/key_blob.h"

#define RSA_BITS_MAX 16384u       /* OpenSSL verifies no larger one */
#define RSA_EXPONENT_BITS_MAX 64u /* the same, from 3072 bits of modulus on */
#define APPLICATION_MAX 255u

enum shape { SHAPE_ED25519, SHAPE_ECDSA, SHAPE_RSA };

struct key_type {
	const char *name;
	enum shape shape;
	bool security_key;
	const char *curve;
	size_t point; /* bytes of 04 x y */
};

static const struct key_type types[] = {
	{ "ssh-ed25519", SHAPE_ED25519, false, NULL, 0 },
	{ "ecdsa-sha2-nistp256", SHAPE_ECDSA, false, "nistp256", 65 },
	{ "ecdsa-sha2-nistp384", SHAPE_ECDSA, false, "nistp384", 97 },
	{ "ecdsa-sha2-nistp521", SHAPE_ECDSA, false, "nistp521", 133 },
	{ "sk-ssh-ed25519@openssh.com", SHAPE_ED25519, true, NULL, 0 },
	{ "sk-ecdsa-sha2-nistp256@openssh.com", SHAPE_ECDSA, true, "nistp256", 65 },
	{ "ssh-rsa", SHAPE_RSA, false, NULL, 0 },
};

struct bytes {
	const uint8_t *at;
	size_t length;
};

const struct key_type *key_type_find(const char *name, size_t length)
{
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (strlen(types[i].name) == length && memcmp(types[i].name, name, length) == 0)
			return &types[i];
	return NULL;
}

static bool take_string(struct bytes *rest, struct bytes *string)
{
	size_t length;

	if (rest->length < 4)
		return false;
	length = (size_t)rest->at[0] << 24 | (size_t)rest->at[1] << 16 | (size_t)rest->at[2] << 8 | rest->at[3];
	if (length > rest->length - 4)
		return false;
	*string = (struct bytes){ rest->at + 4, length };
	rest->at += 4 + length;
	rest->length -= 4 + length;
	return true;
}

static bool equals(struct bytes string, const char *text)
{
	return string.length == strlen(text) && memcmp(string.at, text, string.length) == 0;
}

/* A positive number in its only encoding; leaves the magnitude without the leading zero byte. */
static bool take_positive(struct bytes *rest, struct bytes *number)
{
	struct bytes taken;

	if (!take_string(rest, &taken) || taken.length == 0 || (taken.at[0] & 0x80) != 0)
		return false;
	if (taken.at[0] == 0) {
		if (taken.length < 2 || (taken.at[1] & 0x80) == 0)
			return false;
		taken.at++;
		taken.length--;
	}
	*number = taken;
	return true;
}

static size_t bits(struct bytes number)
{
	size_t top = 8;

	while (top > 0 && (number.at[0] >> (top - 1)) == 0)
		top--;
	return (number.length - 1) * 8 + top;
}

static bool odd(struct bytes number)
{
	return (number.at[number.length - 1] & 1) != 0;
}

static enum key_error check_rsa(struct bytes *rest)
{
	struct bytes e, n;

	if (!take_positive(rest, &e) || !take_positive(rest, &n))
		return KEY_BLOB;
	if (bits(n) > RSA_BITS_MAX)
		return KEY_TOO_LONG;
	if (bits(n) < KEY_RSA_BITS_MIN || !odd(n))
		return KEY_WEAK;
	/* odd and above 2: at least two bits */
	if (!odd(e) || bits(e) < 2 || bits(e) > RSA_EXPONENT_BITS_MAX)
		return KEY_WEAK;
	return KEY_OK;
}

static enum key_error check_ecdsa(const struct key_type *type, struct bytes *rest)
{
	struct bytes curve, point;

	if (!take_string(rest, &curve) || !take_string(rest, &point))
		return KEY_BLOB;
	if (!equals(curve, type->curve))
		return KEY_WEAK;
	return point.length == type->point && point.at[0] == 4 ? KEY_OK : KEY_BLOB;
}

static enum key_error check_ed25519(struct bytes *rest)
{
	struct bytes point;

	return take_string(rest, &point) && point.length == 32 ? KEY_OK : KEY_BLOB;
}

/* "ssh:" or "ssh:something": the purpose that the token was given for the key. */
static enum key_error check_application(struct bytes *rest)
{
	struct bytes application;

	if (!take_string(rest, &application) || application.length == 0 || application.length > APPLICATION_MAX)
		return KEY_BLOB;
	for (size_t i = 0; i < application.length; i++)
		if (application.at[i] < 0x20 || application.at[i] > 0x7e)
			return KEY_BLOB;
	return KEY_OK;
}

enum key_error key_blob_check(const struct key_type *type, const uint8_t *blob, size_t size)
{
	struct bytes rest = { blob, size }, inner;
	enum key_error error = KEY_BLOB;

	if (!take_string(&rest, &inner) || !equals(inner, type->name))
		return KEY_BLOB;
	switch (type->shape) {
	case SHAPE_ED25519:
		error = check_ed25519(&rest);
		break;
	case SHAPE_ECDSA:
		error = check_ecdsa(type, &rest);
		break;
	case SHAPE_RSA:
		error = check_rsa(&rest);
		break;
	}
	if (error == KEY_OK && type->security_key)
		error = check_application(&rest);
	if (error == KEY_OK && rest.length != 0)
		return KEY_BLOB;
	return error;
}

/* Value of one base64 character, -1 for any other. */
static int base64_value(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

long base64_decode(const char *text, size_t length, uint8_t *out, size_t size)
{
	size_t padding = 0, used = 0;
	uint32_t group = 0;

	if (length % 4 != 0)
		return -EINVAL;
	while (padding < 2 && padding < length && text[length - 1 - padding] == '=')
		padding++;
	if (length / 4 * 3 - padding > size)
		return -ENOSPC;
	for (size_t i = 0; i < length - padding; i++) {
		int value = base64_value(text[i]);

		if (value < 0)
			return -EINVAL;
		group = group << 6 | (uint32_t)value;
		if (i % 4 != 0)
			out[used++] = (uint8_t)(group >> (6 - i % 4 * 2));
	}
	/* the bits of the last character that are part of no byte: only 0 is canonical */
	if ((padding == 1 && (group & 3) != 0) || (padding == 2 && (group & 15) != 0))
		return -EINVAL;
	return (long)used;
}
