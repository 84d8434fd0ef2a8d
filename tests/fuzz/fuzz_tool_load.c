/* SPDX-License-Identifier: ISC */
/*
 * Two directories of profiles with a file of any bytes in each, of any kind and mode: what is loaded is the
 * administrator's before ours, whole, a regular file that only its owner can write, and its profile points into its
 * text.
 *
 * Input: what the two files and directories are (four bytes), the name, ended by 0xff, and the bytes of the first
 * file, ended by 0xff, and of the second.
 */
#include "tests/fuzz/fuzz.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "account/role.h"

static char directories[2][64];
static int as_root(int fd, struct stat *st);

#undef TOOLS_ADMIN_DIR
#undef TOOLS_SHIPPED_DIR
#define TOOLS_ADMIN_DIR directories[0]
#define TOOLS_SHIPPED_DIR directories[1]
#define fstat(fd, st) as_root(fd, st)
#include "backup/tool_load.c"
#undef fstat

/* What the one who runs this makes stands for what root made. */
static int as_root(int fd, struct stat *st)
{
	int r = fstat(fd, st);

	if (r == 0 && st->st_uid == geteuid())
		st->st_uid = 0;
	return r;
}

enum kind { REGULAR, WRITABLE, LINK, FIFO, DIRECTORY, LONG, ABSENT, KINDS };

struct place {
	enum kind kind;
	bool open_to_others, absent;
	char *bytes;
	size_t size;
};

static void clean_up(void)
{
	rmdir(directories[0]);
	rmdir(directories[1]);
	*strrchr(directories[0], '/') = '\0';
	rmdir(directories[0]);
}

static void set_up(void)
{
	char root[32];

	snprintf(root, sizeof(root), "%s/fuzz_tool.XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	must(mkdtemp(root) != NULL);
	snprintf(directories[0], sizeof(directories[0]), "%s/admin", root);
	snprintf(directories[1], sizeof(directories[1]), "%s/shipped", root);
	must(mkdir(directories[0], 0755) == 0 && mkdir(directories[1], 0755) == 0);
	atexit(clean_up);
	umask(0);
}

static void file_write(const char *path, const struct place *place)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, place->kind == WRITABLE ? 0664 : 0644);

	must(fd >= 0 && write(fd, place->bytes, place->size) == (ssize_t)place->size);
	must(place->kind != LONG || ftruncate(fd, TOOL_PROFILE_MAX + 1) == 0);
	close(fd);
}

static void place_make(const char *directory, const char *path, const struct place *place)
{
	if (place->absent)
		must(rmdir(directory) == 0);
	else
		must(chmod(directory, place->open_to_others ? 0777 : 0755) == 0);
	if (place->absent || place->kind == ABSENT)
		return;
	if (place->kind == LINK)
		must(symlink("/dev/null", path) == 0);
	else if (place->kind == FIFO)
		must(mkfifo(path, 0644) == 0);
	else if (place->kind == DIRECTORY)
		must(mkdir(path, 0755) == 0);
	else
		file_write(path, place);
}

static void place_take(struct input *input, struct place *place)
{
	place->kind = (enum kind)(take_byte(input) % KINDS);
	place->absent = place->kind == ABSENT && input->left % 2 == 0;
	place->open_to_others = take_byte(input) % 16 == 1;
}

/* What has to come of this place; 1: look into the next one. */
static int expected(const struct place *place)
{
	if (place->absent)
		return 1;
	if (place->open_to_others)
		return -EPERM;
	switch (place->kind) {
	case ABSENT:
		return 1;
	case LINK:
		return -ELOOP;
	case WRITABLE:
	case FIFO:
	case DIRECTORY:
		return -EPERM;
	case LONG:
		return -EFBIG;
	default:
		return place->size > TOOL_PROFILE_MAX                  ? -EFBIG :
		       memchr(place->bytes, '\0', place->size) != NULL ? -EINVAL :
									 0;
	}
}

static void check_words(const struct tool *tool, const struct tool_words *words)
{
	must(words->count <= TOOL_WORDS_MAX);
	for (size_t i = 0; i < words->count; i++) {
		must(words->words[i] >= tool->text && words->words[i] < tool->text + TOOL_PROFILE_MAX);
		must(words->words[i][0] != '\0' && strpbrk(words->words[i], " \t\n") == NULL);
	}
}

static void check_loaded(const struct tool *tool)
{
	const struct tool_profile *profile = &tool->profile;

	check_words(tool, &profile->command);
	check_words(tool, &profile->accept);
	check_words(tool, &profile->execute);
	check_words(tool, &profile->read);
	check_words(tool, &profile->environment);
	check_words(tool, &profile->quota);
	for (size_t i = 0; i < TOOL_FORMS; i++)
		check_words(tool, &profile->form[i].run);
	must(profile->command.count > 0);
}

/* The profile that the text alone gives. */
static int parse_again(const struct place *place)
{
	char *text = take_copy(place->bytes, place->size + 1);
	struct tool_profile profile;
	struct tool_fault fault = { 0 };
	int r = tool_profile_parse(text, &profile, &fault);

	must(r == 0 || (r == -EINVAL && fault.why != NULL));
	free(text);
	return r;
}

static void check(const char *name, const struct place places[2])
{
	static struct tool tool;
	char file[LABEL_MAX + sizeof(".conf")];
	int wanted = 1, r;
	size_t at = 0;

	memset(&tool, 0, sizeof(tool));
	r = tool_load(name, strlen(name), &tool);
	snprintf(file, sizeof(file), "%s.conf", name);
	for (; wanted == 1 && at < 2; at++)
		wanted = expected(&places[at]);
	if (wanted == 0)
		wanted = parse_again(&places[at - 1]);
	must(r == (wanted == 1 ? -ENOENT : wanted));
	must(strncmp(tool.path, directories[at - 1], strlen(directories[at - 1])) == 0);
	must(strcmp(tool.path + strlen(directories[at - 1]) + 1, file) == 0);
	must(r != -EINVAL || tool.fault.why != NULL);
	if (r == 0)
		check_loaded(&tool);
}

static void both_make(const char *name, const struct place places[2])
{
	char path[2][128];

	for (int i = 0; i < 2; i++) {
		snprintf(path[i], sizeof(path[i]), "%s/%s.conf", directories[i], name);
		place_make(directories[i], path[i], &places[i]);
	}
	check(name, places);
	for (int i = 0; i < 2; i++) {
		remove(path[i]);
		must(!places[i].absent || mkdir(directories[i], 0755) == 0);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input input = { data, size };
	struct place places[2];
	struct tool tool;
	char *name;

	if (directories[0][0] == '\0')
		set_up();
	place_take(&input, &places[0]);
	place_take(&input, &places[1]);
	name = take_text(&input);
	for (int i = 0; i < 2; i++)
		places[i].bytes = take_piece(&input, &places[i].size);
	if (tool_name_valid(name, strlen(name)) && !role_built_in(name, strlen(name)))
		both_make(name, places);
	else
		must(tool_load(name, strlen(name), &tool) == -EINVAL);
	free(places[0].bytes);
	free(places[1].bytes);
	free(name);
	return 0;
}
