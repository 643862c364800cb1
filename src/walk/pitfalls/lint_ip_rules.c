/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Finds ip rules that are never reached or lead nowhere (9, 10), and src_valid_mark's traps (19). */
#include <string.h>

#include "walk/pitfalls/diagnose.h"

static const char *rule_text(struct inquiry *q, const struct net_rule *r)
{
	return arena_printf(q->arena, "%s rule: %s", style_ip(r->family), inquiry_rule_text(q, r));
}

static bool is_standard(const struct net_rule *r)
{
	return r->action == RULE_LOOKUP &&
	       (r->table == TABLE_LOCAL || r->table == TABLE_MAIN || r->table == TABLE_DEFAULT);
}

static bool knows_routes(const struct inquiry *q, uint8_t family, uint32_t table)
{
	bool v6 = family == IP_V6;

	if (!(q->seen->have & (v6 ? HAVE_ROUTES6 : HAVE_ROUTES4)))
		return false;
	return table == TABLE_MAIN || !(q->seen->have & (v6 ? HAVE_ONLY_MAIN6 : HAVE_ONLY_MAIN4));
}

/* Does every packet that the rule is for find a route in its table? */
static bool takes_all(const struct inquiry *q, const struct net_rule *r)
{
	if (r->action != RULE_LOOKUP)
		return r->action >= RULE_BLACKHOLE;
	if (r->suppress_prefixlen >= 0 || r->has_suppress_ifgroup)
		return false;
	VEC_EACH (&q->then.routes, struct net_route, it) {
		if (it->family == r->family && it->table == r->table && it->dst.len == 0 &&
			it->type != ROUTE_THROW && it->src.len == 0 && it->tos == 0)
			return true;
	}
	return false;
}

static bool prefix_covers(const struct ip_prefix *a, const struct ip_prefix *b)
{
	return !a->addr.family || a->len == 0 ||
	       (b->addr.family && a->len <= b->len && ip_in_prefix(&b->addr, a));
}

/* Is every packet that @b is for one that @a is for? */
static bool covers(const struct net_rule *a, const struct net_rule *b)
{
	if (a->invert || a->more_selectors || a->l3mdev || a->tun_id)
		return false;
	if (!prefix_covers(&a->src, &b->src) || !prefix_covers(&a->dst, &b->dst))
		return false;
	if ((a->iif && !name_equal(a->iif, b->iif)) || (a->oif && !name_equal(a->oif, b->oif)))
		return false;
	if (a->mask && ((a->mask & ~b->mask) || ((a->mark ^ b->mark) & a->mask) || b->invert))
		return false;
	if ((a->tos && a->tos != b->tos) || (a->ip_proto && a->ip_proto != b->ip_proto))
		return false;
	return !a->sport[1] && !a->dport[1] && !a->has_uid;
}

static void add_unreached(
	struct inquiry *q, const struct net_rule *r, const struct net_rule *earlier)
{
	bool made;
	struct finding *f =
		finding_once(q, "ip-rule-not-reached", 9, DIAG_WARNING, rule_text(q, r), &made);
	struct net_rule moved = *r;

	if (!made)
		return;
	f->title = "an ip rule is never reached";
	f->evidence = arena_printf(
		q->arena, "%s; before it: %s", rule_text(q, r), inquiry_rule_text(q, earlier));
	f->consequence = "the packets that it is for go where the earlier rule sends them";
	if (earlier->preference < 2)
		return;
	moved.preference = earlier->preference - 1;
	finding_remedy(q, f, "%s rule add %s", style_ip(r->family), inquiry_rule_text(q, &moved));
	finding_remedy(q, f, "%s rule del %s", style_ip(r->family), inquiry_rule_text(q, r));
	style_keep_ip(q, f);
}

static void look_for_earlier(struct inquiry *q, const struct net_rule *r)
{
	VEC_EACH (&q->then.rules, struct net_rule, it) {
		if (it == r)
			return;
		if (it->family != r->family || it->table == TABLE_LOCAL || !covers(it, r) ||
			!takes_all(q, it) ||
			(it->action == RULE_LOOKUP && it->table == r->table &&
				r->action == RULE_LOOKUP))
			continue;
		add_unreached(q, r, it);
		return;
	}
}

static void look_at_goto(struct inquiry *q, const struct net_rule *r)
{
	struct finding *f;
	bool made;

	VEC_EACH (&q->then.rules, struct net_rule, it) {
		if (it->family == r->family && it->preference == r->goto_preference)
			return;
	}
	f = finding_once(q, "goto-nowhere", 9, DIAG_WARNING, rule_text(q, r), &made);
	if (!made)
		return;
	f->title = "an ip rule goes to a preference at which there is no rule";
	f->evidence = rule_text(q, r);
	f->consequence = "it has no effect";
	f->advice = "or add the rule that is gone to";
}

/* A table that is asked for by mark or source, and that is empty. */
static void look_at_table(struct inquiry *q, const struct net_rule *r)
{
	struct finding *f;
	bool made;

	if (is_standard(r) || r->suppress_prefixlen >= 0 || !knows_routes(q, r->family, r->table))
		return;
	VEC_EACH (&q->then.routes, struct net_route, it) {
		if (it->table == r->table && it->family == r->family)
			return;
	}
	f = finding_once(q, "uplink-table-empty", 10, DIAG_WARNING, rule_text(q, r), &made);
	if (!made)
		return;
	f->title = arena_printf(q->arena, "routing table %u is empty", r->table);
	f->evidence = rule_text(q, r);
	f->consequence =
		"packets that this rule is for go on to the next: replies leave by another uplink, "
		"with a source address that is not its";
	finding_remedy(q, f, "%s route add unreachable default metric 4294967295 table %u",
		style_ip(r->family), r->table);
	f->advice = "this keeps them from leaving by another line while theirs is down; let "
		    "whatever brings the uplink up add the uplink's route too";
}

void lint_ip_rules(struct inquiry *q)
{
	VEC_EACH (&q->then.rules, struct net_rule, r) {
		if (r->protocol == PORTREEVE_PROTOCOL)
			continue;
		if (r->action == RULE_GOTO)
			look_at_goto(q, r);
		if (r->action != RULE_LOOKUP)
			continue;
		if (knows_routes(q, r->family, TABLE_MAIN) && !is_standard(r))
			look_for_earlier(q, r);
		look_at_table(q, r);
	}
}

/* ---- src_valid_mark ---- */

static const struct net_rule *leads_here(const struct inquiry *q, const struct net_route **route)
{
	VEC_EACH (&q->then.rules, struct net_rule, r) {
		if (r->family != IP_V4 || !r->mask || r->action != RULE_LOOKUP ||
			r->table == TABLE_LOCAL)
			continue;
		VEC_EACH (&q->then.routes, struct net_route, it) {
			if (it->family == IP_V4 && it->table == r->table && it->dst.len == 0 &&
				it->type == ROUTE_LOCAL) {
				*route = it;
				return r;
			}
		}
	}
	return NULL;
}

void lint_way_back(struct inquiry *q)
{
	const struct net_route *route = NULL;
	const struct net_rule *r = leads_here(q, &route);
	struct finding *f;
	bool made;

	if (!r || inquiry_conf(q, "all", "src_valid_mark") != 1 ||
		inquiry_conf(q, "all", "accept_local") == 1)
		return;
	f = finding_once(q, "src-valid-mark", 19, DIAG_WARNING, inquiry_rule_text(q, r), &made);
	if (!made)
		return;
	f->title = "src_valid_mark makes the kernel drop packets that are marked for this machine";
	f->evidence = arena_printf(q->arena, "net.ipv4.conf.all.src_valid_mark = 1; %s; %s",
		rule_text(q, r), inquiry_route_text(q, route));
	f->consequence = "the way back to their sender is looked up with the mark and leads to "
			 "this machine: they are dropped as martians";
	style_sysctl(q, f, "net.ipv4.conf.all.src_valid_mark", "0");
	f->advice = "whoever needs it (wg-quick, for one) can have it on his own interface: "
		    "net.ipv4.conf.IF.src_valid_mark";
}
