/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Recognizes ufw, firewalld, Docker and plain iptables by their tables and chains, and writes the
 * commands that make each of them let portreeve's connections pass. tests/lab/test_foreign.py
 * applies every one of them verbatim to the real tool.
 */
#include "walk/pitfalls/tool.h"

#include <assert.h>
#include <string.h>

#define PRIORITY_DSTNAT (-100)

static const char *const names[] = {
	[TOOL_NFT] = "another nftables rule set",
	[TOOL_IPTABLES] = "another iptables rule set",
	[TOOL_UFW] = "ufw",
	[TOOL_FIREWALLD] = "firewalld",
	[TOOL_DOCKER] = "Docker",
};
static_assert(sizeof(names) / sizeof(*names) == TOOL_COUNT_, "one name per tool");

const char *tool_name(enum tool t)
{
	return names[t];
}

const char *tool_family(enum nft_family f)
{
	return f == FAMILY_INET	    ? "inet"
	       : f == FAMILY_IP6    ? "ip6"
	       : f == FAMILY_NETDEV ? "netdev"
				    : "ip";
}

static bool starts_with(const char *s, const char *prefix)
{
	return strncmp(s, prefix, strlen(prefix)) == 0;
}

static const char *ufw_chain(uint8_t family)
{
	return family == IP_V6 ? "ufw6-before-forward" : "ufw-before-forward";
}

static bool jumps_to(const struct nft_chain *c, const char *target)
{
	VEC_EACH (&c->rules, struct nft_rule, r)
		VEC_EACH (&r->stmts, struct nft_stmt, s) {
			if (s->kind == STMT_VERDICT && s->chain && strcmp(s->chain, target) == 0)
				return true;
		}
	return false;
}

/* The chains that iptables-nft makes are named as in iptables, in tables of one family. */
static bool is_iptables(const struct walk_base *b)
{
	static const char *const tables[] = {"raw", "mangle", "nat", "filter", "security"};
	static const char *const chains[] = {"PREROUTING", "FORWARD", "POSTROUTING"};
	bool table = false, chain = false;

	for (size_t i = 0; i < sizeof(tables) / sizeof(*tables); i++)
		table = table || strcmp(b->table->name, tables[i]) == 0;
	for (size_t i = 0; i < sizeof(chains) / sizeof(*chains); i++)
		chain = chain || strcmp(b->chain->name, chains[i]) == 0;
	return table && chain && b->table->family != FAMILY_INET;
}

enum tool tool_of(const struct trouble *t)
{
	const struct walk_base *b = &t->base;
	bool forward = b->chain->hook == HOOK_FORWARD;

	if (starts_with(b->table->name, "firewalld"))
		return TOOL_FIREWALLD;
	if (!is_iptables(b))
		return TOOL_NFT;
	/* firewalld with FirewallBackend=iptables. */
	if (jumps_to(b->chain, forward ? "FORWARD_ZONES" : "PREROUTING_ZONES"))
		return TOOL_FIREWALLD;
	if (forward && starts_with(t->by.chain->name, "DOCKER"))
		return TOOL_DOCKER;
	if (forward && jumps_to(b->chain, ufw_chain(t->family)))
		return TOOL_UFW;
	if (forward && jumps_to(b->chain, "DOCKER-USER"))
		return TOOL_DOCKER;
	return TOOL_IPTABLES;
}

bool tool_looks_back(const struct trouble *t)
{
	for (size_t i = 0; t->by.rule && i < t->by.rule->stmts.len; i++) {
		const struct nft_stmt *s = &t->by.rule->stmts.items[i];

		if (s->kind == STMT_XT && strcmp(s->xt.name, "rpfilter") == 0)
			return true;
		if (s->kind == STMT_MATCH && s->expr->kind == EXPR_SELECTOR &&
			s->expr->selector >= SEL_FIB_SADDR_OIF &&
			s->expr->selector <= SEL_FIB_SADDR_MARK_IIF_OIF)
			return true;
	}
	return false;
}

/* ---- remedies ---- */

static const char *iptables(const struct trouble *t)
{
	bool legacy = t->base.table->origin == ORIGIN_XT_LEGACY;

	if (t->family == IP_V6)
		return legacy ? "ip6tables-legacy" : "ip6tables";
	return legacy ? "iptables-legacy" : "iptables";
}

/* What picks out the connections that portreeve has translated (without a plan: that anybody has), in
 * iptables' words. */
static const char *ours(struct inquiry *q)
{
	uint32_t bit;

	if (!q->plan)
		return "-m conntrack --ctstate DNAT";
	bit = mark_ours_bit(q->plan->model->mark_mask);
	return arena_printf(q->arena, "-m connmark --mark 0x%x/0x%x", bit, bit);
}

/*
 * The place that ufw(8) has for rules of one's own, right after the declaration of the chain: there
 * is exactly one such line whatever else was added to the file, a *nat section before it included.
 */
static void remedy_ufw(struct inquiry *q, const struct trouble *t, struct finding *f)
{
	const char *chain = ufw_chain(t->family);
	const char *file = t->family == IP_V6 ? "/etc/ufw/before6.rules" : "/etc/ufw/before.rules";

	finding_remedy(q, f,
		"sed -i '/^:%s /a -A %s %s -m comment --comment portreeve -j ACCEPT' %s", chain,
		chain, ours(q), file);
	finding_remedy(q, f, "ufw reload");
	f->advice =
		"this lets through what portreeve has translated, and nothing else, now and for "
		"maps to come; it stays over a restart";
}

static void remedy_docker(struct inquiry *q, const struct trouble *t, struct finding *f)
{
	const char *command = iptables(t);
	const char *rule = arena_printf(q->arena, "DOCKER-USER %s -j ACCEPT", ours(q));
	const char *dropin =
		arena_printf(q->arena, "/etc/systemd/system/docker.service.d/portreeve%s.conf",
			t->family == IP_V6 ? "6" : "");

	finding_remedy(q, f, "%s -I %s", command, rule);
	f->advice = "DOCKER-USER is the chain that Docker leaves to the user";
	if (!q->facts->docker_service)
		return;
	finding_keep(q, f, "mkdir -p /etc/systemd/system/docker.service.d");
	finding_keep(q, f,
		"printf '[Service]\\nExecStartPost=/bin/sh -c \"%s -C %s || %s -I %s\"\\n' > %s",
		command, rule, command, rule, dropin);
	finding_keep(q, f, "systemctl daemon-reload");
}

static void remedy_iptables(struct inquiry *q, const struct trouble *t, struct finding *f)
{
	const char *table = strcmp(t->base.table->name, "filter") == 0
				    ? ""
				    : arena_printf(q->arena, "-t %s ", t->base.table->name);

	finding_remedy(
		q, f, "%s %s-I %s %s -j ACCEPT", iptables(t), table, t->base.chain->name, ours(q));
	if (q->facts->netfilter_persistent)
		finding_keep(q, f, "netfilter-persistent save");
	else
		f->advice = "to keep it over a restart, add it where these rules are loaded from";
}

static void remedy_nft(struct inquiry *q, const struct trouble *t, struct finding *f)
{
	const char *ours = "ct status dnat";

	if (q->plan) {
		uint32_t bit = mark_ours_bit(q->plan->model->mark_mask);

		ours = arena_printf(q->arena, "ct mark and 0x%x == 0x%x", bit, bit);
	}
	finding_remedy(q, f, "nft insert rule %s %s %s %s accept",
		tool_family(t->base.table->family), t->base.table->name, t->base.chain->name, ours);
	f->advice = "to keep it over a restart, add it where these rules are loaded from, often "
		    "/etc/nftables.conf";
}

/* firewalld takes no rules about marks: name the backends. */
static void firewalld_accept(struct inquiry *q, struct finding *f, const struct ip_addr *to,
	uint8_t proto, uint32_t first, uint32_t last)
{
	const char *ports = first == last ? arena_printf(q->arena, "%u", first)
					  : arena_printf(q->arena, "%u-%u", first, last);
	char buf[IP_STRLEN];

	finding_remedy(q, f,
		"firewall-cmd --permanent --policy portreeve --add-rich-rule 'rule "
		"family=\"ipv%u\" destination address=\"%s\" port port=\"%s\" "
		"protocol=\"%s\" accept'",
		to->family == IP_V6 ? 6u : 4u, ip_format(to, buf), ports, ip_proto_name(proto));
}

static void remedy_firewalld(struct inquiry *q, const struct trouble *t, struct finding *f)
{
	finding_remedy(q, f, "firewall-cmd --permanent --new-policy portreeve");
	finding_remedy(q, f, "firewall-cmd --permanent --policy portreeve --add-ingress-zone ANY");
	finding_remedy(q, f, "firewall-cmd --permanent --policy portreeve --add-egress-zone ANY");
	VEC_EACH (&t->maps, const struct plan_map *, m) {
		const struct map *map = (*m)->map;

		VEC_EACH (&map->listens, struct listen, l) {
			const struct backend *b = (*m)->backend;

			firewalld_accept(q, f, &b->addr, l->proto, backend_port_for(b, l, l->first),
				backend_port_for(b, l, l->last));
		}
	}
	if (t->to.family && ip_proto_name(t->proto))
		firewalld_accept(q, f, &t->to, t->proto, t->to_port, t->to_port);
	finding_remedy(q, f, "firewall-cmd --reload");
}

/*
 * A reverse path filter before the mark is set sees main's routes only, and wants the best one to be
 * by the interface: there can be but one such line. Only ip6tables is content with any route by it.
 */
static void remedy_way_back(
	struct inquiry *q, const struct trouble *t, enum tool tool, struct finding *f)
{
	if (tool == TOOL_FIREWALLD) {
		finding_remedy(q, f,
			"sed -i 's/^#*IPv6_rpfilter=.*/IPv6_rpfilter=no/' "
			"/etc/firewalld/firewalld.conf");
		finding_remedy(q, f, "firewall-cmd --reload");
		f->advice = "that filter knows one line only; it stays off over a restart";
		return;
	}
	f->advice = "take the uplinks out of this rule: with several lines, the way back is not by "
		    "the best route";
	for (size_t i = 0; tool == TOOL_IPTABLES && t->family == IP_V6 && i < t->uplinks.len; i++) {
		const struct net_nexthop *h = &t->uplinks.items[i]->nexthop[1];

		if (!h->interface)
			continue;
		finding_default_route(q, f, IP_V6, &h->gateway, h->interface, REMEDY_METRIC);
		f->advice =
			"add the same default route to the network configuration, so that it is "
			"there after a restart; its metric keeps it behind the others";
	}
}

void tool_remedy(struct inquiry *q, const struct trouble *t, enum tool tool, struct finding *f)
{
	if (strcmp(t->base.table->name, "firewalld_policy_drop") == 0) {
		finding_remedy(q, f, "firewall-cmd --panic-off");
		return;
	}
	if (tool_looks_back(t)) {
		remedy_way_back(q, t, tool, f);
		return;
	}
	/* Before the translation there is no mark yet to go by; at a device, no connection. */
	if (t->base.table->family == FAMILY_NETDEV || t->base.chain->hook == HOOK_INGRESS ||
		(t->base.chain->hook == HOOK_PREROUTING && t->base.chain->prio < PRIORITY_DSTNAT)) {
		f->advice = "make an exception in this rule for what comes in by the uplinks";
		return;
	}
	switch (tool) {
	case TOOL_UFW:
		remedy_ufw(q, t, f);
		return;
	case TOOL_DOCKER:
		remedy_docker(q, t, f);
		return;
	case TOOL_FIREWALLD:
		remedy_firewalld(q, t, f);
		return;
	case TOOL_IPTABLES:
		remedy_iptables(q, t, f);
		return;
	case TOOL_NFT:
		remedy_nft(q, t, f);
		return;
	case TOOL_COUNT_:
		return;
	}
}
