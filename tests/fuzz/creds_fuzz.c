/* SPDX-License-Identifier: Apache-2.0 */
/* What a container, an instance or a program answers: credentials in JSON. */
#include "lib/store/aws/creds_fetch.h"

#include <string.h>

#include "lib/base/err.h"
#include "tests/fuzz/fuzz.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct creds got = { 0 };
	struct buf text = { 0 };
	struct err e;

	buf_add(&text, data, size);
	(void)http_date(buf_str(&text));
	if (creds_parse(&text, "Token", &got, &e) == 0)
		must(got.key != NULL && got.secret != NULL);
	else
		must(e.class == ERR_CONFIG && got.key == NULL);
	for (size_t i = 0; i < text.len; i++)
		must(text.data[i] == 0);
	creds_release(&got);
	buf_release(&text);
	return 0;
}
