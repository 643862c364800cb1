/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A tree of files that looks like a machine's, for what takes a @root. A test in it begins with none. */
#ifndef TEST_FAKE_ROOT_H
#define TEST_FAKE_ROOT_H

#include "netns.h"

static char root[64];

/* @text as printf(1) has it. */
static inline void put(const char *path, const char *text)
{
	sh("mkdir -p \"$(dirname %s%s)\" && printf '%s' > %s%s", root, path, text, root, path);
}

static int make_root(void **state)
{
	strcpy(root, "/tmp/portreeve-root-XXXXXX");
	return mkdtemp(root) ? 0 : -1;
}

static int remove_root(void **state)
{
	sh("rm -r %s", root);
	return 0;
}

#define IN_ROOT(test) cmocka_unit_test_setup_teardown(test, make_root, remove_root)

#endif
