/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Looks at each bad way of a journey, and at what is due to the place of its client. See diagnose.h. */
#include "walk/pitfalls/diagnose.h"

#include <stddef.h>
#include <string.h>

#include <linux/netfilter/xt_connmark.h>

#define WAYS_MAX   8   /* of one journey that are looked at: the first ones tell most */
#define REMEDY_MAX 200 /* commands for the forwards that have one thing wrong with them */

/* ---- what the files of the diagnosis share ---- */

struct finding *diagnose_add(
	struct diagnosis *d, const char *id, uint8_t pitfall, const char *cause)
{
	bool made;
	struct finding *f = finding_once(d->q, id, pitfall, d->severity, cause, &made);

	if (d->forward)
		finding_forward(d->q, f, d->forward);
	return made ? f : NULL;
}

const struct journey_step *diagnose_step(const struct journey_leg *leg, enum journey_stage stage)
{
	const struct journey_step *found = NULL;

	VEC_EACH (&leg->steps, struct journey_step, s) {
		if (s->stage == stage)
			found = s;
	}
	return found;
}

const struct journey_step *diagnose_rule(
	const struct journey_leg *leg, uint8_t did, const struct journey_step *end)
{
	const struct journey_step *found = NULL;

	VEC_EACH (&leg->steps, struct journey_step, s) {
		if (s == end)
			break;
		if ((s->stage == STAGE_RULE && s->rule.rule && (s->rule.did & did)) ||
			(s->stage == STAGE_NAT && s->rule.rule && (did & DID_NAT)))
			found = s;
	}
	return found;
}

const char *diagnose_step_text(struct diagnosis *d, const struct journey_step *s)
{
	if (!s)
		return "";
	if (s->rule.rule)
		return inquiry_place_text(d->q, s->rule.table, s->rule.chain, s->rule.rule);
	if (s->rule.kind != STEP_NONE)
		return inquiry_step_text(d->q, &s->rule);
	if (s->policy)
		return arena_printf(d->q->arena, "%s rule: %s; %s", style_ip(s->policy->family),
			inquiry_rule_text(d->q, s->policy), inquiry_route_text(d->q, s->route));
	return s->text ? arena_strdup(d->q->arena, s->text) : "";
}

const char *diagnose_way_text(struct diagnosis *d, const struct journey_step *s)
{
	if (!s)
		return "";
	return arena_printf(d->q->arena, "%s%s%s", inquiry_route_text(d->q, s->route),
		s->policy ? ", as this says: ip rule " : "",
		s->policy ? inquiry_rule_text(d->q, s->policy) : "");
}

static bool is_at(const struct gateway_uplink *u, const struct journey *j)
{
	return j->in && strcmp(u->interface, j->in) == 0;
}

const struct gateway_uplink *diagnose_uplink(const struct diagnosis *d)
{
	const struct gateway_uplink *found = NULL;

	VEC_EACH (&d->q->gateway->uplinks, struct gateway_uplink, u) {
		if (!is_at(u, d->j))
			continue;
		VEC_EACH (&u->addrs, struct ip_addr, a) {
			if (ip_equal(a, &d->j->question.dst))
				return u;
		}
		found = found ? found : u;
	}
	return found;
}

/* "clients that come in by eth0", "hosts behind eth2", "this machine itself" */
static const char *client_text(struct diagnosis *d)
{
	if (d->j->question.from_here)
		return "this machine itself";
	if (d->inside)
		return arena_printf(d->q->arena, "hosts behind %s", d->j->in);
	return d->j->in ? arena_printf(d->q->arena, "clients that come in by %s", d->j->in)
			: "clients";
}

static bool names_restore(const struct nft_xt *x)
{
	size_t mode = offsetof(struct xt_connmark_tginfo1, mode);

	if (x->rev == 2)
		mode = offsetof(struct xt_connmark_tginfo2, mode);
	return x->target && strcmp(x->name, "CONNMARK") == 0 && x->info && !x->hollow &&
	       x->info_len > mode && x->info[mode] == XT_CONNMARK_RESTORE;
}

bool diagnose_restores(const struct nft_rule *r)
{
	VEC_EACH (&r->stmts, struct nft_stmt, s) {
		if (s->kind == STMT_SET_MARK && s->expr &&
			(s->expr->kind == EXPR_SELECTOR || s->expr->kind == EXPR_MASKED) &&
			s->expr->selector == SEL_CT_MARK)
			return true;
		if (s->kind == STMT_SET_MARK && s->expr && s->expr->kind == EXPR_MAP &&
			s->expr->key && s->expr->key->selector == SEL_CT_MARK)
			return true;
		if (s->kind == STMT_XT && names_restore(&s->xt))
			return true;
	}
	return false;
}

/* ---- the client's place ---- */

/* A forward for what is asked, whatever interface it may be limited to. */
static const struct gateway_forward *forward_for(
	const struct inquiry *q, const struct journey_question *a)
{
	VEC_EACH (&q->gateway->forwards, struct gateway_forward, f) {
		bool addressed = f->dst.addr.family ? ip_in_prefix(&a->dst, &f->dst) : true;

		if (f->family == a->dst.family && (!f->proto || f->proto == a->proto) &&
			a->dport >= f->first && a->dport <= f->last && addressed && !f->output &&
			(f->dst.addr.family || f->dst_local || f->in) && !f->more_matches)
			return f;
	}
	return NULL;
}

static const char *to_text(struct inquiry *q, const struct gateway_forward *f, uint16_t asked)
{
	return inquiry_endpoint_text(q, &f->to, f->to_first ? f->to_first : asked);
}

/* DNAT for the inside (or the machine itself), and a source of the gateway's for the former, so that
 * the backend's answers come back. */
static void remedy_everywhere(
	struct diagnosis *d, struct finding *f, const struct gateway_forward *w)
{
	const struct journey_question *a = &d->j->question;
	struct style style = style_of(d->q, w->family);
	const char *ip = w->family == IP_V6 ? "ip6" : "ip", *proto = ip_proto_name(a->proto);
	char dst[IP_STRLEN], to[IP_STRLEN];
	const char *hook = a->from_here ? "OUTPUT" : "PREROUTING";

	ip_format(&a->dst, dst);
	if (!proto || !w->to.family)
		return;
	ip_format(&w->to, to);
	if (!style.nft) {
		finding_remedy(d->q, f,
			"%s -t nat -A %s -d %s -p %s --dport %u -j DNAT --to-destination %s",
			style.iptables, hook, dst, proto, a->dport, to_text(d->q, w, a->dport));
		if (!a->from_here)
			finding_remedy(d->q, f,
				"%s -t nat -A POSTROUTING -d %s -o %s -m conntrack --ctstate DNAT "
				"--ctorigdst %s -j MASQUERADE",
				style.iptables, to, d->j->in, dst);
		return;
	}
	finding_remedy(d->q, f, "nft add table %s hairpin", ip);
	finding_remedy(d->q, f, "nft 'add chain %s hairpin %s { type nat hook %s priority -90; }'",
		ip, a->from_here ? "output" : "prerouting", a->from_here ? "output" : "prerouting");
	finding_remedy(d->q, f, "nft 'add rule %s hairpin %s %s daddr %s %s dport %u dnat to %s'",
		ip, a->from_here ? "output" : "prerouting", ip, dst, proto, a->dport,
		to_text(d->q, w, a->dport));
	if (a->from_here)
		return;
	finding_remedy(d->q, f,
		"nft 'add chain %s hairpin postrouting { type nat hook postrouting priority 90; }'",
		ip);
	finding_remedy(d->q, f,
		"nft 'add rule %s hairpin postrouting oifname \"%s\" %s daddr %s ct status dnat ct "
		"original %s daddr %s masquerade'",
		ip, d->j->in, ip, to, ip, dst);
}

/* Pitfall 34: what works from outside is not translated for this client. */
static bool explain_untranslated(struct diagnosis *d)
{
	const struct journey_question *a = &d->j->question;
	const struct gateway_forward *w;
	const char *cause;
	struct finding *f;
	bool made;

	if (!d->inside || d->way->dnat || !netstate_addr(&d->q->then, &a->dst))
		return false;
	w = forward_for(d->q, a);
	if (!w)
		return false;
	if (d->severity == DIAG_ERROR)
		d->severity = DIAG_WARNING;
	if (a->from_here)
		d->severity = DIAG_INFO;
	cause = arena_strdup(d->q->arena, client_text(d));
	f = diagnose_add(d, "forward-by-interface-only", 34, cause);
	if (!f) {
		f = finding_once(d->q, "forward-by-interface-only", 34, d->severity, cause, &made);
		if (f->remedy.len < REMEDY_MAX)
			remedy_everywhere(d, f, w);
		return true;
	}
	f->title = arena_printf(d->q->arena, "the forward is not for %s", client_text(d));
	f->evidence = arena_printf(
		d->q->arena, "%s", inquiry_place_text(d->q, w->table, w->chain, w->rule));
	f->consequence = "whoever asks for the public address from there gets the gateway itself, "
			 "not the backend";
	remedy_everywhere(d, f, w);
	f->advice = "or let names lead to the backend's own address there";
	return true;
}

/* ---- replies that cannot come back ---- */

static const struct ip_prefix *common_network(const struct inquiry *q, const char *interface,
	const struct ip_addr *a, const struct ip_addr *b)
{
	VEC_EACH (&q->gateway->insides, struct gateway_inside, i) {
		if (interface && strcmp(i->interface, interface) == 0 &&
			ip_in_prefix(a, &i->network) && ip_in_prefix(b, &i->network))
			return &i->network;
	}
	return NULL;
}

static void remedy_hairpin_source(struct diagnosis *d, struct finding *f, const struct ip_prefix *n)
{
	struct style style = style_of(d->q, n->addr.family);
	const char *ip = n->addr.family == IP_V6 ? "ip6" : "ip";
	char net[PREFIX_STRLEN];
	const char *out = d->way->legs[LEG_REQUEST].out;

	ip_prefix_format(n, net);
	if (!style.nft) {
		finding_remedy(d->q, f,
			"%s -t nat -A POSTROUTING -s %s -o %s -m conntrack --ctstate DNAT -j "
			"MASQUERADE",
			style.iptables, net, out);
		return;
	}
	finding_remedy(d->q, f, "nft add table %s hairpin", ip);
	finding_remedy(d->q, f,
		"nft 'add chain %s hairpin postrouting { type nat hook postrouting priority 90; }'",
		ip);
	finding_remedy(d->q, f,
		"nft 'add rule %s hairpin postrouting %s saddr %s oifname \"%s\" ct status dnat "
		"masquerade'",
		ip, ip, net, out);
}

/* Pitfall 23 goes with 35: the gateway itself tells the client of the short cut. */
static void explain_redirects(struct diagnosis *d, const char *interface)
{
	long all = inquiry_conf(d->q, "all", "send_redirects");
	long own = inquiry_conf(d->q, interface, "send_redirects");
	struct finding *f;

	if (d->j->question.dst.family != IP_V4 || (all < 1 && own < 1))
		return;
	f = diagnose_add(d, "icmp-redirects", 23, interface);
	if (!f)
		return;
	f->title = arena_printf(
		d->q->arena, "the gateway sends ICMP redirects to hosts behind %s", interface);
	f->evidence = arena_printf(d->q->arena,
		"net.ipv4.conf.all.send_redirects is %s, of %s %s: one is enough; and %s is "
		"forwarded by the interface that it came in on",
		inquiry_conf_text(d->q, "all", "send_redirects"), interface,
		inquiry_conf_text(d->q, interface, "send_redirects"),
		d->forward ? d->forward : "the connection");
	f->consequence = "whoever asks a neighbour's private address through this machine is told "
			 "to go there directly, past connection tracking (the kernel keeps back "
			 "redirects about what it translates)";
	style_sysctl(d->q, f, "net.ipv4.conf.all.send_redirects", "0");
	style_sysctl(
		d->q, f, netstate_conf_key(d->q->arena, IP_V4, interface, "send_redirects"), "0");
}

static bool explain_hairpin(struct diagnosis *d)
{
	const struct journey_leg *r = &d->way->legs[LEG_REQUEST];
	const struct ip_prefix *n;
	struct finding *f;
	char net[PREFIX_STRLEN];

	if (!d->way->dnat || d->way->snat || !r->out || !r->in || strcmp(r->in, r->out) != 0)
		return false;
	n = common_network(d->q, r->out, &r->last.saddr, &r->last.daddr);
	if (!n)
		return false;
	f = diagnose_add(
		d, "hairpin-without-snat", 35, arena_strdup(d->q->arena, ip_prefix_format(n, net)));
	if (f) {
		f->title = arena_printf(d->q->arena,
			"clients in %s get the backend's answers past the gateway", net);
		f->evidence = arena_printf(d->q->arena,
			"client and backend are both in %s on %s, and no rule translates the "
			"client's address%s%s",
			net, r->out, d->way->dnat_rule ? "; the forward: " : "",
			d->way->dnat_rule
				? inquiry_place_text(d->q, d->way->dnat_table,
					  r->steps.len && diagnose_rule(r, DID_NAT, NULL)
						  ? diagnose_rule(r, DID_NAT, NULL)->rule.chain
						  : NULL,
					  d->way->dnat_rule)
				: "");
		f->consequence =
			"the client asked the public address and is answered by a private one, "
			"which it does not know: it gives up";
		remedy_hairpin_source(d, f, n);
		style_keep_rules(d->q, f);
	}
	explain_redirects(d, r->out);
	return true;
}

static void remedy_towards(struct diagnosis *d, struct finding *f)
{
	const struct journey_leg *r = &d->way->legs[LEG_REQUEST];
	struct style style = style_of(d->q, r->last.family);
	const char *ip = r->last.family == IP_V6 ? "ip6" : "ip";
	char to[IP_STRLEN];

	ip_format(&r->last.daddr, to);
	if (!style.nft) {
		finding_remedy(d->q, f,
			"%s -t nat -A POSTROUTING -o %s -d %s -m conntrack --ctstate DNAT -j "
			"MASQUERADE",
			style.iptables, r->out, to);
	} else {
		finding_remedy(d->q, f, "nft add table %s towards_backends", ip);
		finding_remedy(d->q, f,
			"nft 'add chain %s towards_backends postrouting { type nat hook "
			"postrouting priority 90; }'",
			ip);
		finding_remedy(d->q, f,
			"nft 'add rule %s towards_backends postrouting oifname \"%s\" %s daddr %s "
			"ct status dnat masquerade'",
			ip, r->out, ip, to);
	}
	f->advice = "or make this machine the backend's default gateway, which keeps the clients' "
		    "addresses visible to it";
}

/* Pitfall 1: the request reached the backend, and no reply comes through here. */
static bool explain_bypass(struct diagnosis *d)
{
	const struct journey_leg *r = &d->way->legs[LEG_REQUEST];
	struct finding *f;
	char to[IP_STRLEN];

	/* Where a reply was judged, it came; and a backend that is off is none that bypasses. */
	if (!r->walked || r->end != JOURNEY_FORWARDED || d->way->home != TRI_UNKNOWN ||
		d->way->snat || !d->way->dnat || !r->out || diagnose_step(r, STAGE_NEIGHBOUR))
		return false;
	ip_format(&r->last.daddr, to);
	f = diagnose_add(d, "backend-bypasses-gateway", 1, arena_strdup(d->q->arena, to));
	if (!f)
		return true;
	f->title =
		arena_printf(d->q->arena, "%s does not send its replies through this machine", to);
	f->evidence = d->way->why ? arena_strdup(d->q->arena, d->way->why)
				  : "connections to it stay without an answer";
	f->consequence = "the client hears nothing, or hears an address that it did not ask";
	remedy_towards(d, f);
	return true;
}

/* ---- translations that do not happen on the way back ---- */

static bool explain_notrack(struct diagnosis *d)
{
	for (int i = 0; i < LEG_COUNT_; i++) {
		const struct journey_leg *leg = &d->way->legs[i];
		const struct journey_step *s =
			leg->walked ? diagnose_rule(leg, DID_NOTRACK, NULL) : NULL;
		struct finding *f;

		if (!s)
			continue;
		f = diagnose_add(d, "notrack", 45, diagnose_step_text(d, s));
		if (!f)
			return true;
		f->title = "packets of forwarded connections are kept from connection tracking";
		f->evidence = diagnose_step_text(d, s);
		f->consequence = i == LEG_REPLY
					 ? "replies are not translated back: they leave with the "
					   "backend's private address"
					 : "without a tracked connection there is no translation: "
					   "the forward does nothing";
		remedy_delete(d->q, f, s->rule.table, s->rule.chain, s->rule.rule);
		f->advice = "or narrow the rule down, so that it leaves out what is forwarded";
		return true;
	}
	return false;
}

static bool explain_leaked(struct diagnosis *d)
{
	const struct journey_leg *r = &d->way->legs[LEG_REPLY];
	struct finding *f;
	char addr[IP_STRLEN];

	if (!r->walked || r->end != JOURNEY_FORWARDED || !packet_knows(&r->last, PKT_SADDR) ||
		ip_equal(&r->last.saddr, &d->j->question.dst))
		return false;
	ip_format(&r->last.saddr, addr);
	f = diagnose_add(d, "untranslated-reply", 31, arena_strdup(d->q->arena, addr));
	if (!f)
		return true;
	f->title = arena_printf(d->q->arena, "replies of %s leave without translation", addr);
	f->evidence = d->way->why ? arena_strdup(d->q->arena, d->way->why)
				  : "the source address is not the one asked";
	f->consequence = "the client does not know that address: it answers with a reset";
	if (!diagnose_zones(d, f))
		f->advice = "packets that belong to no tracked connection pass by every "
			    "translation: drop those in state INVALID on their way out";
	return true;
}

/* ---- networks that overlap ---- */

static bool is_connected(const struct inquiry *q, const char *interface, const struct ip_addr *addr)
{
	VEC_EACH (&q->then.addrs, struct net_addr, a) {
		struct ip_prefix n = ip_prefix_of(&a->addr, a->prefix_len);

		if (strcmp(a->interface, interface) == 0 && ip_in_prefix(addr, &n))
			return true;
	}
	return false;
}

static bool explain_overlap(struct diagnosis *d)
{
	const struct journey_leg *r = &d->way->legs[LEG_REPLY];
	const struct journey_step *s;
	struct finding *f;
	char client[IP_STRLEN];

	if (!r->walked || r->end != JOURNEY_FORWARDED)
		return false;
	s = diagnose_step(r, STAGE_ROUTE);
	if (!s || !s->route || s->route->dst.len == 0)
		return false;
	/* What is inside on two sides is told of two networks, not of a journey. */
	if (d->inside && r->out && d->j->in && strcmp(r->out, d->j->in) != 0)
		return is_connected(d->q, d->j->in, &d->j->question.src) &&
		       is_connected(d->q, r->out, &d->j->question.src);
	if (d->inside || !gateway_inside_at(d->q->gateway, r->out))
		return false;
	ip_format(&d->j->question.src, client);
	f = diagnose_add(d, "overlapping-subnets", 54, inquiry_route_text(d->q, s->route));
	if (!f)
		return true;
	f->title = arena_printf(d->q->arena,
		"clients whose addresses are those of the network behind %s get no answer", r->out);
	f->evidence = arena_printf(d->q->arena, "the reply to %s follows: %s", client,
		inquiry_route_text(d->q, s->route));
	f->consequence = "replies go to the local network instead of the client";
	f->advice = "renumber one of the networks, or translate one as a whole (NETMAP)";
	return true;
}

/* ---- one way ---- */

static bool went_astray(struct diagnosis *d, enum journey_leg_kind kind)
{
	const struct journey_leg *leg = &d->way->legs[kind];

	if (!leg->walked)
		return false;
	switch (leg->end) {
	case JOURNEY_DROPPED:
	case JOURNEY_REJECTED:
		return leg->steps.len &&
		       diagnose_stopped(d, kind, &leg->steps.items[leg->steps.len - 1]);
	case JOURNEY_UNROUTABLE:
		return kind == LEG_REPLY ? diagnose_reply_astray(d)
					 : diagnose_request_astray(d, kind);
	case JOURNEY_FORWARDED:
		return kind != LEG_REPLY && diagnose_request_astray(d, kind);
	case JOURNEY_LOCAL:
	case JOURNEY_LOST:
		return false;
	}
	return false;
}

/* By another interface, or to another router on the same. */
static bool leaves_elsewhere(const struct diagnosis *d, const struct journey_leg *reply)
{
	if (!reply->walked || d->way->home == TRI_NO)
		return reply->walked;
	return reply->end == JOURNEY_FORWARDED && reply->out && d->j->in &&
	       strcmp(reply->out, d->j->in) != 0;
}

static void diagnose_way(struct diagnosis *d)
{
	const struct journey_leg *reply = &d->way->legs[LEG_REPLY];

	if (explain_untranslated(d) || explain_notrack(d) || went_astray(d, LEG_REQUEST) ||
		explain_hairpin(d) || explain_overlap(d) || went_astray(d, LEG_REPLY))
		return;
	if (leaves_elsewhere(d, reply) && diagnose_reply_astray(d))
		return;
	if (!explain_leaked(d) && !went_astray(d, LEG_LATER))
		explain_bypass(d);
}

/* A way that may end well, but not at the backend. */
static void explain_unforwarded(struct diagnosis *d, bool only)
{
	if (!d->inside && only)
		d->severity = DIAG_ERROR;
	if (!explain_untranslated(d))
		explain_notrack(d);
}

void diagnose_journey(struct inquiry *q, const struct journey *j, const char *forward)
{
	bool inside = j->question.from_here || gateway_inside_at(q->gateway, j->in);
	size_t looked = 0;

	VEC_EACH (&j->ways, struct journey_way, way) {
		bool certain = j->verdict == JOURNEY_BROKEN && way->verdict == JOURNEY_BROKEN;
		struct diagnosis d = {.q = q,
			.j = j,
			.way = way,
			.forward = forward,
			.severity = certain && !inside ? DIAG_ERROR : DIAG_WARNING,
			.certain = certain,
			.inside = inside};

		if (way->verdict == JOURNEY_BROKEN && looked++ < WAYS_MAX)
			diagnose_way(&d);
		else if (way->verdict != JOURNEY_BROKEN && !way->dnat &&
			 forward_for(q, &j->question))
			explain_unforwarded(&d, j->ways.len == 1);
	}
}
