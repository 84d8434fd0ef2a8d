/* SPDX-License-Identifier: ISC */
/*
 * System call filters: run when subuidd is built, it writes them as C (libseccomp
 * needs longer to make one than the gate may take to start).
 *
 * Allow-lists: a call that is not named here does not happen. Three kinds of "no": ENOSYS
 * (rsync: anything not named, so that libraries take their older way, also for calls
 * that are younger than this file), EPERM (rsync: calls that are named in
 * `refused` because of what they would do), kill (worker: anything). GUEST alone is a list of what is refused.
 */
#include <errno.h>
#include <linux/filter.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "confine/cleanup.h"
#include "confine/seccomp_rules.h"

#define SCMP_API_NOTIFY 5 /* seccomp_api_get(3) */

static int make_filter(scmp_filter_ctx filter, enum program program, FILE *bpf)
{
	/* x32, i386 and other entry points of a foreign architecture */
	int r = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);

	if (r == 0) /* a binary tree: the calls with conditions are looked up each time */
		r = seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	if (r == 0)
		r = program == GUEST     ? fill_guest(filter) :
		    program == CONNECTOR ? fill_connector(filter) :
		    program == THROTTLE  ? fill_throttle(filter) :
		    program == KEEPER    ? fill_keeper(filter) :
		    program == USERDB    ? fill_userdb(filter) :
		    program == WORKER    ? fill_worker(filter) :
		    program >= SHELL     ? fill_shell(filter, program) :
		    program >= TOOL      ? fill_tool(filter, program) :
					   fill_rsync(filter, program);
	return r < 0 ? r : seccomp_export_bpf(filter, fileno(bpf));
}

static int write_filter(const char *name, enum program program)
{
	scmp_filter_ctx filter = seccomp_init(program == GUEST  ? SCMP_ACT_ALLOW :
					      program >= WORKER ? SCMP_ACT_KILL_PROCESS :
								  SCMP_ACT_ERRNO(ENOSYS));
	cleanup_file FILE *bpf = tmpfile();
	struct sock_filter line;
	size_t count = 0;
	int r;

	if (filter == NULL || bpf == NULL)
		return -ENOMEM;
	r = make_filter(filter, program, bpf);
	seccomp_release(filter);
	if (r < 0)
		return r;
	rewind(bpf);
	printf("const struct sock_filter %s[] = {\n", name);
	while (fread(&line, sizeof(line), 1, bpf) == 1) {
		printf("\t{ 0x%04x, %u, %u, 0x%08x },\n", line.code, line.jt, line.jf, line.k);
		count++;
	}
	printf("};\nconst unsigned short %s_count = %zu;\n", name, count);
	return count == 0 || count > BPF_MAXINSNS || ferror(bpf) ? -EIO : 0;
}

int main(void)
{
	int r = seccomp_api_set(SCMP_API_NOTIFY); /* what the filters need, whatever kernel this is */

	fputs("#include \"confine/seccomp_filters.h\"\n", stdout);
	if (r == 0)
		r = write_filter("seccomp_filter_rsync", RECEIVER);
	if (r == 0)
		r = write_filter("seccomp_filter_rsync_blind", BLIND);
	if (r == 0)
		r = write_filter("seccomp_filter_rsync_sender", SENDER);
	if (r == 0)
		r = write_filter("seccomp_filter_tool", TOOL);
	if (r == 0)
		r = write_filter("seccomp_filter_tool_reader", TOOL_READER);
	if (r == 0)
		r = write_filter("seccomp_filter_tool_new_files", TOOL_NEW_FILES);
	if (r == 0)
		r = write_filter("seccomp_filter_shell", SHELL);
	if (r == 0)
		r = write_filter("seccomp_filter_shell_net", SHELL_NET);
	if (r == 0)
		r = write_filter("seccomp_filter_shell_net_asks", SHELL_NET_ASKS);
	if (r == 0)
		r = write_filter("seccomp_filter_worker", WORKER);
	if (r == 0)
		r = write_filter("seccomp_filter_userdb", USERDB);
	if (r == 0)
		r = write_filter("seccomp_filter_keeper", KEEPER);
	if (r == 0)
		r = write_filter("seccomp_filter_throttle", THROTTLE);
	if (r == 0)
		r = write_filter("seccomp_filter_connector", CONNECTOR);
	if (r == 0)
		r = write_filter("seccomp_filter_guest", GUEST);
	if (r == 0 && fflush(stdout) == 0)
		return EXIT_SUCCESS;
	fprintf(stderr, "seccomp_rules: %s\n", strerror(-r));
	return EXIT_FAILURE;
}
