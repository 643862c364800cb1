/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Report: the shapes in which programs get our answers, the same from `--json` and from the API.
 *
 * Members are only ever added, never renamed. Each function gives a new reference.
 */
#ifndef REPORT_REPORT_H
#define REPORT_REPORT_H

#include <jansson.h>

#include "base/diag.h"
#include "kernel/apply.h"
#include "walk/findings.h"

/* A string, null for NULL. Text of files may hold any bytes: what is not UTF-8 becomes '?', so that the
 * message is not lost. */
json_t *report_text(const char *s);
/* @j, which is taken over, as compact as the API sends it. */
void report_add(struct strbuf *out, json_t *j);
/* Null for IP_NONE. */
json_t *report_addr(const struct ip_addr *a);

/* [{severity, file, line, col, message, hint, notes}] */
json_t *report_diag(const struct diag *d);

/* Look for everything on this machine that would defeat the plan of @s. */
void report_judge(
	struct kernel *k, struct arena *a, const struct gateway_state *s, struct findings *out);
json_t *report_findings(const struct findings *f);

/* {changed, routes, rules, sysctls, nft, elements, connections_deleted} */
json_t *report_apply(const struct apply_report *r);

#endif
