/* SPDX-License-Identifier: ISC */
/* Step two: the arguments of our own rsync. */
#include "backup/rsync_arguments.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "backup/file_count.h"

bool path_goes_up(const char *path)
{
	for (const char *p = path; *p != '\0'; p += *p == '/') {
		size_t length = strcspn(p, "/");

		if (length == 2 && p[0] == '.' && p[1] == '.')
			return true;
		p += length;
	}
	return false;
}

/* Appends the components of path to out[0..*used). */
static int resolve_part(const char *path, char *out, size_t size, size_t *used)
{
	for (const char *p = path; *p != '\0'; p += *p == '/') {
		const char *name = p;
		size_t length = strcspn(p, "/");

		p += length;
		if (length == 0 || (length == 1 && name[0] == '.'))
			continue;
		if (length == 2 && name[0] == '.' && name[1] == '.') {
			if (*used == 0)
				return -EXDEV;
			while (*used > 0 && out[--*used] != '/')
				;
			continue;
		}
		if (*used + 1 + length + 1 > size)
			return -ENAMETOOLONG;
		if (*used > 0)
			out[(*used)++] = '/';
		memcpy(out + *used, name, length);
		*used += length;
	}
	return 0;
}

int path_resolve(const char *base, const char *value, char *out, size_t size)
{
	char made[PATH_MAX];
	size_t used = 0;
	int r = value[0] == '/' ? 0 : resolve_part(base, made, sizeof(made), &used);

	if (r == 0)
		r = resolve_part(value, made, sizeof(made), &used);
	if (r < 0)
		return r;
	if (used == 0)
		made[used++] = '.';
	if (used + 1 > size)
		return -ENAMETOOLONG;
	memcpy(out, made, used);
	out[used] = '\0';
	return 0;
}

struct build {
	const struct gate_policy *policy;
	const struct rsync_request *request;
	const char *base;
	struct text_list *argv;
	struct text_list *inside;
	struct gate_refusal *refusal;
};

/*
 * A directory of the receiver. rsync looks for a relative one from the destination; it stays as it is, so that it
 * lies where plain rsync would put it. An absolute one becomes a path in DIR, and so does one with ".." once it is
 * known to stay below DIR.
 */
static int add_directory(const struct build *b, const struct rsync_chosen *chosen)
{
	const char *name = chosen->option->name;
	char path[PATH_MAX];
	int r = path_resolve(b->base, chosen->value, path, sizeof(path));

	if (r < 0)
		return gate_refuse(b->refusal, chosen->value, "leads out of the directory of this key");
	if (text_list_add(b->inside, path) < 0)
		return -ENOMEM;
	if (chosen->value[0] != '/' && !path_goes_up(chosen->value))
		return text_list_format(b->argv, "--%s=%s", name, chosen->value);
	if (strcmp(path, ".") == 0)
		return text_list_format(b->argv, "--%s=%s", name, b->policy->directory);
	return text_list_format(b->argv, "--%s=%s/%s", name, b->policy->directory, path);
}

/* A file that rsync opens at once, from DIR. */
static int add_file(const struct build *b, const struct rsync_chosen *chosen)
{
	char path[PATH_MAX];

	if (chosen->option->argument == ARGUMENT_LIST && strcmp(chosen->value, "-") == 0)
		return text_list_format(b->argv, "--%s=-", chosen->option->name);
	if (path_resolve("", chosen->value, path, sizeof(path)) < 0)
		return gate_refuse(b->refusal, chosen->value, "leads out of the directory of this key");
	if (text_list_add(b->inside, path) < 0)
		return -ENOMEM;
	/* "./": a file of the name "-" is not standard input */
	return text_list_format(b->argv, "--%s=./%s", chosen->option->name, path);
}

/* The value of the last option of this kind, which is the one that counts; NULL: not given. */
static const char *last_value(const struct rsync_request *request, enum option_argument kind)
{
	for (size_t i = request->options_count; i-- > 0;)
		if (request->options[i].option != NULL && request->options[i].option->argument == kind)
			return request->options[i].value;
	return NULL;
}

/* A decimal number as rsync's clients send it, with at most a sign in front. */
static bool number_valid(const char *text, long *number)
{
	size_t digits = strspn(text + (text[0] == '-'), "0123456789");

	if (digits == 0 || digits > 9 || text[(text[0] == '-') + digits] != '\0')
		return false;
	*number = strtol(text, NULL, 10);
	return true;
}

static int refuse_number(const struct build *b, const struct rsync_chosen *chosen)
{
	char what[REFUSAL_TEXT_MAX + 1];

	snprintf(what, sizeof(what), "--%s=%s", chosen->option->name, chosen->value);
	return gate_refuse(b->refusal, what, "not a number");
}

/* Lowered and not refused: a backup should not fail because of how a client compresses. */
static int add_number(const struct build *b, const struct rsync_chosen *chosen, long most)
{
	long number;

	if (!number_valid(chosen->value, &number))
		return refuse_number(b, chosen);
	return text_list_format(b->argv, "--%s=%ld", chosen->option->name, number > most ? most : number);
}

static int add_nothing_but_a_number(const struct build *b, const struct rsync_chosen *chosen)
{
	long number;

	return number_valid(chosen->value, &number) && number >= 0 ? 0 : refuse_number(b, chosen);
}

/* "1.5G" as rsync reads it: K is 1024, KB 1000. True only for text that rsync would accept, too. */
static bool size_valid(const char *text, double *bytes)
{
	static const char units[] = "BKMGTP";
	size_t digits = strspn(text, "0123456789."), left;
	const char *unit;
	char *end;

	if (digits == 0 || digits > 18)
		return false;
	*bytes = strtod(text, &end);
	if (end != text + digits)
		return false;
	if (*end == '\0')
		return true;
	unit = strchr(units, *end & ~0x20);
	left = strlen(end + 1);
	if (unit == NULL || left > 2 || (left > 0 && strcasecmp(end + 1, "B") != 0 && strcasecmp(end + 1, "iB") != 0))
		return false;
	for (long power = unit - units; power > 0; power--)
		*bytes *= left == 1 ? 1000 : 1024;
	return true;
}

/* 0 is "without limit" to rsync. */
static int add_bytes(const struct build *b, const struct rsync_chosen *chosen)
{
	const uint64_t most = b->policy->limits.memory != 0 ? b->policy->limits.memory : GATE_MEMORY;
	double bytes;

	if (!size_valid(chosen->value, &bytes))
		return refuse_number(b, chosen);
	if (bytes < 1 || bytes > (double)most)
		return text_list_format(b->argv, "--%s=%" PRIu64, chosen->option->name, most);
	return text_list_format(b->argv, "--%s=%s", chosen->option->name, chosen->value);
}

/* The client's timeout if it is shorter: a silent client holds locks, memory and a place. */
static int add_timeout(const struct build *b)
{
	const char *value = last_value(b->request, ARGUMENT_SECONDS);
	long client = value == NULL ? 0 : strtol(value, NULL, 10), ours = b->policy->timeout;

	if (client == 0 || (ours != 0 && client > ours))
		client = ours;
	return client == 0 ? 0 : text_list_format(b->argv, "--timeout=%ld", client);
}

/* The client's bandwidth if it is lower, in KiB a second. A number that is not just digits may be any. */
static int add_bandwidth(const struct build *b)
{
	const char *value = last_value(b->request, ARGUMENT_RATE);
	const uint64_t ours = b->policy->bandwidth;
	char *end;
	unsigned long long client = value == NULL ? 0 : strtoull(value, &end, 10);

	if (ours == 0)
		return 0;
	if (client == 0 || *end != '\0' || value[0] == '-' || client > ours)
		return text_list_format(b->argv, "--bwlimit=%" PRIu64, ours);
	return 0;
}

static int add_chosen(const struct build *b, const struct rsync_chosen *chosen)
{
	const struct rsync_option *option = chosen->option;

	if (option == NULL)
		return text_list_add(b->argv, chosen->value);
	if ((option->flags & OPTION_IDENTITY) != 0 && b->policy->fake_super)
		return 0;
	switch (option->argument) {
	case ARGUMENT_NONE:
		return text_list_format(b->argv, "--%s", option->name);
	case ARGUMENT_TEXT:
	case ARGUMENT_ALGORITHM:
	case ARGUMENT_RATE: /* and perhaps once more, by add_bandwidth() */
		break;
	case ARGUMENT_SECONDS: /* by add_timeout() */
		return add_nothing_but_a_number(b, chosen);
	case ARGUMENT_BYTES:
		return add_bytes(b, chosen);
	case ARGUMENT_LEVEL:
		return add_number(b, chosen, rsync_compress_level_max(last_value(b->request, ARGUMENT_ALGORITHM)));
	case ARGUMENT_THREADS:
		return add_number(b, chosen, COMPRESS_THREADS_MAX);
	case ARGUMENT_DIRECTORY:
	case ARGUMENT_BASIS:
		/* A sender has no use for the receiver's directories, which on a pull are the client's own. */
		if (b->request->sender)
			return 0;
		if (!b->policy->everything)
			return add_directory(b, chosen);
		break;
	case ARGUMENT_LIST:
	case ARGUMENT_LOG:
		if (!b->policy->everything)
			return add_file(b, chosen);
		break;
	}
	return text_list_format(b->argv, "--%s=%s", option->name, chosen->value);
}

/* rsync has only one log: if the client asks for one in DIR, its files are not counted. */
static int add_files_log(const struct build *b)
{
	int r;

	for (size_t i = 0; i < b->request->options_count; i++) {
		const struct rsync_option *option = b->request->options[i].option;

		if (option != NULL && option->argument == ARGUMENT_LOG)
			return 0;
	}
	r = text_list_format(b->argv, "--log-file=%s", b->policy->files_log);
	return r < 0 ? r : text_list_add(b->argv, "--log-file-format=" FILE_COUNT_FORMAT);
}

/*
 * Options that the policy adds, last, so that no option of the client's comes after them. Without --fake-super nothing
 * stores devices and setid bits, and the system call filter refuses to make them: rsync is told, so that they are not
 * all errors.
 */
static int add_policy(const struct build *b)
{
	const struct gate_policy *policy = b->policy;
	const bool receiver = !b->request->sender;
	int r = add_timeout(b);

	if (r == 0)
		r = add_bandwidth(b);
	if (r == 0 && receiver && !policy->fake_super)
		r = text_list_add(b->argv, "--chmod=ug-s");
	if (r == 0 && receiver && !policy->fake_super && policy->drop_devices)
		r = text_list_add(b->argv, "--drop-D");
	if (r == 0 && policy->confine_root && !policy->everything)
		r = text_list_format(b->argv, "--confine-root=%s", policy->directory);
	/* no block sums of existing files, whatever the client asked for before */
	if (r == 0 && receiver && policy->blind)
		r = text_list_add(b->argv, "--whole-file");
	if (r == 0 && policy->munge)
		r = text_list_add(b->argv, "--munge-links");
	if (r == 0 && policy->no_overwrite)
		r = text_list_add(b->argv, "--ignore-existing");
	if (r == 0 && policy->fake_super)
		r = text_list_add(b->argv, "--fake-super");
	return r < 0 || policy->files_log == NULL ? r : add_files_log(b);
}

int rsync_options_build(const struct gate_policy *policy, const struct rsync_request *request, const char *base,
			struct text_list *argv, struct text_list *inside, struct gate_refusal *refusal)
{
	const struct build b = { policy, request, base, argv, inside, refusal };
	int r = text_list_add(argv, "--server");

	if (r == 0 && request->sender)
		r = text_list_add(argv, "--sender");
	for (size_t i = 0; r == 0 && i < request->options_count; i++)
		r = add_chosen(&b, &request->options[i]);
	return r < 0 ? r : add_policy(&b);
}
