/* SPDX-License-Identifier: ISC */
/* The stream of an sftp client, packet by packet (draft-ietf-secsh-filexfer-02). Pure; the client chooses every byte.
 */
#ifndef BACKUP_SFTP_STREAM_H
#define BACKUP_SFTP_STREAM_H

#include <stddef.h>
#include <stdint.h>

#define SFTP_PACKET_MAX (256u * 1024u) /* sftp-server's own limit, without the length */

/* Bytes of the packet that begins here, its length included; 0: more are needed to tell; -EPROTO: too long. */
long sftp_packet_size(const uint8_t *data, size_t size);

/*
 * A whole packet. If it opens a file for writing, its flags are changed to say: a new file, or none. Nothing else is
 * changed. 0 or -EPROTO.
 */
int sftp_packet_new_files(uint8_t *packet, size_t size);

/* A client's bytes on their way to the server: there is always room for more after sftp_stream_drop(). */
struct sftp_stream {
	uint8_t bytes[2 * (SFTP_PACKET_MAX + 4)];
	size_t used;
};

/*
 * After size more bytes have been put at bytes + used: the packets that are whole now, *ready bytes from the
 * beginning, are for the server. 0, or -EPROTO and *ready 0: nothing more may pass.
 */
int sftp_stream_take(struct sftp_stream *stream, size_t size, size_t *ready);

/* Those ready bytes have gone to the server. */
void sftp_stream_drop(struct sftp_stream *stream, size_t ready);

#endif
