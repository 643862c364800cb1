/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Did a process end? For tests of what starts and kills others. */
#ifndef TEST_DAEMON_ENDS_H
#define TEST_DAEMON_ENDS_H

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

/* Within five seconds; a zombie of whoever adopts it has ended too. */
static inline bool ends(pid_t pid)
{
	for (int i = 0; i < 500; i++) {
		char path[64], stat[256] = "";
		FILE *in;

		snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
		in = fopen(path, "r");
		if (!in)
			return true;
		if (!fgets(stat, sizeof(stat), in))
			stat[0] = '\0';
		fclose(in);
		if (strstr(stat, ") Z "))
			return true;
		usleep(10000);
	}
	return false;
}

#endif
