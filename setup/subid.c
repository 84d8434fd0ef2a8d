/* SPDX-License-Identifier: ISC */
/*
 * Our plug-in answers for subordinate ids, or lines in /etc/subuid and /etc/subgid that the daemon writes (publish =).
 * Never both at random: with `publish = files` nsswitch.conf does not name us.
 *
 * While it names any plug-in, shadow's own tools cannot change the files. Until 4.13 they said nothing; since 4.14
 * useradd and userdel fail, whatever they were asked for, as long as one of the files exists (shadow's issues 1004
 * and 1346). And there are programs that read the files themselves. So the files are used, unless the administrator
 * says otherwise.
 */
#include "cli/program.h"
#include "setup/setup.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "setup/text.h"
#include "confine/cleanup.h"
#include "subid/chain.h"
#include "subid/found.h"

#define file_cleanup __attribute__((cleanup(setup_file_done)))

static const char *const subid_files[] = { SYSCONFDIR "/subuid", SYSCONFDIR "/subgid" };

enum publish_way publish_way(char **said)
{
	static const char *const names[] = {
		[PUBLISH_WAY_PLUGIN] = "plugin\n", [PUBLISH_WAY_FILES] = "files\n", [PUBLISH_WAY_BOTH] = "both\n"
	};
	static const char *const argv[] = { SBINDIR "/subuidd", "--setting", "publish", NULL };
	cleanup_free char *output = NULL;
	int status = command_run(argv, &output);

	for (size_t i = PUBLISH_WAY_PLUGIN; status == 0 && i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(output, names[i]) == 0)
			return (enum publish_way)i;
	if (output != NULL)
		output[strcspn(output, "\n")] = '\0';
	*said = steal_ptr(&output);
	return PUBLISH_WAY_UNKNOWN;
}

/* "1:4.17.4-2" */
static enum shadow_tools version_tools(const char *version)
{
	const char *colon = strchr(version, ':');
	unsigned long major, minor = 0;
	char *end;

	if (colon != NULL)
		version = colon + 1;
	major = strtoul(version, &end, 10);
	if (end == version)
		return SHADOW_UNKNOWN;
	if (*end == '.')
		minor = strtoul(end + 1, NULL, 10);
	return major > 4 || (major == 4 && minor >= 14) ? SHADOW_FAILS : SHADOW_SILENT;
}

enum shadow_tools shadow_tools(void)
{
	static const char *const dpkg[] = { "dpkg-query", "-W", "-f", "${Version}", "passwd", NULL };
	static const char *const rpm[] = { "rpm", "-q", "--qf", "%{VERSION}", "shadow-utils", NULL };
	static const char *const *const asked[] = { dpkg, rpm };

	for (size_t i = 0; i < sizeof(asked) / sizeof(asked[0]); i++) {
		cleanup_free char *version = NULL;

		if (command_run(asked[i], &version) == 0)
			return version_tools(version);
	}
	return SHADOW_UNKNOWN;
}

bool subid_files_present(void)
{
	return access(subid_files[0], F_OK) == 0 || access(subid_files[1], F_OK) == 0;
}

const char *shadow_what(enum shadow_tools tools)
{
	switch (tools) {
	case SHADOW_SILENT:
		return "useradd gives no subordinate ids, userdel leaves the lines of deleted users, and "
		       "usermod --add-subuids reports success and changes nothing, while subid names a plug-in";
	case SHADOW_FAILS:
		return "useradd and userdel fail (exit status 16) while subid names a plug-in and " SYSCONFDIR
		       "/subuid or " SYSCONFDIR "/subgid exists";
	default:
		return "useradd, usermod and userdel change no subordinate ids, or fail, while subid names a plug-in";
	}
}

const char *shadow_todo(enum shadow_tools tools)
{
	if (tools == SHADOW_SILENT)
		return "say `publish = files` in " SETTINGS_DIR
		       " and run `subuid setup`; or give ids with `subuid range add --owner USER`, and take lines of "
		       "deleted users out by hand";
	return "say `publish = files` in " SETTINGS_DIR
	       " and run `subuid setup`; or `subuid adopt --remove`, and delete "
	       "both files when nothing is left in them";
}

/* Our plug-in does not trust a file that others may write, and the users in it would lose their ids. */
static int subid_file_check(const char *path)
{
	struct stat st;

	if (stat(path, &st) != 0 || (st.st_uid == 0 && (st.st_mode & 0022) == 0))
		return 0;
	return setup_fail(path, "may be written by users other than root", "give it to root, with mode 0644");
}

enum place { PLACE_FAILED = -1, PLACE_STAYS, PLACE_PLUGIN };

/* Whether our plug-in replaces the source of subordinate ids that is named now. If that source can be loaded, ours goes
 * on asking it; if not, we leave it in place. */
static enum place plugin_place(struct setup *setup, const char *text)
{
	char source[64], plugin[PATH_MAX], chain[80];

	if (access(SUBID_PLUGIN, R_OK) != 0)
		return PLACE_STAYS;
	/* a plug-in that cannot be loaded is passed over in silence, and the files speak */
	if (module_check(SUBID_PLUGIN, "shadow_subid_has_range") < 0 || subid_file_check(subid_files[0]) < 0 ||
	    subid_file_check(subid_files[1]) < 0)
		return PLACE_FAILED;
	nsswitch_first_source(text, "subid", source, sizeof(source));
	if (source[0] == '\0' || strcmp(source, "files") == 0 || strcmp(source, NSS_SOURCE) == 0)
		return PLACE_PLUGIN;
	snprintf(plugin, sizeof(plugin), "%s/libsubid_%s.so", HOST_LIBDIR, source);
	if (!subid_chain_named(source) || access(plugin, R_OK) != 0) {
		say(NSSWITCH_PATH, "subid names a source that is not installed, which stays: newuidmap will not know "
				   "our ranges");
		return PLACE_STAYS;
	}
	snprintf(chain, sizeof(chain), "%s\n", source);
	return file_change(setup, SUBID_CHAIN_PATH, chain, "whole") < 0 ? PLACE_FAILED : PLACE_PLUGIN;
}

/* Chooses the files where the plug-in would keep the host's own tools from what they do with them, which is each host
 * whose shadow is known and that has the files. One on which our plug-in is at work keeps it, unless users cannot be
 * added there. A setting of the administrator's is read after ours and wins. Does nothing if another plug-in was chosen
 * already. *way: what then applies. 0 or -1. */
static int settings_choose(struct setup *setup, const char *nsswitch, enum publish_way *way)
{
	static const char text[] =
		"# Made by `subuid setup`. While a plug-in answers for subordinate ids, useradd, usermod and userdel\n"
		"# fail or leave /etc/subuid as it is, and programs that read it themselves find nothing of ours "
		"there.\n"
		"# So the files list all ids. Another choice belongs in local.conf, which is read after this; then "
		"run\n"
		"# `subuid setup` again.\n"
		"[subid]\n"
		"publish = files\n";
	cleanup_free char *said = NULL;
	enum shadow_tools tools = shadow_tools();
	char source[64];
	bool ours;

	nsswitch_first_source(nsswitch, "subid", source, sizeof(source));
	ours = strcmp(source, NSS_SOURCE) == 0;
	if (source[0] != '\0' && strcmp(source, "files") != 0 && !ours)
		return 0;
	if (*way != PUBLISH_WAY_PLUGIN || access(SUBID_SETTINGS, F_OK) == 0 || !subid_files_present() ||
	    tools == SHADOW_UNKNOWN || (tools == SHADOW_SILENT && ours))
		return 0;
	if (directory_make(setup, SETTINGS_DIR, 0755) < 0 || file_change(setup, SUBID_SETTINGS, text, "whole") < 0)
		return -1;
	setup->settings_changed = true;
	*way = setup->dry_run ? PUBLISH_WAY_FILES : publish_way(&said);
	return 0;
}

/* The source that ours took the place of; "" none. */
static void source_before(char *source, size_t size)
{
	file_cleanup struct setup_file file = { 0 };

	source[0] = '\0';
	if (file_load(SUBID_CHAIN_PATH, &file) == 0 && file.exists)
		snprintf(source, size, "%.*s", (int)strcspn(file.text, "\n"), file.text);
}

static int without_plugin(const char *text, char **out)
{
	char source[64];

	nsswitch_first_source(text, "subid", source, sizeof(source));
	if (strcmp(source, NSS_SOURCE) == 0)
		source_before(source, sizeof(source));
	if (source[0] != '\0' && strcmp(source, "files") != 0)
		say(NSSWITCH_PATH,
		    "subid names another source, and newuidmap reads no file then: it will not know our ranges");
	return nsswitch_remove_subid(text, source, out);
}

int subid_place(struct setup *setup, const char *text, char **out)
{
	cleanup_free char *said = NULL;
	enum publish_way way = publish_way(&said);
	enum shadow_tools tools;
	enum place place;

	if (way != PUBLISH_WAY_UNKNOWN && settings_choose(setup, text, &way) < 0)
		return 1;
	if (way == PUBLISH_WAY_UNKNOWN) {
		setup_fail("settings", said != NULL && said[0] != '\0' ? said : "cannot be read",
			   "`subuidd --check-config` says what is wrong");
		return 1;
	}
	if (way == PUBLISH_WAY_FILES)
		return without_plugin(text, out);
	place = plugin_place(setup, text);
	if (place == PLACE_FAILED)
		return 1;
	tools = place == PLACE_PLUGIN ? shadow_tools() : SHADOW_UNKNOWN;
	if (place == PLACE_PLUGIN && (tools != SHADOW_FAILS || subid_files_present())) {
		say("useradd, usermod, userdel", shadow_what(tools));
		say("useradd, usermod, userdel", shadow_todo(tools));
	}
	return nsswitch_add(text, place == PLACE_PLUGIN, out);
}
