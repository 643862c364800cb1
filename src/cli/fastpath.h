/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What `fastpath` and `status --fastpath` share: how the fast path is, from the daemon. */
#ifndef CLI_FASTPATH_H
#define CLI_FASTPATH_H

#include "cli/cli.h"

/* Asks, prints (or gives JSON) and ends the command. */
int fastpath_show(struct cli_context *c);

#endif
