/* SPDX-License-Identifier: ISC */
/* What came of a link, from how its child ended, and in words. Run by the broker (root). */
#include <errno.h>

#include "home/home.h"

enum link_result link_result_of(int status)
{
	if (status == -ETIMEDOUT)
		return LINK_TIMEOUT;
	return status >= LINK_OK && status <= LINK_MENDED ? (enum link_result)status : LINK_FAILED;
}

const char *link_result_why(enum link_result result)
{
	switch (result) {
	case LINK_OK:
	case LINK_MENDED:
		return "the link is as it should be";
	case LINK_NO_HOME:
		return "the owner's home directory does not exist";
	case LINK_NOT_HIS:
		return "the owner's home directory is not the owner's own";
	case LINK_OCCUPIED:
		return "something else stands where the link should be";
	case LINK_DIRECTORY:
		return "the directory for the link cannot be made, or is a symlink or somebody else's";
	case LINK_TIMEOUT:
		return "the owner's home directory did not answer in time";
	case LINK_FAILED:
		break;
	}
	return "the link in the owner's home cannot be made or removed";
}

const char *link_result_todo(enum link_result result)
{
	switch (result) {
	case LINK_OK:
	case LINK_MENDED:
		return "";
	case LINK_NO_HOME:
		return "log in once, or have the home directory made, and try again";
	case LINK_NOT_HIS:
		return "have the home directory's owner set right, and try again";
	case LINK_OCCUPIED:
		return "move it away, or choose another label";
	case LINK_DIRECTORY:
		return "move away what stands there, or make room, and try again";
	case LINK_TIMEOUT:
		return "see whether the home directory's server is up, and try again";
	case LINK_FAILED:
		break;
	}
	return "see whether the home directory can be written, and try again";
}
