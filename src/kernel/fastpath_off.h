/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whether the fast path was switched off by hand, which outlives a daemon: it must not come back by itself
 * when somebody looks for a fault. Until the next boot.
 */
#ifndef KERNEL_FASTPATH_OFF_H
#define KERNEL_FASTPATH_OFF_H

#include "kernel/nl.h"

bool fastpath_was_switched_off(const struct kernel *k);
/* 0 or -errno. */
int fastpath_keep_off(const struct kernel *k, bool off);

#endif
