/* SPDX-License-Identifier: Apache-2.0 */
/*
 * powercut -- the power goes for one file system, as far as it can tell.
 *
 *	powercut DIR	the file system that DIR is on writes nothing any more,
 *		its own log included: what was not synced is lost.  Each call on
 *		it fails from then on; unmounted and mounted again, it is what a
 *		reboot would find.
 *
 * ext4, XFS and f2fs share the ioctl (linux/fs.h of Linux 6.13: FS_IOC_SHUTDOWN).
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/ioctl.h>

#define SHUTDOWN    _IOR('X', 125, uint32_t)
#define NO_LOGFLUSH 2

int
main(int argc, char **argv)
{
	uint32_t how = NO_LOGFLUSH;
	int fd = argc == 2 ? open(argv[1], O_RDONLY | O_DIRECTORY) : -1;

	if (fd == -1 || ioctl(fd, SHUTDOWN, &how) == -1) {
		perror("powercut");
		return 1;
	}
	return 0;
}
