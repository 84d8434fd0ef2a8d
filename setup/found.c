/* SPDX-License-Identifier: ISC */
/* One line of the doctor, or one object. */
#include <langinfo.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "account/name.h"
#include "cli/print.h"
#include "setup/doctor.h"

static const char *const names[] = { [FINDING_GOOD] = "good", [FINDING_NOTE] = "note", [FINDING_BAD] = "bad" };

static const char *mark(enum finding finding)
{
	static const char *const utf8[] = { "✓", "·", "✗" }, *const ascii[] = { "ok  ", "note", "BAD " };

	return strcmp(nl_langinfo(CODESET), "UTF-8") == 0 ? utf8[finding] : ascii[finding];
}

void found(struct doctor *doctor, enum finding finding, const char *check, const char *what, const char *todo)
{
	if (finding == FINDING_BAD)
		doctor->bad = true;
	if (doctor->json) {
		char clean[1024]; /* output of other programs need not be UTF-8 */

		json_array_append_new(doctor->checks,
				      json_pack("{s:s, s:s, s:s, s:s}", "check", check, "result", names[finding],
						"found", text_escape(what, clean, sizeof(clean)), "todo", todo));
		return;
	}
	printf("%s %s: %s%s%s\n", mark(finding), check, shown(what), todo[0] != '\0' ? "; " : "", todo);
}

void found_f(struct doctor *doctor, enum finding finding, const char *check, const char *todo, const char *format, ...)
{
	char what[1024];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(what, sizeof(what), format, arguments);
	va_end(arguments);
	found(doctor, finding, check, what, todo);
}

void found_error(struct doctor *doctor, const char *check, int error, const char *todo)
{
	const char *text = strerrordesc_np(abs(error));

	found(doctor, FINDING_BAD, check, text != NULL ? text : "failed", todo);
}
