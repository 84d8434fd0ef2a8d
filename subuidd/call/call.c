/* SPDX-License-Identifier: ISC */
/* The life of a call: made, answered row by row, ended. */
#include "subuidd/call/call.h"

#include <stdlib.h>
#include <string.h>

#include "subuidd/publish/publish.h"

struct call *call_new(struct broker *broker, const struct operation *operation, const struct caller *caller,
		      const struct call_sink *sink, void *asker)
{
	struct call *call = calloc(1, sizeof(*call));

	if (call == NULL)
		return NULL;
	call->broker = broker;
	call->store = broker->store;
	call->operation = operation;
	call->caller = *caller;
	call->sink = sink;
	call->asker = asker;
	call->next = broker->calls;
	broker->calls = call;
	return call;
}

struct call *call_internal(struct broker *broker, const struct operation *operation, const struct account *account)
{
	static const struct caller ourselves = { .root = true, .admin = true, .named = true, .name = "subuidd" };
	struct call *call = call_new(broker, operation, &ourselves, NULL, NULL);

	if (call == NULL)
		return NULL;
	call->account = *account;
	call->request.op = operation->op;
	if (name_join(account->owner, broker->settings.separator, account->label, call->target) < 0)
		call->target[0] = '\0';
	call_owner_look(call, account->owner);
	return call;
}

void call_abandon(struct call *call)
{
	for (struct call **at = &call->broker->calls; *at != NULL; at = &(*at)->next)
		if (*at == call) {
			*at = call->next;
			break;
		}
	if (call->batch != NULL)
		call->batch->free(call);
	free(call);
}

bool call_collects(const struct call *call)
{
	return call->batch != NULL && call->batch->collects(call);
}

void call_leave(struct call *call)
{
	call->sink = NULL;
	call->asker = NULL;
	if (call_collects(call))
		call_abandon(call);
}

void call_row(struct call *call, struct answer *row)
{
	row->row = 1;
	if (call->sink != NULL)
		call->sink->row(call->asker, call->request.op, row);
}

void call_rows(struct call *call, char *rows, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		((struct answer *)(rows + i * wire_answer_size(call->request.op)))->row = 1;
	if (call->sink != NULL)
		call->sink->rows(call->asker, call->request.op, rows, count);
}

void call_finish(struct call *call, enum failure failure)
{
	if (failure == CALL_PENDING)
		return;
	/* Everything committed so far has been put into the index by now. */
	publication_commit(call->broker->publication);
	if (call->broker->hold == NULL || !call->broker->hold(call, failure))
		call_finish_now(call, failure);
}

void call_finish_now(struct call *call, enum failure failure)
{
	struct answer *answer = &call->answer;

	answer->failure.failure = failure;
	if (failure != FAILURE_NONE) {
		struct failure_text text = answer->failure;

		counters_refusal(&call->broker->counters, failure);
		audit_refusal(call);
		memset(answer, 0, sizeof(*answer));
		answer->failure = text;
	}
	answer->row = 0;
	if (call->sink != NULL)
		call->sink->end(call->asker, call->request.op, answer);
	call_abandon(call);
}
