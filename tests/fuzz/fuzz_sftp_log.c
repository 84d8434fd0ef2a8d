/* SPDX-License-Identifier: ISC */
/* Lines of a log that a client chose. */
#include "fuzz.h"

#include <string.h>

#include "backup/sftp_log.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *copy = (char *)take_copy(data, size), line[SFTP_LOG_LINE_MAX + 1];
	struct sftp_log log = { 0 };
	size_t length = 0;

	for (size_t i = 0; i <= size; i++) {
		if (i < size && copy[i] != '\n' && length < SFTP_LOG_LINE_MAX) {
			if (copy[i] != '\0')
				line[length++] = copy[i];
			continue;
		}
		line[length] = '\0';
		length = 0;
		const struct sftp_log before = log;

		sftp_log_line(&log, line);
		must(log.count <= SFTP_LOG_NAMES);
		must(log.count <= before.count + 1 && log.files <= before.files + 1);
		must(log.many >= before.many && log.cut >= before.cut);
		/* only a file that was written is added */
		must(log.count <= before.count || strstr(line, "close ") == line ||
		     strstr(line, "forced close ") == line);
	}
	free(copy);
	return 0;
}
