/* SPDX-License-Identifier: ISC */
/* One line of an OpenSSH public key file. key_blob.c checks the inside of the blob. */
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "account/key.h"
#include "account/key_blob.h"
#include "account/name.h"

/* Everything that a sound line can hold, with room for spaces. */
#define KEY_LINE_MAX 8192u
#define CERTIFICATE_SUFFIX "-cert-v01@openssh.com"

struct token {
	const char *text;
	size_t length;
};

/* Takes the next run of bytes up to a space off the front of *rest. */
static struct token next_token(struct token *rest)
{
	struct token token;

	while (rest->length > 0 && rest->text[0] == ' ') {
		rest->text++;
		rest->length--;
	}
	token = (struct token){ rest->text, 0 };
	while (token.length < rest->length && token.text[token.length] != ' ')
		token.length++;
	rest->text += token.length;
	rest->length -= token.length;
	return token;
}

static bool is_certificate(struct token token)
{
	size_t suffix = sizeof(CERTIFICATE_SUFFIX) - 1;

	return token.length > suffix && memcmp(token.text + token.length - suffix, CERTIFICATE_SUFFIX, suffix) == 0;
}

static bool is_any_type(struct token token)
{
	return key_type_find(token.text, token.length) != NULL || is_certificate(token) ||
	       (token.length == 7 && memcmp(token.text, "ssh-dss", 7) == 0);
}

static bool starts_with(const char *line, size_t length, const char *start)
{
	size_t size = strlen(start);

	return length >= size && memcmp(line, start, size) == 0;
}

/* Reported before anything else: anyone who pasted a private key has to be told that, not "two lines". */
static bool is_private(const char *line, size_t length)
{
	static const char pem[] = "PRIVATE KEY-----";

	while (length > 0 && (line[0] == ' ' || line[0] == '\t' || line[0] == '\r' || line[0] == '\n')) {
		line++;
		length--;
	}
	return starts_with(line, length, "-----BEGIN") || starts_with(line, length, "PuTTY-User-Key") ||
	       memmem(line, length, pem, sizeof(pem) - 1) != NULL;
}

/* Shape of the whole line; *length without its final newline. */
static enum key_error check_line(const char *line, size_t *length)
{
	size_t count = *length;
	bool blank = true;

	if (is_private(line, count))
		return KEY_PRIVATE;
	if (count > KEY_LINE_MAX)
		return KEY_TOO_LONG;
	if (count > 0 && line[count - 1] == '\n')
		count--;
	for (size_t i = 0; i < count; i++) {
		unsigned char c = (unsigned char)line[i];

		if (c < 0x20 || c == 0x7f)
			return KEY_LINES;
		blank = blank && c == ' ';
	}
	*length = count;
	return blank ? KEY_EMPTY : KEY_OK;
}

/* Why the first word is not an accepted type: options come before one, in authorized_keys. */
static enum key_error type_error(struct token first, struct token rest)
{
	if (is_certificate(first))
		return KEY_CERTIFICATE;
	if (is_any_type(first))
		return KEY_TYPE;
	for (size_t i = 0; i < first.length; i++)
		if (first.text[i] == '=' || first.text[i] == '"' || first.text[i] == ',')
			return KEY_OPTIONS;
	for (struct token token = next_token(&rest); token.length > 0; token = next_token(&rest))
		if (is_any_type(token))
			return KEY_OPTIONS;
	return KEY_TYPE;
}

static enum key_error check_blob(const struct key_type *type, struct token base64)
{
	uint8_t blob[KEY_BLOB_BYTES_MAX];
	long size;

	if (base64.length > KEY_BLOB_MAX)
		return KEY_TOO_LONG;
	size = base64_decode(base64.text, base64.length, blob, sizeof(blob));
	if (size <= 0)
		return KEY_BASE64;
	return key_blob_check(type, blob, (size_t)size);
}

static enum key_error take_comment(struct token rest, char comment[COMMENT_MAX + 1])
{
	while (rest.length > 0 && rest.text[0] == ' ') {
		rest.text++;
		rest.length--;
	}
	while (rest.length > 0 && rest.text[rest.length - 1] == ' ')
		rest.length--;
	if (rest.length > COMMENT_MAX)
		return KEY_COMMENT;
	memset(comment, 0, COMMENT_MAX + 1);
	memcpy(comment, rest.text, rest.length);
	return text_valid(comment, COMMENT_MAX) ? KEY_OK : KEY_COMMENT;
}

enum key_error key_parse(const char *line, size_t length, struct ssh_key *key)
{
	char comment[COMMENT_MAX + 1];
	const struct key_type *type;
	struct token rest, first, base64;
	enum key_error error = check_line(line, &length);

	if (error != KEY_OK)
		return error;
	rest = (struct token){ line, length };
	first = next_token(&rest);
	type = key_type_find(first.text, first.length);
	if (type == NULL)
		return type_error(first, rest);
	base64 = next_token(&rest);
	error = check_blob(type, base64);
	if (error == KEY_OK)
		error = take_comment(rest, comment);
	if (error != KEY_OK)
		return error;
	/* whole arrays: the record goes over the wire and into files */
	memset(key->type, 0, sizeof(key->type));
	memcpy(key->type, first.text, first.length);
	memset(key->blob, 0, sizeof(key->blob));
	memcpy(key->blob, base64.text, base64.length);
	memcpy(key->comment, comment, sizeof(comment));
	return KEY_OK;
}

const char *key_error_text(enum key_error error)
{
	switch (error) {
	case KEY_OK:
		return "sound";
	case KEY_EMPTY:
		return "no key given";
	case KEY_PRIVATE:
		return "this is a private key, not a public one";
	case KEY_LINES:
		return "more than one line, or a control character";
	case KEY_TOO_LONG:
		return "longer than any key that is accepted";
	case KEY_OPTIONS:
		return "something stands before the key type";
	case KEY_TYPE:
		return "not a key type that is accepted";
	case KEY_BASE64:
		return "not complete: the second word is not base64";
	case KEY_BLOB:
		return "damaged: its contents do not fit its type";
	case KEY_WEAK:
		return "weak: RSA below 2048 bits or with a bad exponent or modulus, or another curve than the "
		       "type says";
	case KEY_CERTIFICATE:
		return "a certificate, not a key";
	case KEY_COMMENT:
		return "the comment is longer than 127 bytes or not printable";
	}
	return "unknown error";
}

const char *key_error_todo(enum key_error error)
{
	switch (error) {
	case KEY_OK:
		return "";
	case KEY_EMPTY:
	case KEY_BASE64:
	case KEY_BLOB:
	case KEY_LINES:
	case KEY_TOO_LONG:
		return "give the one line of the .pub file, as ssh-keygen wrote it";
	case KEY_PRIVATE:
		return "give the .pub file; treat the private key as known to others and make a new pair";
	case KEY_OPTIONS:
		return "leave options out: role, from and expiry are settings of the key here";
	case KEY_TYPE:
	case KEY_WEAK:
		return "make a new key with: ssh-keygen -t ed25519";
	case KEY_CERTIFICATE:
		return "give the .pub file of the key itself";
	case KEY_COMMENT:
		return "shorten the comment, or leave it out";
	}
	return "";
}
