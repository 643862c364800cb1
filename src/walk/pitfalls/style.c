/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Remedies that several pitfalls share, in the words that the machine's own rules are written in. */
#include <string.h>

#include "walk/pitfalls/diagnose.h"
#include "walk/xt.h"

#define PIN_BITS	   0x0f000000u /* where no rule of the machine has a mark to go by */
#define PIN_STEP	   0x01000000u
#define PIN_TABLE	   101u
#define PIN_PREFERENCE	   1001u
#define PREFERENCES_FOR_IP 32766u /* main's */
#define SEARCHED	   200u

static unsigned int family_index(uint8_t family)
{
	return family == IP_V6;
}

/* ---- style ---- */

static bool has_rules(const struct nft_table *t)
{
	VEC_EACH (&t->chains, struct nft_chain *, c) {
		if ((*c)->rules.len || (*c)->policy_drop)
			return true;
	}
	return false;
}

struct style style_of(struct inquiry *q, uint8_t family)
{
	bool v6 = family == IP_V6, legacy = false, nft = false;

	VEC_EACH (&q->then.ruleset.tables, struct nft_table *, t) {
		if (!has_rules(*t))
			continue;
		if ((*t)->origin == ORIGIN_XT_NFT)
			return (struct style){.iptables = v6 ? "ip6tables" : "iptables"};
		legacy = legacy || (*t)->origin == ORIGIN_XT_LEGACY;
		nft = nft || (*t)->origin == ORIGIN_NFT;
	}
	if (legacy)
		return (struct style){.iptables = v6 ? "ip6tables-legacy" : "iptables-legacy"};
	return (struct style){.nft = nft, .iptables = nft ? NULL : v6 ? "ip6tables" : "iptables"};
}

const char *style_ip(uint8_t family)
{
	return family == IP_V6 ? "ip -6" : "ip";
}

void style_keep_rules(struct inquiry *q, struct finding *f)
{
	if (q->facts->netfilter_persistent)
		finding_keep(q, f, "netfilter-persistent save");
	else if (!f->advice)
		f->advice = "to keep it over a restart, add it where these rules are loaded from";
}

void style_keep_ip(struct inquiry *q, struct finding *f)
{
	if (!f->advice)
		f->advice = "to keep it over a restart, add it to the network configuration too";
}

void style_sysctl(struct inquiry *q, struct finding *f, const char *key, const char *value)
{
	finding_remedy(q, f, "sysctl -w %s=%s", key, value);
	finding_keep(q, f, "echo '%s = %s' >> /etc/sysctl.d/90-gateway.conf", key, value);
}

/* ---- marks, tables and preferences that are free ---- */

static bool preference_is_used(const struct netstate *net, uint8_t family, uint32_t preference)
{
	VEC_EACH (&net->rules, struct net_rule, r) {
		if (r->family == family && r->preference == preference)
			return true;
	}
	return false;
}

static bool table_is_used(const struct netstate *net, uint32_t table)
{
	VEC_EACH (&net->rules, struct net_rule, r) {
		if (r->action == RULE_LOOKUP && r->table == table)
			return true;
	}
	VEC_EACH (&net->routes, struct net_route, r) {
		if (r->table == table)
			return true;
	}
	return false;
}

static uint32_t free_preference(const struct netstate *net, uint8_t family, uint32_t from)
{
	while (preference_is_used(net, family, from) && from < PREFERENCES_FOR_IP)
		from++;
	return from;
}

static uint32_t free_table(const struct netstate *net, uint32_t from)
{
	for (unsigned int i = 0; i < SEARCHED && table_is_used(net, from); i++)
		from++;
	return from;
}

/* The first preference that a rule which leads packets away has. */
static uint32_t first_preference(const struct netstate *net, uint8_t family)
{
	uint32_t first = PREFERENCES_FOR_IP;

	VEC_EACH (&net->rules, struct net_rule, r) {
		if (r->family == family && r->preference > 0 && r->preference < first)
			first = r->preference;
	}
	return first;
}

/* Is there a rule, before @preference, that asks main for all but the default? */
static bool asks_local_first(const struct netstate *net, uint8_t family, uint32_t preference)
{
	VEC_EACH (&net->rules, struct net_rule, r) {
		if (r->family == family && r->table == TABLE_MAIN && r->action == RULE_LOOKUP &&
			r->suppress_prefixlen >= 0 && r->preference < preference && !r->mask &&
			!r->iif && r->src.addr.family == IP_NONE && !r->invert)
			return true;
	}
	return false;
}

static void add_local_first(struct inquiry *q, struct finding *f, uint8_t family, uint32_t before)
{
	uint32_t at = before - 1;

	if (asks_local_first(&q->then, family, before) || before < 2)
		return;
	while (at > 1 && preference_is_used(&q->then, family, at))
		at--;
	finding_remedy(q, f, "%s rule add pref %u lookup main suppress_prefixlength 0",
		style_ip(family), at);
}

/* The first preference of a rule that asks for marks. */
static uint32_t first_by_mark(const struct netstate *net, uint8_t family)
{
	uint32_t first = UINT32_MAX;

	VEC_EACH (&net->rules, struct net_rule, r) {
		if (r->family == family && r->mask && r->preference < first)
			first = r->preference;
	}
	return first;
}

void remedy_local_first(struct inquiry *q, struct finding *f, const struct net_rule *rule)
{
	uint32_t first = first_by_mark(&q->then, rule->family);

	add_local_first(q, f, rule->family, first < rule->preference ? first : rule->preference);
	style_keep_ip(q, f);
}

/* ---- pinning ---- */

struct pin {
	const struct gateway_uplink *uplink;
	uint32_t mark, mask, table;
	bool has_table, has_rule;
};

#define PINS_MAX 15
struct pins {
	struct pin items[PINS_MAX];
	size_t len;
	uint32_t mask;
};

static bool has_mark(const struct gateway_uplink *u, uint8_t family)
{
	return u->mark_rule && u->mark_rule->family == family && u->mark_mask;
}

static void collect(struct inquiry *q, uint8_t family, struct pins *out)
{
	unsigned int f = family_index(family);
	uint32_t table = PIN_TABLE, mask = 0;

	VEC_EACH (&q->gateway->uplinks, struct gateway_uplink, u) {
		if (u->has_default[f] && has_mark(u, family))
			mask |= u->mark_mask;
	}
	out->mask = mask ? mask : PIN_BITS;
	VEC_EACH (&q->gateway->uplinks, struct gateway_uplink, u) {
		struct pin *p;

		if (!gateway_serves(u, family) || out->len == PINS_MAX)
			continue;
		p = &out->items[out->len++];
		p->uplink = u;
		p->mask = out->mask;
		p->has_rule = has_mark(u, family);
		p->mark = p->has_rule ? u->mark : (uint32_t)out->len * PIN_STEP;
		if (!p->has_rule && mask)
			p->mark = (uint32_t)out->len * (mask & ~(mask << 1)) & mask;
		p->has_table = u->tables.len > 0;
		p->table =
			p->has_table ? u->tables.items[0] : (table = free_table(&q->then, table));
		table += !p->has_table;
	}
}

static const char *mask_text(struct inquiry *q, uint32_t mark, uint32_t mask)
{
	return mask == UINT32_MAX ? arena_printf(q->arena, "0x%x", mark)
				  : arena_printf(q->arena, "0x%x/0x%x", mark, mask);
}

static void add_routes(
	struct inquiry *q, struct finding *f, uint8_t family, const struct pins *pins)
{
	uint32_t preference = PIN_PREFERENCE, first = first_preference(&q->then, family);
	const char *ip = style_ip(family);
	bool any = false, nameless = false;

	if (first < PREFERENCES_FOR_IP && first > pins->len + 2)
		preference = first - (uint32_t)pins->len;
	for (size_t i = 0; i < pins->len; i++)
		any = any || !pins->items[i].has_rule;
	if (any)
		add_local_first(q, f, family, preference);
	for (size_t i = 0; i < pins->len; i++) {
		const struct pin *p = &pins->items[i];
		const struct ip_addr *next = &p->uplink->next[family_index(family)];

		if (p->has_rule)
			continue;
		if (!p->has_table && (next->family || p->uplink->has_default[family_index(family)]))
			finding_default_route(q, f, family, next, p->uplink->interface,
				arena_printf(q->arena, "table %u", p->table));
		else if (!p->has_table)
			finding_remedy(q, f,
				"%s route add default via ROUTER_OF_%s dev %s table %u", ip,
				p->uplink->interface, p->uplink->interface, p->table);
		nameless = nameless || (!p->has_table && !p->uplink->has_default[0] &&
					       !p->uplink->has_default[1]);
		preference = free_preference(&q->then, family, preference);
		finding_remedy(q, f, "%s rule add pref %u fwmark %s lookup %u", ip, preference++,
			mask_text(q, p->mark, p->mask), p->table);
	}
	if (nameless)
		f->advice =
			"no route tells the provider's router there: put its address in place of "
			"ROUTER_OF_...";
}

/* Two uplinks on one interface are told apart by the address that is asked for. */
static bool shares_interface(struct inquiry *q, const struct gateway_uplink *u, unsigned int f)
{
	VEC_EACH (&q->gateway->uplinks, struct gateway_uplink, it) {
		if (it != u && it->has_default[f] && strcmp(it->interface, u->interface) == 0)
			return true;
	}
	return false;
}

/* An address of the uplink, where that is needed to tell it apart; else NULL. */
static const char *telling_address(
	struct inquiry *q, const struct gateway_uplink *u, uint8_t family, char buf[IP_STRLEN])
{
	if (!shares_interface(q, u, family_index(family)))
		return NULL;
	VEC_EACH (&u->addrs, struct ip_addr, a) {
		if (a->family == family)
			return ip_format(a, buf);
	}
	return NULL;
}

static void pin_iptables(struct inquiry *q, struct finding *f, uint8_t family,
	const struct pins *pins, const char *iptables)
{
	char buf[IP_STRLEN];

	for (size_t i = 0; i < pins->len; i++) {
		const struct pin *p = &pins->items[i];
		const char *addr = telling_address(q, p->uplink, family, buf);

		finding_remedy(q, f,
			"%s -t mangle -A PREROUTING -i %s%s%s -m conntrack --ctstate NEW -j "
			"CONNMARK --set-xmark 0x%x/0x%x",
			iptables, p->uplink->interface, addr ? " -d " : "", addr ? addr : "",
			p->mark, p->mask);
	}
}

#define NFT_TABLE "pin_uplinks"

static void nft_table(struct inquiry *q, struct finding *f, bool local)
{
	finding_remedy(q, f, "nft add table inet " NFT_TABLE);
	finding_remedy(q, f,
		"nft 'add chain inet " NFT_TABLE
		" prerouting { type filter hook prerouting priority -140; }'");
	/* Before filter chains: a mark that one of them has set is no change here, and only a change has
	 * the packet routed anew. */
	if (local)
		finding_remedy(q, f,
			"nft 'add chain inet " NFT_TABLE
			" output { type route hook output priority -160; }'");
}

static void pin_nft(struct inquiry *q, struct finding *f, uint8_t family, const struct pins *pins)
{
	char buf[IP_STRLEN];

	for (size_t i = 0; i < pins->len; i++) {
		const struct pin *p = &pins->items[i];
		const char *addr = telling_address(q, p->uplink, family, buf);

		finding_remedy(q, f,
			"nft 'add rule inet " NFT_TABLE
			" prerouting iifname \"%s\" %s%s%sct state new ct mark set ct mark & "
			"0x%08x | 0x%x'",
			p->uplink->interface, addr ? (family == IP_V6 ? "ip6" : "ip") : "",
			addr ? " daddr " : "", addr ? arena_printf(q->arena, "%s ", addr) : "",
			~p->mask, p->mark);
	}
}

/* nft takes one expression: the packet's other bits cannot be kept beside the connection's. So each
 * mark has a rule. */
static void restore_nft(
	struct inquiry *q, struct finding *f, const struct pins *pins, bool first, bool local)
{
	static const char *const chains[] = {"prerouting", "output"};

	for (int c = first ? 0 : 1; c < 1 + local; c++) {
		for (size_t i = 0; i < pins->len; i++)
			finding_remedy(q, f,
				"nft 'add rule inet " NFT_TABLE
				" %s ct direction reply ct mark & 0x%x == 0x%x meta mark set meta "
				"mark & 0x%08x | 0x%x'",
				chains[c], pins->items[i].mask, pins->items[i].mark,
				~pins->items[i].mask, pins->items[i].mark);
	}
}

static void restore_iptables(struct inquiry *q, struct finding *f, const char *iptables,
	uint32_t mask, bool first, bool local)
{
	static const char *const chains[] = {"PREROUTING", "OUTPUT"};

	for (int c = first ? 0 : 1; c < 1 + local; c++)
		finding_remedy(q, f,
			"%s -t mangle -A %s -m conntrack --ctdir REPLY -j CONNMARK --restore-mark "
			"--nfmask 0x%x --ctmask 0x%x",
			iptables, chains[c], mask, mask);
}

/* Restore on replies that come in (@first), and on those of this machine itself (@local). */
static void restore(struct inquiry *q, struct finding *f, uint8_t family, const struct pins *pins,
	uint32_t mask, bool first, bool local)
{
	struct style style = style_of(q, family);

	if (style.nft) {
		nft_table(q, f, local);
		restore_nft(q, f, pins, first, local);
	} else {
		restore_iptables(q, f, style.iptables, mask, first, local);
	}
	style_keep_rules(q, f);
}

void remedy_pin(struct inquiry *q, struct finding *f, uint8_t family, bool local)
{
	struct style style = style_of(q, family);
	struct pins pins = {.len = 0};

	collect(q, family, &pins);
	if (pins.len == 0)
		return;
	add_routes(q, f, family, &pins);
	if (style.nft) {
		nft_table(q, f, false);
		pin_nft(q, f, family, &pins);
	} else {
		pin_iptables(q, f, family, &pins, style.iptables);
	}
	restore(q, f, family, &pins, pins.mask, true, local);
}

void remedy_restore(struct inquiry *q, struct finding *f, uint8_t family, uint32_t mask, bool local)
{
	struct pins pins = {.len = 0};

	if (first_by_mark(&q->then, family) != UINT32_MAX)
		add_local_first(q, f, family, first_by_mark(&q->then, family));
	collect(q, family, &pins);
	restore(q, f, family, &pins, mask, true, local);
}

void remedy_restore_output(struct inquiry *q, struct finding *f, uint8_t family)
{
	struct pins pins = {.len = 0};

	collect(q, family, &pins);
	restore(q, f, family, &pins, pins.mask, false, true);
}
