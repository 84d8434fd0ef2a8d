/* SPDX-License-Identifier: ISC */
/*
 * sshd drops the standard error of a subsystem, so that an sftp client learns of a refusal by the protocol alone
 * (draft-ietf-secsh-filexfer-02). Of what the client sends, only length, type and number of a packet are looked at; the
 * rest is passed over. Run by the program refusal, confined.
 */
#include "backup/sftp_refusal.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#define PACKET_MAX (256u * 1024u)
#define PROTOCOL 3u

enum { FXP_INIT = 1, FXP_VERSION = 2, FXP_STATUS = 101 };
enum { FXP_OPENDIR = 11, FXP_MKDIR = 14, FXP_REALPATH = 16, FXP_STAT = 17 };
enum { FX_PERMISSION_DENIED = 3, FX_FAILURE = 4 };

/*
 * A permission that is denied is what it is. But clients written in Go (restic, rclone) have words of their own for
 * that, and show ours of a failure alone; they begin with these requests, of which sshfs and scp show neither.
 */
static uint32_t status_for(uint8_t request)
{
	switch (request) {
	case FXP_OPENDIR:
	case FXP_MKDIR:
	case FXP_REALPATH:
	case FXP_STAT:
		return FX_FAILURE;
	default:
		return FX_PERMISSION_DENIED;
	}
}

static uint32_t get_number(const uint8_t *data)
{
	return (uint32_t)data[0] << 24 | (uint32_t)data[1] << 16 | (uint32_t)data[2] << 8 | data[3];
}

static size_t put_number(uint8_t *out, uint32_t number)
{
	for (int i = 0; i < 4; i++)
		out[i] = (uint8_t)(number >> (24 - 8 * i));
	return 4;
}

static long answer_version(uint8_t *out)
{
	size_t n = put_number(out, 5);

	out[n++] = FXP_VERSION;
	n += put_number(out + n, PROTOCOL);
	return (long)n;
}

static long answer_status(const uint8_t *head, const char *text, uint8_t *out)
{
	const size_t length = strnlen(text, SFTP_REFUSAL_TEXT_MAX);
	size_t n = put_number(out, (uint32_t)(1 + 4 + 4 + 4 + length + 4));

	out[n++] = FXP_STATUS;
	memcpy(out + n, head + 5, 4);
	n += 4;
	n += put_number(out + n, status_for(head[4]));
	n += put_number(out + n, (uint32_t)length);
	memcpy(out + n, text, length);
	n += length;
	n += put_number(out + n, 0); /* language: none */
	return (long)n;
}

/* True: the head is whole. */
static bool head_take(struct sftp_refusal *refusal, const uint8_t *data, size_t size, size_t *taken)
{
	while (refusal->have < sizeof(refusal->head) && *taken < size)
		refusal->head[refusal->have++] = data[(*taken)++];
	return refusal->have == sizeof(refusal->head);
}

static void rest_pass(struct sftp_refusal *refusal, size_t size, size_t *taken)
{
	size_t pass = size - *taken < refusal->left ? size - *taken : refusal->left;

	*taken += pass;
	refusal->left -= (uint32_t)pass;
}

long sftp_refusal_take(struct sftp_refusal *refusal, const uint8_t *data, size_t size, size_t *taken, const char *text,
		       uint8_t out[SFTP_REFUSAL_ANSWER_MAX])
{
	uint32_t length;

	*taken = 0;
	rest_pass(refusal, size, taken);
	if (refusal->left > 0 || !head_take(refusal, data, size, taken))
		return 0;
	length = get_number(refusal->head);
	if (length < 5 || length > PACKET_MAX)
		return -EPROTO;
	refusal->have = 0;
	refusal->left = length - 5;
	if (refusal->head[4] == FXP_INIT)
		return answer_version(out);
	return answer_status(refusal->head, text, out);
}
