/* SPDX-License-Identifier: ISC */
/* What all parts of the module ask: the index, and the items of a handle. */
#include <string.h>
#include <security/pam_modules.h>

#include "index/verdict.h"
#include "pam/session.h"

struct index_reader pam_index = { .path = INDEX_PATH, .trusted = INDEX_TRUSTED_UID };

const char *pam_item(const pam_handle_t *pamh, int type)
{
	const void *value = NULL;

	if (pam_get_item(pamh, type, &value) != PAM_SUCCESS)
		return NULL;
	return value;
}

static bool service_is(const pam_handle_t *pamh, const char *name)
{
	const char *service = pam_item(pamh, PAM_SERVICE);

	return service != NULL && strcmp(service, name) == 0;
}

bool from_sshd(const pam_handle_t *pamh)
{
	return service_is(pamh, "sshd");
}

bool is_service_manager(const pam_handle_t *pamh)
{
	return service_is(pamh, SERVICE_MANAGER);
}
