/* SPDX-License-Identifier: ISC */
#include "cli/doctor.h"

#include <langinfo.h>
#include <locale.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "account/failure.h"
#include "account/name.h"
#include "cli/print.h"
#include "cli/subuid.h"

static const char help[] =
	"usage: subuid doctor [--json]\n"
	"Checks this host end to end: kernel, modules, nsswitch.conf, PAM, sshd, daemon, store,\n"
	"index, homes. Says what to do about each fault. Exit status 0 when there is none.\n";

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
		char clean[1024]; /* what other programs said need not be UTF-8 */

		json_array_append_new(doctor->checks,
				      json_pack("{s:s, s:s, s:s, s:s}", "check", check, "result", names[finding],
						"found", text_escape(what, clean, sizeof(clean)), "todo", todo));
		return;
	}
	printf("%s %s: %s%s%s\n", mark(finding), check, shown(what), todo[0] != '\0' ? "; " : "", todo);
}

void found_f(struct doctor *doctor, enum finding finding, const char *check, const char *todo, const char *format,
	     ...)
{
	char what[1600];
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

static int report(struct doctor *doctor)
{
	json_t *all;
	int status;

	if (!doctor->json) {
		puts(doctor->bad ? "This host is not well; see above." : "This host is well.");
		return doctor->bad ? STATUS_FAILED : STATUS_DONE;
	}
	all = json_pack("{s:b, s:o}", "ok", (int)!doctor->bad, "checks", doctor->checks);
	if (all == NULL)
		return STATUS_FAILED;
	status = print_json(all);
	json_decref(all);
	return status != STATUS_DONE ? status : doctor->bad ? STATUS_FAILED : STATUS_DONE;
}

int command_doctor(int argc, char **argv)
{
	static const struct option known[] = { COMMON_OPTIONS };
	struct doctor doctor = { 0 };
	int status = STATUS_DONE;

	if (option_next("doctor", help, argc, argv, known, &status) < 0)
		return status;
	status = operands_check("doctor", argc, 0, 0);
	if (status != STATUS_DONE)
		return status;
	if (geteuid() != 0) {
		complain("doctor", "only root can see all that it looks at", "use sudo");
		return failure_exit_status(FAILURE_NOT_PERMITTED);
	}
	setlocale(LC_CTYPE, "");
	doctor.json = common.json;
	doctor.checks = json_array();
	doctor_learn(&doctor);
	doctor_kernel(&doctor);
	doctor_host(&doctor);
	doctor_sshd(&doctor);
	doctor_state(&doctor);
	json_decref(doctor.status);
	status = report(&doctor);
	if (!doctor.json)
		json_decref(doctor.checks);
	return status;
}
