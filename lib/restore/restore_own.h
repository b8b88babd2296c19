/* SPDX-License-Identifier: Apache-2.0 */
/*
 * restore_own -- whose a restored file is, and who may read it.  Private to
 * restore.
 */
#ifndef LSPP_RESTORE_RESTORE_OWN_H
#define LSPP_RESTORE_RESTORE_OWN_H

struct err;
struct place;
struct provenance;
struct restore_own;
struct restored;

/*
 * Give r's file, which is ours alone until now, the owner, group and mode that
 * own asks for; where it says RESTORE_KEEP (NULL: in all), those of pv (NULL:
 * not known), as far as we may, and noting in r when we may not.  Nobody gets
 * to read the file who could not read the source: without its group, a group
 * gets nothing.
 */
int own_set(struct restored *r, const struct restore_own *own,
    const struct provenance *pv, struct err *e);

/*
 * Likewise the directory of p, if it was made for r: what pv says of the
 * source's directory, or if it says nothing, its owner's alone.
 */
int own_set_dir(struct place *p, struct restored *r,
    const struct restore_own *own, const struct provenance *pv, struct err *e);

#endif
