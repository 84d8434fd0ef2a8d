/* SPDX-License-Identifier: ISC */
/* The interface that every Varlink service answers: see service.h. Run by worker and userdb, neither with privilege. */
#include <errno.h>
#include <string.h>

#include "varlink/service.h"

/* As in the specification, https://varlink.org/Service */
static const char description[] = "# The Varlink Service Interface is provided by every varlink service. It\n"
				  "# describes the service and the interfaces it implements.\n"
				  "interface org.varlink.service\n"
				  "\n"
				  "# Get a list of all the interfaces a service provides and information\n"
				  "# about the implementation.\n"
				  "method GetInfo() -> (\n"
				  "  vendor: string,\n"
				  "  product: string,\n"
				  "  version: string,\n"
				  "  url: string,\n"
				  "  interfaces: []string\n"
				  ")\n"
				  "\n"
				  "# Get the description of an interface that is implemented by this service.\n"
				  "method GetInterfaceDescription(interface: string) -> (description: string)\n"
				  "\n"
				  "# The requested interface was not found.\n"
				  "error InterfaceNotFound (interface: string)\n"
				  "\n"
				  "# The requested method was not found\n"
				  "error MethodNotFound (method: string)\n"
				  "\n"
				  "# The interface defines the requested method, but the service does not\n"
				  "# implement it.\n"
				  "error MethodNotImplemented (method: string)\n"
				  "\n"
				  "# One of the passed parameters is invalid.\n"
				  "error InvalidParameter (parameter: string)\n"
				  "\n"
				  "# Client is denied access\n"
				  "error PermissionDenied ()\n"
				  "\n"
				  "# Method is expected to be called with 'more' set to true, but wasn't\n"
				  "error ExpectedMore ()\n";

/* Takes the reference of value; a lost member (no memory) fails the whole. */
static int set(json_t *object, const char *name, json_t *value)
{
	return json_object_set_new(object, name, value) < 0 ? -ENOMEM : 0;
}

static json_t *interface_names(const struct varlink_service *service)
{
	json_t *names = json_array();

	if (json_array_append_new(names, json_string(varlink_service_interface.name)) < 0)
		return names;
	for (size_t i = 0; service->interfaces[i] != NULL; i++)
		json_array_append_new(names, json_string(service->interfaces[i]->name));
	return names;
}

static int get_info(struct varlink_call *call)
{
	const struct varlink_service *service = call->service;
	json_t *info = json_object();

	if (set(info, "vendor", json_string(service->vendor)) < 0 ||
	    set(info, "product", json_string(service->product)) < 0 ||
	    set(info, "version", json_string(service->version)) < 0 ||
	    set(info, "url", json_string(service->url)) < 0 || set(info, "interfaces", interface_names(service)) < 0) {
		json_decref(info);
		return -ENOMEM;
	}
	return varlink_reply(call, info);
}

static int get_interface_description(struct varlink_call *call)
{
	json_t *asked = json_object_get(call->parameters, "interface"), *answer;
	const struct varlink_interface *interface;

	interface = varlink_interface_find(call->service, json_string_value(asked), json_string_length(asked));
	answer = json_object();
	if (interface == NULL) {
		if (set(answer, "interface", json_incref(asked)) == 0)
			return varlink_error(call, VARLINK_INTERFACE_NOT_FOUND, answer);
	} else if (set(answer, "description", json_string(interface->description)) == 0) {
		return varlink_reply(call, answer);
	}
	json_decref(answer);
	return -ENOMEM;
}

static const struct varlink_parameter no_parameters[] = {
	{ .name = NULL },
};

static const struct varlink_parameter description_parameters[] = {
	{ .name = "interface", .type = JSON_STRING, .required = true },
	{ .name = NULL },
};

static const struct varlink_method methods[] = {
	{ .name = "GetInfo", .parameters = no_parameters, .handle = get_info },
	{ .name = "GetInterfaceDescription",
	  .parameters = description_parameters,
	  .handle = get_interface_description },
	{ .name = NULL },
};

const struct varlink_interface varlink_service_interface = {
	.name = "org.varlink.service",
	.description = description,
	.methods = methods,
};

static int is_named(const struct varlink_interface *interface, const char *name, size_t length)
{
	return strlen(interface->name) == length && memcmp(interface->name, name, length) == 0;
}

const struct varlink_interface *varlink_interface_find(const struct varlink_service *service, const char *name,
						       size_t length)
{
	if (is_named(&varlink_service_interface, name, length))
		return &varlink_service_interface;
	for (size_t i = 0; service->interfaces[i] != NULL; i++)
		if (is_named(service->interfaces[i], name, length))
			return service->interfaces[i];
	return NULL;
}
