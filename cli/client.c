/* SPDX-License-Identifier: ISC */
/* The text that the holder of a key pastes. It contains only words that every shell and ssh_config read the same
 * way. */
#include "cli/new_key.h"

#include <limits.h>
#include <netdb.h>
#include <stdbool.h>
#include <stdio.h>
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

/* The use that the command and its words are for: rsync first, then tools in the order of the key. */
struct client {
	const char *account, *label, *host;
	const struct new_key *key;
	char identity[NAME_MAX + 1];
	struct roles roles;
};

static void client_of(const char *account, const char *label, const struct new_key *key, struct client *client)
{
	*client = (struct client){ .account = account, .label = label, .host = own_host(), .key = key };
	identity_of(label, key, client->identity);
	if (new_key_roles(key, &client->roles) < 0)
		client->roles.role = ROLE_PUSH;
}

static char *rsync_command(const struct client *c)
{
	const char *delete = c->key->options & (KEY_NO_DELETE | KEY_APPEND_ONLY) || c->roles.role == ROLE_BLIND
				     ? "" : " --delete";
	char *command = NULL;
	int length;

	if (c->roles.role == ROLE_PULL)
		length = asprintf(&command,
				  "rsync -aHAX --numeric-ids -e 'ssh -i ~/.ssh/%s' %s@%s:etc/ etc.restored/",
				  c->identity, c->account, c->host);
	else
		length = asprintf(&command, "rsync -aHAX --numeric-ids%s -e 'ssh -i ~/.ssh/%s' /etc/ %s@%s:etc/",
				  delete, c->identity, c->account, c->host);
	return length < 0 ? NULL : command;
}

static char *tool_command(const struct client *c, const char *tool, size_t name)
{
	bool reads = (c->key->options & KEY_READ_ONLY) != 0;
	char *command = NULL;
	int length;

	if (name == 4 && memcmp(tool, "sftp", 4) == 0)
		length = asprintf(&command, "sftp -i ~/.ssh/%s %s@%s", c->identity, c->account, c->host);
	else if (name == 4 && memcmp(tool, "borg", 4) == 0)
		length = asprintf(&command, "BORG_RSH='ssh -i ~/.ssh/%s' BORG_REPO=ssh://%s@%s/./borg borg %s",
				  c->identity, c->account, c->host,
				  reads ? "--bypass-lock list" : "create ::{now} /etc");
	else if (name == 6 && memcmp(tool, "restic", 6) == 0)
		length = asprintf(&command,
				  "restic -o rclone.program='ssh -i ~/.ssh/%s %s@%s rclone' -r rclone:restic %s",
				  c->identity, c->account, c->host, reads ? "--no-lock snapshots" : "backup /etc");
	else
		length = asprintf(&command, "ssh -i ~/.ssh/%s %s@%s %.*s …", c->identity, c->account, c->host,
				  (int)name, tool);
	return length < 0 ? NULL : command;
}

static char *forward_command(const struct client *c)
{
	const char *address = c->key->forward, *port = address != NULL ? strrchr(address, ':') : NULL;
	char *command = NULL;
	int length;

	if (port == NULL)
		return NULL;
	length = asprintf(&command, "ssh -N -L %s%s:%s -i ~/.ssh/%s %s@%s", strlen(port + 1) < 4 ? "10" : "", port + 1,
			  address, c->identity, c->account, c->host);
	return length < 0 ? NULL : command;
}

char *client_command(const char *account, const char *label, const struct new_key *key)
{
	struct client client;
	const char *next, *tool;
	size_t length;

	client_of(account, label, key, &client);
	if (client.roles.role != ROLE_NONE)
		return rsync_command(&client);
	next = client.roles.tools;
	length = tools_next(&next, &tool);
	return length > 0 ? tool_command(&client, tool, length) : forward_command(&client);
}

static void command_print(char *command)
{
	if (command != NULL)
		printf("  %s\n", command);
	free(command);
}

void client_print(const char *account, const char *label, const struct new_key *key)
{
	struct client client;
	const char *next, *tool;
	size_t length;
	bool reads;

	client_of(account, label, key, &client);
	reads = client.roles.role == ROLE_PULL || (key->options & KEY_READ_ONLY) != 0;
	printf("\nOn the machine that has the private key (here ~/.ssh/%s), as root, %s with\n\n", client.identity,
	       client.roles.role == ROLE_NONE && client.roles.tools[0] == '\0' ? "forward"
	       : reads ? "restore" : "back up");
	if (client.roles.role != ROLE_NONE)
		command_print(rsync_command(&client));
	next = client.roles.tools;
	while ((length = tools_next(&next, &tool)) > 0)
		command_print(tool_command(&client, tool, length));
	if (client.roles.forward)
		command_print(forward_command(&client));
	printf("\nor put this into its ~/.ssh/config, and write %s:etc/ for the address:\n\n", label);
	printf("  Host %s\n      HostName %s\n      User %s\n      IdentityFile ~/.ssh/%s\n      IdentitiesOnly "
	       "yes\n",
	       label, client.host, account, client.identity);
}
