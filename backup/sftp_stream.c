/* SPDX-License-Identifier: ISC */
#include "backup/sftp_stream.h"

#include <errno.h>

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
