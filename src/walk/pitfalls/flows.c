/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Walks the connections of all maps through other tools' base chains. See flows.h. */
#include "walk/pitfalls/flows.h"

#include <string.h>

#define PRIORITY_MANGLE (-150)
#define PRIORITY_SRCNAT 100
#define TCP_SYN		0x02
#define CLIENT_PORT	50123 /* any port that clients use */
#define HOOKS		4

/* Connections that differ only in addresses and ports. */
struct member {
	const struct plan_map *map;
	const struct listen *listen;
};
struct flow_class {
	const struct plan_uplink *uplink;
	const char *inside;
	uint8_t family, proto;
	bool snat;
	VEC(struct member) members;
};
struct classes {
	VEC(struct flow_class) items;
};

/* One connection; its addresses and ports are known or not, all of them. */
struct course {
	const struct flow_class *class;
	bool known;
	struct ip_addr client, public, backend;
	uint16_t public_port, backend_port;
};

/* What happened to a connection at one base chain. */
struct sight {
	enum trouble_kind kind;
	enum flow_packet packet;
	const struct walk_base *base;
	struct walk_step by, undecided;
	unsigned int certain, open; /* in how many of the walks */
};
struct sights {
	VEC(struct sight) items;
	bool settled; /* nothing depended on what was not known */
};

struct flow_walk {
	struct inquiry *q;
	struct arena *scratch;
	struct walk_bases bases[2][HOOKS]; /* v4, v6; by `hooks` */
	int32_t home;			   /* priority at which portreeve marks */
	uint32_t mask, ours;		   /* our bits; the one that says "translated" */
	struct troubles *out;
};

static const enum nft_hook hooks[HOOKS] = {
	HOOK_INGRESS, HOOK_PREROUTING, HOOK_FORWARD, HOOK_POSTROUTING};

/* Before the translation of destinations is done. */
static bool is_early(enum nft_hook hook)
{
	return hook == HOOK_INGRESS || hook == HOOK_PREROUTING;
}

/* ---- packets ---- */

static bool is_bridge(const struct inquiry *q, const char *name)
{
	const struct net_link *l = netstate_link(&q->then, name);

	return l && l->kind && strcmp(l->kind, "bridge") == 0;
}

static void set_addresses(
	struct packet *p, const struct course *c, enum flow_packet kind, enum nft_hook hook)
{
	bool reply = kind == FLOW_REPLY, early = is_early(hook);

	p->known |= PKT_SADDR | PKT_DADDR | PKT_SPORT | PKT_DPORT | PKT_CT_ORIGINAL;
	p->saddr = reply ? c->backend : c->client;
	p->sport = reply ? c->backend_port : CLIENT_PORT;
	p->daddr = reply ? c->client : early ? c->public : c->backend;
	p->dport = reply ? CLIENT_PORT : early ? c->public_port : c->backend_port;
	/* To an address of the gateway's, and which port is left to the kernel. */
	if (reply && early && c->class->snat)
		p->known &= ~(uint32_t)(PKT_DADDR | PKT_DPORT);
	if (c->public.family == IP_NONE)
		p->known &= ~(uint32_t)(PKT_CT_ORIGINAL | (early && !reply ? PKT_DADDR : 0));
	p->ct_original = (struct packet_tuple){c->client, c->public, CLIENT_PORT, c->public_port};
}

static void set_connection(
	struct packet *p, const struct course *c, enum flow_packet kind, enum nft_hook hook)
{
	p->known |= PKT_CT_STATE | PKT_CT_DIRECTION;
	p->ct_state = kind == FLOW_FIRST ? CT_NEW : CT_ESTABLISHED;
	p->ct_reply = kind == FLOW_REPLY;
	p->ct_status = 0;
	p->ct_status_known = ~(uint32_t)(CT_ASSURED | CT_SEQ_ADJUST | CT_SRC_NAT_DONE);
	if (kind == FLOW_FIRST && is_early(hook))
		return;
	p->ct_status = CT_DST_NAT | CT_DST_NAT_DONE;
	if (kind != FLOW_FIRST)
		p->ct_status |= CT_SEEN_REPLY | CT_CONFIRMED | (c->class->snat ? CT_SRC_NAT : 0);
}

/* The packet as it comes to @hook; marks are the caller's. */
static struct packet make_packet(const struct flow_walk *w, const struct course *c,
	enum flow_packet kind, enum nft_hook hook)
{
	const char *uplink = c->class->uplink->uplink->interface, *inside = c->class->inside;
	struct packet p = {.family = c->class->family, .proto = c->class->proto};

	p.known = PKT_PROTO | PKT_IIF | PKT_OIF | PKT_TYPE | PKT_SECPATH;
	p.iif = kind == FLOW_REPLY ? inside : uplink;
	if (!is_early(hook))
		p.oif = kind == FLOW_REPLY ? uplink : inside;
	if (!is_bridge(w->q, p.iif))
		p.known |= PKT_BRIDGED;
	if (kind == FLOW_FIRST && p.proto == PROTO_TCP) {
		p.known |= PKT_TCP_FLAGS;
		p.tcp_flags = TCP_SYN;
	}
	if (c->known)
		set_addresses(&p, c, kind, hook);
	set_connection(&p, c, kind, hook);
	return p;
}

/* ---- what is seen ---- */

static void note(struct flow_walk *w, struct sights *s, enum trouble_kind kind,
	enum flow_packet packet, const struct walk_base *base, const struct walk_step *by,
	const struct walk_step *undecided)
{
	struct sight *at = NULL;

	VEC_EACH (&s->items, struct sight, it) {
		if (it->kind == kind && it->packet == packet && it->base == base)
			at = it;
	}
	if (!at) {
		at = vec_add(w->scratch, &s->items);
		*at = (struct sight){.kind = kind, .packet = packet, .base = base, .by = *by};
	}
	if (undecided) {
		at->undecided = *undecided;
		at->open++;
	} else {
		at->certain++;
	}
}

/*
 * Are only some stopped, that the rule picks out: those on a list? Others are meant to pass then. But
 * whoever is on no list of those let in is as good as everyone.
 */
static bool stops_a_few(const struct walk_result *r)
{
	const struct nft_stmt *s = r->undecided.stmt;
	bool negated = s && s->kind == STMT_MATCH &&
		       (s->op == OP_NE || s->op == OP_NOT_IN || s->op == OP_NOT_RANGE);

	return r->passes && r->stopped_if_matched != negated;
}

static void note_passing(struct flow_walk *w, struct sights *s, enum flow_packet packet,
	const struct walk_base *base, const struct walk_result *r)
{
	switch (r->verdict) {
	case WALK_ACCEPT:
		return;
	case WALK_DROP:
	case WALK_REJECT:
		note(w, s, TROUBLE_STOPPED, packet, base, &r->by, NULL);
		return;
	case WALK_UNKNOWN:
		s->settled = false;
		if (!stops_a_few(r))
			note(w, s, TROUBLE_STOPPED, packet, base, &r->by,
				r->undecided.kind ? &r->undecided : &r->by);
		return;
	}
}

/* Our bits must be @want. What was changed is put right, so that a second culprit is seen too. */
static void check_mark(struct flow_walk *w, struct sights *s, enum trouble_kind kind,
	enum flow_packet packet, const struct walk_base *base, const struct walk_step *by,
	uint32_t want, uint32_t *mark, uint32_t *known)
{
	uint32_t wrong = (*mark ^ want) & *known & w->mask, open = ~*known & w->mask;

	if (wrong)
		note(w, s, kind, packet, base, by, NULL);
	else if (open)
		note(w, s, kind, packet, base, by, by);
	if (open)
		s->settled = false;
	*mark = (*mark & ~w->mask) | want;
	*known |= w->mask;
}

/* ---- walking ---- */

/* The marks that go with a connection's packets from hook to hook. */
struct marks {
	uint32_t mark, mark_known, ct_mark, ct_mark_known;
};

static void set_home(
	struct flow_walk *w, const struct course *c, enum flow_packet kind, struct marks *m)
{
	uint32_t number = c->class->uplink->mark;

	m->mark = (m->mark & ~w->mask) | (kind == FLOW_REPLY ? number : 0);
	m->mark_known |= w->mask;
	m->ct_mark = (m->ct_mark & ~w->mask) | number | w->ours;
	m->ct_mark_known |= w->mask;
}

static void walk_one(struct flow_walk *w, struct sights *s, const struct course *c,
	enum flow_packet kind, const struct walk_base *base, struct packet p, struct marks *m)
{
	uint32_t number = c->class->uplink->mark;
	bool early = base->chain->hook == HOOK_PREROUTING;
	/* Are our marks there? */
	bool home = early ? base->chain->prio >= w->home : base->chain->hook != HOOK_INGRESS;
	struct walk_result r;

	if (base->chain->hook == HOOK_POSTROUTING && base->chain->prio >= PRIORITY_SRCNAT)
		p.known &= ~(uint32_t)(PKT_SADDR | PKT_SPORT);
	p.mark = m->mark;
	p.mark_known = m->mark_known;
	p.ct_mark = m->ct_mark;
	p.ct_mark_known = m->ct_mark_known;
	walk_base_chain(&w->q->walker, base, &p, &r);
	note_passing(w, s, kind, base, &r);
	if (!r.passes)
		return;
	m->mark = r.after.mark;
	m->mark_known = r.after.mark_known;
	m->ct_mark = r.after.ct_mark;
	m->ct_mark_known = r.after.ct_mark_known;
	if (early && packet_knows(&r.after, PKT_CT_STATE) && r.after.ct_state == CT_UNTRACKED)
		note(w, s, TROUBLE_NOTRACK, kind, base, &r.by, NULL);
	if (early && home)
		check_mark(w, s, TROUBLE_MARK, kind, base, &r.mark_by,
			kind == FLOW_REPLY ? number : 0, &m->mark, &m->mark_known);
	if (home || kind != FLOW_FIRST)
		check_mark(w, s, TROUBLE_CT_MARK, kind, base, &r.ct_mark_by, number | w->ours,
			&m->ct_mark, &m->ct_mark_known);
}

static void walk_packet(struct flow_walk *w, struct sights *s, const struct course *c,
	enum flow_packet kind, struct marks *m)
{
	bool at_home = false;

	for (unsigned int h = 0; h < HOOKS; h++) {
		struct walk_bases *bases = &w->bases[inquiry_family_index(c->class->family)][h];
		struct packet p = make_packet(w, c, kind, hooks[h]);

		VEC_EACH (&bases->items, struct walk_base, base) {
			if (base->chain->type == CHAIN_NAT ||
				(hooks[h] == HOOK_INGRESS && base->chain->device &&
					!name_equal(base->chain->device, p.iif)))
				continue;
			if (!at_home && hooks[h] != HOOK_INGRESS &&
				(!is_early(hooks[h]) || base->chain->prio >= w->home)) {
				set_home(w, c, kind, m);
				at_home = true;
			}
			walk_one(w, s, c, kind, base, p, m);
		}
	}
	if (!at_home)
		set_home(w, c, kind, m);
}

static void walk_course(struct flow_walk *w, struct sights *s, const struct course *c)
{
	struct marks m = {0, UINT32_MAX, 0, UINT32_MAX}, reply;

	walk_packet(w, s, c, FLOW_FIRST, &m);
	m.mark = 0;
	m.mark_known = UINT32_MAX;
	reply = m;
	walk_packet(w, s, c, FLOW_REQUEST, &m);
	walk_packet(w, s, c, FLOW_REPLY, &reply);
}

/* ---- troubles ---- */

static void add_trouble(struct flow_walk *w, const struct flow_class *class,
	const struct plan_map *map, const struct sight *s, bool certain)
{
	const struct plan *plan = w->q->plan;
	struct arena *a = w->q->arena;
	size_t index = (size_t)(map - plan->maps.items);
	struct trouble *t = NULL;
	bool known = false;

	VEC_EACH (&w->out->items, struct trouble, it) {
		if (it->kind == s->kind && it->certain == certain && it->family == class->family &&
			it->base.chain == s->base->chain)
			t = it;
	}
	if (!t) {
		t = vec_add(a, &w->out->items);
		t->kind = s->kind;
		t->certain = certain;
		t->base = *s->base;
		t->family = class->family;
		t->by = s->by;
		t->undecided = s->undecided;
		t->has_map = arena_alloc(a, plan->maps.len * sizeof(bool));
	}
	t->packets |= 1u << s->packet;
	for (size_t i = 0; i < t->uplinks.len; i++)
		known = known || t->uplinks.items[i] == class->uplink;
	if (!known)
		vec_push(a, &t->uplinks, class->uplink);
	if (t->has_map[index])
		return;
	t->has_map[index] = true;
	vec_push(a, &t->maps, map);
}

const struct plan_uplink *trouble_uplink(const struct inquiry *q, const struct trouble *t)
{
	return t->uplinks.len == 1 && q->plan->uplinks.len > 1 ? t->uplinks.items[0] : NULL;
}

static void walk_together(struct flow_walk *w, const struct flow_class *class, struct sights *s)
{
	struct course c = {.class = class};

	s->settled = true;
	walk_course(w, s, &c);
	if (!s->settled)
		return;
	VEC_EACH (&s->items, struct sight, it)
		VEC_EACH (&class->members, struct member, m)
			add_trouble(w, class, m->map, it, true);
}

static struct ip_addr public_address(const struct plan_map *map, const struct plan_uplink *u)
{
	VEC_EACH (&map->map->on, struct map_on, on) {
		if (on->uplink == u->uplink && on->addr.family == map_family(map->map))
			return on->addr;
	}
	VEC_EACH (&u->addrs, struct ip_addr, a) {
		if (a->family == map_family(map->map))
			return *a;
	}
	return (struct ip_addr){0};
}

static void walk_member(
	struct flow_walk *w, const struct flow_class *class, const struct member *m, uint16_t port)
{
	const struct backend *backend = m->map->backend;
	struct ip_addr clients[INQUIRY_CLIENTS];
	size_t n = inquiry_clients(m->map, class->family, clients);
	struct sights s = {0};

	for (size_t i = 0; i < n; i++) {
		struct course c = {.class = class,
			.known = true,
			.client = clients[i],
			.public = public_address(m->map, class->uplink),
			.backend = backend->addr,
			.public_port = port,
			.backend_port = backend_port_for(backend, m->listen, port)};

		walk_course(w, &s, &c);
	}
	VEC_EACH (&s.items, struct sight, it) {
		if (it->certain == n)
			add_trouble(w, class, m->map, it, true);
		else if (it->certain + it->open == n)
			add_trouble(w, class, m->map, it, false);
	}
}

static void walk_apart(struct flow_walk *w, const struct flow_class *class, size_t *left)
{
	struct arena *keep = w->scratch;

	VEC_EACH (&class->members, struct member, m) {
		if (*left == 0) {
			w->out->left_out++;
			continue;
		}
		(*left)--;
		w->scratch = arena_new();
		walk_member(w, class, m, m->listen->first);
		if (m->listen->last != m->listen->first)
			walk_member(w, class, m, m->listen->last);
		arena_free(w->scratch);
	}
	w->scratch = keep;
}

/* ---- classes ---- */

static struct flow_class *find_class(struct flow_walk *w, struct classes *classes,
	const struct plan_map *m, const struct plan_uplink *u, uint8_t proto)
{
	bool snat = m->return_mode == RETURN_SNAT;
	struct flow_class *c;

	VEC_EACH (&classes->items, struct flow_class, it) {
		if (it->uplink == u && it->family == map_family(m->map) && it->proto == proto &&
			it->snat == snat && strcmp(it->inside, m->interface) == 0)
			return it;
	}
	c = vec_add(w->scratch, &classes->items);
	c->uplink = u;
	c->inside = m->interface;
	c->family = map_family(m->map);
	c->proto = proto;
	c->snat = snat;
	return c;
}

static void classify(struct flow_walk *w, struct classes *classes)
{
	VEC_EACH (&w->q->plan->maps, struct plan_map, m) {
		VEC_EACH (&m->uplinks, struct plan_uplink *, u) {
			if (!inquiry_is_served(m, *u))
				continue;
			VEC_EACH (&m->map->listens, struct listen, l) {
				struct flow_class *c = find_class(w, classes, m, *u, l->proto);

				vec_push(w->scratch, &c->members, ((struct member){m, l}));
			}
		}
	}
}

/* Where portreeve's own chain marks connections and replies. */
static int32_t home_priority(const struct plan *p)
{
	int32_t prio = PRIORITY_MANGLE + 1;

	if (p->want.ruleset.tables.len == 0)
		return prio;
	VEC_EACH (&p->want.ruleset.tables.items[0]->chains, struct nft_chain *, c) {
		if ((*c)->base && (*c)->hook == HOOK_PREROUTING && (*c)->type == CHAIN_FILTER)
			prio = (*c)->prio;
	}
	return prio;
}

void walk_flows(struct inquiry *q, struct troubles *out)
{
	struct flow_walk w = {.q = q,
		.scratch = arena_new(),
		.home = home_priority(q->plan),
		.mask = q->plan->model->mark_mask,
		.ours = mark_ours_bit(q->plan->model->mark_mask),
		.out = out};
	struct classes classes = {0};
	size_t left = FLOWS_MAX;

	for (unsigned int h = 0; h < HOOKS; h++) {
		walk_bases(q->arena, &q->walker, IP_V4, hooks[h], &w.bases[0][h]);
		walk_bases(q->arena, &q->walker, IP_V6, hooks[h], &w.bases[1][h]);
	}
	classify(&w, &classes);
	VEC_EACH (&classes.items, struct flow_class, c) {
		struct sights s = {0};

		walk_together(&w, c, &s);
		if (!s.settled)
			walk_apart(&w, c, &left);
	}
	arena_free(w.scratch);
}
