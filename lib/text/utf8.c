/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/text/utf8.h"

size_t
utf8_length(const char *text)
{
	const unsigned char *s = (const unsigned char *)text;
	/* The lowest and the highest second byte, by what RFC 3629 allows. */
	unsigned char low = 0x80, high = 0xbf;
	size_t n;

	if (s[0] < 0x80)
		return 1;
	if (s[0] >= 0xc2 && s[0] <= 0xdf)
		n = 2;
	else if (s[0] >= 0xe0 && s[0] <= 0xef)
		n = 3;
	else if (s[0] >= 0xf0 && s[0] <= 0xf4)
		n = 4;
	else
		return 0;
	if (s[0] == 0xe0)
		low = 0xa0;
	else if (s[0] == 0xed)
		high = 0x9f; /* surrogates */
	else if (s[0] == 0xf0)
		low = 0x90;
	else if (s[0] == 0xf4)
		high = 0x8f;
	if (s[1] < low || s[1] > high)
		return 0;
	for (size_t i = 2; i < n; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	return n;
}

/* Of the character of n bytes at s; n is 0 for a byte that is no UTF-8. */
static bool
is_control(const unsigned char *s, size_t n)
{
	if (n == 1)
		return *s < 0x20 || *s == 0x7f;
	if (n == 0)
		return *s < 0xa0;
	return s[0] == 0xc2 && s[1] < 0xa0;
}

void
utf8_tame(char *text, bool layout)
{
	unsigned char *from = (unsigned char *)text, *to = from;
	size_t n;

	while (*from != '\0') {
		n = utf8_length((char *)from);
		if (is_control(from, n) &&
		    !(layout && (*from == '\t' || *from == '\n'))) {
			*to++ = '?';
			from += n > 0 ? n : 1;
			continue;
		}
		do
			*to++ = *from++;
		while (n-- > 1);
	}
	*to = '\0';
}
