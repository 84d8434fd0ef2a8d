/* SPDX-License-Identifier: ISC */
/* Answers to the packets of an sftp client that is refused: a version, then the reason again and again. Pure. */
#ifndef BACKUP_SFTP_REFUSAL_H
#define BACKUP_SFTP_REFUSAL_H

#include <stddef.h>
#include <stdint.h>

#define SFTP_REFUSAL_TEXT_MAX 1023
#define SFTP_REFUSAL_ANSWER_MAX (SFTP_REFUSAL_TEXT_MAX + 32)

struct sftp_refusal {
	uint8_t head[9]; /* length 4 | type 1 | id 4 */
	size_t have;     /* bytes of it */
	uint32_t left;   /* of the packet, that are passed over */
};

/* Takes bytes of the client up to the next answer that is due; *taken of them. The answer's size, into out; 0: all
 * bytes are taken and none is due yet; -EPROTO: not an sftp client. text: cut to SFTP_REFUSAL_TEXT_MAX. */
long sftp_refusal_take(struct sftp_refusal *refusal, const uint8_t *data, size_t size, size_t *taken, const char *text,
		       uint8_t out[SFTP_REFUSAL_ANSWER_MAX]);

#endif
