/* SPDX-License-Identifier: ISC */
/*
 * /etc/subuid and /etc/subgid, for the users who were in them before. Read by the piece into
 * the stack, never mapped (another process may truncate them), never kept.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "confine/cleanup.h"
#include "confine/trusted.h"
#include "subid/guest/guest.h"

#define CHUNK 8192
#define FILE_BYTES_MAX (INT64_C(1) << 28) /* some ten million lines */
#define ATTEMPTS 4                        /* an attempt fails only because of a program that writes the file in place */
#define PASSES 1000 /* passes over the file, for a request in so many pieces in the opposite order */

/* ---- bytes to lines */

int subid_text_end(struct subid_text *text)
{
	struct subid_line line;
	int rc = 0;

	if (text->length <= SUBID_LINE_MAX && subid_line_parse(text->line, text->length, &line))
		rc = text->each(&line, text->data);
	text->length = 0;
	return rc;
}

int subid_text_feed(struct subid_text *text, const char *bytes, size_t size)
{
	while (size > 0) {
		const char *newline = memchr(bytes, '\n', size);
		size_t part = newline == NULL ? size : (size_t)(newline - bytes);
		size_t room = text->length < SUBID_LINE_MAX ? SUBID_LINE_MAX - text->length : 0;
		int rc = 0;

		memcpy(text->line + SUBID_LINE_MAX - room, bytes, part < room ? part : room);
		text->length = part <= room ? text->length + part : SUBID_LINE_MAX + 1u;
		if (newline != NULL)
			rc = subid_text_end(text);
		if (rc != 0)
			return rc;
		part += newline != NULL;
		bytes += part;
		size -= part;
	}
	return 0;
}

/* ---- the file */

static const char *path_of(enum subid_type type)
{
	return type == ID_TYPE_UID ? SYSCONFDIR "/subuid" : SYSCONFDIR "/subgid";
}

/* Anyone who can write the file can give ids away. */
static int file_check(const struct stat *st)
{
	if (!file_trusted_inside(st, SUBID_TRUSTED_UID))
		return -EPERM;
	return st->st_size > FILE_BYTES_MAX ? -EFBIG : 0;
}

static bool unchanged(const struct stat *a, const struct stat *b)
{
	return a->st_size == b->st_size && a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
	       a->st_mtim.tv_nsec == b->st_mtim.tv_nsec && a->st_ctim.tv_sec == b->st_ctim.tv_sec &&
	       a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

/* All lines, from the start of the file. -EAGAIN: somebody wrote to it meanwhile. */
static int pass(int fd, subid_line_each each, void *data)
{
	struct subid_text text = { .each = each, .data = data };
	char chunk[CHUNK];
	struct stat before, after;
	int64_t at = 0;
	int rc = fstat(fd, &before) < 0 ? -errno : file_check(&before);

	while (rc == 0 && at < before.st_size) {
		ssize_t got = pread(fd, chunk, sizeof(chunk), at);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		if (got == 0)
			break;
		at += got;
		rc = subid_text_feed(&text, chunk, (size_t)got);
	}
	if (rc == 0)
		rc = subid_text_end(&text);
	if (rc < 0 || before.st_size == 0)
		return rc;
	if (fstat(fd, &after) < 0)
		return -errno;
	return unchanged(&before, &after) ? rc : -EAGAIN;
}

/* One question to the file, asked again from the start if the file changed meanwhile. */
struct question {
	subid_line_each each;
	int (*start)(void *data); /* forgets what was found */
	int (*more)(void *data);  /* 1: another pass over the same file is wanted */
	void *data;
};

static int ask_open(int fd, const struct question *question)
{
	int rc = question->start(question->data);

	for (int i = 0; rc == 0; i++) {
		rc = pass(fd, question->each, question->data);
		if (rc < 0 || question->more(question->data) == 0)
			break;
		if (i == PASSES)
			return -E2BIG;
	}
	return rc;
}

/* A missing file holds nothing. */
static int ask(enum subid_type type, const struct question *question)
{
	int rc = -EAGAIN;

	for (int i = 0; rc == -EAGAIN && i < ATTEMPTS; i++) {
		cleanup_fd int fd = open(path_of(type), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

		if (fd < 0)
			return errno == ENOENT ? 0 : -errno;
		rc = ask_open(fd, question);
	}
	return rc;
}

/* ---- whose line */

static bool line_is_his(const struct subid_line *line, const struct subid_user *user)
{
	return user->known ? subid_line_names(line, user->name, user->uid) : subid_line_is(line, user->name);
}

/* The uid that a line's owner has: 0, -ENOENT, or doubt. */
static int line_uid(const struct subid_line *line, uint32_t *uid)
{
	char name[SUBID_USER_MAX + 1];

	if (id_parse_bytes(line->name, line->name_length, uid) == 0)
		return 0;
	if (line->name_length > SUBID_USER_MAX)
		return -ENOENT;
	memcpy(name, line->name, line->name_length);
	name[line->name_length] = '\0';
	return subid_name_uid(name, uid);
}

/* Lines that the daemon wrote there (publish = both) have only a name, and another user may have that name now; the
 * index has both name and uid. So these lines are for programs that read the files themselves. One line may hold
 * several neighbours, of which the first or the last was removed a moment ago. */
static int line_is_ours(const struct subid_line *line)
{
	int rc = subid_index_has(line->ids.first);

	return rc != 0 ? rc : subid_index_has(line->ids.last);
}

/* ---- does the user hold these ids? */

struct extent {
	const struct subid_user *user;
	uint64_t first, last;
	uint64_t at;     /* the user holds all ids before it */
	uint64_t passed; /* where the last pass began */
};

static int extend_start(void *data)
{
	struct extent *extent = data;

	extent->at = extent->passed = extent->first;
	return 0;
}

static int extend_more(void *data)
{
	struct extent *extent = data;
	bool more = extent->at > extent->passed && extent->at <= extent->last;

	extent->passed = extent->at;
	return more;
}

static int extend_line(const struct subid_line *line, void *data)
{
	struct extent *extent = data;
	uint32_t uid;
	int rc;

	if (extent->at > extent->last || extent->at < line->ids.first || extent->at > line->ids.last)
		return 0;
	if (!line_is_his(line, extent->user)) {
		/* another name of the same user: asked only for the few lines that hold the id */
		rc = extent->user->known ? line_uid(line, &uid) : -ENOENT;
		if (rc < 0)
			return rc == -ENOENT ? 0 : rc;
		if (uid != extent->user->uid)
			return 0;
	}
	rc = line_is_ours(line);
	if (rc == 0)
		extent->at = (uint64_t)line->ids.last + 1;
	return rc < 0 ? rc : 0;
}

int subid_files_extend(enum subid_type type, const struct subid_user *user, uint64_t last, uint64_t *next)
{
	struct extent extent = { .user = user, .first = *next, .last = last };
	struct question question = { extend_line, extend_start, extend_more, &extent };
	int rc;

	extend_start(&extent);
	rc = ask(type, &question);
	if (rc == 0)
		*next = extent.at;
	return rc;
}

/* ---- what does the user hold? */

/* The ranges of the index come between the lines where they came when they were given: containers map today what they
 * mapped yesterday, whatever was added since. */
struct list {
	enum subid_type type;
	const struct subid_user *user;
	const struct subid_owns *owns;
	struct subid_pieces *pieces;
	size_t kept;  /* pieces that others had added */
	size_t next;  /* of the ranges */
	size_t lines; /* of the file */
};

static int list_start(void *data)
{
	struct list *list = data;

	list->pieces->count = list->kept;
	list->next = list->lines = 0;
	return 0;
}

/* Those that come behind no more than so many lines. */
static int list_owns(struct list *list, size_t lines)
{
	int rc = 0;

	for (; rc == 0 && list->next < list->owns->count; list->next++) {
		const struct subid_own *at = &list->owns->at[list->next];

		if (at->behind[list->type - ID_TYPE_UID] > lines)
			break;
		rc = subid_pieces_add(list->pieces, at->first, at->last);
	}
	return rc;
}

static int once(void *data)
{
	(void)data;
	return 0;
}

static int list_line(const struct subid_line *line, void *data)
{
	struct list *list = data;
	int rc = line_is_his(line, list->user) ? line_is_ours(line) : 1;

	if (rc != 0)
		return rc < 0 ? rc : 0;
	rc = list_owns(list, list->lines++);
	return rc < 0 ? rc : subid_pieces_add(list->pieces, line->ids.first, line->ids.last);
}

int subid_files_list(enum subid_type type, const struct subid_user *user, const struct subid_owns *owns,
		     struct subid_pieces *pieces)
{
	struct list list = { .type = type, .user = user, .owns = owns, .pieces = pieces, .kept = pieces->count };
	struct question question = { list_line, list_start, once, &list };
	int rc = ask(type, &question);

	if (rc == 0)
		rc = list_owns(&list, SIZE_MAX);
	return rc < 0 ? rc : list.lines > 0;
}

/* ---- who holds it? */

struct holders {
	uint32_t id;
	struct subid_owners *owners;
	size_t kept;
};

static int holders_start(void *data)
{
	struct holders *holders = data;

	holders->owners->count = holders->kept;
	return 0;
}

static int holders_line(const struct subid_line *line, void *data)
{
	struct holders *holders = data;
	uint32_t uid;
	int rc;

	if (holders->id < line->ids.first || holders->id > line->ids.last)
		return 0;
	rc = line_is_ours(line);
	if (rc != 0)
		return rc < 0 ? rc : 0;
	rc = line_uid(line, &uid);
	if (rc < 0)
		return rc == -ENOENT ? 0 : rc; /* a user who no longer exists holds nothing */
	return subid_owners_add(holders->owners, uid);
}

int subid_files_owners(enum subid_type type, uint32_t id, struct subid_owners *owners)
{
	struct holders holders = { id, owners, owners->count };
	struct question question = { holders_line, holders_start, once, &holders };

	return ask(type, &question);
}
