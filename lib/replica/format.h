/* SPDX-License-Identifier: Apache-2.0 */
/*
 * format -- which layouts of replicas there are.
 */
#ifndef LSPP_REPLICA_FORMAT_H
#define LSPP_REPLICA_FORMAT_H

#include "lib/replica/codec/codec.h"

/*
 * flat: for a store without directories (store.h), where a layout may have other
 * names.  NULL: it is not known to this program.
 */
const struct codec *format_codec(enum format format, bool flat);

#endif
