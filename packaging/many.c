/* SPDX-License-Identifier: Apache-2.0 */
/*
 * many -- all programs in one file, so that what they share is there once.  It is
 * each of them by the name that it is called by; packaging/static links it.
 */
#include <stdio.h>
#include <string.h>

typedef int program(int argc, char **argv);

/* Its list: PROGRAM("lspp-hot", main_hot) for each. */
#define PROGRAM(name, run) program run;
#include "programs.h"
#undef PROGRAM

static const struct {
	const char *name;
	program *run;
} programs[] = {
#define PROGRAM(name, run) { name, run },
#include "programs.h"
};

int
main(int argc, char **argv)
{
	const char *own = argc > 0 ? argv[0] : "";
	const char *slash = strrchr(own, '/');

	if (slash != NULL)
		own = slash + 1;
	for (size_t i = 0; i < sizeof(programs) / sizeof(*programs); i++)
		if (strcmp(own, programs[i].name) == 0)
			return programs[i].run(argc, argv);
	(void)fprintf(stderr,
	    "%s: it is all programs of lspp, each under its own name\n", own);
	return 2;
}
