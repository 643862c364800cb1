/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Says of a journey whether its packets would take the fast path.
 *
 * Theory of operation. The questions are those of bpf/fastpath.bpf.c, about in their order; the first that
 * is answered with no is the reason. Doubts come last, since a sure no is worth more.
 */
#include "walk/bypass.h"

#include <string.h>

#include <linux/netfilter/xt_CT.h>

#define ZONE_OF_REPLIES 2 /* of ct_zone_only */

struct asking {
	struct arena *a;
	const struct plan *p;
	const struct netstate *net;
	const struct journey_question *q;
	const struct journey_leg *request, *reply;
	const struct fastpath_now *now;
	struct bypass *out;
};

static bool say(struct asking *x, enum tri takes, const char *reason, const char *why)
{
	*x->out = (struct bypass){true, takes, reason, why};
	return true;
}

static bool no(struct asking *x, const char *reason, const char *why)
{
	return say(x, TRI_NO, reason, why);
}

/* ---- interfaces ---- */

static const struct plan_fastpath *wanted_on(const struct plan *p, const char *interface)
{
	VEC_EACH (&p->fastpaths, const struct plan_fastpath, f) {
		if (name_equal(f->interface, interface))
			return f;
	}
	return NULL;
}

/* As it is, or where that is not known as it is wanted; FASTPATH_OFF: no program is there, *@why. */
static enum fastpath_mode mode_of(const struct asking *x, const char *interface, const char **why)
{
	const struct plan_fastpath *f = wanted_on(x->p, interface);

	*why = "the config does not want the fast path there";
	if (!f || !x->now)
		return f ? f->mode : FASTPATH_OFF;
	*why = "no program is attached there";
	VEC_EACH (&x->now->sides, const struct fastpath_side, s) {
		if (!name_equal(s->interface, interface))
			continue;
		if (s->why[0])
			*why = s->why;
		return s->is;
	}
	return FASTPATH_OFF;
}

/* ---- the connection ---- */

static bool ask_switch(struct asking *x)
{
	if (x->now && x->now->problem)
		return no(
			x, "off", arena_printf(x->a, "there is no fast path: %s", x->now->problem));
	if (x->now && x->now->off)
		return no(x, "off", "the fast path was switched off: `portreeve fastpath on`");
	return false;
}

static bool ask_packet(struct asking *x)
{
	uint8_t proto = x->q->proto;

	if (proto == PROTO_ICMP || proto == PROTO_ICMPV6)
		return no(x, "icmp", "ICMP takes the kernel's path");
	if (proto != PROTO_TCP && proto != PROTO_UDP)
		return no(x, "protocol", "only TCP and UDP take it");
	if (x->q->from_here || x->request->end == JOURNEY_LOCAL)
		return no(x, "local", "this machine itself is an end of the connection");
	return false;
}

/* Its home, as the mark of the connection says. False: that is the answer. */
static bool find_home(struct asking *x, const struct plan_uplink **home)
{
	uint32_t mask = x->p->model->mark_mask, ours = mark_ours_bit(mask);
	const struct packet *k = &x->request->last;

	*home = NULL;
	if ((k->ct_mark_known & mask) != mask)
		return !say(x, TRI_UNKNOWN, NULL, "the connection's mark cannot be told");
	if (!(k->ct_mark & ours))
		return !no(x, "not-ours", "portreeve does not translate this connection");
	if (packet_knows(k, PKT_CT_ZONE) && k->ct_zone && k->ct_zone_only != ZONE_OF_REPLIES)
		return !no(x, "zone", "its requests are in a zone of conntrack's");
	VEC_EACH (&x->p->uplinks, const struct plan_uplink, u) {
		if (u->mark == (k->ct_mark & mark_number_mask(mask)))
			*home = u;
	}
	return true;
}

static bool ask_home(struct asking *x)
{
	const struct plan_uplink *home;
	const char *interface;

	if (!find_home(x, &home))
		return true;
	interface = home ? home->uplink->interface : NULL;
	if (name_equal(x->request->in, x->request->out))
		return no(x, "home", "it leaves by the interface that it came in by");
	if (!name_equal(x->request->in, interface))
		return no(x, "home",
			arena_printf(x->a,
				"the request came in by %s, and not by an uplink that is its home",
				x->request->in));
	if (x->reply->end == JOURNEY_FORWARDED && !name_equal(x->reply->out, interface))
		return no(x, "home",
			arena_printf(x->a, "the reply leaves by %s, and not by its home, %s",
				x->reply->out, interface));
	return false;
}

/* The kernel's look-up for programs goes by the interface's own switch (plan/sysctls.c). */
static bool ask_forwarding(struct asking *x)
{
	const char *const in[] = {x->request->in, x->request->out};

	for (size_t i = 0; i < 2 && x->request->last.family == IP_V6; i++) {
		const char *key = netstate_conf_key(x->a, IP_V6, in[i], "forwarding");

		if (netstate_sysctl_int(x->net, key, 1) == 0)
			return no(x, "no-route", arena_printf(x->a, "%s is 0", key));
	}
	return false;
}

static bool ask_length(struct asking *x)
{
	const struct net_link *l = netstate_link(x->net, x->request->out);

	if (!l || !l->mtu || x->q->length <= l->mtu)
		return false;
	return no(x, "mtu",
		arena_printf(x->a, "packets of %u bytes are too long for %s", x->q->length,
			x->request->out));
}

/* ---- programs ---- */

struct way {
	const char *reason, *why; /* NULL: it can be taken */
};

static bool is_uplink(const struct asking *x, const char *interface)
{
	VEC_EACH (&x->p->uplinks, const struct plan_uplink, u) {
		if (name_equal(u->uplink->interface, interface))
			return true;
	}
	return false;
}

/* Of packets from one interface to another: what bpf/fastpath.bpf.c asks in prove(). */
static struct way way_between(const struct asking *x, const char *in, const char *out)
{
	bool is_request = in == x->request->in;
	const char *why_in, *why_out, *one_way = NULL;
	enum fastpath_mode from = mode_of(x, in, &why_in), to = mode_of(x, out, &why_out);

	if (from == FASTPATH_OFF)
		return (struct way){"interface", arena_printf(x->a, "%s: %s", in, why_in)};
	if (!is_request && is_uplink(x, in))
		return (struct way){"home",
			arena_printf(x->a, "replies that come in by an uplink, %s, do not", in)};
	if (from == FASTPATH_XDP && to != FASTPATH_XDP && to != FASTPATH_AUTO)
		return (struct way){"target",
			arena_printf(x->a, "XDP on %s cannot hand frames to %s, which has none", in,
				out)};
	if (to == FASTPATH_OFF)
		one_way = arena_printf(x->a, "%s: %s", out, why_out);
	else if (to == FASTPATH_XDP && from == FASTPATH_TC)
		one_way = arena_printf(x->a, "%s has XDP, and %s has not", out, in);
	else if (is_request && is_uplink(x, out))
		one_way = arena_printf(x->a, "replies come in by an uplink, %s", out);
	if (one_way && x->q->proto == PROTO_TCP)
		return (struct way){"one-way",
			arena_printf(x->a, "the other direction cannot take it: %s", one_way)};
	return (struct way){0};
}

static const char *by_what(const struct asking *x, const char *interface)
{
	const char *why;
	enum fastpath_mode mode = mode_of(x, interface, &why);

	return mode == FASTPATH_AUTO ? interface : arena_printf(x->a, "%s (%s)", interface, fastpath_mode_names[mode]);
}

static const char *yes(const struct asking *x, const struct way *there, const struct way *back)
{
	const char *in = x->request->in, *out = x->request->out;

	if (there->reason)
		return arena_printf(x->a,
			"after the first packets; only replies, which come in by %s: %s",
			by_what(x, out), there->why);
	if (back->reason)
		return arena_printf(x->a,
			"after the first packets; only requests, which come in by %s: %s",
			by_what(x, in), back->why);
	return arena_printf(x->a, "after the first packets, between %s and %s", by_what(x, in),
		by_what(x, out));
}

/* ---- what cannot be told ---- */

static bool gives_helper(const struct nft_stmt *s)
{
	struct xt_ct_target_info i = {0};

	if (s->kind == STMT_HARMLESS)
		return s->text && strncmp(s->text, "ct helper", 9) == 0;
	if (s->kind != STMT_XT || !s->xt.target || strcmp(s->xt.name, "CT") != 0)
		return false;
	if (!s->xt.info || s->xt.info_len < sizeof(i))
		return true;
	memcpy(&i, s->xt.info, sizeof(i));
	return i.helper[0] != '\0';
}

/* A table with a rule that gives connections a helper, which must see all their packets. */
static const struct nft_table *helpers_of(const struct netstate *net)
{
	VEC_EACH (&net->ruleset.tables, struct nft_table *, t)
		VEC_EACH (&(*t)->chains, struct nft_chain *, c)
			VEC_EACH (&(*c)->rules, const struct nft_rule, r)
				VEC_EACH (&r->stmts, const struct nft_stmt, s)
					if (gives_helper(s))
						return *t;
	return NULL;
}

static const char *doubt(const struct asking *x, const char **reason)
{
	const struct nft_table *t = helpers_of(x->net);

	if (!x->reply->walked || x->reply->end != JOURNEY_FORWARDED)
		return "whether replies come back through here is not known";
	if (t) {
		*reason = "helper";
		return arena_printf(x->a,
			"rules of table %s give connections a helper, which must see every packet",
			nft_table_words(x->a, t));
	}
	if (x->now && x->now->ipsec) {
		*reason = "ipsec";
		return "packets were left to the kernel because of IPsec policies";
	}
	if (!x->now)
		return "it would, where the programs are attached: `portreeve status --fastpath`";
	return NULL;
}

static void ask_ways(struct asking *x)
{
	struct way there = way_between(x, x->request->in, x->request->out),
		   back = way_between(x, x->request->out, x->request->in);
	const char *reason = NULL, *why;

	if (there.reason && back.reason) {
		no(x, there.reason, there.why);
		return;
	}
	why = doubt(x, &reason);
	if (why)
		say(x, TRI_UNKNOWN, reason, why);
	else
		say(x, TRI_YES, NULL, yes(x, &there, &back));
}

void walk_bypass(struct arena *a, const struct plan *p, const struct netstate *net,
	const struct journey *j, const struct fastpath_now *now, struct bypass *out)
{
	const struct journey_way *w = &j->ways.items[0];
	struct asking x = {
		a, p, net, &j->question, &w->legs[LEG_REQUEST], &w->legs[LEG_REPLY], now, out};

	*out = (struct bypass){0};
	if (!p || !x.request->walked ||
		(!wanted_on(p, x.request->in) && !wanted_on(p, x.request->out)))
		return;
	if (x.request->end != JOURNEY_FORWARDED && x.request->end != JOURNEY_LOCAL)
		return;
	if (ask_switch(&x) || ask_packet(&x) || ask_home(&x) || ask_forwarding(&x) ||
		ask_length(&x))
		return;
	ask_ways(&x);
}
