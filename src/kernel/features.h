/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Features: what the running kernel offers of that which portreeve makes use of.
 *
 * Looks only, with anybody's rights: at the release, the kernel's own description of its types (BTF), its
 * modules and /proc/sys. It loads no module and makes no namespace. What cannot be seen that way is unknown.
 */
#ifndef KERNEL_FEATURES_H
#define KERNEL_FEATURES_H

#define FEATURE_WHY_BYTES 160

enum feature_id {
	FEATURE_LINUX,
	FEATURE_NFTABLES,
	FEATURE_HELD_TABLE,
	FEATURE_INTERFACE_FORWARDING,
	FEATURE_FASTPATH,
	FEATURE_USER_NAMESPACES,
	FEATURE_COUNT_
};

enum feature_answer { FEATURE_NO, FEATURE_YES, FEATURE_UNKNOWN };

struct kernel_feature {
	const char *name; /* "held-table": for programs */
	const char *text; /* what it is good for */
	enum feature_answer has;
	char why[FEATURE_WHY_BYTES]; /* why not, or why that is unknown; "": it is there */
};

/* @root: below which /proc, /sys and /lib are, "" for this machine. @release as uname(2) has it. */
void kernel_features(
	const char *root, const char *release, struct kernel_feature out[FEATURE_COUNT_]);

#endif
