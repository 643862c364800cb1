/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A plan from a text, on paper: what the tests of plan/ start from. */
#ifndef TEST_PLANNED_H
#define TEST_PLANNED_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "config/config.h"
#include "plan/paper.h"
#include "plan/plan.h"

struct planned {
	struct arena *a;
	struct diag d;
	struct model *model;
	struct netstate seen;
	struct memory memory;
	struct plan *plan;
};

/* The text's model and a machine for it; the plan is made by planned_make(), so that a test can
 * change the machine first. */
static inline void planned_init(struct planned *p, const char *text)
{
	memset(p, 0, sizeof(*p));
	p->a = arena_new();
	diag_init(&p->d);
	diag_source(&p->d, "test.yaml", text, strlen(text));
	p->model = config_load(p->a, text, strlen(text), &p->d);
	if (!p->model) {
		struct strbuf b = STRBUF_INIT;

		diag_render(&p->d, &b, false);
		print_error("%s", strbuf_str(&b));
		strbuf_fini(&b);
	}
	assert_non_null(p->model);
	plan_paper_netstate(p->a, p->model, &p->seen);
}

static inline void planned_make(struct planned *p)
{
	p->plan = plan_make(p->a, p->model, &p->seen, &p->memory, &p->d);
}

static inline void planned_fini(struct planned *p)
{
	diag_fini(&p->d);
	arena_free(p->a);
}

static inline void planned_text(const struct planned *p, struct strbuf *out)
{
	VEC_EACH (&p->plan->want.rules, struct net_rule, r) {
		strbuf_addf(out, "ip %srule add ", r->family == IP_V6 ? "-6 " : "");
		net_rule_print(out, r);
		strbuf_addch(out, '\n');
	}
	VEC_EACH (&p->plan->want.routes, struct net_route, r) {
		strbuf_addf(out, "ip %sroute add ", r->family == IP_V6 ? "-6 " : "");
		net_route_print(out, r);
		strbuf_addch(out, '\n');
	}
	VEC_EACH (&p->plan->want.sysctls, struct net_sysctl, s) {
		strbuf_add(out, "sysctl ");
		net_sysctl_print(out, s);
		strbuf_addch(out, '\n');
	}
	VEC_EACH (&p->plan->want.ruleset.tables, struct nft_table *, t)
		nft_print_table(out, *t);
}

#endif
