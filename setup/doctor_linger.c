/* SPDX-License-Identifier: ISC */
/* `subuid doctor`: that sub-accounts and ids inside ranges neither linger nor have a service manager. */
#include "cli/daemon.h"
#include "setup/doctor.h"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include "account/name.h"
#include "setup/setup.h"
#include "cli/subuid.h"
#include "confine/cleanup.h"
#include "confine/path.h"

#define INSTALL_TODO "run `make install`, or install the package"
#define LINGER_DIR "/var/lib/systemd/linger"
#define POLKITD "/usr/lib/polkit-1/polkitd"

/* systemd's name of a file here is the user's. */
static bool check_lingering(struct doctor *doctor)
{
	static struct index_reader accounts = INDEX_READER(INDEX_PATH);
	cleanup_fd int fd = path_open_trusted(LINGER_DIR, O_RDONLY);
	cleanup_dir DIR *directory = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *entry;
	char first[256] = "", shown[512];
	unsigned count = 0;

	if (directory != NULL)
		steal_fd(&fd);
	while (directory != NULL && (entry = readdir(directory)) != NULL) {
		struct index_account account;

		if (!index_name_ours(&accounts, entry->d_name) ||
		    (index_account_by_name(&accounts, entry->d_name, &account) == 0 &&
		     (account.flags & ACCOUNT_SERVICES) != 0))
			continue;
		if (count++ == 0)
			snprintf(first, sizeof(first), "%s", entry->d_name);
	}
	if (count == 0)
		return true;
	found_f(doctor, FINDING_NOTE, "lingering", "loginctl disable-linger NAME for each in " LINGER_DIR,
		"%u sub-accounts or ids of ranges linger, such as %s: each costs the service manager at every boot",
		count, text_escape(first, shown, sizeof(shown)));
	return false;
}

void doctor_linger(struct doctor *doctor)
{
	bool good = true;

	if (!systemd_runs())
		return;
	if (access(USER_MANAGER_DROPIN "/50-subuidd.conf", R_OK) != 0 ||
	    access(LIBEXECDIR "/user-manager", X_OK) != 0) {
		good = false;
		found(doctor, FINDING_BAD, "lingering",
		      "the condition of user@.service is missing, so that each login leaves a failed unit",
		      INSTALL_TODO);
	}
	if (access(POLKITD, F_OK) == 0 && access(POLKIT_RULES "/40-subuidd.rules", R_OK) != 0) {
		good = false;
		found(doctor, FINDING_BAD, "lingering",
		      "the rule for polkit is missing, so that each id of a range may linger", INSTALL_TODO);
	}
	good &= check_lingering(doctor);
	if (good)
		found(doctor, FINDING_GOOD, "lingering", "refused to sub-accounts and ids of ranges", "");
}
