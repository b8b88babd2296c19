/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/replica/peek.h"

#include <string.h>

#include "lib/base/err.h"
#include "lib/replica/ltx/ltx_mark.h"
#include "lib/replica/ltx/ltx_names.h"
#include "lib/store/store.h"

int
peek(struct store *s, const char *key, struct provenance *pv, struct err *e)
{
	uint8_t last[PROVENANCE_SIZE];
	size_t n = sizeof(last);

	*pv = (struct provenance){ 0 };
	if (store_few(s, key, UINT64_MAX, last, &n, e) == -1)
		return -1;
	return provenance_parse(pv, last, n, e);
}

int
peek_any(struct store *s, const char *key, const uint8_t *self,
    struct provenance *pv, struct err *e)
{
	enum ltx_levels how;
	struct ltx_name name;
	size_t n;
	int has;

	if (!ltx_object(key, &n, &how, &name)) {
		has = peek(s, key, pv, e);
		return has == -1 && e->class == ERR_CORRUPT
		    ? err_in(e, "%s", key)
		    : has;
	}
	has = ltx_mark_peek(s, key, pv, e);
	if (has == 1 && memcmp(pv->writer, self, LTX_MARK_WRITER) == 0)
		memcpy(pv->writer, self, sizeof(pv->writer));
	return has;
}
