/* SPDX-License-Identifier: ISC */
/* The text for the holder of a key to paste. It contains only words that every shell and ssh_config read the same way.
 */
#include "cli/new_key.h"

#include <inttypes.h>
#include <limits.h>
#include <netdb.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "account/shell.h"
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
	const struct addrinfo hints = { .ai_flags = AI_CANONNAME, .ai_socktype = SOCK_STREAM };
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

/* How one key is used. ssh: "ssh -i ~/.ssh/web1", or "ssh" where ~/.ssh/config says the rest; at: what stands before
 * the ":" of an address. */
struct client {
	const char *account, *label, *host;
	const struct new_key *key;
	struct roles roles;
	char identity[NAME_MAX + 1];
	char alias[NAME_MAX + LABEL_MAX + 2]; /* Host in ~/.ssh/config: one for each key */
	char ssh[NAME_MAX + 32], at[ACCOUNT_NAME_MAX + 258];
};

static void client_by_key(struct client *c)
{
	snprintf(c->ssh, sizeof(c->ssh), "ssh -i ~/.ssh/%s", c->identity);
	snprintf(c->at, sizeof(c->at), "%s@%s", c->account, c->host);
}

static void client_by_alias(struct client *c)
{
	snprintf(c->ssh, sizeof(c->ssh), "ssh");
	snprintf(c->at, sizeof(c->at), "%s", c->alias);
}

/* id: of a key that is not the account's first; 0: it is. */
static void client_of(const char *account, const char *label, uint64_t id, const struct new_key *key,
		      struct client *client)
{
	*client = (struct client){ .account = account, .label = label, .host = own_host(), .key = key };
	identity_of(label, key, client->identity);
	if (id == 0)
		snprintf(client->alias, sizeof(client->alias), "%s", label);
	else if (strcmp(client->identity, label) != 0)
		snprintf(client->alias, sizeof(client->alias), "%s-%s", label, client->identity);
	else
		snprintf(client->alias, sizeof(client->alias), "%s-%" PRIu64, label, id);
	if (new_key_roles(key, &client->roles) < 0)
		client->roles.role = ROLE_PUSH;
	client_by_key(client);
}

/* By the key itself, or by the block that says the rest. */
static bool by_alias(const struct client *c)
{
	return strcmp(c->ssh, "ssh") == 0;
}

static char *rsync_command(const struct client *c)
{
	/* without --fake-super owners, ACLs and attributes of a system have no place to be kept in */
	const char *what = c->key->options & KEY_NO_FAKE_SUPER ? "-rlptH" : "-aHAX --numeric-ids";
	const char *delete =
		c->key->options & (KEY_NO_DELETE | KEY_APPEND_ONLY) || c->roles.role == ROLE_BLIND ? "" : " --delete";
	bool plain_ssh = by_alias(c);
	char by[sizeof(c->ssh) + 8], *command = NULL;
	int length;

	snprintf(by, sizeof(by), "%s%s%s", plain_ssh ? "" : " -e '", plain_ssh ? "" : c->ssh, plain_ssh ? "" : "'");
	if (c->roles.role == ROLE_PULL)
		length = asprintf(&command, "rsync %s%s %s:etc/ etc.restored/", what, by, c->at);
	else
		length = asprintf(&command, "rsync %s%s%s /etc/ %s:etc/", what, delete, by, c->at);
	return length < 0 ? NULL : command;
}

static bool tool_is(const char *tool, size_t name, const char *wanted)
{
	return name == strlen(wanted) && memcmp(tool, wanted, name) == 0;
}

/* With words of the tool's own, at its end: those of one that makes a repository, or of one that uses it. */
static char *repository_command(const struct client *c, bool borg, const char *words)
{
	char *command = NULL;
	int length;

	if (borg)
		length = asprintf(&command, "BORG_RSH='%s' BORG_REPO=ssh://%s/borg borg %s", c->ssh, c->at, words);
	else
		length = asprintf(&command, "restic -o rclone.program='%s %s rclone' -r rclone:restic %s", c->ssh,
				  c->at, words);
	return length < 0 ? NULL : command;
}

static char *rdiff_command(const struct client *c, bool reads)
{
	char schema[sizeof(c->ssh) + 64] = "", *command = NULL;
	int length;

	if (!by_alias(c))
		snprintf(schema, sizeof(schema), " --remote-schema '%s {h} rdiff-backup --server'", c->ssh);
	length = reads ? asprintf(&command, "rdiff-backup%s restore %s::rdiff-backup rdiff-backup.restored", schema,
				  c->at) :
			 asprintf(&command, "rdiff-backup%s backup /etc %s::rdiff-backup", schema, c->at);
	return length < 0 ? NULL : command;
}

/* In a working tree; the owner has made the repository. */
static char *git_command(const struct client *c, bool pushes)
{
	char by[sizeof(c->ssh) + 32] = "", *command = NULL;
	int length;

	if (!by_alias(c))
		snprintf(by, sizeof(by), "GIT_SSH_COMMAND='%s' ", c->ssh);
	length = asprintf(&command, "%sgit %s %s:repository.git", by, pushes ? "push --all" : "clone", c->at);
	return length < 0 ? NULL : command;
}

/* unison takes no '+' in the name of a user. */
static char *unison_command(const struct client *c)
{
	char *command = NULL;
	int length;

	if (by_alias(c))
		length = asprintf(&command, "unison -batch /etc ssh://%s/unison", c->at);
	else
		length = asprintf(&command, "unison -batch -sshargs '%s -l %s' /etc ssh://%s/unison",
				  c->ssh + strlen("ssh "), c->account, c->host);
	return length < 0 ? NULL : command;
}

static char *shell_command(const struct client *c, bool shell)
{
	bool terminal = (c->key->options & KEY_TTY) != 0;
	char *command = NULL;
	int length = asprintf(&command, "%s%s %s%s", c->ssh, terminal && !shell ? " -t" : "", c->at,
			      shell && !terminal ? " 'ls -l'" : "");

	return length < 0 ? NULL : command;
}

static char *tool_command(const struct client *c, const char *tool, size_t name)
{
	bool reads = (c->key->options & KEY_READ_ONLY) != 0;
	char *command = NULL;
	int length;

	if (tool_is(tool, name, SHELL_ROLE) || tool_is(tool, name, COMMAND_ROLE))
		return shell_command(c, tool_is(tool, name, SHELL_ROLE));
	if (tool_is(tool, name, "borg"))
		return repository_command(c, true, reads ? "--bypass-lock list" : "create ::{now} /etc");
	if (tool_is(tool, name, "restic"))
		return repository_command(c, false, reads ? "--no-lock snapshots" : "backup /etc");
	if (tool_is(tool, name, "rdiff-backup"))
		return rdiff_command(c, reads);
	if (tool_is(tool, name, "git-receive-pack") || tool_is(tool, name, "git-upload-pack"))
		return git_command(c, tool_is(tool, name, "git-receive-pack"));
	if (tool_is(tool, name, "unison"))
		return unison_command(c);
	if (tool_is(tool, name, "sftp") || tool_is(tool, name, "rclone-sftp"))
		length = asprintf(&command, "sftp%s %s", c->ssh + strlen("ssh"), c->at);
	else
		length = asprintf(&command, "%s %s %.*s …", c->ssh, c->at, (int)name, tool);
	return length < 0 ? NULL : command;
}

/* The command before the first use of a repository; NULL: none is needed. */
static char *first_command(const struct client *c, const char *tool, size_t name)
{
	if ((c->key->options & KEY_READ_ONLY) != 0)
		return NULL;
	if (tool_is(tool, name, "borg"))
		return repository_command(c, true, "init -e repokey");
	return tool_is(tool, name, "restic") ? repository_command(c, false, "init") : NULL;
}

static char *forward_command(const struct client *c)
{
	const char *address = c->key->forward, *port = address != NULL ? strrchr(address, ':') : NULL;
	char *command = NULL;
	int length;

	if (port == NULL)
		return NULL;
	length = asprintf(&command, "%s -N -L %s%s:%s %s", c->ssh, strlen(port + 1) < 4 ? "10" : "", port + 1, address,
			  c->at);
	return length < 0 ? NULL : command;
}

static char *manage_command(const struct client *c)
{
	char *command = NULL;

	return asprintf(&command, "%s %s subuid status", c->ssh, c->at) < 0 ? NULL : command;
}

char *client_command(const char *account, const char *label, const struct new_key *key)
{
	struct client client;
	const char *next, *tool;
	size_t length;

	client_of(account, label, 0, key, &client);
	if (client.roles.role == ROLE_MANAGE)
		return manage_command(&client);
	if (client.roles.role != ROLE_NONE)
		return rsync_command(&client);
	next = client.roles.tools;
	length = tools_next(&next, &tool);
	return length > 0 ? tool_command(&client, tool, length) : forward_command(&client);
}

static void command_print(char *command, const char *when)
{
	if (command != NULL)
		printf("  %s%s\n", command, when);
	free(command);
}

/* All uses of the key: rsync first, then tools in its order. */
static void commands_print(const struct client *c)
{
	const char *next = c->roles.tools, *tool;
	size_t length;

	if (c->roles.role == ROLE_MANAGE)
		command_print(manage_command(c), "");
	else if (c->roles.role != ROLE_NONE)
		command_print(rsync_command(c), "");
	while ((length = tools_next(&next, &tool)) > 0) {
		command_print(first_command(c, tool, length), "   # the first time");
		command_print(tool_command(c, tool, length), "");
	}
	if (c->roles.forward)
		command_print(forward_command(c), "");
}

/* What is done with it there. */
static const char *use_of(const struct client *c)
{
	if (c->roles.role == ROLE_MANAGE)
		return "manage";
	if (tools_isolated(c->roles.tools))
		return "work";
	if (c->roles.role == ROLE_NONE && c->roles.tools[0] == '\0')
		return "forward";
	return c->roles.role == ROLE_PULL || (c->key->options & KEY_READ_ONLY) != 0 ? "restore" : "back up";
}

void client_print(const char *account, const char *label, uint64_t id, const struct new_key *key)
{
	struct client client;

	client_of(account, label, id, key, &client);
	printf("\nOn the machine that has the private key (here ~/.ssh/%s)%s, %s with\n\n", client.identity,
	       client.roles.role == ROLE_MANAGE ? "" : ", as root", use_of(&client));
	commands_print(&client);
	printf("\nor put this into its ~/.ssh/config:\n\n");
	printf("  Host %s\n      HostName %s\n      User %s\n      IdentityFile ~/.ssh/%s\n      "
	       "IdentitiesOnly yes\n\n",
	       client.alias, client.host, account, client.identity);
	client_by_alias(&client);
	commands_print(&client);
}
