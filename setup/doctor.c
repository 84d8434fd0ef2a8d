/* SPDX-License-Identifier: ISC */
/* `subuid doctor`: runs the checks in order and prints what they found. Run by root. */
#include "setup/doctor.h"
#include "setup/setup.h"

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

static void doctor_all(struct doctor *doctor)
{
	doctor_learn(doctor);
	doctor_kernel(doctor);
	doctor_host(doctor);
	doctor_userdb(doctor);
	doctor_sshd(doctor);
	doctor_passwords(doctor);
	doctor_tools(doctor);
	doctor_state(doctor);
	doctor_owners(doctor);
	doctor_manage(doctor);
}

int host_doctor(int argc, char **argv)
{
	struct doctor doctor = { 0 };
	bool containers = false;
	int status = STATUS_DONE, option;

	while ((option = option_next("doctor", argc, argv, &status)) > 0)
		containers |= option == 'C';
	if (option < 0)
		return status;
	if (argc > optind && !containers)
		return usage_error(argv[optind], "only --containers takes a name", "see `subuid help doctor`");
	if (geteuid() != 0) {
		complain("doctor", "only root can see everything that it checks", "use sudo");
		return failure_exit_status(FAILURE_NOT_PERMITTED);
	}
	setlocale(LC_CTYPE, "");
	doctor.json = common.json;
	doctor.checks = json_array();
	if (containers)
		doctor_containers(&doctor, argc > optind ? argv[optind] : NULL);
	else
		doctor_all(&doctor);
	json_decref(doctor.status);
	status = report(&doctor);
	if (!doctor.json)
		json_decref(doctor.checks);
	return status;
}
