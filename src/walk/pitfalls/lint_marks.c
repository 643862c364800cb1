/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Finds marks that are written where they do not help (pitfalls 5, 6, 14, 15, 48). */
#include <string.h>

#include "walk/pitfalls/diagnose.h"
#include "walk/pitfalls/marks.h"

static const char *marker_text(struct inquiry *q, const struct marker *m)
{
	return inquiry_place_text(q, m->table, m->chain, m->rule);
}

/* ---- in nat chains (5), and before the translation (6) ---- */

static bool is_asked(const struct inquiry *q, uint32_t bits)
{
	VEC_EACH (&q->then.rules, struct net_rule, r) {
		if (r->mask & bits)
			return true;
	}
	return false;
}

/* A rule before @m in its chain that translates packets that @m is for, too. */
static const struct nft_rule *translated_before(struct inquiry *q, const struct marker *m)
{
	VEC_EACH (&m->chain->rules, struct nft_rule, r) {
		struct scopes within = {0}, met = {0};

		if (r == m->rule)
			return NULL;
		if (!scope_rule_translates(r))
			continue;
		vec_push(q->arena, &within.items, m->scope);
		scopes_rule(q->arena, &q->then, r, &within, &met);
		if (met.items.len)
			return r;
	}
	return NULL;
}

static void look_at_nat(struct inquiry *q, const struct marker *m)
{
	const struct nft_rule *before;
	struct finding *f;
	bool made;

	if (m->base_type != CHAIN_NAT || !m->hooked || m->hook != HOOK_PREROUTING)
		return;
	before = translated_before(q, m);
	if (!before && (m->ct || !is_asked(q, m->bits)))
		return;
	f = finding_once(q, "mark-in-nat", 5, DIAG_WARNING, marker_text(q, m), &made);
	if (!made)
		return;
	f->title = before ? "a rule that marks stands behind one that translates, which ends the "
			    "chain"
			  : "packets are marked in a nat chain, which sees the first of each "
			    "connection only";
	f->evidence = before ? arena_printf(q->arena, "%s; before it: %s", marker_text(q, m),
				       inquiry_place_text(q, m->table, m->chain, before))
			     : marker_text(q, m);
	f->consequence = before ? "what is translated is never marked"
				: "all further packets of a connection are routed without a mark";
	remedy_pin(q, f, m->table->family == FAMILY_IP6 ? IP_V6 : IP_V4, false);
	remedy_delete(q, f, m->table, m->chain, m->rule);
	f->advice = "move it to mangle PREROUTING (nft: a filter chain with hook prerouting and "
		    "priority mangle)";
}

static void look_at_state(struct inquiry *q, const struct marker *m)
{
	struct finding *f;
	bool made;

	if (!m->scope.only_dnat || !m->early || m->restores || m->scope.direction == 2 || !m->sets)
		return;
	f = finding_once(q, "dnat-state-before-dnat", 6, DIAG_WARNING, marker_text(q, m), &made);
	if (!made)
		return;
	f->title = "a rule that marks connections asks for a translation that is made later";
	f->evidence = marker_text(q, m);
	f->consequence = "it never matches the first packet: the first reply goes astray, and TCP "
			 "connections never open";
	remedy_pin(q, f, m->table->family == FAMILY_IP6 ? IP_V6 : IP_V4, false);
	remedy_delete(q, f, m->table, m->chain, m->rule);
	f->advice =
		"ask for the interface and `ct state new` instead (iptables: -i IF -m conntrack "
		"--ctstate NEW)";
}

void lint_marks(struct inquiry *q)
{
	VEC_EACH (&marks_of(q)->items, const struct marker, m) {
		look_at_nat(q, m);
		look_at_state(q, m);
	}
}

/* ---- by interface and protocol (14, 15) ---- */

static bool marks_uplink(const struct marker *m, const struct gateway_uplink *u)
{
	return m->sets && m->early && m->base_type != CHAIN_NAT && m->scope.in &&
	       !m->scope.in_inverted && strcmp(m->scope.in, u->interface) == 0 && u->mark_mask &&
	       ((m->value ^ u->mark) & u->mark_mask) == 0;
}

static const struct gateway_uplink *twin_of(const struct inquiry *q, const struct gateway_uplink *u)
{
	VEC_EACH (&q->gateway->uplinks, struct gateway_uplink, it) {
		if (it == u)
			return NULL;
		if (strcmp(it->interface, u->interface) == 0 && it->has_default[0] &&
			u->has_default[0])
			return it;
	}
	return NULL;
}

/* Has one of the two a mark by its own address, so that the other's may be for all the rest? */
static bool is_told_apart(
	struct inquiry *q, const struct gateway_uplink *u, const struct gateway_uplink *twin)
{
	VEC_EACH (&marks_of(q)->items, const struct marker, m) {
		if ((m->scope.dst.addr.family || m->scope.more) &&
			(marks_uplink(m, u) || marks_uplink(m, twin)))
			return true;
	}
	return false;
}

static void look_at_twins(struct inquiry *q, const struct gateway_uplink *u)
{
	const struct gateway_uplink *twin = twin_of(q, u);
	char a[IP_STRLEN], b[IP_STRLEN];
	struct finding *f;
	bool made;

	if (!twin || is_told_apart(q, u, twin))
		return;
	VEC_EACH (&marks_of(q)->items, const struct marker, m) {
		if (!marks_uplink(m, u) && !marks_uplink(m, twin))
			continue;
		f = finding_once(
			q, "two-gateways-one-interface", 14, DIAG_WARNING, u->interface, &made);
		if (!made)
			return;
		f->title = arena_printf(q->arena,
			"two uplinks share %s, and connections are marked by the interface",
			u->interface);
		f->evidence = arena_printf(q->arena, "next hops %s and %s; %s",
			ip_format(&twin->next[0], a), ip_format(&u->next[0], b), marker_text(q, m));
		f->consequence = "connections of both get one mark, and one of the two lines gets "
				 "the other's replies";
		remedy_pin(q, f, IP_V4, false);
		f->advice = "mark by the address that is asked for (-d ADDRESS, ip daddr), or by "
			    "the router's link-layer address (-m mac, ether saddr)";
		return;
	}
}

/* Is anything forwarded that is none of those protocols? Else only the machine itself is concerned. */
static bool forwards_others(
	const struct inquiry *q, const struct marks *marks, const struct gateway_uplink *u)
{
	VEC_EACH (&q->gateway->forwards, struct gateway_forward, f) {
		bool pinned = false;

		VEC_EACH (&marks->items, const struct marker, m)
			pinned = pinned || (marks_uplink(m, u) && m->scope.proto == f->proto);
		if (!pinned)
			return true;
	}
	return false;
}

static void look_at_protocols(struct inquiry *q, const struct gateway_uplink *u)
{
	const struct marker *limited = NULL;
	struct finding *f;
	bool made;

	VEC_EACH (&marks_of(q)->items, const struct marker, m) {
		if (!marks_uplink(m, u))
			continue;
		if (!m->scope.proto)
			return;
		limited = m;
	}
	if (!limited)
		return;
	f = finding_once(q, "only-tcp-and-udp-pinned", 15,
		forwards_others(q, marks_of(q), u) ? DIAG_WARNING : DIAG_INFO, u->interface, &made);
	if (!made)
		return;
	f->title = arena_printf(
		q->arena, "of what comes in by %s, only some protocols are led home", u->interface);
	f->evidence = marker_text(q, limited);
	f->consequence = "replies of ICMP, ESP, GRE and the like follow the default route: ping "
			 "and VPNs fail on this line";
	remedy_pin(q, f, limited->table->family == FAMILY_IP6 ? IP_V6 : IP_V4, false);
	f->advice = "or take the protocol out of the rule that marks";
}

void lint_pins(struct inquiry *q)
{
	VEC_EACH (&q->gateway->uplinks, struct gateway_uplink, u) {
		look_at_twins(q, u);
		if (q->gateway->uplinks.len > 1)
			look_at_protocols(q, u);
	}
}

/* ---- bits of several products (48) ---- */

/* Two masks of ip rules that have no bit in common are two products'. */
static const struct net_rule *other_product(
	const struct inquiry *q, const struct marker *m, const struct net_rule **first)
{
	*first = NULL;
	VEC_EACH (&q->then.rules, struct net_rule, r) {
		if (!r->mask || !(m->bits & r->mask))
			continue;
		if (!*first)
			*first = r;
		else if (!((*first)->mask & r->mask))
			return r;
	}
	return NULL;
}

/* In iptables' words, the mask is the last thing that --set-xmark and the like are given. */
static const char *masked_words(struct inquiry *q, const struct marker *m, uint32_t mask)
{
	static const char whole[] = "/0xffffffff";
	const char *mark = m->ct ? "ct mark" : "meta mark", *words, *at;

	if (m->table->origin == ORIGIN_NFT) {
		words = words_up_to(
			q, m->table, m->chain, m->rule, arena_printf(q->arena, "%s set ", mark));
		return words && m->sets && m->bits == UINT32_MAX
			       ? arena_printf(q->arena, "%s%s set %s & 0x%08x | 0x%x", words, mark,
					 mark, ~mask, m->value & mask)
			       : NULL;
	}
	words = rule_words(q, m->table, m->chain, m->rule);
	at = words ? strstr(words, whole) : NULL;
	return at && !at[strlen(whole)]
		       ? arena_printf(q->arena, "%.*s/0x%x", (int)(at - words), words, mask)
		       : NULL;
}

static const char *masks_text(struct inquiry *q, uint32_t mask)
{
	return arena_printf(q->arena,
		"iptables: --set-xmark VALUE/0x%x, --restore-mark --nfmask 0x%x --ctmask 0x%x; "
		"nft: "
		"meta mark set meta mark & 0x%08x | ...",
		mask, mask, mask, ~mask);
}

bool mark_collides(struct inquiry *q, const struct nft_rule *r)
{
	const struct net_rule *one;

	VEC_EACH (&marks_of(q)->items, const struct marker, m) {
		if (m->rule == r && m->hooked && other_product(q, m, &one))
			return true;
	}
	return false;
}

void lint_mark_bits(struct inquiry *q)
{
	VEC_EACH (&marks_of(q)->items, const struct marker, m) {
		const struct net_rule *one, *other = other_product(q, m, &one);
		struct finding *f;
		bool made;

		if (!other || !m->hooked)
			continue;
		f = finding_once(
			q, "mark-bits-collide", 48, DIAG_WARNING, marker_text(q, m), &made);
		if (!made)
			continue;
		f->title = "a rule writes bits of the mark that belong to others";
		f->evidence = arena_printf(q->arena, "%s writes 0x%08x; ip rule: %s; ip rule: %s",
			marker_text(q, m), m->bits, inquiry_rule_text(q, one),
			inquiry_rule_text(q, other));
		f->consequence = "what one product has marked is forgotten or follows another's "
				 "rules";
		if (((m->value ^ other->mark) & other->mask) == 0)
			one = other;
		remedy_replace(q, f, m->table, m->chain, m->rule, masked_words(q, m, one->mask));
		f->advice = arena_printf(
			q->arena, "give the rule a mask of its own: %s", masks_text(q, one->mask));
	}
}
