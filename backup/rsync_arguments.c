/* SPDX-License-Identifier: ISC */
/* Step two: the arguments of our own rsync. */
#include "backup/rsync_arguments.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
 * A directory of the receiver. rsync looks for a relative one from the
 * destination; it stays as it is, so that it lies where plain rsync would put it. An absolute one is
 * DIR's, and so is one with ".." once it is known to stay below DIR.
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
		break;
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

/* rsync has one log: where the client asks for one in DIR, his files are not counted. */
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
 * What the policy asks of rsync. Last, so that nothing of the client's comes
 * after it. Without --fake-super there is nobody to keep devices and setid bits, and the system
 * call filter refuses to make them: rsync is told, lest each one be an error.
 */
static int add_policy(const struct build *b)
{
	const struct gate_policy *policy = b->policy;
	const bool receiver = !b->request->sender;
	int r = 0;

	if (receiver && !policy->fake_super)
		r = text_list_add(b->argv, "--chmod=ug-s");
	if (r == 0 && receiver && !policy->fake_super && policy->drop_devices)
		r = text_list_add(b->argv, "--drop-D");
	if (r == 0 && policy->confine_root && !policy->everything)
		r = text_list_format(b->argv, "--confine-root=%s", policy->directory);
	/* no sums of the blocks of what is there, whatever the client asked for before */
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
