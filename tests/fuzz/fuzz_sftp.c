/* SPDX-License-Identifier: ISC */
/*
 * What an sftp client sends to an append-only key. Byte 0 and 1: how the stream is cut into reads; then the stream.
 * What goes to the server is read once more here, by code that has the whole stream before it: every packet is one
 * of the client's, in order, whole, and none says to open a file that is there to write to it or cut it. Other
 * requests that change something are the server's to refuse (-P in tools.d/sftp.conf; a test compares that list
 * with the server's own) and the kernel's.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "backup/sftp_stream.h"
#include "tests/fuzz/fuzz.h"

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned seed);

#define CUT_BYTES 2

/* ---- the second reading: a cursor that cannot leave what it was given --------------------------------- */

struct cursor {
	const uint8_t *at;
	size_t left;
	bool short_of;
};

static uint64_t take_uint(struct cursor *c, unsigned bytes)
{
	uint64_t value = 0;

	if (c->left < bytes)
		c->short_of = true;
	for (unsigned i = 0; !c->short_of && i < bytes; i++)
		value = value * 256 + c->at[i];
	if (!c->short_of) {
		c->at += bytes;
		c->left -= bytes;
	}
	return value;
}

static struct cursor take_string(struct cursor *c)
{
	struct cursor string = { 0 };
	uint64_t length = take_uint(c, 4);

	if (c->short_of || length > c->left) {
		c->short_of = true;
		return string;
	}
	string = (struct cursor){ .at = c->at, .left = (size_t)length };
	c->at += length;
	c->left -= (size_t)length;
	return string;
}

/* draft-ietf-secsh-filexfer-02, 6.3: what open(2) would make of these flags, as OpenSSH's server does it. */
static bool changes_a_file_that_is_there(uint64_t flags)
{
	bool writes = (flags & 0x02) != 0, makes = (flags & 0x08) != 0, cuts = (flags & 0x10) != 0;
	bool only_new = makes && (flags & 0x20) != 0;

	return (writes || makes || cuts || (flags & 0x04) != 0) && !only_new;
}

static bool open_packet(const uint8_t *body, size_t size, struct cursor *name, uint64_t *flags,
			struct cursor *attributes)
{
	struct cursor c = { .at = body, .left = size };

	if (take_uint(&c, 1) != 3)
		return false;
	take_uint(&c, 4);
	*name = take_string(&c);
	*flags = take_uint(&c, 4);
	*attributes = c;
	return !c.short_of;
}

/* One packet that went in, and what came out in its place. */
static void check_packet(const uint8_t *in, const uint8_t *out, size_t size)
{
	struct cursor name_in, name_out, rest_in, rest_out;
	uint64_t flags_in, flags_out;

	must(in[0] == out[0]);
	if (in[0] != 3) {
		must(memcmp(in, out, size) == 0);
		return;
	}
	must(open_packet(in, size, &name_in, &flags_in, &rest_in));
	must(open_packet(out, size, &name_out, &flags_out, &rest_out));
	must(memcmp(in, out, 5) == 0 && name_in.left == name_out.left);
	must(memcmp(name_in.at, name_out.at, name_in.left) == 0);
	must(rest_in.left == rest_out.left && memcmp(rest_in.at, rest_out.at, rest_in.left) == 0);
	must(!changes_a_file_that_is_there(flags_out));
	must((flags_in & 1) == (flags_out & 1)); /* reading is neither given nor taken */
	must(flags_in > 1 || flags_in == flags_out);
	must(flags_in <= 1 || (flags_out & 2) != 0);
}

/* How much of the stream may pass; *sound: all of it is packets, the last one perhaps not there in full. */
static size_t passable(const uint8_t *stream, size_t size, bool *sound)
{
	struct cursor c = { .at = stream, .left = size };

	*sound = true;
	while (c.left >= 4) {
		struct cursor at = c, packet, name, rest;
		uint64_t flags, length = take_uint(&at, 4);

		if (length == 0 || length > 256 * 1024) {
			*sound = false;
			break;
		}
		packet = take_string(&c);
		if (c.short_of)
			return (size_t)(at.at - 4 - stream);
		if (packet.at[0] == 3 && !open_packet(packet.at, packet.left, &name, &flags, &rest)) {
			*sound = false;
			return (size_t)(packet.at - 4 - stream);
		}
	}
	return size - c.left;
}

static void check(const uint8_t *stream, size_t size, const uint8_t *out, size_t passed, int r)
{
	bool sound;
	size_t most = passable(stream, size, &sound), at = 0;

	must(r == (sound ? 0 : -EPROTO));
	must(sound ? passed == most : passed <= most);
	while (at < passed) {
		struct cursor c = { .at = stream + at, .left = passed - at };
		struct cursor packet = take_string(&c);

		must(!c.short_of && memcmp(stream + at, out + at, 4) == 0);
		check_packet(packet.at, out + at + 4, packet.left);
		at += 4 + packet.left;
	}
	must(at == passed);
}

/* ---- the stream, read in pieces ------------------------------------------------------------------------- */

static size_t piece(unsigned cut, size_t turn, size_t left)
{
	static const size_t sizes[] = { 1, 2, 3, 4, 5, 9, 17, 64, 1000, 4096, SFTP_PACKET_MAX, SIZE_MAX };
	size_t most = sizes[(cut + turn * (cut >> 8)) % (sizeof(sizes) / sizeof(sizes[0]))];

	return most < left ? most : left;
}

static int run(const uint8_t *stream, size_t size, unsigned cut, uint8_t *out, size_t *passed)
{
	static struct sftp_stream s;
	size_t at = 0, ready;
	int r = 0;

	s.used = 0;
	*passed = 0;
	for (size_t turn = 0; r == 0 && at < size; turn++) {
		size_t n = piece(cut, turn, size - at), room = sizeof(s.bytes) - s.used;

		must(room > 0);
		n = n < room ? n : room;
		memcpy(s.bytes + s.used, stream + at, n);
		at += n;
		r = sftp_stream_take(&s, n, &ready);
		must(r == 0 || ready == 0);
		must(*passed + ready <= at);
		memcpy(out + *passed, s.bytes, ready);
		*passed += ready;
		sftp_stream_drop(&s, ready);
	}
	return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t passed, passed_whole, length;
	unsigned cut;
	uint8_t *out;
	int r;

	if (size < CUT_BYTES)
		return 0;
	cut = (unsigned)data[0] | (unsigned)data[1] << 8;
	length = size - CUT_BYTES;
	out = malloc(2 * length + 1);
	must(out != NULL);
	r = run(data + CUT_BYTES, length, cut, out, &passed);
	check(data + CUT_BYTES, length, out, passed, r);
	/* And in as few reads as there can be: the same, however it was cut. */
	must(run(data + CUT_BYTES, length, 11, out + length, &passed_whole) == r);
	check(data + CUT_BYTES, length, out + length, passed_whole, r);
	must(r < 0 || passed == passed_whole);
	must(memcmp(out, out + length, passed < passed_whole ? passed : passed_whole) == 0);
	free(out);
	return 0;
}

/* ---- mutations that keep packets packets ------------------------------------------------------------------ */

/* Where the packet that this number says begins, and how long it is; 0: there is none. */
static size_t packet_at(const uint8_t *stream, size_t size, unsigned which, size_t *start)
{
	size_t count = 0, at = 0;

	for (int round = 0; round < 2; round++) {
		at = 0;
		for (size_t n = 0; size - at >= 5; n++) {
			size_t length = 4 + ((size_t)stream[at + 2] << 8 | stream[at + 3]);

			if (stream[at] != 0 || stream[at + 1] != 0 || length < 5 || length > size - at)
				break;
			if (round == 1 && n == which % count) {
				*start = at;
				return length;
			}
			at += length;
			count += round == 0;
		}
		if (count == 0)
			return 0;
	}
	return 0;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned seed)
{
	static const uint8_t types[] = { 1, 3, 3, 3, 3, 4, 5, 6, 9, 10, 13, 14, 15, 18, 20, 200 };
	uint8_t *stream = data + CUT_BYTES;
	size_t start = 0, length, name;

	if (size <= CUT_BYTES || seed % 4 == 0)
		return LLVMFuzzerMutate(data, size, max);
	length = packet_at(stream, size - CUT_BYTES, seed / 64, &start);
	if (length < 17)
		return LLVMFuzzerMutate(data, size, max);
	switch (seed / 4 % 4) {
	case 0: /* another kind of request */
		stream[start + 4] = types[seed / 4096 % sizeof(types)];
		return size;
	case 1: /* other flags of an open */
		name = (size_t)stream[start + 11] << 8 | stream[start + 12];
		if (17 + name <= length)
			stream[start + 16 + name] = (uint8_t)(seed >> 16);
		return size;
	case 2: /* once more */
		if (size + length > max)
			return LLVMFuzzerMutate(data, size, max);
		memmove(stream + start + length, stream + start, size - CUT_BYTES - start);
		return size + length;
	default: /* another length of the name */
		stream[start + 12] = (uint8_t)(seed >> 16);
		return size;
	}
}
