/* SPDX-License-Identifier: ISC */
/* The from= pattern list of a key (ssh_config(5) PATTERNS, sshd(8) from=). */
#include <arpa/inet.h>
#include <stdbool.h>
#include <string.h>

#include "account/id.h"
#include "account/key.h"

static bool pattern_byte(char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
	       (c != '\0' && strchr(".:*?!_/,%-", c) != NULL);
}

/* True if all bits after the first `prefix` bits are 0. */
static bool host_bits_zero(const unsigned char *address, size_t bytes, uint32_t prefix)
{
	for (size_t i = prefix / 8; i < bytes; i++) {
		unsigned char host = i == prefix / 8 ? (unsigned char)(0xffu >> prefix % 8) : 0xff;

		if ((address[i] & host) != 0)
			return false;
	}
	return true;
}

/* address/prefix. sshd refuses the whole key when one network of the list is ill-formed or
 * has host bits set, so the login would fail later without any message to the owner. */
static bool network_valid(const char *address, const char *prefix_text)
{
	unsigned char binary[sizeof(struct in6_addr)];
	uint32_t prefix;

	if (id_parse(prefix_text, &prefix) < 0)
		return false;
	if (inet_pton(AF_INET, address, binary) == 1)
		return prefix <= 32 && host_bits_zero(binary, 4, prefix);
	if (inet_pton(AF_INET6, address, binary) == 1)
		return prefix <= 128 && host_bits_zero(binary, 16, prefix);
	return false;
}

/* One element, without its '!'; written to: cut at the '/'. */
static bool element_valid(char *element)
{
	char *slash = strchr(element, '/');

	if (element[0] == '\0' || strchr(element, '!') != NULL)
		return false;
	if (slash == NULL)
		return true;
	*slash = '\0';
	return network_valid(element, slash + 1);
}

int from_valid(const char *from)
{
	char list[FROM_MAX + 1], *rest = list, *element;
	size_t length = strnlen(from, sizeof(list));
	bool admits = false;

	if (length == 0 || length > FROM_MAX)
		return 0;
	for (size_t i = 0; i < length; i++)
		if (!pattern_byte(from[i]))
			return 0;
	memcpy(list, from, length + 1);
	while ((element = strsep(&rest, ",")) != NULL) {
		bool negated = element[0] == '!';

		if (!element_valid(element + negated))
			return 0;
		admits = admits || !negated;
	}
	return admits; /* a list with nothing but exceptions matches nobody */
}
