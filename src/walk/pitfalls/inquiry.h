/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Inquiry: what the finders of pitfalls look at and write to.
 *
 * Each finder is one function in a file of its own, called by walk_findings(). It adds a finding for
 * each pitfall of its kind that there is evidence of, and nothing else.
 */
#ifndef WALK_PITFALLS_INQUIRY_H
#define WALK_PITFALLS_INQUIRY_H

#include "walk/findings.h"
#include "walk/routes.h"
#include "walk/rules.h"

struct troubles;

struct inquiry {
	struct arena *arena;
	const struct plan *plan;
	const struct netstate *seen;
	const struct foreign_facts *facts; /* never NULL */
	struct netstate then; /* with the plan in force: routes, rules, sysctls; rulesets as seen */
	struct walker walker; /* over `then`, without portreeve's own table */
	const struct troubles *troubles; /* of the flows of all maps */
	struct findings *out;
};

void pitfall_foreign_drop(struct inquiry *q);
void pitfall_foreign_mark(struct inquiry *q);
void pitfall_foreign_rules(struct inquiry *q);
void pitfall_foreign_routes(struct inquiry *q);
void pitfall_rp_filter(struct inquiry *q);
void pitfall_networkd(struct inquiry *q);
void pitfall_legacy(struct inquiry *q);
void pitfall_shadow(struct inquiry *q);
void pitfall_forwarding(struct inquiry *q);

/* ---- writing findings ---- */

struct finding *finding_add(struct inquiry *q, const char *id, uint8_t pitfall,
	enum diag_severity severity, bool blocks);
void finding_remedy(struct inquiry *q, struct finding *f, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void finding_keep(struct inquiry *q, struct finding *f, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* Text that a *_print() function made, moved to the arena. */
const char *inquiry_text(struct inquiry *q, struct strbuf *b);
const char *inquiry_rule_text(struct inquiry *q, const struct net_rule *r);
const char *inquiry_step_text(struct inquiry *q, const struct walk_step *s);

/* ---- the plan's connections ---- */

/* Some addresses that stand for "a client": far away, and allowed by the map's `from`. @map may be
 * NULL. Returns how many. */
#define INQUIRY_CLIENTS 3
size_t inquiry_clients(
	const struct plan_map *map, uint8_t family, struct ip_addr out[INQUIRY_CLIENTS]);

static inline unsigned int inquiry_family_index(uint8_t family)
{
	return family == IP_V6;
}

/* Can connections to @m come in by @u? */
static inline bool inquiry_is_served(const struct plan_map *m, const struct plan_uplink *u)
{
	return m->interface && u->up[inquiry_family_index(m->map->to.family)];
}

static inline bool inquiry_is_on(const struct plan_map *m, const struct plan_uplink *u)
{
	VEC_EACH (&m->uplinks, struct plan_uplink *, it) {
		if (*it == u)
			return inquiry_is_served(m, u);
	}
	return false;
}

#endif
