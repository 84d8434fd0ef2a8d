/* SPDX-License-Identifier: ISC */
#ifndef SUBUIDD_HOME_TREE_H
#define SUBUIDD_HOME_TREE_H

/* Deletes everything below the directory, whatever its depth and width, following no link and crossing no mount. Run by
 * a child that has the rights of the tree's owner and no more. 0, or the negative errno of the last thing that could
 * not be deleted (the rest is). */
int tree_empty(int dirfd);

#endif
