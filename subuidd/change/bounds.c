/* SPDX-License-Identifier: ISC */
/* Whether an account may be given so much of the host: no more than its owner has to give. Run by the broker. */
#include "subuidd/change/bounds.h"

#include <stdio.h>

#include "account/bounds.h"
#include "account/record.h"
#include "subuidd/change/churn.h"

/* In the words of the command line. */
static enum failure bound_above(struct call *call, const char *owner, enum bound bound, uint64_t most)
{
	const struct field *field = &facts_record.fields[FACT_BOUNDS + bound];
	struct facts facts = { 0 };
	char why[FAILURE_TEXT_MAX + 1], todo[FAILURE_TEXT_MAX + 1], text[FIELD_PRINT_MAX];

	facts.bounds.of[bound] = most;
	snprintf(why, sizeof(why), "at most %s for an account of %s", field_print(field, &facts, text), owner);
	snprintf(todo, sizeof(todo), "root can raise it: subuid limit %s --%s %s", owner, field_option(field),
		 field->form == FORM_BOUND ? "N" : "SIZE");
	return call_fail(call, FAILURE_LIMIT_REACHED, field->name, why, todo);
}

enum failure limit_bounds(struct call *call, const char *owner, const struct facts *facts, uint32_t set)
{
	struct bounds host;
	struct limit limit;
	int r = set >> FACT_BOUNDS == 0 ? 0 : limit_of(call, owner, &limit);

	if (r < 0)
		return call_fail_store(call, r);
	settings_bounds(&call->broker->settings, &host);
	for (unsigned i = 0; i < BOUNDS && set >> FACT_BOUNDS != 0; i++) {
		const uint64_t most = bound_most(&host, &limit.bounds, i);

		if ((set >> (FACT_BOUNDS + i) & 1) != 0 && most != 0 && facts->bounds.of[i] > most)
			return bound_above(call, owner, i, most);
	}
	return FAILURE_NONE;
}

enum failure limit_services(struct call *call, uint32_t before, const struct facts *facts, uint32_t set)
{
	if ((set & 1u << FACT_SERVICES) == 0 || facts->services == SERVICES_NO || before == SERVICES_YES ||
	    call->caller.root)
		return FAILURE_NONE;
	return call_fail(call, FAILURE_NOT_PERMITTED, "services", "only root lets an account have services",
			 "ask root for `subuid set NAME --services yes`");
}
