/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Version: which portreeve this is, how it was built, and what it finds in the running kernel. */
#ifndef CLI_VERSION_H
#define CLI_VERSION_H

#include <stdbool.h>

/* On standard output. The first line of the text is "portreeve VERSION" and nothing more, for scripts. */
void version_print(bool json);

#endif
