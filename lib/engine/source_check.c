/*
 * What the files of a source say of themselves, against what they can hold.
 * SQLite meets a damaged page when it uses it; here it would be taken along,
 * and be what every restore brings back.
 */
#include <sys/stat.h>

#include "lib/base/err.h"
#include "lib/engine/source_impl.h"
#include "lib/format/growth.h"

/* Pages in the file; one that is begun counts. */
static int
file_pages(const struct source *s, uint32_t *pages, struct err *e)
{
	struct stat now; /* it may have grown since it was opened */
	uint64_t n;

	if (fstat(s->fd, &now) == -1)
		return err_sys(e, "stat");
	n = ((uint64_t)now.st_size + s->st.page_size - 1) / s->st.page_size;
	*pages = n > UINT32_MAX ? UINT32_MAX : (uint32_t)n;
	return 0;
}

int
source_check_size(
    struct source *s, uint32_t frames, uint32_t pages, struct err *e)
{
	struct growth g = { 0 };
	uint32_t in_file = 0;

	if (file_pages(s, &in_file, e) == -1)
		return -1;
	growth_from(&g, in_file);
	growth_read(
	    &g, wal_frame_offset(s->st.page_size, (uint64_t)frames + 1));
	return growth_commit(&g, pages, e) == -1 ? err_in(e, "-wal") : 0;
}
