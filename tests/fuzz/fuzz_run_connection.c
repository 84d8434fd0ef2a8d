/* SPDX-License-Identifier: ISC */
/*
 * SSH_CONNECTION into a question to the kernel, and the kernel's answer into two numbers. The first byte says which.
 * An answer of any bytes is read inside its bounds, gives what a second, plain reading gives, and changes nothing when
 * it is refused; a question that is made, told again in words, is made as the same.
 */
#include "tests/fuzz/fuzz.h"

#include "backup/run_connection.c" /* its static functions */

static uint32_t bytes_at(const uint8_t *at, unsigned count)
{
	uint32_t number = 0;

	for (unsigned i = count; i > 0; i--) /* as the kernel writes: in this host's order */
		number = number << 8 | at[__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? i - 1 : count - i];
	return number;
}

/* The payload of the first attribute INET_DIAG_INFO that is long enough, by offsets alone; NULL: there is none. */
static const uint8_t *info_find(const uint8_t *answer, size_t size, size_t *length)
{
	size_t end, at = NLMSG_LENGTH(sizeof(struct inet_diag_msg));

	if (size < sizeof(struct nlmsghdr))
		return NULL;
	end = bytes_at(answer, 4);
	if (end > size || end < at || bytes_at(answer + 4, 2) != SOCK_DIAG_BY_FAMILY)
		return NULL;
	while (end - at >= 4) {
		size_t whole = bytes_at(answer + at, 2);

		if (whole < 4 || whole > end - at)
			return NULL;
		*length = whole - 4;
		if (bytes_at(answer + at + 2, 2) == INET_DIAG_INFO &&
		    *length >= offsetof(struct tcp_info, tcpi_segs_out))
			return answer + at + 4;
		if (((whole + 3) & ~(size_t)3) >= end - at)
			return NULL;
		at += (whole + 3) & ~(size_t)3;
	}
	return NULL;
}

static void check_answer(const uint8_t *data, size_t size)
{
	const struct run_bytes before = { .in = 0x1122334455667788, .out = 0x8877665544332211 };
	struct run_bytes bytes = before;
	size_t length = 0;
	const uint8_t *info = info_find(data, size, &length);
	void *copy = take_copy(data, size); /* aligned as any type wants it */
	bool read = size > 0 && answer_read(copy, size, &bytes);

	free(copy);
	must(read == (info != NULL));
	if (!read) {
		must(memcmp(&bytes, &before, sizeof(bytes)) == 0);
		return;
	}
	must(memcmp(&bytes.in, info + offsetof(struct tcp_info, tcpi_bytes_received), 8) == 0);
	must(memcmp(&bytes.out, info + offsetof(struct tcp_info, tcpi_bytes_acked), 8) == 0);
}

static void check_question(const char *text)
{
	char dst[INET6_ADDRSTRLEN], src[INET6_ADDRSTRLEN], again[192];
	struct diag_request request, other;
	const struct inet_diag_sockid *id = &request.body.id;

	if (!request_make(text, &request))
		return;
	must(request.head.nlmsg_len == sizeof(request) && request.head.nlmsg_flags == NLM_F_REQUEST);
	must(request.body.sdiag_family == AF_INET || request.body.sdiag_family == AF_INET6);
	must(inet_ntop(request.body.sdiag_family, id->idiag_dst, dst, sizeof(dst)) != NULL);
	must(inet_ntop(request.body.sdiag_family, id->idiag_src, src, sizeof(src)) != NULL);
	snprintf(again, sizeof(again), "%s %u %s %u", dst, ntohs(id->idiag_dport), src, ntohs(id->idiag_sport));
	must(request_make(again, &other) && memcmp(&request, &other, sizeof(request)) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input input = { data, size };

	if (take_byte(&input) % 2 == 0) {
		check_answer(input.at, input.left);
	} else {
		char *text = take_text(&input);

		check_question(text);
		free(text);
	}
	return 0;
}
