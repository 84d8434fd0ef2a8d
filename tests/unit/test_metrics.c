/* SPDX-License-Identifier: ISC */
/* The text of metrics: samples of one metric stand together, and what is in a label stays there. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "cli/metrics.h"
#include "cli/subuid.h"

void complain(const char *what, const char *why, const char *todo)
{
	(void)what, (void)why, (void)todo;
}

static void samples_of_a_metric_stand_together_and_labels_are_escaped(void **state)
{
	static const char expected[] =
		"# TYPE subuid_up gauge\n"
		"# HELP subuid_up Whether subuidd answers\n"
		"subuid_up 1\n"
		"# TYPE subuid_account_keys gauge\n"
		"# HELP subuid_account_keys Its ssh keys\n"
		"subuid_account_keys{owner=\"a\\\"b\",account=\"c\\\\d\\ne\"} 18446744073709551615\n"
		"subuid_account_keys{owner=\"f\",account=\"\"} 0\n"
		"# HELP subuid_logins_total Logins of sub-accounts since subuidd started: good, "
		"failed, refused, probe; denied: by pam_subuid, since the host started\n"
		"subuid_logins_total{result=\"good\"} 7\n"
		"# EOF\n";
	struct metrics metrics = { 0 };
	char *text = NULL;
	size_t size = 0;
	FILE *to = open_memstream(&text, &size);

	(void)state;
	metrics_put(&metrics, METRIC_KEYS, UINT64_MAX, LABELS("owner", "a\"b", "account", "c\\d\ne"));
	metrics_put(&metrics, METRIC_LOGINS, 7, LABELS("result", "good"));
	metrics_put(&metrics, METRIC_UP, 1, NULL);
	metrics_put(&metrics, METRIC_KEYS, 0, LABELS("owner", "f", "account", ""));
	assert_true(metrics_print(&metrics, to));
	fclose(to);
	assert_string_equal(text, expected);
	free(text);
	metrics_free(&metrics);
}

static void what_cannot_be_written_is_said(void **state)
{
	struct metrics metrics = { 0 };
	FILE *full = fopen("/dev/full", "w");

	(void)state;
	assert_non_null(full);
	metrics_put(&metrics, METRIC_UP, 1, NULL);
	assert_false(metrics_print(&metrics, full));
	fclose(full);
	assert_int_equal(metrics_store(&metrics, "/dev/null/x.prom"), STATUS_FAILED);
	metrics_free(&metrics);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(samples_of_a_metric_stand_together_and_labels_are_escaped),
		cmocka_unit_test(what_cannot_be_written_is_said),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
