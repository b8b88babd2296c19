#include "lib/store/store.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "lib/store/stats.h"

size_t
store_scheme(const char *url)
{
	size_t n = 0;

	while (isalnum((unsigned char)url[n]) ||
	    (n > 0 && strchr("+-.", url[n]) != NULL && url[n] != '\0'))
		n++;
	return strncmp(url + n, "://", 3) == 0 ? n : 0;
}

bool
store_is_url(const char *s)
{
	return store_scheme(s) > 0;
}

bool
store_is_s3(const char *url)
{
	return strncmp(url, "s3://", 5) == 0;
}

/* "?" is also a pattern's: what begins a query is known by its name. */
const char *
store_query(const char *url)
{
	static const char *const names[] = {
		"endpoint=", "region=", "path-style="
	};
	const char *p = url;

	if (!store_is_s3(url))
		return url + strlen(url);
	for (; *p != '\0'; p++) {
		if (*p == '\\' && p[1] != '\0')
			p++;
		else if (*p == '?')
			for (size_t i = 0; i < sizeof(names) / sizeof(names[0]);
			     i++)
				if (strncmp(
					p + 1, names[i], strlen(names[i])) == 0)
					return p;
	}
	return p;
}

void
store_close(struct store *s)
{
	if (s == NULL)
		return;
	free(s->url);
	free(s->root);
	s->ops->close(s);
}

void
store_stats(struct store *s, struct store_stats *out)
{
	*out = (struct store_stats){ 0 };
	if (s->ops->stats != NULL)
		s->ops->stats(s, out);
}
