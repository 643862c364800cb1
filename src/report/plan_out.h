/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A plan in words and as JSON, for the commands that print one. */
#ifndef REPORT_PLAN_OUT_H
#define REPORT_PLAN_OUT_H

#include <jansson.h>
#include <stdbool.h>

#include "plan/plan.h"

/* Uplinks and maps with what was settled for each (and why), as comment lines. */
void plan_out_summary(struct strbuf *out, const struct plan *p);
/* Sysctls, routes and rules as the commands that would make them. */
void plan_out_commands(struct strbuf *out, const struct plan *p);
/* The nftables table, as nft -f takes it. */
void plan_out_nft(struct strbuf *out, const struct plan *p);
/* All of it. Members are only ever added to this, never renamed. */
json_t *plan_out_json(const struct plan *p);

/* The same as text, as compact as the API sends it, in pieces of some kilobytes each. */
struct plan_out {
	const struct plan *plan; /* all that is to be set before the first piece */
	enum { PLAN_OUT_HEAD, PLAN_OUT_MAPS, PLAN_OUT_NFT, PLAN_OUT_TAIL } part;
	size_t at;
	struct strbuf nft;
};
bool plan_out_next(struct plan_out *o, struct strbuf *out); /* false: that was all */
void plan_out_fini(struct plan_out *o);

#endif
