/* SPDX-License-Identifier: ISC */
/*
 * Writes what the fuzzer of the wire begins with: a request of each operation, as the worker makes it of JSON. Their
 * bytes change with each record: `make wire-seeds` makes them anew, tests/unit/test_worker_parse.c says when.
 */
#include <err.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "worker/import.h"

#define KEY "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8g"

static const struct {
	uint32_t op;
	const char *name, *json;
} seeds[] = {
	{ OP_STATUS, "", "{}" },
	{ OP_ACCOUNT_ADD, "",
	  "{\"label\":\"web1\",\"owner\":\"alice\",\"range\":65536,\"quota\":1048576,\"files\":100,\"view\":\"owner\","
	  "\"expires\":\"2031-12-31\",\"alarm\":3600,\"comment\":\"c\",\"key\":{\"key\":\"" KEY
	  "\",\"role\":\"push\"}}" },
	{ OP_ACCOUNT_GET, "", "{\"label\":\"web1\"}" },
	{ OP_ACCOUNT_LIST, "", "{\"owner\":\"alice\"}" },
	{ OP_ACCOUNT_MODIFY, "", "{\"label\":\"web1\",\"quota\":0,\"expires\":\"\",\"comment\":\"\"}" },
	{ OP_ACCOUNT_LOCK, "", "{\"label\":\"web1\"}" },
	{ OP_ACCOUNT_UNLOCK, "", "{\"label\":\"web1\"}" },
	{ OP_ACCOUNT_FREEZE, "", "{\"label\":\"web1\"}" },
	{ OP_ACCOUNT_THAW, "", "{\"label\":\"web1\"}" },
	{ OP_ACCOUNT_KILL, "", "{\"label\":\"web1\",\"now\":true}" },
	{ OP_ACCOUNT_ENTER, "", "{\"label\":\"web1\",\"container\":true}" },
	{ OP_ACCOUNT_BECOME, "", "{\"label\":\"web1\"}" },
	{ OP_ACCOUNT_REMOVE, "", "{\"label\":\"web1\",\"purge\":true}" },
	{ OP_ACCOUNT_MOUNT, "", "{\"label\":\"web1\"}" },
	{ OP_KEY_ADD, "",
	  "{\"label\":\"web1\",\"key\":{\"key\":\"" KEY
	  "\",\"role\":\"borg,forward\",\"forward\":\"h:1\",\"from\":\"::1\"}}" },
	{ OP_KEY_LIST, "", "{\"label\":\"web1\"}" },
	{ OP_KEY_REMOVE, "", "{\"label\":\"web1\",\"id\":7}" },
	{ OP_RANGE_ADD, "", "{\"label\":\"web1\",\"count\":65536}" },
	{ OP_RANGE_LIST, "", "{\"all\":true}" },
	{ OP_RANGE_REMOVE, "", "{\"first\":1073741824}" },
	{ OP_LIMIT_GET, "", "{\"owner\":\"alice\"}" },
	{ OP_LIMIT_SET, "", "{\"owner\":\"alice\",\"accounts\":5}" },
	{ OP_AUDIT_LIST, "", "{\"before\":9}" },
	{ OP_CHECK, "", "{}" },
	{ OP_TOMBSTONE_RELEASE, "", "{\"first\":1073741824}" },
	{ OP_IMPORT, "-account",
	  "{\"line\":1,\"kind\":\"account\",\"owner\":\"alice\",\"label\":\"web1\",\"uid\":2100000000,\"quota\":5,"
	  "\"locked\":true}" },
	{ OP_IMPORT, "-key",
	  "{\"line\":1,\"kind\":\"key\",\"owner\":\"alice\",\"label\":\"web1\",\"id\":3,\"key\":{\"key\":\"" KEY
	  "\"}}" },
	{ OP_IMPORT, "-run",
	  "{\"line\":1,\"kind\":\"run\",\"owner\":\"alice\",\"label\":\"web1\",\"run\":{\"started\":1700000000,"
	  "\"durationMs\":5,"
	  "\"tool\":\"rsync\",\"kind\":\"backup\",\"status\":0,\"keyId\":3,\"fingerprint\":\"\"}}" },
	{ OP_LIMIT_LIST, "", "{}" },
	{ OP_TOMBSTONE_LIST, "", "{}" },
	{ OP_RUN_LIST, "", "{\"label\":\"web1\"}" },
	{ OP_ACCOUNT_RENAME, "", "{\"label\":\"web1\",\"to\":\"web2\"}" },
	{ OP_OWNER_CHANGE, "", "{\"from\":\"alice\",\"to\":\"bob\"}" },
	{ OP_FORMER_LIST, "", "{}" },
	{ OP_COUNTER_LIST, "", "{\"all\":true}" },
	{ OP_STATE_SAVE, "", "{}" },
	{ OP_REPAIR, "", "{\"repair\":\"account\",\"owner\":\"alice\",\"label\":\"web1\"}" },
	{ OP_ACCOUNT_RESTORE, "", "{\"label\":\"web1\",\"as\":\"web2\",\"uid\":2100000000}" },
	{ OP_REMOVED_LIST, "", "{\"all\":true}" },
	{ OP_KEY_CHANGE, "",
	  "{\"label\":\"web1\",\"id\":7,\"clearOptions\":true,\"key\":{\"key\":\"" KEY
	  "\",\"role\":\"pull\",\"options\":[\"no-delete\"],\"from\":\"::1\",\"expires\":1900000000}}" },
	{ OP_MANAGE_KEY_ADD, "", "{\"key\":{\"key\":\"" KEY "\",\"role\":\"manage\",\"from\":\"::1\"}}" },
	{ OP_MANAGE_KEY_LIST, "", "{\"owner\":\"alice\"}" },
	{ OP_MANAGE_KEY_REMOVE, "", "{\"id\":7}" },
	{ OP_PASSWORD_REHASH, "", "{\"owner\":\"alice\",\"label\":\"web1\",\"password\":\"abcd\"}" },
};

static void seed_write(const char *path, const struct request *request)
{
	const size_t head = offsetof(struct request, name);
	unsigned char op = (unsigned char)request->op;
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	if (fd < 0 || write(fd, &op, 1) != 1 ||
	    write(fd, (const char *)request + head, request->size - head) != (ssize_t)(request->size - head) ||
	    close(fd) < 0)
		err(1, "%s", path);
}

int main(int argc, char **argv)
{
	if (argc != 2)
		errx(2, "usage: make_wire_seeds DIRECTORY");
	for (size_t i = 0; i < sizeof(seeds) / sizeof(seeds[0]); i++) {
		json_t *parameters = json_loads(seeds[i].json, 0, NULL);
		struct failure_text failure = { 0 };
		struct request request;
		char path[4096];
		int r = seeds[i].op == OP_IMPORT ? worker_parse_import(parameters, &request, &failure) :
						   worker_parse(seeds[i].op, parameters, &request, &failure);

		if (r < 0)
			errx(1, "op %u: %s: %s", seeds[i].op, failure.what, failure.why);
		snprintf(path, sizeof(path), "%s/op%02u%s", argv[1], seeds[i].op, seeds[i].name);
		seed_write(path, &request);
		json_decref(parameters);
	}
	return 0;
}
