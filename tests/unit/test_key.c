/* SPDX-License-Identifier: ISC */
/* Keys are made by ssh-keygen where it can, and by hand where it refuses or wants hardware. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "account/fingerprint.h"
#include "account/key.h"

static char directory[] = "/tmp/test_key.XXXXXX";

/* Runs a command in the directory; its output (text) into out. */
static void run(const char *command, char *out, size_t size)
{
	char line[512];
	size_t used;
	FILE *pipe;

	assert_true((size_t)snprintf(line, sizeof(line), "cd %s && %s", directory, command) < sizeof(line));
	pipe = popen(line, "r");
	assert_non_null(pipe);
	used = fread(out, 1, size - 1, pipe);
	out[used] = '\0';
	if (pclose(pipe) != 0)
		fail_msg("%s: failed (package openssh-client)", command);
}

static int make_directory(void **state)
{
	(void)state;
	return mkdtemp(directory) != NULL ? 0 : -1;
}

static int remove_directory(void **state)
{
	char out[16];

	(void)state;
	run("rm -rf ../${PWD##*/}", out, sizeof(out));
	return 0;
}

static void generate(const char *arguments, char *line, size_t size)
{
	char command[256];

	assert_true((size_t)snprintf(command, sizeof(command),
				     "rm -f k k.pub && ssh-keygen -q -N '' -f k %s >&2 && cat k.pub",
				     arguments) < sizeof(command));
	run(command, line, size);
}

/* ssh-keygen's own opinion of a line: "256 SHA256:… comment (ED25519)" */
static void assert_fingerprint_agrees(const char *line, struct ssh_key *key)
{
	char path[64], out[512], *word, *rest = NULL;
	FILE *file;

	snprintf(path, sizeof(path), "%s/line.pub", directory);
	file = fopen(path, "we");
	assert_non_null(file);
	fprintf(file, "%s\n", line);
	assert_int_equal(fclose(file), 0);
	run("ssh-keygen -lf line.pub", out, sizeof(out));
	strtok_r(out, " ", &rest);
	word = strtok_r(NULL, " ", &rest);
	assert_non_null(word);
	assert_int_equal(key_fingerprint(key), 0);
	assert_string_equal(key->fingerprint, word);
}

static enum key_error parse(const char *line, struct ssh_key *key)
{
	return key_parse(line, strlen(line), key);
}

static enum key_error parse_only(const char *line)
{
	struct ssh_key key, before;
	enum key_error error;

	memset(&key, 'k', sizeof(key));
	before = key;
	error = parse(line, &key);
	if (error != KEY_OK)
		assert_memory_equal(&key, &before, sizeof(key));
	return error;
}

static void accepts_what_ssh_keygen_makes(void **state)
{
	static const struct {
		const char *arguments, *type;
	} rows[] = {
		{ "-t ed25519 -C 'web server 1'", "ssh-ed25519" },
		{ "-t ecdsa -b 256 -C 'web server 1'", "ecdsa-sha2-nistp256" },
		{ "-t ecdsa -b 384 -C 'web server 1'", "ecdsa-sha2-nistp384" },
		{ "-t ecdsa -b 521 -C 'web server 1'", "ecdsa-sha2-nistp521" },
		{ "-t rsa -b 2048 -C 'web server 1'", "ssh-rsa" },
		{ "-t rsa -b 2056 -C 'web server 1'", "ssh-rsa" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char line[8192], again[8192];
		struct ssh_key key = { 0 };

		generate(rows[i].arguments, line, sizeof(line));
		assert_int_equal(parse(line, &key), KEY_OK);
		assert_string_equal(key.type, rows[i].type);
		assert_string_equal(key.comment, "web server 1");
		snprintf(again, sizeof(again), "%s %s %s\n", key.type, key.blob, key.comment);
		assert_string_equal(again, line);
		line[strlen(line) - 1] = '\0';
		assert_fingerprint_agrees(line, &key);
	}
}

static void comment_may_be_absent_and_spaces_surround(void **state)
{
	char line[1024], type[64], blob[512], text[2048];
	struct ssh_key key = { 0 };

	(void)state;
	generate("-t ed25519 -C ''", line, sizeof(line));
	assert_int_equal(parse(line, &key), KEY_OK);
	assert_string_equal(key.comment, "");
	assert_int_equal(sscanf(line, "%63s %511s", type, blob), 2);
	snprintf(text, sizeof(text), "  %s   %s   a  b  ", type, blob);
	memset(&key, 'k', sizeof(key));
	assert_int_equal(parse(text, &key), KEY_OK);
	assert_string_equal(key.comment, "a  b");
	/* nothing of what was there before is left behind the strings */
	for (size_t i = strlen(key.blob); i < sizeof(key.blob); i++)
		assert_int_equal(key.blob[i], 0);
	assert_int_equal(key.comment[COMMENT_MAX], 0);
	assert_int_equal(key.uid, 0x6b6b6b6b);
}

/* ---- keys by hand ---- */

struct blob {
	uint8_t bytes[4096];
	size_t length;
};

static void put(struct blob *blob, const void *bytes, size_t length)
{
	uint8_t head[4] = { (uint8_t)(length >> 24), (uint8_t)(length >> 16), (uint8_t)(length >> 8), (uint8_t)length };

	assert_true(blob->length + 4 + length <= sizeof(blob->bytes));
	memcpy(blob->bytes + blob->length, head, 4);
	memcpy(blob->bytes + blob->length + 4, bytes, length);
	blob->length += 4 + length;
}

static void put_text(struct blob *blob, const char *text)
{
	put(blob, text, strlen(text));
}

static void encode(const struct blob *blob, char *out)
{
	static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

	for (size_t i = 0; i < blob->length; i += 3) {
		size_t left = blob->length - i;
		uint32_t group = (uint32_t)blob->bytes[i] << 16;

		group |= left > 1 ? (uint32_t)blob->bytes[i + 1] << 8 : 0;
		group |= left > 2 ? blob->bytes[i + 2] : 0;
		*out++ = alphabet[group >> 18];
		*out++ = alphabet[group >> 12 & 63];
		*out++ = left > 1 ? alphabet[group >> 6 & 63] : '=';
		*out++ = left > 2 ? alphabet[group & 63] : '=';
	}
	*out = '\0';
}

static enum key_error parse_blob(const char *type, const struct blob *blob)
{
	char line[8192];
	int head = snprintf(line, sizeof(line), "%s ", type);

	encode(blob, line + head);
	return parse_only(line);
}

static struct blob ed25519(const char *inner, size_t size, size_t extra)
{
	static const uint8_t point[64] = { 1, 2, 3 };
	struct blob blob = { .length = 0 };

	put_text(&blob, inner);
	put(&blob, point, size);
	blob.length += extra;
	return blob;
}

static void ed25519_is_exactly_32_bytes(void **state)
{
	struct blob blob = ed25519("ssh-ed25519", 32, 0);

	(void)state;
	assert_int_equal(parse_blob("ssh-ed25519", &blob), KEY_OK);
	for (size_t length = 1; length < blob.length; length++) {
		struct blob cut = blob;

		cut.length = length;
		assert_int_equal(parse_blob("ssh-ed25519", &cut), KEY_BLOB);
	}
	blob = ed25519("ssh-ed25519", 31, 0);
	assert_int_equal(parse_blob("ssh-ed25519", &blob), KEY_BLOB);
	blob = ed25519("ssh-ed25519", 33, 0);
	assert_int_equal(parse_blob("ssh-ed25519", &blob), KEY_BLOB);
	blob = ed25519("ssh-ed25519", 32, 1);
	assert_int_equal(parse_blob("ssh-ed25519", &blob), KEY_BLOB);
	blob = ed25519("ssh-rsa", 32, 0);
	assert_int_equal(parse_blob("ssh-ed25519", &blob), KEY_BLOB);
	blob = ed25519("ssh-ed25519", 32, 0);
	blob.bytes[0] = 0xff; /* a length far beyond the end */
	assert_int_equal(parse_blob("ssh-ed25519", &blob), KEY_BLOB);
}

static struct blob ecdsa(const char *inner, const char *curve, size_t size, uint8_t form)
{
	uint8_t point[160] = { form };
	struct blob blob = { .length = 0 };

	put_text(&blob, inner);
	put_text(&blob, curve);
	put(&blob, point, size);
	return blob;
}

static void ecdsa_names_its_curve(void **state)
{
	struct blob blob;

	(void)state;
	blob = ecdsa("ecdsa-sha2-nistp384", "nistp384", 97, 4);
	assert_int_equal(parse_blob("ecdsa-sha2-nistp384", &blob), KEY_OK);
	blob = ecdsa("ecdsa-sha2-nistp384", "nistp256", 97, 4);
	assert_int_equal(parse_blob("ecdsa-sha2-nistp384", &blob), KEY_WEAK);
	blob = ecdsa("ecdsa-sha2-nistp384", "nistp384", 65, 4);
	assert_int_equal(parse_blob("ecdsa-sha2-nistp384", &blob), KEY_BLOB);
	blob = ecdsa("ecdsa-sha2-nistp384", "nistp384", 97, 2); /* compressed */
	assert_int_equal(parse_blob("ecdsa-sha2-nistp384", &blob), KEY_BLOB);
	blob = ecdsa("ecdsa-sha2-nistp256", "nistp256", 65, 4);
	assert_int_equal(parse_blob("ecdsa-sha2-nistp384", &blob), KEY_BLOB);
	blob = ecdsa("ecdsa-sha2-nistp224", "nistp224", 57, 4);
	assert_int_equal(parse_blob("ecdsa-sha2-nistp224", &blob), KEY_TYPE);
}

/* A modulus of `bits` bits and an exponent of the given bytes. */
static struct blob rsa(const void *e, size_t e_length, unsigned bits, uint8_t last)
{
	uint8_t n[2100] = { 0 };
	size_t length = (bits + 7) / 8, zero = bits % 8 == 0;
	struct blob blob = { .length = 0 };

	n[zero] = (uint8_t)(1u << (bits + 7) % 8);
	n[zero + length - 1] |= last;
	put_text(&blob, "ssh-rsa");
	put(&blob, e, e_length);
	put(&blob, n, zero + length);
	return blob;
}

static void rsa_is_strong_and_canonical(void **state)
{
	static const struct {
		const char *e;
		size_t e_length;
		unsigned bits;
		uint8_t last;
		enum key_error error;
	} rows[] = {
		{ "\1\0\1", 3, 2048, 1, KEY_OK },
		{ "\3", 1, 2048, 1, KEY_OK },
		{ "\1\0\1", 3, 2049, 1, KEY_OK },
		{ "\1\0\1", 3, 16384, 1, KEY_OK },
		{ "\1\0\1", 3, 16385, 1, KEY_TOO_LONG },
		{ "\1\0\1", 3, 2047, 1, KEY_WEAK },
		{ "\1\0\1", 3, 1024, 1, KEY_WEAK },
		{ "\1\0\1", 3, 8, 1, KEY_WEAK },
		{ "\1\0\1", 3, 2048, 0, KEY_WEAK },             /* even modulus */
		{ "\1", 1, 2048, 1, KEY_WEAK },                 /* e = 1 */
		{ "\2", 1, 2048, 1, KEY_WEAK },                 /* e = 2 */
		{ "\1\0\0", 3, 2048, 1, KEY_WEAK },             /* even e */
		{ "\0\xff\1\1\1\1\1\1\1", 9, 2048, 1, KEY_OK }, /* 64 bits */
		{ "\1\1\1\1\1\1\1\1\1", 9, 2048, 1, KEY_WEAK }, /* 65 bits */
		{ "", 0, 2048, 1, KEY_BLOB },                   /* zero */
		{ "\0", 1, 2048, 1, KEY_BLOB },                 /* zero, not canonical */
		{ "\0\1\0\1", 4, 2048, 1, KEY_BLOB },           /* superfluous zero */
		{ "\x81", 1, 2048, 1, KEY_BLOB },               /* negative */
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct blob blob = rsa(rows[i].e, rows[i].e_length, rows[i].bits, rows[i].last);

		if (parse_blob("ssh-rsa", &blob) != rows[i].error)
			fail_msg("row %zu: %d", i, parse_blob("ssh-rsa", &blob));
	}
}

static void negative_or_padded_modulus_is_refused(void **state)
{
	uint8_t n[258] = { 0 };
	struct blob blob = { .length = 0 };

	(void)state;
	n[1] = 0x80;
	n[256] = 1;
	put_text(&blob, "ssh-rsa");
	put(&blob, "\3", 1);
	put(&blob, n + 1, 256); /* without its zero byte: negative */
	assert_int_equal(parse_blob("ssh-rsa", &blob), KEY_BLOB);
	blob.length = 0;
	n[1] = 0x40;
	put_text(&blob, "ssh-rsa");
	put(&blob, "\3", 1);
	put(&blob, n, 257);
	assert_int_equal(parse_blob("ssh-rsa", &blob), KEY_BLOB);
	/* zero, and not canonical, however the bytes behind it look */
	for (size_t length = 0; length < 2; length++) {
		blob.length = 0;
		put_text(&blob, "ssh-rsa");
		put(&blob, "\3", 1);
		put(&blob, "", length);
		blob.bytes[blob.length++] = length == 0 ? 1 : 0x80;
		assert_int_equal(parse_blob("ssh-rsa", &blob), KEY_BLOB);
	}
}

static void security_keys_carry_an_application(void **state)
{
	char line[1024], base64[512], text[2048];
	struct blob blob = ed25519("sk-ssh-ed25519@openssh.com", 32, 0);
	struct ssh_key key = { 0 };

	(void)state;
	assert_int_equal(parse_blob("sk-ssh-ed25519@openssh.com", &blob), KEY_BLOB);
	put_text(&blob, "ssh:");
	assert_int_equal(parse_blob("sk-ssh-ed25519@openssh.com", &blob), KEY_OK);
	encode(&blob, base64);
	snprintf(text, sizeof(text), "sk-ssh-ed25519@openssh.com %s token", base64);
	assert_int_equal(parse(text, &key), KEY_OK);
	assert_fingerprint_agrees(text, &key);

	/* a real point, so that ssh-keygen agrees */
	generate("-t ecdsa -b 256 -C x", line, sizeof(line));
	assert_int_equal(parse(line, &key), KEY_OK);
	blob.length = (size_t)base64_decode(key.blob, strlen(key.blob), blob.bytes, sizeof(blob.bytes));
	memmove(blob.bytes + 15, blob.bytes, blob.length);
	blob.length += 15;
	memcpy(blob.bytes, "\0\0\0\x22sk-ecdsa-sha2-nistp256@openssh.com", 38);
	put_text(&blob, "ssh:backup");
	encode(&blob, base64);
	snprintf(text, sizeof(text), "sk-ecdsa-sha2-nistp256@openssh.com %s token", base64);
	assert_int_equal(parse(text, &key), KEY_OK);
	assert_fingerprint_agrees(text, &key);

	blob = ed25519("sk-ssh-ed25519@openssh.com", 32, 0);
	put(&blob, "ssh:\n", 5);
	assert_int_equal(parse_blob("sk-ssh-ed25519@openssh.com", &blob), KEY_BLOB);
	blob = ed25519("sk-ssh-ed25519@openssh.com", 32, 0);
	put(&blob, "", 0);
	assert_int_equal(parse_blob("sk-ssh-ed25519@openssh.com", &blob), KEY_BLOB);
}

#define ED "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAECAwAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

static void every_wrong_line_says_what_is_wrong(void **state)
{
	static const struct {
		const char *line;
		enum key_error error;
	} rows[] = {
		{ ED, KEY_OK },
		{ ED "\n", KEY_OK },
		{ ED " a:b@c", KEY_OK },
		{ "", KEY_EMPTY },
		{ "\n", KEY_EMPTY },
		{ "   ", KEY_EMPTY },
		{ "-----BEGIN OPENSSH PRIVATE KEY-----\nb3Bl\n-----END OPENSSH PRIVATE KEY-----\n", KEY_PRIVATE },
		{ "\r\n  -----BEGIN RSA PRIVATE KEY-----\r\n", KEY_PRIVATE },
		{ "PuTTY-User-Key-File-3: ssh-ed25519\r\nEncryption: none\r\n", KEY_PRIVATE },
		{ "\n\t PuTTY-User-Key-File-2: ssh-rsa\n", KEY_PRIVATE },
		{ ED "\n-----BEGIN OPENSSH PRIVATE KEY-----\n", KEY_PRIVATE },
		{ ED "\n" ED "\n", KEY_LINES },
		{ ED "\n\n", KEY_LINES },
		{ "\n" ED, KEY_LINES },
		{ ED "\r\n", KEY_LINES },
		{ ED "\r", KEY_LINES },
		{ ED " a\tb", KEY_LINES },
		{ "ssh-ed25519\tAAAA", KEY_LINES },
		{ ED " \x1b[2J", KEY_LINES },
		{ ED " \x7f", KEY_LINES },
		{ "command=\"id\" " ED, KEY_OPTIONS },
		{ "restrict " ED, KEY_OPTIONS },
		{ "no-pty,from=\"*\" " ED, KEY_OPTIONS },
		{ "environment=\"A=b\"", KEY_OPTIONS },
		{ "expiry-time=20300101", KEY_OPTIONS },
		{ "@cert-authority * " ED, KEY_OPTIONS },
		{ "ssh-dss AAAAB3NzaC1kc3MAAACB", KEY_TYPE },
		{ "ssh-rsa1 AAAA", KEY_TYPE },
		{ "SSH-ED25519 AAAA", KEY_TYPE },
		{ "1024 35 123456789 old@style", KEY_TYPE },
		{ "# a comment", KEY_TYPE },
		{ "---- BEGIN SSH2 PUBLIC KEY ----", KEY_TYPE },
		{ "AAAAC3NzaC1lZDI1NTE5AAAAIAECAwAAAA", KEY_TYPE },
		{ "ssh-ed25519-cert-v01@openssh.com AAAA", KEY_CERTIFICATE },
		{ "ssh-rsa-cert-v01@openssh.com AAAA", KEY_CERTIFICATE },
		{ "ssh-ed25519", KEY_BASE64 },
		{ "ssh-ed25519 ", KEY_BASE64 },
		{ "ssh-ed25519 AAAA=", KEY_BASE64 },
		{ "ssh-ed25519 AA=A", KEY_BASE64 },
		{ "ssh-ed25519 A===", KEY_BASE64 },
		{ "ssh-ed25519 AAA-", KEY_BASE64 },
		{ "ssh-ed25519 AAAB", KEY_BLOB },
		{ ED "A", KEY_BASE64 },
		{ ED "AAAA", KEY_BLOB },
		{ ED " \xff", KEY_COMMENT },
		{ ED " \xc2\x9b", KEY_COMMENT },
		{ "\xc3\xa4 " ED, KEY_OPTIONS },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (parse_only(rows[i].line) != rows[i].error)
			fail_msg("row %zu (%s): %d", i, rows[i].line, parse_only(rows[i].line));
}

static void size_is_bounded_and_nul_is_no_end(void **state)
{
	static char large[1024 * 1024];
	struct ssh_key key = { 0 };
	char line[] = ED " ab";

	(void)state;
	line[sizeof(line) - 2] = '\0';
	assert_int_equal(key_parse(line, sizeof(line) - 1, &key), KEY_LINES);
	assert_int_equal(key_parse(line, sizeof(line) - 2, &key), KEY_OK);
	memset(large, 'A', sizeof(large) - 1);
	assert_int_equal(parse_only(large), KEY_TOO_LONG);
	memcpy(large, ED " ", sizeof(ED));
	assert_int_equal(parse_only(large), KEY_TOO_LONG);
	large[sizeof(ED) + COMMENT_MAX + 1] = '\0';
	assert_int_equal(parse_only(large), KEY_COMMENT);
	large[sizeof(ED) + COMMENT_MAX] = '\0';
	assert_int_equal(parse_only(large), KEY_OK);
	memset(large, 'A', 5000);
	memcpy(large, "ssh-ed25519 ", 12);
	large[12 + KEY_BLOB_MAX + 1] = '\0';
	assert_int_equal(parse_only(large), KEY_TOO_LONG);
}

static void base64_is_canonical(void **state)
{
	uint8_t out[8] = { 0 };

	(void)state;
	assert_int_equal(base64_decode("", 0, out, 0), 0);
	assert_int_equal(base64_decode("AQID", 4, out, 3), 3);
	assert_memory_equal(out, "\1\2\3", 3);
	assert_int_equal(base64_decode("AQI=", 4, out, 2), 2);
	assert_int_equal(base64_decode("/+8=", 4, out, 2), 2);
	assert_memory_equal(out, "\xff\xef", 2);
	assert_int_equal(base64_decode("AQ==", 4, out, 1), 1);
	assert_int_equal(base64_decode("AQID", 4, out, 2), -ENOSPC);
	assert_int_equal(base64_decode("AR==", 4, out, 8), -EINVAL); /* the same byte, other last bits */
	assert_int_equal(base64_decode("AQJ=", 4, out, 8), -EINVAL);
	assert_int_equal(base64_decode("AQI", 3, out, 8), -EINVAL);
	assert_int_equal(base64_decode("====", 4, out, 8), -EINVAL);
	assert_int_equal(base64_decode("AQ==AQ==", 8, out, 8), -EINVAL);
	assert_int_equal(base64_decode("AQ D", 4, out, 8), -EINVAL);
	assert_int_equal(base64_decode("AQ_D", 4, out, 8), -EINVAL);
}

static void from_is_a_list_that_sshd_takes(void **state)
{
	static const char *const good[] = {
		"192.0.2.1",
		"192.0.2.0/24",
		"*.example.com",
		"2001:db8::/32",
		"host-1.example.com,!bad.example.com",
		"0.0.0.0/0",
		"192.0.2.1/32",
		"192.0.2.?",
		"fe80::1%eth0",
		"!192.0.2.7,192.0.2.0/24",
		"::/0",
		"2001:db8::1/128",
		"192.0.2.128/25",
		"a_b",
	};
	static const char *const bad[] = {
		"",
		",",
		"a,",
		",a",
		"a,,b",
		"a b",
		"a\"b",
		"a\\b",
		"a\nb",
		"a'b",
		"192.0.2.1/24",
		"1.2.3.4/33",
		"1.2.3.4/x",
		"1.2.3.4/",
		"/24",
		"*/24",
		"::1/129",
		"2001:db8::1/64",
		"1.2.3.4/024",
		"1.2.3.4/-1",
		"1.2.3.4/8/8",
		"!",
		"!!a",
		"a!b",
		"!a",
		"!a,!b",
		"\xc3\xa4",
		"a=b",
		"a;b",
		"$(id)",
		"a@b",
	};
	char longest[FROM_MAX + 2];

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		if (!from_valid(good[i]))
			fail_msg("refused: %s", good[i]);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (from_valid(bad[i]))
			fail_msg("taken: %s", bad[i]);
	memset(longest, 'a', sizeof(longest));
	longest[FROM_MAX + 1] = '\0';
	assert_false(from_valid(longest));
	longest[FROM_MAX] = '\0';
	assert_true(from_valid(longest));
}

static void fingerprint_needs_a_blob(void **state)
{
	struct ssh_key key = { .fingerprint = "f" };

	(void)state;
	assert_int_equal(key_fingerprint(&key), -EINVAL);
	memcpy(key.blob, "AAA", 4);
	assert_int_equal(key_fingerprint(&key), -EINVAL);
	assert_string_equal(key.fingerprint, "f");
}

static void every_error_has_words(void **state)
{
	(void)state;
	for (int error = KEY_EMPTY; error <= KEY_COMMENT; error++) {
		assert_true(strlen(key_error_text((enum key_error)error)) > 5);
		assert_string_not_equal(key_error_text((enum key_error)error), "unknown error");
		assert_true(strlen(key_error_todo((enum key_error)error)) > 5);
	}
	assert_non_null(key_error_text((enum key_error)99));
	assert_non_null(key_error_todo((enum key_error)99));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(accepts_what_ssh_keygen_makes),
		cmocka_unit_test(comment_may_be_absent_and_spaces_surround),
		cmocka_unit_test(ed25519_is_exactly_32_bytes),
		cmocka_unit_test(ecdsa_names_its_curve),
		cmocka_unit_test(rsa_is_strong_and_canonical),
		cmocka_unit_test(negative_or_padded_modulus_is_refused),
		cmocka_unit_test(security_keys_carry_an_application),
		cmocka_unit_test(every_wrong_line_says_what_is_wrong),
		cmocka_unit_test(size_is_bounded_and_nul_is_no_end),
		cmocka_unit_test(base64_is_canonical),
		cmocka_unit_test(from_is_a_list_that_sshd_takes),
		cmocka_unit_test(fingerprint_needs_a_blob),
		cmocka_unit_test(every_error_has_words),
	};

	return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
