/* SPDX-License-Identifier: ISC */
/* Runs programs of the system: nothing of the caller's environment and descriptors reaches them. Root, or the user. */
#include "cli/program.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/subuid.h"
#include "confine/cleanup.h"

#define OUTPUT_MAX (1024 * 1024)

static const char *const directories[] = { "/usr/sbin", "/usr/bin", "/sbin", "/bin" };

/* The caller's environment is not handed on: PATH, LD_* and locale are ours. */
static char path_variable[] = "PATH=/usr/sbin:/usr/bin:/sbin:/bin";
static char locale_variable[] = "LC_ALL=C.UTF-8";
static char *const environment[] = { path_variable, locale_variable, NULL };

static int command_find(const char *name, char *path, size_t size)
{
	if (name[0] == '/') {
		snprintf(path, size, "%s", name);
		return access(path, X_OK) == 0 ? 0 : -errno;
	}
	for (size_t i = 0; i < sizeof(directories) / sizeof(directories[0]); i++) {
		if (snprintf(path, size, "%s/%s", directories[i], name) < (int)size && access(path, X_OK) == 0)
			return 0;
	}
	return -ENOENT;
}

bool command_exists(const char *name)
{
	char path[256];

	return command_find(name, path, sizeof(path)) == 0;
}

static int output_read(int fd, char **output)
{
	off_t end = lseek(fd, 0, SEEK_END);
	size_t length = end < 0 ? 0 : end > OUTPUT_MAX ? OUTPUT_MAX : (size_t)end, done = 0;
	cleanup_free char *text = malloc(length + 1);

	if (text == NULL)
		return -ENOMEM;
	while (done < length) {
		ssize_t got = pread(fd, text + done, length - done, (off_t)done);

		if (got <= 0)
			break;
		done += (size_t)got;
	}
	text[done] = '\0';
	*output = steal_ptr(&text);
	return 0;
}

static int child_wait(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static int spawn(const char *path, const char *const argv[], int output_fd, pid_t *pid)
{
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attributes;
	sigset_t none, all;
	char **words = NULL;
	size_t count = 0;
	int error;

	while (argv[count] != NULL)
		count++;
	words = calloc(count + 1,
		       sizeof(*words)); /* posix_spawn does not change them, although its type does not say so */
	if (words == NULL)
		return -ENOMEM;
	memcpy(words, argv, count * sizeof(*words));
	sigemptyset(&none);
	sigfillset(&all);
	error = posix_spawn_file_actions_init(&files);
	if (error == 0)
		error = posix_spawnattr_init(&attributes);
	if (error == 0) {
		posix_spawnattr_setsigmask(&attributes, &none);
		posix_spawnattr_setsigdefault(&attributes, &all);
		posix_spawnattr_setpgroup(&attributes, 0);
		posix_spawnattr_setflags(&attributes,
					 POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
		error = posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
		error = error != 0 ? error : posix_spawn_file_actions_adddup2(&files, output_fd, 1);
		error = error != 0 ? error : posix_spawn_file_actions_adddup2(&files, output_fd, 2);
		error = error != 0 ? error : posix_spawn_file_actions_addclosefrom_np(&files, 3);
		error = error != 0 ? error : posix_spawn(pid, path, &files, &attributes, words, environment);
		posix_spawnattr_destroy(&attributes);
		posix_spawn_file_actions_destroy(&files);
	}
	free(words);
	return -error;
}

int command_run(const char *const argv[], char **output)
{
	cleanup_fd int memory = memfd_create("output", MFD_CLOEXEC);
	char path[256];
	pid_t pid;
	int r, status;

	if (memory < 0)
		return -errno;
	r = command_find(argv[0], path, sizeof(path));
	if (r == 0)
		r = spawn(path, argv, memory, &pid);
	if (r < 0)
		return r;
	status = child_wait(pid);
	if (output != NULL) {
		r = output_read(memory, output);
		if (r < 0)
			return r;
	}
	return status;
}

static int failed(const char *what, const char *why, const char *todo)
{
	complain(what, why, todo);
	return -1;
}

int command_must(const char *const argv[], const char *todo)
{
	cleanup_free char *output = NULL;
	int status = command_run(argv, &output);

	if (status == 0)
		return 0;
	if (status < 0)
		return failed(argv[0], strerrordesc_np(-status), todo);
	if (output == NULL)
		return failed(argv[0], "failed", todo);
	output[strcspn(output, "\n")] = '\0';
	return failed(argv[0], output[0] != '\0' ? output : "failed", todo);
}
