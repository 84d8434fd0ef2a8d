/* SPDX-License-Identifier: ISC */
/* Lowers the process before a tool runs: private root, Landlock, system call filter, all as its profile says. */
#include "backup/tool_confine.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "backup/new_files.h"
#include "confine/cleanup.h"
#include "confine/harden.h"
#include "confine/landlock.h"
#include "confine/loader.h"
#include "confine/private_root.h"
#include "confine/seccomp.h"

#define LIBRARIES "/usr/lib"
#define PATHS_MAX (2 * TOOL_WORDS_MAX + 10)

static bool in_libraries(const char *path)
{
	return strncmp(path, LIBRARIES "/", sizeof(LIBRARIES)) == 0;
}

static void entries_add(struct root_entry *entries, size_t *count, const struct tool_words *paths)
{
	for (size_t i = 0; i < paths->count; i++)
		if (!in_libraries(paths->words[i]))
			entries[(*count)++] = (struct root_entry){ .path = paths->words[i],
								   .device = tool_device(paths->words[i]),
								   .optional = true };
}

int tool_enter(const char *home, const struct tool_profile *profile, enum tool_form form, const char **step, int *error)
{
	struct root_entry entries[PATHS_MAX] = {
		{ .path = "/dev/null", .device = true },    { .path = LIBRARIES },
		{ .path = "/lib", .optional = true },       { .path = "/lib64", .optional = true },
		{ .path = "/usr/lib64", .optional = true }, { .path = "/etc/ld.so.cache", .optional = true },
	};
	struct open_how how = { .flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC, .resolve = RESOLVE_NO_MAGICLINKS };
	cleanup_fd int fd = (int)syscall(SYS_openat2, AT_FDCWD, home, &how, sizeof(how));
	size_t count = 6;

	*step = "directory";
	if (fd < 0 || fchdir(fd) != 0)
		return -errno;
	entries_add(entries, &count, &profile->execute);
	entries_add(entries, &count, &profile->read);
	*error = private_root_enter(form != TOOL_READ_ONLY, entries, step);
	if (*error == -ENOTRECOVERABLE)
		return *error;
	return *error < 0;
}

static void rules_add(struct landlock_rule *rules, size_t *count, const struct tool_words *paths,
		      enum landlock_access access)
{
	for (size_t i = 0; i < paths->count; i++)
		rules[(*count)++] =
			(struct landlock_rule){ .path = paths->words[i], .fd = -1, .access = access, .optional = 1 };
}

static enum landlock_access home_access(const struct tool_profile *profile, enum tool_form form)
{
	if (form == TOOL_READ_ONLY)
		return LANDLOCK_READ;
	return profile->form[form].new_files_only ? LANDLOCK_ADD : LANDLOCK_READ_WRITE;
}

static int confine_files(const struct tool_profile *profile, enum tool_form form)
{
	cleanup_fd int home = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	const char *loader = program_loader();
	struct landlock_rule rules[PATHS_MAX] = {
		{ .path = NULL, .fd = home, .access = home_access(profile, form) },
		{ .path = "/dev/null", .fd = -1, .access = LANDLOCK_DEVICE },
		{ .path = LIBRARIES, .fd = -1, .access = LANDLOCK_READ },
		{ .path = "/lib", .fd = -1, .access = LANDLOCK_READ, .optional = 1 },
		{ .path = "/lib64", .fd = -1, .access = LANDLOCK_READ, .optional = 1 },
		{ .path = "/usr/lib64", .fd = -1, .access = LANDLOCK_READ, .optional = 1 },
		{ .path = "/etc/ld.so.cache", .fd = -1, .access = LANDLOCK_READ, .optional = 1 },
	};
	size_t count = 7;

	if (home < 0)
		return -errno;
	rules_add(rules, &count, &profile->execute, LANDLOCK_EXECUTE);
	rules_add(rules, &count, &profile->read, LANDLOCK_READ);
	if (loader != NULL)
		rules[count++] = (struct landlock_rule){ .path = loader, .fd = -1, .access = LANDLOCK_EXECUTE };
	rules[count] = (struct landlock_rule)LANDLOCK_END;
	return landlock_confine(rules);
}

int tool_confine(const struct tool_profile *profile, enum tool_form form, uint32_t key, const char **step)
{
	enum seccomp_program program = SECCOMP_TOOL;
	int r;

	if (form == TOOL_READ_ONLY)
		program = SECCOMP_TOOL_READER;
	else if (profile->form[form].new_files_only)
		program = SECCOMP_TOOL_NEW_FILES;
	*step = "no_new_privs";
	r = process_harden();
	if (r < 0)
		return r;
	umask(umask(0) | S_IWGRP | S_IWOTH);
	*step = "Landlock";
	r = confine_files(profile, form);
	if (r < 0)
		return r;
	*step = "process that sets dates";
	r = program == SECCOMP_TOOL_NEW_FILES && profile->form[form].own_dates ? new_files_start(key) : 0;
	if (r < 0)
		return r;
	*step = "system call filter";
	return seccomp_confine(program);
}
