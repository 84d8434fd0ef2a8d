/* SPDX-License-Identifier: ISC */
/*
 * How much went over the connection of this session: asked of the kernel, since sshd gives its children pipes
 * or socket pairs, which count nothing, and passing all data on ourselves would slow down what we want to measure.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "account/id.h"
#include "backup/run_watch.h"
#include "confine/cleanup.h"

struct diag_request {
	struct nlmsghdr head;
	struct inet_diag_req_v2 body;
};

/* One of "CLIENT PORT SERVER PORT"; the zone of a link-local address is of no use here. */
static bool end_parse(const char *address, const char *port, unsigned char family, uint32_t *raw, uint16_t *number)
{
	char plain[RUN_ADDRESS_MAX + 1];
	uint32_t value;

	if (snprintf(plain, sizeof(plain), "%.*s", (int)strcspn(address, "%"), address) >= (int)sizeof(plain))
		return false;
	if (id_parse(port, &value) < 0 || value > UINT16_MAX || inet_pton(family, plain, raw) != 1)
		return false;
	*number = htons((uint16_t)value);
	return true;
}

static bool request_make(const char *connection, struct diag_request *request)
{
	struct inet_diag_sockid *id = &request->body.id;
	char copy[192], *rest = copy, *word[4];

	*request = (struct diag_request){
		.head = { .nlmsg_len = sizeof(*request),
			  .nlmsg_type = SOCK_DIAG_BY_FAMILY,
			  .nlmsg_flags = NLM_F_REQUEST },
		.body = { .sdiag_protocol = IPPROTO_TCP,
			  .idiag_ext = 1 << (INET_DIAG_INFO - 1),
			  .idiag_states = ~UINT32_C(0) },
	};
	if (snprintf(copy, sizeof(copy), "%s", connection) >= (int)sizeof(copy))
		return false;
	for (int i = 0; i < 4; i++)
		if ((word[i] = strsep(&rest, " ")) == NULL)
			return false;
	request->body.sdiag_family = strchr(word[0], ':') != NULL ? AF_INET6 : AF_INET;
	id->idiag_cookie[0] = id->idiag_cookie[1] = INET_DIAG_NOCOOKIE;
	return end_parse(word[0], word[1], request->body.sdiag_family, id->idiag_dst, &id->idiag_dport) &&
	       end_parse(word[2], word[3], request->body.sdiag_family, id->idiag_src, &id->idiag_sport);
}

static bool answer_read(void *buffer, size_t size, struct run_bytes *bytes)
{
	struct nlmsghdr *head = buffer; /* not const: the macros of the kernel's headers take it away */
	struct inet_diag_msg *body = NLMSG_DATA(head);
	struct rtattr *attribute = (struct rtattr *)(body + 1);
	size_t left;
	struct tcp_info info = { 0 };

	if (!NLMSG_OK(head, size) || head->nlmsg_type != SOCK_DIAG_BY_FAMILY ||
	    head->nlmsg_len < NLMSG_LENGTH(sizeof(*body)))
		return false;
	left = head->nlmsg_len - NLMSG_LENGTH(sizeof(*body));
	for (; RTA_OK(attribute, left);
	     attribute = (struct rtattr *)((char *)attribute + RTA_ALIGN(attribute->rta_len))) {
		if (attribute->rta_type == INET_DIAG_INFO &&
		    RTA_PAYLOAD(attribute) >= offsetof(struct tcp_info, tcpi_segs_out)) {
			memcpy(&info, RTA_DATA(attribute),
			       RTA_PAYLOAD(attribute) < sizeof(info) ? RTA_PAYLOAD(attribute) : sizeof(info));
			*bytes = (struct run_bytes){ .in = info.tcpi_bytes_received, .out = info.tcpi_bytes_acked };
			return true;
		}
		if (RTA_ALIGN(attribute->rta_len) >= left)
			break;
		left -= RTA_ALIGN(attribute->rta_len);
	}
	return false;
}

bool run_connection_bytes(const char *connection, struct run_bytes *bytes)
{
	_Alignas(struct nlmsghdr) char buffer[4096];
	const struct timeval patience = { .tv_usec = 100000 };
	struct diag_request request;
	cleanup_fd int fd = -1;
	ssize_t got;

	if (connection == NULL || !request_make(connection, &request))
		return false;
	fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) < 0)
		return false;
	if (send(fd, &request, sizeof(request), 0) != (ssize_t)sizeof(request))
		return false;
	got = recv(fd, buffer, sizeof(buffer), 0);
	return got > 0 && answer_read(buffer, (size_t)got, bytes);
}
