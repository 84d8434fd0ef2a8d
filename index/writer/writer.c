/* SPDX-License-Identifier: ISC */
/*
 * The life of a writer: a file of the index opened as it is, or begun anew and published, and given up. Run by the
 * broker (root) alone; file.c does the work on the disk.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "confine/cleanup.h"
#include "index/writer/file.h"

/* ---- life ---- */

static int writer_new(int state_dirfd, const struct index_options *options, struct index_writer **ret)
{
	struct index_writer *writer;
	int rc;

	if (strlen(options->name) >= sizeof(writer->name) || strchr(options->name, '/') != NULL)
		return -EINVAL;
	writer = calloc(1, sizeof(*writer));
	if (writer == NULL)
		return -ENOMEM;
	writer->options = *options;
	strncpy(writer->name, options->name, sizeof(writer->name) - 1);
	writer->options.name = NULL; /* the caller's; ours is writer->name */
	writer->dirfd = fcntl(state_dirfd, F_DUPFD_CLOEXEC, 3);
	if (writer->dirfd < 0) {
		rc = -errno;
		free(writer);
		return rc;
	}
	rc = index_file_recover(writer);
	if (rc < 0) {
		index_writer_free(writer);
		return rc;
	}
	*ret = writer;
	return 0;
}

static int writer_open(int state_dirfd, const struct index_options *options, const uint64_t *generation,
		       struct index_writer **ret)
{
	__attribute__((cleanup(index_writer_freep))) struct index_writer *writer = NULL;
	uint64_t shown;
	int rc = writer_new(state_dirfd, options, &writer);

	if (rc < 0 || writer == NULL)
		return rc < 0 ? rc : -ENOMEM;
	rc = index_file_map(writer, generation == NULL);
	if (rc < 0)
		return rc;
	if (index_view_generation(&writer->view, &shown) < 0 || (generation != NULL && shown != *generation) ||
	    index_verify(writer) < 0)
		return -ESTALE;
	writer->published = true;
	*ret = steal_ptr(&writer);
	return 0;
}

int index_writer_open(int state_dirfd, const struct index_options *options, uint64_t generation,
		      struct index_writer **ret)
{
	return writer_open(state_dirfd, options, &generation, ret);
}

int index_writer_open_stale(int state_dirfd, const struct index_options *options, struct index_writer **ret)
{
	return writer_open(state_dirfd, options, NULL, ret);
}

bool index_writer_published(const struct index_writer *writer)
{
	return writer->published;
}

int index_writer_create(int state_dirfd, const struct index_options *options, struct index_writer **ret)
{
	__attribute__((cleanup(index_writer_freep))) struct index_writer *writer = NULL;
	struct index_size size;
	int rc = writer_new(state_dirfd, options, &writer);

	if (rc < 0 || writer == NULL)
		return rc < 0 ? rc : -ENOMEM;
	size = index_size_for(writer, NULL);
	rc = index_file_create(writer, &size);
	if (rc < 0)
		return rc;
	*ret = steal_ptr(&writer);
	return 0;
}

int index_writer_publish(struct index_writer *writer, uint64_t generation)
{
	index_word_store(writer, INDEX_WORD_GENERATION, generation);
	return index_file_publish(writer);
}

void index_writer_commit(struct index_writer *writer, uint64_t generation)
{
	index_word_store(writer, INDEX_WORD_GENERATION, generation);
}

void index_writer_supersede(struct index_writer *writer)
{
	if (writer != NULL && writer->base != NULL)
		index_word_store(writer, INDEX_WORD_SUPERSEDED, 1);
}

void index_writer_free(struct index_writer *writer)
{
	if (writer == NULL)
		return;
	index_file_unmap(writer);
	close(writer->dirfd);
	free(writer);
}

void index_writer_freep(struct index_writer **writer)
{
	index_writer_free(*writer);
}
