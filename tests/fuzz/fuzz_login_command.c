/* SPDX-License-Identifier: ISC */
/*
 * The forced command, both ways, and the authorized_keys line. First byte: a text (1), or a key (0) of any bytes in its
 * fields. A text that is read is written as one that reads the same; a key that is written is one line, of which no
 * field can make more; what the gate is called with is a table's, and a client's command is read to its end and no
 * further.
 */
#include "tests/fuzz/fuzz.h"

#include <errno.h>

#include "account/key.h"
#include "account/role.h"
#include "backup/login_command.h"

#define UNTOUCHED 0x5a

static void key_of(const struct login_command *command, struct ssh_key *key)
{
	memset(key, 0, sizeof(*key));
	key->id = command->key_id;
	key->role = command->role;
	key->options = command->options;
	key->storage_quota = command->storage_quota;
	memcpy(key->tools, command->tools, sizeof(key->tools));
	memcpy(key->net, command->net, sizeof(key->net));
	memcpy(key->command, command->line, sizeof(key->command));
	memcpy(key->fingerprint, command->fingerprint, sizeof(key->fingerprint));
	if (command->forward != 0)
		memcpy(key->forward, "a:1", 4);
}

static void check_arguments(const struct login_command *command)
{
	static const char *const known[] = { "subuid-rrsync", "-report",       "-wo",          "-ro",       "-blind",
					     "-no-del",       "-no-overwrite", "-fake-super",  "--",        "/home",
					     "subuid-tool",   "-absolute",     "-append-only", "-read-only" };
	const char *gate[LOGIN_GATE_ARGUMENTS + 1], *tool[LOGIN_GATE_ARGUMENTS + 1];
	static const struct account_bounds no_bounds;
	static const struct index_host none;
	struct login_numbers numbers;
	size_t n = 0;

	login_gate_arguments(command, &none, &no_bounds, "/home", gate, &numbers);
	login_tool_arguments(command, &none, &no_bounds, "-takes=x", "/home", tool, &numbers);
	for (; gate[n] != NULL; n++) {
		size_t i = 0;

		while (i < sizeof(known) / sizeof(known[0]) && strcmp(gate[n], known[i]) != 0)
			i++;
		must(i < sizeof(known) / sizeof(known[0]));
	}
	must(n < LOGIN_GATE_ARGUMENTS && strcmp(gate[n - 1], "/home") == 0 && strcmp(gate[n - 2], "--") == 0);
	for (n = 0; tool[n] != NULL; n++)
		must(n < LOGIN_GATE_ARGUMENTS - 1);
	must(strcmp(tool[n - 1], "/home") == 0 && tool[n - 2] == command->tools && strcmp(tool[n - 3], "--") == 0 &&
	     strcmp(tool[n - 4], "-takes=x") == 0);
}

/* What a role and an option forbid is in the arguments. */
static void check_strict(const struct login_command *command)
{
	const char *gate[LOGIN_GATE_ARGUMENTS];
	static const struct account_bounds no_bounds;
	static const struct index_host none;
	struct login_numbers numbers;
	char all[256] = " ";

	login_gate_arguments(command, &none, &no_bounds, "/home", gate, &numbers);
	for (size_t n = 0; gate[n] != NULL; n++)
		snprintf(all + strlen(all), sizeof(all) - strlen(all), "%s ", gate[n]);
	must(command->role != ROLE_PUSH || strstr(all, " -wo ") != NULL);
	must(command->role != ROLE_PULL || strstr(all, " -ro ") != NULL);
	must(command->role != ROLE_BLIND || strstr(all, " -blind ") != NULL);
	must((command->options & (KEY_NO_DELETE | KEY_APPEND_ONLY)) == 0 || strstr(all, " -no-del ") != NULL);
	must((command->options & (KEY_NO_OVERWRITE | KEY_APPEND_ONLY)) == 0 || strstr(all, " -no-overwrite ") != NULL);
}

static void check_original(const struct login_command *command, const char *original)
{
	bool rsync = login_command_is_rsync(command, original);

	must(!rsync || command->role != ROLE_NONE);
	must(rsync || command->role == ROLE_NONE || command->tools[0] != '\0');
	if (login_command_looks(original))
		must(strstr(original, "--") != NULL || strchr(original, 'n') != NULL);
}

static void check_text(struct input *input)
{
	char *text = take_text(input), *original = take_text(input);
	char written[LOGIN_COMMAND_MAX + 1], again[LOGIN_COMMAND_MAX + 1];
	struct login_command command, other;
	struct ssh_key key;

	memset(&command, UNTOUCHED, sizeof(command));
	if (login_command_parse(text, &command) < 0) {
		for (size_t i = 0; i < sizeof(command); i++)
			must(((const char *)&command)[i] == UNTOUCHED);
	} else {
		key_of(&command, &key);
		must(key_words_format(&key, written, sizeof(written)) == (int)strlen(written));
		must(login_command_parse(written, &other) == 0);
		must(memcmp(command.tools, other.tools, sizeof(other.tools)) == 0);
		must(memcmp(command.fingerprint, other.fingerprint, sizeof(other.fingerprint)) == 0);
		must(command.role == other.role && command.forward == other.forward &&
		     command.options == other.options);
		must(command.key_id == other.key_id && command.storage_quota == other.storage_quota);
		key_of(&other, &key);
		must(key_words_format(&key, again, sizeof(again)) > 0 && strcmp(written, again) == 0);
		check_arguments(&command);
		check_strict(&command);
		check_original(&command, original);
	}
	free(text);
	free(original);
}

/* One line, nothing in it that ends a quoted value early. */
static void check_line(const struct ssh_key *key, const char *line, int length)
{
	static const char command[] = ",command=\"";
	const char *at = strstr(line, command), *end;
	struct login_command parsed;
	char text[LOGIN_COMMAND_MAX + 1];
	unsigned quotes = 0;

	must(length > 0 && (size_t)length == strlen(line) && strncmp(line, "restrict", 8) == 0);
	for (int i = 0; i < length - 1; i++) {
		must(line[i] >= ' ' && line[i] < 0x7f && line[i] != '\\');
		quotes += line[i] == '"';
	}
	must(line[length - 1] == '\n' && quotes % 2 == 0 && at != NULL);
	at += sizeof(command) - 1;
	end = strchr(at, '"');
	must(end != NULL && (size_t)(end - at) < sizeof(text) && end[1] == ' ');
	snprintf(text, sizeof(text), "%.*s", (int)(end - at), at);
	must(login_command_parse(text, &parsed) == 0);
	must(parsed.key_id == key->id && parsed.options == key->options && parsed.role == key->role);
	must(parsed.storage_quota == key->storage_quota && (parsed.forward != 0) == (key->forward[0] != '\0'));
	must(strcmp(parsed.fingerprint, key->fingerprint) == 0);
	must((strstr(line, ",port-forwarding,permitopen=\"") != NULL) == (key->forward[0] != '\0'));
	must((strstr(line, ",from=\"") != NULL) == (key->from[0] != '\0'));
	must((strstr(line, ",expiry-time=\"") != NULL) == (key->expires != 0));
}

static void field_take(struct input *input, char *out, size_t size)
{
	char *text = take_text(input);

	memset(out, 0, size);
	memcpy(out, text, strnlen(text, size - 1));
	free(text);
}

static void key_take(struct input *input, struct ssh_key *key)
{
	memset(key, 0, sizeof(*key));
	key->id = (uint32_t)take_number(input, 4);
	key->role = take_byte(input);
	key->options = take_byte(input);
	key->expires = (int64_t)take_number(input, 8);
	key->storage_quota = take_number(input, 8);
	field_take(input, key->tools, sizeof(key->tools));
	field_take(input, key->forward, sizeof(key->forward));
	field_take(input, key->from, sizeof(key->from));
	field_take(input, key->type, sizeof(key->type));
	field_take(input, key->fingerprint, sizeof(key->fingerprint));
	field_take(input, key->blob, sizeof(key->blob));
}

static void check_key(struct input *input)
{
	size_t size = 1 + take_number(input, 2) % 8192;
	char *out = malloc(size);
	struct ssh_key key;
	int length;

	must(out != NULL);
	key_take(input, &key);
	length = authorized_keys_line(&key, out, size);
	must(length == -EINVAL || length == -ENOSPC || ((size_t)length < size && length > 0));
	if (length > 0)
		check_line(&key, out, length);
	free(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input input = { data, size };

	if (take_byte(&input) % 2 == 1)
		check_text(&input);
	else
		check_key(&input);
	return 0;
}
