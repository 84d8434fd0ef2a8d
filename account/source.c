/* SPDX-License-Identifier: ISC */
/*
 * nsswitch.conf(5), read as glibc does, and the modules that it names, called as glibc does. glibc does not tell
 * its callers the status of each source; this does. Runs in every program of ours and in foreign processes: no
 * stdio, nothing static, nothing from the environment.
 */
#include "account/source.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "confine/cleanup.h"
#include "confine/read_full.h"

#define SWITCH_PATH SYSCONFDIR "/nsswitch.conf"
#define SWITCH_BYTES_MAX 65536
#define NAME_MAX_BYTES 32
#define BLANKS " \t\r\n"

/* Closed, so that a name is neither a path nor cut off. */
static const char name_bytes[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";

struct text {
	const char *at;
	size_t length;
};

/* One source of the line and what follows from its answers. */
struct source {
	struct text name;
	bool success_goes_on, notfound_ends; /* by its [actions] */
};

/* ---- the line */

/* Text of the file, ending with NUL; glibc's own default if the file does not exist. From malloc. */
static int switch_read(char **text)
{
	cleanup_fd int fd = open(SWITCH_PATH, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	cleanup_free char *buffer = malloc(SWITCH_BYTES_MAX + 1);
	ssize_t used;

	if (buffer == NULL)
		return -ENOMEM;
	if (fd < 0 && errno != ENOENT)
		return -errno;
	used = fd < 0 ? 0 : read_full(fd, buffer, SWITCH_BYTES_MAX);
	if (used < 0 || used == SWITCH_BYTES_MAX)
		return used < 0 ? (int)used : -EFBIG;
	buffer[used] = '\0';
	*text = steal_ptr(&buffer);
	return 0;
}

/* The text after "database:"; the last such line counts. glibc's default if there is no such line. */
static struct text database_line(const char *text, const char *database)
{
	struct text found = { "files", 5 };
	size_t name = strlen(database);

	while (*text != '\0') {
		size_t length = strcspn(text, "\n"), used = strcspn(text, "#\n"), blanks = strspn(text, BLANKS);

		if (blanks < used && used - blanks > name && memcmp(text + blanks, database, name) == 0) {
			size_t colon = blanks + name + strspn(text + blanks + name, " \t");

			if (colon < used && text[colon] == ':')
				found = (struct text){ text + colon + 1, used - colon - 1 };
		}
		text += length + (text[length] == '\n');
	}
	return found;
}

static bool word_is(struct text word, const char *is)
{
	return strlen(is) == word.length && strncasecmp(word.at, is, word.length) == 0;
}

/* One "[!]STATUS=ACTION". */
static void action_read(struct text word, struct source *source)
{
	bool not = word.length > 0 && word.at[0] == '!';
	const char *equal = memchr(word.at, '=', word.length);
	struct text status = { word.at + not, 0 }, action;

	if (equal == NULL)
		return;
	status.length = (size_t)(equal - status.at);
	action = (struct text){ equal + 1, (size_t)(word.at + word.length - equal - 1) };
	if (word_is(status, "notfound") != not )
		source->notfound_ends = word_is(action, "return");
	if (word_is(status, "success") != not )
		source->success_goes_on = !word_is(action, "return");
}

static size_t span(struct text line, const char *bytes)
{
	size_t n = 0;

	while (n < line.length && strchr(bytes, line.at[n]) != NULL)
		n++;
	return n;
}

static size_t span_until(struct text line, const char *bytes)
{
	size_t n = 0;

	while (n < line.length && strchr(bytes, line.at[n]) == NULL)
		n++;
	return n;
}

static void advance(struct text *line, size_t n)
{
	line->at += n;
	line->length -= n;
}

/* The [actions] at the start of the line, if any. */
static void actions_read(struct text *line, struct source *source)
{
	for (advance(line, span(*line, BLANKS)); line->length > 0 && line->at[0] == '[';
	     advance(line, span(*line, BLANKS))) {
		size_t end = span_until(*line, "]");
		struct text inside = { line->at + 1, end - 1 };

		for (advance(&inside, span(inside, BLANKS)); inside.length > 0;
		     advance(&inside, span(inside, BLANKS))) {
			size_t word = span_until(inside, BLANKS);

			action_read((struct text){ inside.at, word }, source);
			advance(&inside, word);
		}
		advance(line, end < line->length ? end + 1 : end);
	}
}

/* 1 with the line's next source, 0 at its end, -EINVAL for one that cannot be a module. */
static int source_next(struct text *line, struct source *source)
{
	size_t length;

	advance(line, span(*line, BLANKS));
	if (line->length == 0)
		return 0;
	length = span_until(*line, BLANKS "[");
	*source = (struct source){ .name = { line->at, length } };
	if (length == 0 || length > NAME_MAX_BYTES || span(source->name, name_bytes) != length)
		return -EINVAL;
	advance(line, length);
	actions_read(line, source);
	return 1;
}

/* ---- the modules */

static char *append(char *out, const char *text, size_t length)
{
	memcpy(out, text, length);
	out[length] = '\0';
	return out + length;
}

static char *append_text(char *out, const char *text)
{
	return append(out, text, strlen(text));
}

/* It cannot be loaded. 0: it is not installed, neither with the host's modules nor with ours; else why that is unknown.
 */
static int module_missing(const char *file)
{
	static const char *const directories[] = { HOST_LIBDIR "/", LIBDIR "/" };
	char path[sizeof(HOST_LIBDIR) + sizeof(LIBDIR) + sizeof("/libnss_.so.2") + NAME_MAX_BYTES];
	cleanup_fd int fd = open("/", O_PATH | O_CLOEXEC);

	if (fd < 0)
		return -errno; /* no descriptor is left: then there was none for the module either */
	for (size_t i = 0; i < sizeof(directories) / sizeof(directories[0]); i++) {
		append_text(append_text(path, directories[i]), file);
		if (access(path, F_OK) == 0)
			return -ELIBACC;
		if (errno != ENOENT)
			return -errno;
	}
	return 0;
}

/* The source's function into *found, NULL when it has none. glibc never unloads a module, so neither do we. */
static int function_find(struct text name, const char *function, void **found)
{
	char file[sizeof("libnss_.so.2") + NAME_MAX_BYTES], symbol[sizeof("_nss__") + NAME_MAX_BYTES + 16];
	void *module;

	append_text(append(append_text(file, "libnss_"), name.at, name.length), ".so.2");
	append_text(append_text(append(append_text(symbol, "_nss_"), name.at, name.length), "_"), function);
	*found = dlsym(RTLD_DEFAULT, symbol); /* "files" and "dns" are in libc itself */
	if (*found != NULL)
		return 0;
	module = dlopen(file, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
	if (module == NULL)
		return module_missing(file);
	*found = dlsym(module, symbol);
	dlclose(module);
	return 0;
}

static int source_ask(const struct source *source, const char *function, int (*ask)(void *, void *), void *data)
{
	void *found = NULL;
	int r = function_find(source->name, function, &found);

	if (r < 0)
		return r;
	return found == NULL ? -ENOENT : ask(found, data);
}

/* A database's sources, one after the other. Starts as { 0 }. */
struct sources {
	char *text; /* of the whole file */
	struct text rest;
	struct source source;
};

static void sources_done(struct sources *sources)
{
	cleanup_free_p(&sources->text);
}
#define sources_cleanup __attribute__((cleanup(sources_done)))

/* 1 with the next source in place, 0 after the last, or negative errno. */
static int sources_next(struct sources *sources, const char *database)
{
	int r = sources->text == NULL ? switch_read(&sources->text) : 1;

	if (r == 0)
		sources->rest = database_line(sources->text, database);
	return r < 0 ? r : source_next(&sources->rest, &sources->source);
}

int source_each(const char *database, const char *function, int (*ask)(void *function, void *data), void *data)
{
	sources_cleanup struct sources sources = { 0 };
	int r, asked = 0;

	while ((r = sources_next(&sources, database)) == 1) {
		int answer = source_ask(&sources.source, function, ask, data);

		if (answer != -ENOENT)
			return answer;
		asked++;
		if (sources.source.notfound_ends)
			break;
	}
	return r < 0 ? r : asked == 0 ? -EINVAL : -ENOENT; /* a line without a source is no answer */
}

/* The next one is asked when this one has not found it, and then alone. */
static bool passed_on(const struct source *source)
{
	return !source->notfound_ends && !source->success_goes_on;
}

int source_functions_beyond_files(const char *database, const char *function, struct source_functions *ret)
{
	sources_cleanup struct sources sources = { 0 };
	struct source_functions found = { 0 };
	int r = sources_next(&sources, database);

	if (r != 1 || !word_is(sources.source.name, "files") || !passed_on(&sources.source))
		return r < 0 ? r : -EAGAIN;
	while ((r = sources_next(&sources, database)) == 1) {
		if (found.count == SOURCES_MAX || !passed_on(&sources.source))
			return -EAGAIN;
		r = function_find(sources.source.name, function, &found.functions[found.count]);
		if (r < 0)
			return r;
		found.count += found.functions[found.count] != NULL;
	}
	if (r == 0)
		*ret = found;
	return r;
}

int source_one(const char *database, const char *name, const char *function, int (*ask)(void *function, void *data),
	       void *data)
{
	sources_cleanup struct sources sources = { 0 };
	int r;

	while ((r = sources_next(&sources, database)) == 1)
		if (word_is(sources.source.name, name))
			return source_ask(&sources.source, function, ask, data);
	return r;
}

bool source_files_first(const char *database)
{
	sources_cleanup struct sources sources = { 0 };

	return sources_next(&sources, database) == 1 && word_is(sources.source.name, "files") &&
	       !sources.source.success_goes_on;
}
