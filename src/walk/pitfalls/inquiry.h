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
#include "walk/gateway.h"
#include "walk/routes.h"
#include "walk/rules.h"

struct homes;
struct marks;
struct troubles;

struct inquiry {
	struct arena *arena;
	const struct plan *plan; /* NULL: of a machine, whoever configured it */
	const struct netstate *seen;
	const struct foreign_facts *facts; /* never NULL */
	struct netstate then; /* with the plan in force: routes, rules, sysctls; rulesets as seen */
	struct walker walker; /* over `then`, without portreeve's own table */
	const struct troubles *troubles; /* of the flows of all maps; NULL without a plan */
	const struct nft_table *own;	 /* portreeve's table, where there is no plan */
	const struct marks *marks;	 /* behind marks_of() */
	const struct homes *homes;	 /* behind home_of() */
	unsigned int searches;		 /* how often a diagnosis has gone through all rules */
	const struct gateway *gateway;	 /* what the machine is, without a plan; else NULL */
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

/* ---- of a machine without a plan: the rules as they stand ---- */

void lint_marks(struct inquiry *q);
void lint_pins(struct inquiry *q);
void lint_mark_bits(struct inquiry *q);
void lint_ip_rules(struct inquiry *q);
void lint_way_back(struct inquiry *q);
void lint_addresses(struct inquiry *q);
void lint_order(struct inquiry *q);
void lint_two_rulesets(struct inquiry *q);
void lint_unreached(struct inquiry *q);
void lint_shadowed(struct inquiry *q);
void lint_sources(struct inquiry *q);
void lint_ports(struct inquiry *q);
void lint_tracking(struct inquiry *q);
void lint_own_packets(struct inquiry *q);
void lint_own_services(struct inquiry *q);
void lint_offload(struct inquiry *q);
void lint_mtu(struct inquiry *q);
void lint_bridge(struct inquiry *q);
void lint_overlap(struct inquiry *q);
void lint_services(struct inquiry *q);
void lint_connections(struct inquiry *q);

/* ---- writing findings ---- */

void findings_sort(struct findings *f); /* the worst first */
struct finding *finding_add(struct inquiry *q, const char *id, uint8_t pitfall,
	enum diag_severity severity, bool blocks);
/* The one of this pitfall and cause, made now unless there is one: *@made says so. */
struct finding *finding_once(struct inquiry *q, const char *id, uint8_t pitfall,
	enum diag_severity severity, const char *cause, bool *made);
/* What could not be told; the same is said once. */
void finding_untold(struct inquiry *q, uint8_t pitfall, const char *what, const char *needs);
void finding_forward(struct inquiry *q, struct finding *f, const char *forward);
void finding_remedy(struct inquiry *q, struct finding *f, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void finding_keep(struct inquiry *q, struct finding *f, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* "ip route add default via NEXT dev INTERFACE MORE"; @next of family IP_NONE: on-link. */
void finding_default_route(struct inquiry *q, struct finding *f, uint8_t family,
	const struct ip_addr *next, const char *interface, const char *more);
#define REMEDY_METRIC "metric 20000" /* behind any default that a network manager sets up later */
/* Text that a *_print() function made, moved to the arena. */
const char *inquiry_text(struct inquiry *q, struct strbuf *b);
const char *inquiry_rule_text(struct inquiry *q, const struct net_rule *r);
const char *inquiry_step_text(struct inquiry *q, const struct walk_step *s);

const char *inquiry_route_text(struct inquiry *q, const struct net_route *r);
/* A rule with its place: "iptables-save.txt:12: -A FORWARD ...", "table ip nat, chain ..., rule: ...". */
const char *inquiry_place_text(struct inquiry *q, const struct nft_table *t,
	const struct nft_chain *c, const struct nft_rule *r);
/* "net.ipv4.conf.IF.what"'s number; -1: not known. */
long inquiry_conf(struct inquiry *q, const char *interface, const char *what);
const char *inquiry_conf_text(struct inquiry *q, const char *interface, const char *what);
/* What rp_filter comes to there, for people. */
const char *inquiry_rp_filter_text(struct inquiry *q, const char *interface);
/* "1.1.1.1:80", "[2001:db8::1]:80" */
const char *inquiry_endpoint_text(struct inquiry *q, const struct ip_addr *addr, uint16_t port);
/* A forward for people: "tcp 1.1.1.1:80 -> 192.168.0.2:80". */
const char *inquiry_forward_text(struct inquiry *q, const struct gateway_forward *f);

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
	return m->interface && u->up[inquiry_family_index(map_family(m->map))];
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
