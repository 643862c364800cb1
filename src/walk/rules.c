/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Walks a packet through the base chains of a hook, in the kernel's order, and judges what came out. */
#include "walk/rules.h"

#include <string.h>

#include "walk/chain.h"

#define PRIORITY_CONNTRACK (-200) /* NF_IP_PRI_CONNTRACK */
#define PRIORITY_NAT_DST   (-100) /* NF_IP_PRI_NAT_DST */
#define PRIORITY_NAT_SRC   100	  /* NF_IP_PRI_NAT_SRC */
#define TABLE_DORMANT	   0x1	  /* NFT_TABLE_F_DORMANT */

/* ---- results ---- */

static void take_ending(struct walk_result *out, enum walk_verdict v, const struct ending *e)
{
	out->verdict = v;
	out->by = e->by;
	if (v != WALK_UNKNOWN)
		return;
	out->undecided = e->parting.at;
	out->stopped_if_matched = e->parting.matched;
}

static void judge(const struct chain_walk *c, struct walk_result *out)
{
	const struct ending *ends = c->ends;
	const struct ending *stop = ends[END_DROP].possible ? &ends[END_DROP] : &ends[END_REJECT];

	out->passes = ends[END_ACCEPT].possible;
	out->after = c->accepted;
	out->nat = c->nat;
	out->mark_by = c->mark_by;
	out->ct_mark_by = c->ct_mark_by;
	if (ends[END_LOST].possible)
		take_ending(out, WALK_UNKNOWN, &ends[END_LOST]);
	else if (!stop->possible)
		take_ending(out, WALK_ACCEPT, &ends[END_ACCEPT]);
	else if (out->passes)
		take_ending(out, WALK_UNKNOWN, stop);
	else
		take_ending(out, stop == &ends[END_DROP] ? WALK_DROP : WALK_REJECT, stop);
}

/* What chains before conntrack see of the packet: no connection. */
static struct packet without_connection(const struct packet *p)
{
	struct packet q = *p;

	q.known |= PKT_CT_STATE;
	q.known &= ~(uint32_t)(PKT_CT_DIRECTION | PKT_CT_ORIGINAL);
	if (!packet_knows(p, PKT_CT_STATE) || p->ct_state != CT_UNTRACKED)
		q.ct_state = CT_INVALID;
	return q;
}

static void restore_connection(struct packet *p, const struct packet *before)
{
	uint32_t connection = PKT_CT_DIRECTION | PKT_CT_ORIGINAL;

	if (packet_knows(p, PKT_CT_STATE) && p->ct_state == CT_UNTRACKED)
		return;
	if (packet_knows(p, PKT_CT_STATE))
		connection |= PKT_CT_STATE;
	p->known = (p->known & ~(uint32_t)(PKT_CT_STATE)) | (before->known & connection);
	p->ct_state = before->ct_state;
	p->ct_reply = before->ct_reply;
	p->ct_original = before->ct_original;
}

/* Through lo a packet brings its connection along. */
static bool brings_connection(const struct packet *p)
{
	return packet_knows(p, PKT_IIF | PKT_CT_DIRECTION) && p->iif && strcmp(p->iif, "lo") == 0;
}

void walk_base_chain(const struct walker *w, const struct walk_base *base, const struct packet *p,
	struct walk_result *out)
{
	struct chain_walk c = {.run = {.w = w, .hook = base->chain->hook, .left = WALK_MAX_STEPS},
		.table = base->table,
		.base = base->chain};
	enum nft_hook hook = base->chain->hook;
	bool early = (hook == HOOK_INGRESS ||
			     (base->chain->prio < PRIORITY_CONNTRACK &&
				     (hook == HOOK_PREROUTING || hook == HOOK_OUTPUT))) &&
		     !brings_connection(p);
	struct packet seen;

	memset(out, 0, sizeof(*out));
	if (early)
		seen = without_connection(p);
	chain_walk(&c, early ? &seen : p);
	if (early && c.ends[END_ACCEPT].possible)
		restore_connection(&c.accepted, p);
	judge(&c, out);
}

/* ---- hooks ---- */

static int32_t nat_place(enum nft_hook hook)
{
	return hook == HOOK_PREROUTING || hook == HOOK_OUTPUT ? PRIORITY_NAT_DST : PRIORITY_NAT_SRC;
}

int32_t walk_base_place(const struct nft_chain *base)
{
	return base->type == CHAIN_NAT ? nat_place(base->hook) : base->prio;
}

static bool runs_before(const struct walk_base *a, const struct walk_base *b)
{
	return a->chain->prio < b->chain->prio;
}

/* Put @base, which was registered before all those in the list, into it. */
static void insert(struct arena *a, struct walk_bases *list, struct walk_base base)
{
	size_t at = list->items.len;

	vec_push(a, &list->items, base);
	for (; at > 0 && runs_before(&base, &list->items.items[at - 1]); at--)
		list->items.items[at] = list->items.items[at - 1];
	list->items.items[at] = base;
}

/* All nat chains hang on one place, which is there since the first of them was registered:
 * @registered_later of the others at that very place came after it, and run before. */
static void insert_nat(struct arena *a, const struct walk_bases *nat, size_t registered_later,
	const struct walk_bases *others, struct walk_bases *out)
{
	int32_t place = nat->items.len ? walk_base_place(nat->items.items[0].chain) : 0;
	size_t at = 0, same = 0;

	while (at < others->items.len && others->items.items[at].chain->prio < place)
		at++;
	while (same < registered_later && at < others->items.len &&
		others->items.items[at].chain->prio == place) {
		at++;
		same++;
	}
	for (size_t i = 0; i < others->items.len; i++) {
		for (size_t n = 0; i == at && n < nat->items.len; n++)
			vec_push(a, &out->items, nat->items.items[n]);
		vec_push(a, &out->items, others->items.items[i]);
	}
	for (size_t n = 0; at == others->items.len && n < nat->items.len; n++)
		vec_push(a, &out->items, nat->items.items[n]);
}

void walk_bases(struct arena *a, const struct walker *w, uint8_t family, enum nft_hook hook,
	struct walk_bases *out)
{
	enum nft_family own = family == IP_V6 ? FAMILY_IP6 : FAMILY_IP;
	const struct nft_ruleset *rs = &w->net->ruleset;
	struct walk_bases nat = {0}, others = {0};
	size_t later =
		0; /* others at the place of nat chains, registered after the first of these */
	size_t at_place = 0;

	/* The ruleset is in the order of registration: from the end, and stable. */
	for (size_t t = rs->tables.len; t-- > 0;) {
		const struct nft_table *table = rs->tables.items[t];

		if (table == w->skip || table->flags & TABLE_DORMANT ||
			(table->family != own && table->family != FAMILY_INET &&
				table->family != FAMILY_NETDEV))
			continue;
		for (size_t i = table->chains.len; i-- > 0;) {
			struct walk_base base = {table, table->chains.items[i]};

			if (!base.chain->base || base.chain->hook != hook)
				continue;
			insert(a, base.chain->type == CHAIN_NAT ? &nat : &others, base);
			if (base.chain->type == CHAIN_NAT)
				later = at_place;
			else if (base.chain->prio == nat_place(hook))
				at_place++;
		}
	}
	insert_nat(a, &nat, later, &others, out);
}

/* ---- text ---- */

void walk_step_print(struct strbuf *out, const struct walk_step *s)
{
	static const struct {
		enum nft_family family;
		const char *name;
	} families[] = {{FAMILY_INET, "inet"}, {FAMILY_IP, "ip"}, {FAMILY_IP6, "ip6"},
		{FAMILY_NETDEV, "netdev"}};
	const char *family = "";

	if (s->kind == STEP_NONE)
		return;
	for (size_t i = 0; i < sizeof(families) / sizeof(*families); i++) {
		if (families[i].family == s->table->family)
			family = families[i].name;
	}
	strbuf_addf(out, "table %s %s, chain %s: ", family, s->table->name, s->chain->name);
	if (!s->rule) {
		strbuf_addf(out, "policy %s", s->chain->policy_drop ? "drop" : "accept");
		return;
	}
	nft_print_rule(out, s->rule);
	if (s->why)
		strbuf_addf(out, " (%s)", s->why);
}
