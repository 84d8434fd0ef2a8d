/* SPDX-License-Identifier: ISC */
/*
 * `subuid doctor`: whether passwords of accounts work, where the settings switch them on: the line in the auth stack of
 * sshd, the socket of the verifier, sshd's block. Run by root.
 */
#include "setup/doctor.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "account/password_question.h"
#include "cli/daemon.h"
#include "cli/program.h"
#include "confine/cleanup.h"
#include "setup/setup.h"
#include "setup/text.h"

#define SETUP_TODO "run `subuid setup`"

static bool check_pam(struct doctor *doctor)
{
	cleanup_free char *text = doctor_service(NULL, "sshd");
	enum pam_place place = text == NULL ? PAM_PLACE_ABSENT : pam_place(text, "auth", doctor_service, NULL, NULL, 0);

	if (place != PAM_PLACE_FIRST)
		found_f(doctor, FINDING_BAD, "passwords: PAM",
			place == PAM_PLACE_LATE ? "move our line to the top of " PAM_DIR "/sshd" : SETUP_TODO,
			place == PAM_PLACE_LATE ? "a module before " PAM_MODULE " may end the auth stack of sshd" :
						  PAM_MODULE " is not in the auth stack of sshd");
	return place == PAM_PLACE_FIRST;
}

static bool check_verifier(struct doctor *doctor)
{
	const struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = PASSWORDS_SOCKET };
	cleanup_fd int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	/* EAGAIN: many wait there already */
	if (fd >= 0 && (connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0 || errno == EAGAIN))
		return true;
	found_f(doctor, FINDING_BAD, "passwords: verifier",
		systemd_runs() ? "`systemctl status " VERIFY_UNIT "` says more" : "restart subuidd, which starts it",
		"nobody listens at %s, so that passwords are refused: %s", PASSWORDS_SOCKET, strerror(errno));
	return false;
}

static bool check_sshd(struct doctor *doctor)
{
	const struct sshd_demand *unmet = NULL;
	cleanup_free char *output = NULL;
	int status = sshd_ask(KEYS_USER, PASSWORDS_GROUP, &output);
	char value[512];

	if (status != 0 || output == NULL) { /* doctor_sshd() says what is wrong with it */
		found(doctor, FINDING_BAD, "passwords: sshd", "it cannot be asked", "`sshd -T` must work");
		return false;
	}
	unmet = sshd_unmet(sshd_password_demands, output);
	if (unmet == NULL)
		return true;
	sshd_value(output, unmet->keyword, value, sizeof(value));
	found_f(doctor, FINDING_BAD, "passwords: sshd", SETUP_TODO "; another Match block may come first",
		"for members of " PASSWORDS_GROUP " `%s` is `%s` and not `%s`", unmet->keyword, value, unmet->value);
	return false;
}

void doctor_passwords(struct doctor *doctor)
{
	char why[512];
	int wanted = passwords_wanted(why, sizeof(why));
	bool good;

	if (wanted < 0) {
		found(doctor, FINDING_BAD, "passwords", why, SETTINGS_TODO);
		return;
	}
	if (wanted == 0)
		return;
	good = check_pam(doctor);
	good &= check_verifier(doctor);
	good &= check_sshd(doctor);
	if (good)
		found(doctor, FINDING_GOOD, "passwords", "sshd asks for them, and the verifier answers", "");
}
