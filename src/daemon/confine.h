/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Confine: give up every right that the daemon does not need, before it reads anything.
 *
 * Kept are CAP_NET_ADMIN and CAP_NET_RAW, and the system calls in syscalls.h. One that is not on the list
 * fails as if the kernel did not have it (ENOSYS), for which a newer libc has a way around.
 * PORTREEVE_SECCOMP=kill in the environment ends the process instead, so that a missing one is not
 * overlooked (the lab runs so); =off lets everything pass, for tools/syscalls, which makes the list. A
 * build with AddressSanitizer has no filter, nor has an architecture other than x86_64 and arm64.
 *
 * What would need more is done before by the daemon, or by the spawner for it. A part that needs other
 * capabilities or calls adds them to the tables in confine.c.
 *
 * The fast path does: bpf(2), with CAP_BPF and CAP_PERFMON. Whether it is wanted is in the config, which is
 * read confined; so these are given up in a second step, once that is known.
 */
#ifndef DAEMON_CONFINE_H
#define DAEMON_CONFINE_H

#include <sys/types.h>

struct confinement {
	const char *kept; /* rights that could not be given up; NULL: none */
	const char *why;
};

/* Become a member of @group, so that a file of ours may be given to it later. 0 or -errno. */
int confine_join(gid_t group);
/* For this process and all of its threads to come, for good. There must be no other thread yet. */
struct confinement confine_self(void);
/* The right to load programs goes, too. */
struct confinement confine_programs(void);

#endif
