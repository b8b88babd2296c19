/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz -- what the targets share.
 *
 * A target is one libFuzzer entry point:
 *
 *	clang -fsanitize=fuzzer,address,undefined -I. tests/fuzz/wal_fuzz.c ...
 *
 * Linked with main.c instead, by any compiler, it is a program that runs the
 * files of a corpus through the same code.
 */
#ifndef LSPP_TESTS_FUZZ_H
#define LSPP_TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What must hold, whatever the input. */
#define must(cond)                                                             \
	do {                                                                   \
		if (!(cond)) {                                                 \
			fprintf(                                               \
			    stderr, "%s:%d: %s\n", __FILE__, __LINE__, #cond); \
			abort();                                               \
		}                                                              \
	} while (0)

#endif
