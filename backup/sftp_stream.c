/* SPDX-License-Identifier: ISC */
/* Follows the packets that an sftp client sends, and turns each open for writing into one that makes a new file. */
#include "backup/sftp_stream.h"

#include <errno.h>
#include <string.h>

enum { FXP_OPEN = 3 };
enum { FXF_READ = 0x01, FXF_WRITE = 0x02, FXF_APPEND = 0x04, FXF_CREAT = 0x08, FXF_TRUNC = 0x10, FXF_EXCL = 0x20 };

static uint32_t get_number(const uint8_t *data)
{
	return (uint32_t)data[0] << 24 | (uint32_t)data[1] << 16 | (uint32_t)data[2] << 8 | data[3];
}

static void put_number(uint8_t *data, uint32_t number)
{
	for (int i = 0; i < 4; i++)
		data[i] = (uint8_t)(number >> (24 - 8 * i));
}

long sftp_packet_size(const uint8_t *data, size_t size)
{
	uint32_t length;

	if (size < 4)
		return 0;
	length = get_number(data);
	return length == 0 || length > SFTP_PACKET_MAX ? -EPROTO : (long)length + 4;
}

/* length 4 | type 1 | id 4 | name: length 4, bytes | flags 4 | attributes */
int sftp_packet_new_files(uint8_t *packet, size_t size)
{
	uint32_t name, flags;
	uint8_t *at;

	if (size < 5)
		return -EPROTO;
	if (packet[4] != FXP_OPEN)
		return 0;
	if (size < 17)
		return -EPROTO;
	name = get_number(packet + 9);
	if (name > size - 17)
		return -EPROTO;
	at = packet + 13 + name;
	flags = get_number(at);
	if ((flags & ~(uint32_t)FXF_READ) == 0)
		return 0;
	put_number(at, (flags & FXF_READ) | FXF_WRITE | FXF_CREAT | FXF_EXCL);
	return 0;
}

int sftp_stream_take(struct sftp_stream *stream, size_t size, size_t *ready)
{
	size_t done = 0;
	long packet;
	int r = 0;

	stream->used += size;
	*ready = 0;
	while (r == 0 && (packet = sftp_packet_size(stream->bytes + done, stream->used - done)) != 0) {
		if (packet < 0)
			return -EPROTO;
		if (stream->used - done < (size_t)packet)
			break;
		r = sftp_packet_new_files(stream->bytes + done, (size_t)packet);
		done += (size_t)packet;
	}
	if (r == 0)
		*ready = done;
	return r;
}

void sftp_stream_drop(struct sftp_stream *stream, size_t ready)
{
	memmove(stream->bytes, stream->bytes + ready, stream->used - ready);
	stream->used -= ready;
}
