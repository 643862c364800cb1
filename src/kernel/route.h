/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Routes, rules and sysctls: change one thing. Interfaces are looked up by name at each call. */
#ifndef KERNEL_ROUTE_H
#define KERNEL_ROUTE_H

#include "kernel/nl.h"
#include "netstate/netstate.h"

int kernel_route_add(
	struct kernel *k, const struct net_route *r, struct kernel_error *e); /* -EEXIST if there */
/* In the place of the one with the same destination and metric, in one step. */
int kernel_route_replace(struct kernel *k, const struct net_route *r, struct kernel_error *e);
int kernel_route_delete(struct kernel *k, const struct net_route *r, struct kernel_error *e);
int kernel_rule_add(
	struct kernel *k, const struct net_rule *r, struct kernel_error *e); /* NLM_F_EXCL */
int kernel_rule_delete(struct kernel *k, const struct net_rule *r, struct kernel_error *e);

/* Keys as in struct net_sysctl. The value is read without its newline into @buf. */
int kernel_sysctl_get(struct kernel *k, const char *key, char *buf, size_t size);
int kernel_sysctl_set(struct kernel *k, const char *key, const char *value, struct kernel_error *e);

#endif
