/* SPDX-License-Identifier: ISC */
/* From where a password may be used: the from= list of sshd(8), for addresses alone, since sshd does not check it. Run
 * by the worker, the broker and the verifier. */
#include <arpa/inet.h>
#include <fnmatch.h>
#include <string.h>

#include "account/id.h"
#include "account/key.h"
#include "account/password.h"

struct address {
	int family;
	unsigned char bytes[sizeof(struct in6_addr)];
	size_t size;
};

/* One of IPv4 that is written as one of IPv6 (::ffff:192.0.2.1) is one of IPv4. */
static bool address_read(const char *text, struct address *address)
{
	static const unsigned char mapped[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };

	*address = (struct address){ .family = AF_INET, .size = 4 };
	if (inet_pton(AF_INET, text, address->bytes) == 1)
		return true;
	address->family = AF_INET6;
	address->size = 16;
	if (inet_pton(AF_INET6, text, address->bytes) != 1)
		return false;
	if (memcmp(address->bytes, mapped, sizeof(mapped)) == 0) {
		memmove(address->bytes, address->bytes + sizeof(mapped), 4);
		address->family = AF_INET;
		address->size = 4;
	}
	return true;
}

static bool within(const struct address *address, const struct address *network, uint32_t bits)
{
	if (address->family != network->family || bits > address->size * 8 ||
	    memcmp(address->bytes, network->bytes, bits / 8) != 0)
		return false;
	return bits % 8 == 0 ||
	       ((address->bytes[bits / 8] ^ network->bytes[bits / 8]) & (0xff00 >> bits % 8) & 0xff) == 0;
}

/* 1 or 0, or -1: it is neither an address, a network nor a pattern of them. The element is cut at its '/'. */
static int element_admits(char *element, const struct address *address, const char *text)
{
	struct address network;
	char *slash = strchr(element, '/');
	uint32_t bits;

	if (slash != NULL) {
		*slash = '\0';
		if (!address_read(element, &network) || id_parse(slash + 1, &bits) < 0)
			return -1;
		return within(address, &network, bits);
	}
	if (address_read(element, &network))
		return within(address, &network, (uint32_t)network.size * 8);
	if (strpbrk(element, "*?") == NULL || strspn(element, "0123456789.:*?") != strlen(element))
		return -1;
	return fnmatch(element, text, 0) == 0;
}

/* As sshd's match_list(): one exception that fits is a no, whatever stands before or behind it. */
static int list_admits(const char *from, const struct address *address, const char *text)
{
	char list[FROM_MAX + 1], *rest = list, *element;
	bool admits = false;

	memcpy(list, from, strlen(from) + 1);
	while ((element = strsep(&rest, ",")) != NULL) {
		const bool except = element[0] == '!';
		int fits = element_admits(element + except, address, text);

		if (fits < 0 || (fits && except))
			return fits < 0 ? -1 : 0;
		admits = admits || fits;
	}
	return admits;
}

bool password_from_valid(const char *from)
{
	const struct address none = { .family = AF_INET, .size = 4 };
	char list[FROM_MAX + 1], *rest = list, *element;

	if (!from_valid(from))
		return false;
	memcpy(list, from, strlen(from) + 1);
	while ((element = strsep(&rest, ",")) != NULL)
		if (element_admits(element + (element[0] == '!'), &none, "0.0.0.0") < 0)
			return false;
	return true;
}

bool password_from_admits(const char *from, const char *address)
{
	struct address numeric;

	if (from[0] == '\0')
		return true;
	if (strnlen(from, FROM_MAX + 1) > FROM_MAX || !address_read(address, &numeric))
		return false;
	return list_admits(from, &numeric, address) == 1;
}
