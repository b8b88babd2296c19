/* SPDX-License-Identifier: Apache-2.0 */
/*
 * codec -- this layout, as those see it who do not care which: codec/codec.h.
 */
#ifndef LSPP_REPLICA_WAL_CODEC_H
#define LSPP_REPLICA_WAL_CODEC_H

#include "lib/replica/codec/codec.h"

extern const struct codec wal_codec;
extern const struct codec_writer wal_writer; /* its own: walwrite.c */

#endif
