/* SPDX-License-Identifier: ISC */
/* What the holder of a key is to paste. Only words that no shell and no ssh_config reads otherwise get into it. */
#include "cli/new_key.h"

#include <limits.h>
#include <netdb.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/print.h"
#include "cli/subuid.h"

static bool plain(const char *word)
{
	static const char safe[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";

	return word[0] != '\0' && word[0] != '-' && word[strspn(word, safe)] == '\0';
}

/* The name by which others may know this host: its own when that has a domain,
 * else what the resolver makes of it. */
static const char *own_host(void)
{
	static char name[HOST_NAME_MAX + 1];
	const struct addrinfo hints = {.ai_flags = AI_CANONNAME, .ai_socktype = SOCK_STREAM};
	struct addrinfo *found = NULL;
	static char full[256];

	if (gethostname(name, sizeof(name)) < 0 || !plain(name))
		return "THIS-HOST";
	if (strchr(name, '.') != NULL || getaddrinfo(name, NULL, &hints, &found) != 0)
		return name;

	const char *canonical = found->ai_canonname;
	bool better = canonical != NULL && plain(canonical) && strchr(canonical, '.') != NULL &&
		      strncmp(canonical, "localhost", 9) != 0 && strlen(canonical) < sizeof(full);

	if (better)
		memcpy(full, canonical, strlen(canonical) + 1);
	freeaddrinfo(found);
	return better ? full : name;
}

/* The private key beside which FILE.pub most likely lies, on the server too. */
static void identity_of(const char *label, const struct new_key *key, char out[NAME_MAX + 1])
{
	const char *file = key->file != NULL ? key->file : "-";
	const char *slash = strrchr(file, '/'), *base = slash != NULL ? slash + 1 : file;
	size_t length = strlen(base);

	if (length > 4 && strcmp(base + length - 4, ".pub") == 0)
		length -= 4;
	snprintf(out, NAME_MAX + 1, "%.*s", (int)length, base);
	if (!plain(out) || length > NAME_MAX)
		snprintf(out, NAME_MAX + 1, "%s", label);
}

static bool reads(const struct new_key *key)
{
	return key->role != NULL && strcmp(key->role, "pull") == 0;
}

char *client_command(const char *account, const char *label, const struct new_key *key)
{
	const char *host = own_host();
	const char *delete = key->options & KEY_NO_DELETE ? "" : " --delete";
	char identity[NAME_MAX + 1], *command = NULL;
	int length;

	identity_of(label, key, identity);
	if (reads(key))
		length = asprintf(&command,
				  "rsync -aHAX --numeric-ids -e 'ssh -i ~/.ssh/%s' %s@%s:etc/ etc.restored/",
				  identity, account, host);
	else
		length = asprintf(&command, "rsync -aHAX --numeric-ids%s -e 'ssh -i ~/.ssh/%s' /etc/ %s@%s:etc/",
				  delete, identity, account, host);
	return length < 0 ? NULL : command;
}

void client_print(const char *account, const char *label, const struct new_key *key)
{
	char identity[NAME_MAX + 1], *command = client_command(account, label, key);

	identity_of(label, key, identity);
	printf("\nOn the machine that has the private key (here ~/.ssh/%s), as root, %s with\n\n", identity,
	       reads(key) ? "restore" : "back up");
	printf("  %s\n\n", command != NULL ? command : "rsync");
	printf("or put this into its ~/.ssh/config, and write %s:etc/ for the address:\n\n", label);
	printf("  Host %s\n      HostName %s\n      User %s\n      IdentityFile ~/.ssh/%s\n      IdentitiesOnly "
	       "yes\n",
	       label, own_host(), account, identity);
	free(command);
}
