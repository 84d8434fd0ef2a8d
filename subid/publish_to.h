/* SPDX-License-Identifier: ISC */
/* The setting `publish =`: where else than in the index subordinate ids are told. Of the settings and of the writer. */
#ifndef SUBID_PUBLISH_TO_H
#define SUBID_PUBLISH_TO_H

enum publish_to {
	PUBLISH_PLUGIN, /* nowhere: libsubid_subuid answers */
	PUBLISH_FILES,  /* all in /etc/subuid and /etc/subgid: ranges and the uids of sub-accounts */
	PUBLISH_BOTH,   /* ranges there too, for tools that read the files themselves */
};

#endif
