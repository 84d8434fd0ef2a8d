/* SPDX-License-Identifier: ISC */
/* Rules of system call filters, one call or a list at a time. Part of make-filters, which is run when subuidd is built.
 */
#include "confine/seccomp_rules.h"

#include <errno.h>

int rule_all(scmp_filter_ctx filter, uint32_t action, struct calls calls)
{
	for (size_t i = 0; i < calls.count; i++) {
		int r = seccomp_rule_add_array(filter, action, calls.call[i], 0, NULL);

		if (r < 0)
			return r;
	}
	return 0;
}

static bool listed(struct calls calls, int call)
{
	for (size_t i = 0; i < calls.count; i++)
		if (calls.call[i] == call)
			return true;
	return false;
}

int rule_all_but(scmp_filter_ctx filter, uint32_t action, struct calls calls, struct calls except)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < calls.count; i++)
		if (!listed(except, calls.call[i]))
			r = seccomp_rule_add_array(filter, action, calls.call[i], 0, NULL);
	return r;
}

int rule_masked(scmp_filter_ctx filter, uint32_t action, int call, unsigned argument, uint64_t mask, uint64_t value)
{
	const struct scmp_arg_cmp compare = {
		.arg = argument, .op = SCMP_CMP_MASKED_EQ, .datum_a = mask, .datum_b = value
	};

	return seccomp_rule_add_array(filter, action, call, 1, &compare);
}

int rule_equal(scmp_filter_ctx filter, int call, unsigned argument, uint64_t value)
{
	return rule_masked(filter, SCMP_ACT_ALLOW, call, argument, UINT32_MAX, value & UINT32_MAX);
}

int rule_without(scmp_filter_ctx filter, int call, unsigned argument, uint64_t mask)
{
	int r = rule_masked(filter, SCMP_ACT_ALLOW, call, argument, mask, 0);

	for (uint64_t bit = 1; r == 0 && bit <= mask; bit <<= 1)
		if ((mask & bit) != 0)
			r = rule_masked(filter, SCMP_ACT_ERRNO(EPERM), call, argument, bit, bit);
	return r;
}
