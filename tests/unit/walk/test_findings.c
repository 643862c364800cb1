/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Findings: each pitfall on a machine that has it, with its evidence and remedy; and the same machine
 * without it, or with the remedy in place, where there must be none. (Over 700 lines since it has a
 * machine or two for every kind of finding, and those are what makes it long.)
 */
#include "../plan/planned.h"

#include <linux/netfilter/xt_connmark.h>
#include <linux/netfilter/xt_mark.h>

#include "walk/findings.h"

#define OURS 0x80000000u

/* The article's gateway. */
static const char article[] = "uplinks:\n"
			      "  telecom: {interface: eth0, gateway: 1.1.1.254}\n"
			      "  unicom: {interface: eth1, gateway: 2.2.2.254}\n"
			      "maps:\n"
			      "  web: {listen: 80/tcp, to: 192.168.0.2}\n";

struct machine {
	struct planned p;
	struct foreign_facts facts;
	struct findings found;
};

static void add_rule(struct machine *m, uint8_t family, uint32_t preference, uint32_t table)
{
	struct net_rule *r = vec_add(m->p.a, &m->p.seen.rules);

	r->family = family;
	r->preference = preference;
	r->action = RULE_LOOKUP;
	r->table = table;
	r->suppress_prefixlen = -1;
	r->protocol = 2; /* kernel */
}

static void begin(struct machine *m, const char *text)
{
	memset(m, 0, sizeof(*m));
	planned_init(&m->p, text);
	add_rule(m, IP_V4, 0, TABLE_LOCAL);
	add_rule(m, IP_V4, 32766, TABLE_MAIN);
	add_rule(m, IP_V4, 32767, TABLE_DEFAULT);
	add_rule(m, IP_V6, 0, TABLE_LOCAL);
	add_rule(m, IP_V6, 32766, TABLE_MAIN);
}

static void look(struct machine *m)
{
	if (!m->p.plan)
		planned_make(&m->p);
	assert_non_null(m->p.plan);
	memset(&m->found, 0, sizeof(m->found));
	walk_findings(m->p.a, m->p.plan, &m->p.seen, &m->facts, &m->found);
}

static const struct finding *found(const struct machine *m, const char *id)
{
	VEC_EACH (&m->found.items, struct finding, f)
		if (strcmp(f->id, id) == 0)
			return f;
	return NULL;
}

/* Does a finding say that the map with this number in the config does not work? The first such. */
static const struct finding *blocking(const struct machine *m, size_t map)
{
	VEC_EACH (&m->found.items, struct finding, f) {
		for (size_t i = 0; f->blocks && i < f->maps.len; i++) {
			if (f->maps.items[i] == &m->p.plan->maps.items[map])
				return f;
		}
	}
	return NULL;
}

static void print_all(const struct machine *m)
{
	struct strbuf b = STRBUF_INIT;

	findings_print(&b, &m->found, DIAG_INFO, false);
	print_error("%s", strbuf_str(&b));
	strbuf_fini(&b);
}

/* One finding, and no other, that is at least a warning. */
static const struct finding *only(const struct machine *m, const char *id)
{
	const struct finding *f = NULL;
	size_t n = 0;

	VEC_EACH (&m->found.items, struct finding, it) {
		if (it->severity == DIAG_INFO)
			continue;
		n++;
		f = it;
	}
	if (n != 1 || strcmp(f->id, id) != 0)
		print_all(m);
	assert_int_equal(n, 1);
	assert_string_equal(f->id, id);
	assert_non_null(f->evidence);
	assert_non_null(f->consequence);
	assert_true(f->remedy.len || f->advice);
	return f;
}

static void assert_none(struct machine *m)
{
	look(m);
	if (m->found.items.len)
		print_all(m);
	assert_int_equal(m->found.items.len, 0);
}

static void end(struct machine *m)
{
	planned_fini(&m->p);
}

/* ---- rule sets of others ---- */

static struct nft_table *table(struct machine *m, enum nft_family f, const char *name)
{
	struct nft_table *t = nft_table_new(m->p.a, f, name);

	vec_push(m->p.a, &m->p.seen.ruleset.tables, t);
	return t;
}

static struct nft_chain *base(
	struct machine *m, struct nft_table *t, const char *name, enum nft_hook hook, int32_t prio)
{
	return nft_base_chain_new(m->p.a, t, name, CHAIN_FILTER, hook, prio);
}

static struct nft_rule *rule(struct machine *m, struct nft_chain *c)
{
	return nft_rule_new(m->p.a, c, NOWHERE);
}

static void verdict(struct machine *m, struct nft_rule *r, enum nft_verdict v, const char *chain)
{
	nft_verdict(m->p.a, r, v, chain);
}

static void stmt(struct machine *m, struct nft_rule *r, enum nft_stmt_kind kind)
{
	struct nft_stmt *s = vec_add(m->p.a, &r->stmts);

	s->kind = kind;
}

static void established_accept(struct machine *m, struct nft_chain *c)
{
	struct nft_rule *r = rule(m, c);

	nft_match_u32(m->p.a, r, nft_masked32(m->p.a, SEL_CT_STATE, 2 | 4, 0), OP_NE, 0);
	verdict(m, r, VERDICT_ACCEPT, NULL);
}

static void ours_accept(struct machine *m, struct nft_chain *c, uint32_t bit)
{
	struct nft_rule *r = rule(m, c);

	nft_match_u32(m->p.a, r, nft_masked32(m->p.a, SEL_CT_MARK, bit, 0), OP_EQ, bit);
	verdict(m, r, VERDICT_ACCEPT, NULL);
}

static void xt_target(struct machine *m, struct nft_rule *r, const char *name, uint32_t rev,
	const void *info, uint32_t len)
{
	struct nft_stmt *s = vec_add(m->p.a, &r->stmts);
	uint8_t *copy = arena_alloc(m->p.a, len);

	memcpy(copy, info, len);
	s->kind = STMT_XT;
	s->xt = (struct nft_xt){
		.target = true, .name = name, .rev = rev, .info = copy, .info_len = len};
}

static void test_sane_gateway(void **state)
{
	struct machine m;
	struct nft_chain *c, *sub;
	struct nft_table *t;

	begin(&m, article);
	assert_none(&m);
	/* A firewall that lets translated connections through is nobody's trouble. */
	t = table(&m, FAMILY_INET, "filter");
	c = base(&m, t, "forward", HOOK_FORWARD, 0);
	sub = nft_chain_new(m.p.a, t, "blocklist");
	c->policy_drop = true;
	established_accept(&m, c);
	verdict(&m, rule(&m, c), VERDICT_JUMP, "blocklist");
	(void)sub;
	nft_match_u32(m.p.a, rule(&m, c), nft_masked32(m.p.a, SEL_CT_STATUS, 0x20, 0), OP_NE, 0);
	verdict(&m, &c->rules.items[c->rules.len - 1], VERDICT_ACCEPT, NULL);
	assert_none(&m);
	end(&m);
}

/* ---- drops ---- */

static void test_plain_nft_drop(void **state)
{
	struct machine m;
	const struct finding *f;
	struct nft_chain *c;

	begin(&m, article);
	c = base(&m, table(&m, FAMILY_INET, "filter"), "forward", HOOK_FORWARD, 0);
	c->policy_drop = true;
	established_accept(&m, c);
	look(&m);
	f = only(&m, "foreign-drop");
	assert_int_equal(f->pitfall, 28);
	assert_true(f->blocks);
	assert_string_equal(f->evidence, "table inet filter, chain forward: policy drop");
	assert_int_equal(f->remedy.len, 1);
	assert_string_equal(f->remedy.items[0],
		"nft insert rule inet filter forward ct mark and 0x80000000 == 0x80000000 accept");
	assert_int_equal(f->maps.len, 1);
	assert_null(f->uplink); /* on both */
	assert_ptr_equal(blocking(&m, 0), f);
	/* The remedy, in place. */
	ours_accept(&m, c, OURS);
	assert_none(&m);
	end(&m);
}

/* At the device itself, before everything else. */
static void test_dropped_at_ingress(void **state)
{
	struct machine m;
	const struct finding *f;
	struct nft_chain *c;

	begin(&m, article);
	c = base(&m, table(&m, FAMILY_NETDEV, "early"), "c", HOOK_INGRESS, 0);
	c->device = "eth1";
	c->policy_drop = true;
	look(&m);
	f = only(&m, "foreign-drop");
	assert_string_equal(f->evidence, "table netdev early, chain c: policy drop");
	assert_string_equal(f->uplink->uplink->interface, "eth1");
	assert_int_equal(f->remedy.len, 0);
	c->device = "wlan0"; /* nobody's */
	assert_none(&m);
	end(&m);
}

static void test_replies_dropped(void **state)
{
	struct machine m;
	const struct finding *f;
	struct nft_chain *c;
	struct nft_rule *r;

	begin(&m, article);
	c = base(&m, table(&m, FAMILY_INET, "filter"), "forward", HOOK_FORWARD, 0);
	c->policy_drop = true;
	r = rule(&m, c); /* stateless: only towards the inside */
	nft_match_ifname(m.p.a, r, nft_sel(m.p.a, SEL_META_OIFNAME), OP_EQ, "lan0");
	verdict(&m, r, VERDICT_ACCEPT, NULL);
	look(&m);
	f = only(&m, "foreign-drop");
	assert_int_equal(f->pitfall, 30);
	assert_non_null(strstr(f->title, "the replies of connections"));
	end(&m);
}

static void test_one_uplink(void **state)
{
	struct machine m;
	const struct finding *f;
	struct nft_chain *c;
	struct nft_rule *r;

	begin(&m, article);
	c = base(&m, table(&m, FAMILY_INET, "filter"), "forward", HOOK_FORWARD, 0);
	r = rule(&m, c);
	nft_match_ifname(m.p.a, r, nft_sel(m.p.a, SEL_META_IIFNAME), OP_EQ, "eth1");
	verdict(&m, r, VERDICT_DROP, NULL);
	look(&m);
	f = only(&m, "foreign-drop");
	assert_string_equal(f->uplink->uplink->name, "unicom");
	end(&m);
}

static void test_reject(void **state)
{
	struct machine m;
	struct nft_chain *c;

	begin(&m, article);
	c = base(&m, table(&m, FAMILY_INET, "fw"), "forward", HOOK_FORWARD, 0);
	established_accept(&m, c);
	stmt(&m, rule(&m, c), STMT_REJECT);
	look(&m);
	only(&m, "foreign-drop");
	end(&m);
}

static struct nft_chain *iptables_forward(struct machine *m, enum nft_family family)
{
	struct nft_chain *c = base(m, table(m, family, "filter"), "FORWARD", HOOK_FORWARD, 0);

	c->policy_drop = true;
	return c;
}

static void test_iptables(void **state)
{
	struct machine m;
	const struct finding *f;

	begin(&m, article);
	established_accept(&m, iptables_forward(&m, FAMILY_IP));
	look(&m);
	f = only(&m, "foreign-drop");
	assert_string_equal(f->remedy.items[0],
		"iptables -I FORWARD -m connmark --mark 0x80000000/0x80000000 -j ACCEPT");
	assert_int_equal(f->keep.len, 0);
	m.facts.netfilter_persistent = true;
	look(&m);
	f = only(&m, "foreign-drop");
	assert_string_equal(f->keep.items[0], "netfilter-persistent save");
	end(&m);
}

static void test_other_bits(void **state)
{
	char text[sizeof(article) + 64];
	struct machine m;
	const struct finding *f;
	struct nft_chain *c;

	snprintf(text, sizeof(text), "%sgateway: {mark: 0x00ff0000}\n", article);
	begin(&m, text);
	c = iptables_forward(&m, FAMILY_IP);
	look(&m);
	f = only(&m, "foreign-drop");
	assert_non_null(strstr(f->remedy.items[0], "--mark 0x800000/0x800000 "));
	ours_accept(&m, c, 0x800000);
	assert_none(&m);
	end(&m);
}

static void test_docker(void **state)
{
	struct machine m;
	const struct finding *f;
	struct nft_chain *c, *user;

	begin(&m, article);
	c = iptables_forward(&m, FAMILY_IP);
	user = nft_chain_new(m.p.a, m.p.seen.ruleset.tables.items[0], "DOCKER-USER");
	verdict(&m, rule(&m, c), VERDICT_JUMP, "DOCKER-USER");
	look(&m);
	f = only(&m, "foreign-drop");
	assert_non_null(strstr(f->title, "Docker"));
	assert_string_equal(f->remedy.items[0],
		"iptables -I DOCKER-USER -m connmark --mark 0x80000000/0x80000000 -j ACCEPT");
	assert_int_equal(f->keep.len, 0);
	m.facts.docker_service = true;
	look(&m);
	assert_int_equal(only(&m, "foreign-drop")->keep.len, 3);
	ours_accept(&m, user, OURS);
	assert_none(&m);
	end(&m);
}

static void test_ufw(void **state)
{
	struct machine m;
	const struct finding *f;
	struct nft_chain *c, *before;

	begin(&m, article);
	c = iptables_forward(&m, FAMILY_IP);
	before = nft_chain_new(m.p.a, m.p.seen.ruleset.tables.items[0], "ufw-before-forward");
	nft_chain_new(m.p.a, m.p.seen.ruleset.tables.items[0], "DOCKER-USER");
	verdict(&m, rule(&m, c), VERDICT_JUMP, "DOCKER-USER"); /* both: ufw's way lasts longer */
	verdict(&m, rule(&m, c), VERDICT_JUMP, "ufw-before-forward");
	established_accept(&m, before);
	look(&m);
	f = only(&m, "foreign-drop");
	assert_non_null(strstr(f->title, "ufw"));
	assert_string_equal(f->remedy.items[0],
		"sed -i '/^:ufw-before-forward /a -A ufw-before-forward -m connmark --mark "
		"0x80000000/0x80000000 -m comment --comment portreeve -j ACCEPT' "
		"/etc/ufw/before.rules");
	assert_string_equal(f->remedy.items[1], "ufw reload");
	ours_accept(&m, before, OURS);
	assert_none(&m);
	end(&m);
}

static void test_firewalld(void **state)
{
	struct machine m;
	const struct finding *f;
	struct nft_chain *c;
	struct nft_rule *r;

	begin(&m, article);
	c = base(&m, table(&m, FAMILY_INET, "firewalld"), "filter_FORWARD", HOOK_FORWARD, 10);
	established_accept(&m, c);
	r = rule(&m, c);
	nft_match_u32(m.p.a, r, nft_masked32(m.p.a, SEL_CT_STATUS, 0x20, 0), OP_NE, 0);
	verdict(&m, r, VERDICT_ACCEPT, NULL);
	stmt(&m, rule(&m, c), STMT_REJECT);
	assert_none(&m);
	c->rules.items[1].stmts.items[1].verdict = VERDICT_CONTINUE; /* newer ones may not accept */
	look(&m);
	f = only(&m, "foreign-drop");
	assert_non_null(strstr(f->title, "firewalld"));
	assert_string_equal(f->remedy.items[3],
		"firewall-cmd --permanent --policy portreeve --add-rich-rule 'rule family=\"ipv4\" "
		"destination address=\"192.168.0.2\" port port=\"80\" protocol=\"tcp\" accept'");
	end(&m);
}

static void test_ipv6_has_its_own(void **state)
{
	static const char text[] =
		"uplinks:\n"
		"  a: {interface: eth0, gateway: [1.1.1.254, \"2001:db8:a::1\"]}\n"
		"maps:\n"
		"  web: {listen: 80/tcp, to: 192.168.0.2}\n"
		"  web6: {listen: 80/tcp, to: \"[2001:db8:f::2]:80\"}\n";
	struct machine m;
	const struct finding *f;
	struct nft_chain *c;

	begin(&m, text);
	c = iptables_forward(&m, FAMILY_IP6);
	look(&m);
	f = only(&m, "foreign-drop");
	assert_non_null(strstr(f->remedy.items[0], "ip6tables -I FORWARD"));
	assert_int_equal(f->maps.len, 1);
	assert_string_equal(f->maps.items[0]->map->name, "web6");
	ours_accept(&m, c, OURS);
	assert_none(&m);
	end(&m);
}

/* `ufw route allow` of one backend: that map works, the other does not. */
static void test_single_maps(void **state)
{
	static const char text[] = "uplinks:\n"
				   "  a: {interface: eth0, gateway: 1.1.1.254}\n"
				   "maps:\n"
				   "  web: {listen: 80/tcp, to: 192.168.0.2}\n"
				   "  mail: {listen: 25/tcp, to: \"192.168.0.3:2525\"}\n"
				   "  games: {listen: 27000-27010/udp, to: 192.168.0.4}\n";
	static const uint8_t web[4] = {192, 168, 0, 2}, first[2] = {105, 120}, last[2] = {105, 125};
	struct machine m;
	const struct finding *f;
	struct nft_chain *c;
	struct nft_rule *r;

	begin(&m, text);
	c = base(&m, table(&m, FAMILY_INET, "filter"), "forward", HOOK_FORWARD, 0);
	c->policy_drop = true;
	established_accept(&m, c);
	r = rule(&m, c);
	nft_match(m.p.a, r, nft_sel(m.p.a, SEL_IP_DADDR), OP_EQ, web, 4);
	verdict(&m, r, VERDICT_ACCEPT, NULL);
	r = rule(&m, c); /* half of the range: 27000-27005 */
	nft_match_u8(m.p.a, r, nft_sel(m.p.a, SEL_META_L4PROTO), OP_EQ, PROTO_UDP);
	nft_match(m.p.a, r, nft_sel(m.p.a, SEL_TH_DPORT), OP_RANGE, first, 2);
	memcpy(r->stmts.items[1].last, last, 2);
	verdict(&m, r, VERDICT_ACCEPT, NULL);
	look(&m);
	f = only(&m, "foreign-drop");
	assert_int_equal(f->maps.len, 2);
	assert_null(blocking(&m, 0));
	assert_ptr_equal(blocking(&m, 1), f);
	assert_ptr_equal(blocking(&m, 2), f);
	end(&m);
}

/* Clients that are kept out on purpose are not a map that does not work. */
static void test_blocklist(void **state)
{
	static const enum nft_type key[] = {NFT_T_IPV4, NFT_T_NONE};
	static const uint8_t first[4] = {5, 0, 0, 0}, last[4] = {5, 255, 255, 255};
	struct machine m;
	struct nft_table *t;
	struct nft_chain *c;
	struct nft_rule *r;
	struct nft_set *s;

	begin(&m, article);
	t = table(&m, FAMILY_INET, "filter");
	c = base(&m, t, "forward", HOOK_FORWARD, 0);
	s = nft_set_new(m.p.a, t, "bad", SET_INTERVAL, key, NULL, 0);
	memcpy(nft_set_add(m.p.a, s, NOWHERE), first, 4);
	memcpy(nft_set_elem_last(s, 0), last, 4);
	r = rule(&m, c);
	nft_match_set(m.p.a, r, nft_sel(m.p.a, SEL_IP_SADDR), OP_IN, s);
	verdict(&m, r, VERDICT_DROP, NULL);
	assert_none(&m);
	s->flags |= SET_INCOMPLETE; /* also where it was not read */
	assert_none(&m);
	/* But a list of those let in decides about everybody. */
	r->stmts.items[0].op = OP_NOT_IN;
	look(&m);
	assert_non_null(found(&m, "foreign-drop-possible"));
	assert_int_equal(found(&m, "foreign-drop-possible")->severity, DIAG_WARNING);
	assert_null(blocking(&m, 0));
	s->flags &= ~(uint32_t)SET_INCOMPLETE;
	look(&m);
	assert_true(only(&m, "foreign-drop")->blocks);
	end(&m);
}

static void test_clients_of_from(void **state)
{
	static const char text[] =
		"uplinks:\n"
		"  a: {interface: eth0, gateway: 1.1.1.254}\n"
		"maps:\n"
		"  web: {listen: 80/tcp, to: 192.168.0.2, from: [198.51.100.0/24]}\n";
	static const uint8_t net[4] = {198, 51, 100, 0};
	struct machine m;
	struct nft_chain *c;
	struct nft_rule *r;
	struct nft_expr *e;

	begin(&m, text);
	c = base(&m, table(&m, FAMILY_INET, "filter"), "forward", HOOK_FORWARD, 0);
	c->policy_drop = true;
	established_accept(&m, c);
	r = rule(&m, c);
	e = nft_sel(m.p.a, SEL_IP_SADDR);
	e->kind = EXPR_MASKED;
	memset(e->mask, 0xff, 3);
	nft_match(m.p.a, r, e, OP_EQ, net, 4);
	verdict(&m, r, VERDICT_ACCEPT, NULL);
	assert_none(&m);
	end(&m);
}

static void test_queue_is_only_a_note(void **state)
{
	struct machine m;
	const struct finding *f;

	begin(&m, article);
	verdict(&m, rule(&m, base(&m, table(&m, FAMILY_INET, "ips"), "forward", HOOK_FORWARD, 0)),
		VERDICT_QUEUE, NULL);
	look(&m);
	f = found(&m, "foreign-drop-possible");
	assert_non_null(f);
	assert_int_equal(f->severity, DIAG_INFO);
	assert_false(f->blocks);
	end(&m);
}

static void test_prerouting_drop_and_notrack(void **state)
{
	struct machine m;
	const struct finding *f;
	struct nft_chain *c;
	struct nft_rule *r;

	begin(&m, article);
	c = base(&m, table(&m, FAMILY_IP, "raw"), "PREROUTING", HOOK_PREROUTING, -300);
	r = rule(&m, c);
	nft_match_ifname(m.p.a, r, nft_sel(m.p.a, SEL_META_IIFNAME), OP_EQ, "eth0");
	verdict(&m, r, VERDICT_DROP, NULL);
	look(&m);
	f = only(&m, "foreign-drop");
	assert_int_equal(f->remedy.len, 0); /* the mark is not there yet: no rule to offer */
	r->stmts.len = 1;
	stmt(&m, r, STMT_NOTRACK);
	look(&m);
	f = only(&m, "notrack");
	assert_true(f->blocks);
	assert_int_equal(f->pitfall, 45);
	end(&m);
}

static void test_own_table_is_never_a_finding(void **state)
{
	struct machine m;
	struct nft_chain *c;

	begin(&m, article);
	planned_make(&m.p);
	vec_push(m.p.a, &m.p.seen.ruleset.tables, m.p.plan->want.ruleset.tables.items[0]);
	VEC_EACH (&m.p.plan->want.rules, struct net_rule, r)
		vec_push(m.p.a, &m.p.seen.rules, *r);
	VEC_EACH (&m.p.plan->want.routes, struct net_route, r)
		vec_push(m.p.a, &m.p.seen.routes, *r);
	assert_none(&m);
	c = base(&m, m.p.seen.ruleset.tables.items[0], "x", HOOK_FORWARD, 0);
	c->policy_drop = true; /* whatever it does */
	assert_none(&m);
	end(&m);
}

/* ---- marks ---- */

static void test_mark_overwritten(void **state)
{
	static const uint32_t five = 5;
	struct machine m;
	const struct finding *f;
	struct nft_table *t;
	struct nft_chain *c;

	begin(&m, article);
	t = table(&m, FAMILY_INET, "other");
	/* Before portreeve's own chain: cleared and restored after it, nobody's trouble. */
	c = base(&m, t, "pre", HOOK_PREROUTING, -150);
	nft_set_mark(m.p.a, rule(&m, c), false, nft_sel(m.p.a, SEL_CT_MARK));
	assert_none(&m);
	c->prio = -100; /* after it: what was restored is gone */
	look(&m);
	f = only(&m, "mark-overwritten");
	assert_true(f->blocks);
	assert_non_null(strstr(f->evidence, "meta mark set ct mark"));
	c->rules.len = 0;
	nft_set_mark(
		m.p.a, rule(&m, c), false, nft_masked32(m.p.a, SEL_META_MARK, 0xffffff00, five));
	assert_none(&m); /* masked */
	end(&m);
}

static void test_connmark_overwritten(void **state)
{
	struct xt_connmark_tginfo2 save = {
		.ctmask = UINT32_MAX, .nfmask = UINT32_MAX, .mode = XT_CONNMARK_SAVE};
	struct machine m;
	const struct finding *f;
	struct nft_chain *c;
	struct nft_rule *r;

	begin(&m, article);
	c = base(&m, table(&m, FAMILY_IP, "mangle"), "POSTROUTING", HOOK_POSTROUTING, -150);
	r = rule(&m, c);
	xt_target(&m, r, "CONNMARK", 2, &save, sizeof(save));
	look(&m);
	f = only(&m, "connmark-overwritten");
	assert_true(f->blocks);
	assert_int_equal(f->pitfall, 48);
	r->stmts.len = 0;
	save.ctmask = save.nfmask = 0x3f00; /* as mwan3 does */
	xt_target(&m, r, "CONNMARK", 2, &save, sizeof(save));
	assert_none(&m);
	/* As wg-quick does: everything, but only of its own packets. */
	r->stmts.len = 0;
	nft_match_u32(m.p.a, r, nft_sel(m.p.a, SEL_META_MARK), OP_EQ, 0xca6c);
	save.ctmask = save.nfmask = UINT32_MAX;
	xt_target(&m, r, "CONNMARK", 2, &save, sizeof(save));
	assert_none(&m);
	end(&m);
}

static void test_bits_in_use(void **state)
{
	struct xt_mark_tginfo2 set = {0x02000000, 0xff000000};
	static const uint8_t host[4] = {192, 168, 0, 77};
	struct machine m;
	const struct finding *f;
	struct nft_chain *c;
	struct nft_rule *r;

	begin(&m, article);
	c = base(&m, table(&m, FAMILY_IP, "mangle"), "PREROUTING", HOOK_PREROUTING, -150);
	r = rule(&m, c); /* of a host that is no backend */
	nft_match(m.p.a, r, nft_sel(m.p.a, SEL_IP_SADDR), OP_EQ, host, 4);
	xt_target(&m, r, "MARK", 2, &set, sizeof(set));
	look(&m);
	f = only(&m, "mark-bits-in-use");
	assert_false(f->blocks);
	assert_non_null(strstr(f->advice, "mark: 0x"));
	assert_null(strstr(f->advice, "mark: 0xff000000"));
	c->rules.len = 0;
	add_rule(&m, IP_V4, 40000, 100); /* after portreeve's, and yet */
	m.p.seen.rules.items[m.p.seen.rules.len - 1].mark = 0x01000000;
	m.p.seen.rules.items[m.p.seen.rules.len - 1].mask = 0xff000000;
	look(&m);
	only(&m, "mark-bits-in-use");
	m.p.seen.rules.items[m.p.seen.rules.len - 1].mark = 0xca6c;
	m.p.seen.rules.items[m.p.seen.rules.len - 1].mask = UINT32_MAX;
	assert_none(&m);
	end(&m);
}

/* ---- ip rules and routes ---- */

static void add_default(struct machine *m, uint32_t table_number, const char *interface)
{
	struct net_route *r = vec_add(m->p.a, &m->p.seen.routes);
	struct net_nexthop *h;

	r->family = IP_V4;
	r->table = table_number;
	r->type = ROUTE_UNICAST;
	r->protocol = 4; /* static */
	r->dst.addr.family = IP_V4;
	h = vec_add(m->p.a, &r->nexthops);
	h->interface = interface;
	h->weight = 1;
}

static struct net_rule *last_rule(struct machine *m)
{
	return &m->p.seen.rules.items[m->p.seen.rules.len - 1];
}

static void test_rule_takes_replies(void **state)
{
	struct machine m;
	const struct finding *f;

	begin(&m, article);
	add_default(&m, 100, "tun0");
	add_rule(&m, IP_V4, 100, 100);
	last_rule(&m)->protocol = 4;
	look(&m);
	f = found(&m, "rule-takes-replies");
	assert_non_null(f);
	assert_true(f->blocks);
	assert_non_null(strstr(f->evidence, "pref 100"));
	assert_string_equal(f->advice,
		"let portreeve's rules, which ask for its own marks only, come first, in the file: "
		"gateway: {rules: 97}");
	/* Requests are led astray by the same rule. */
	assert_non_null(found(&m, "rule-takes-requests"));

	last_rule(&m)->preference = 600; /* after ours: replies are safe, requests are not */
	look(&m);
	assert_null(found(&m, "rule-takes-replies"));
	assert_non_null(found(&m, "rule-takes-requests"));

	last_rule(&m)->preference = 32000; /* for the traffic of one host */
	assert_int_equal(ip_prefix_parse("10.9.9.9/32", &last_rule(&m)->src), 0);
	assert_none(&m);
	last_rule(&m)->preference = 100;
	assert_none(&m);
	end(&m);
}

static void test_rule_for_the_backend(void **state)
{
	struct machine m;

	begin(&m, article);
	add_default(&m, 100, "eth0"); /* "the servers use line one" */
	add_rule(&m, IP_V4, 100, 100);
	assert_int_equal(ip_prefix_parse("192.168.0.0/24", &last_rule(&m)->src), 0);
	look(&m);
	assert_string_equal(only(&m, "rule-takes-replies")->uplink->uplink->name, "unicom");
	last_rule(&m)->suppress_prefixlen = 0; /* looks at more than the default only */
	assert_none(&m);
	last_rule(&m)->suppress_prefixlen = -1;
	last_rule(&m)->preference = 1; /* no room before it */
	look(&m);
	assert_int_equal(found(&m, "rule-takes-replies")->remedy.len, 2);
	assert_non_null(
		strstr(found(&m, "rule-takes-replies")->remedy.items[0], "ip rule add pref 503"));
	last_rule(&m)->preference = 600;
	assert_none(&m);
	end(&m);
}

static void test_uncertain_rule(void **state)
{
	struct machine m;
	const struct finding *f;

	begin(&m, article);
	add_default(&m, 100, "tun0");
	add_rule(&m, IP_V4, 100, 100);
	last_rule(&m)->tos = 0x10;
	look(&m);
	f = found(&m, "rule-takes-replies");
	assert_non_null(f);
	assert_int_equal(f->severity, DIAG_WARNING);
	assert_false(f->blocks);
	end(&m);
}

static void test_preference_and_table_in_use(void **state)
{
	struct machine m;

	begin(&m, article);
	planned_make(&m.p);
	add_rule(&m, IP_V4, 501, 100);
	assert_int_equal(ip_prefix_parse("10.9.9.9/32", &last_rule(&m)->src), 0);
	look(&m);
	only(&m, "preference-in-use");
	m.p.seen.rules.len--;
	add_default(&m, 70001, "tun0");
	look(&m);
	assert_non_null(found(&m, "table-in-use"));
	end(&m);
}

/* ---- rp_filter ---- */

static void set_sysctl(struct machine *m, const char *key, const char *value)
{
	VEC_EACH (&m->p.seen.sysctls, struct net_sysctl, s)
		if (strcmp(s->key, key) == 0)
			s->value = value;
}

static void test_no_default_route(void **state)
{
	struct machine m;
	const struct finding *f;

	begin(&m, article);
	planned_make(&m.p);
	VEC_EACH (&m.p.seen.routes, struct net_route, r)
		if (r->dst.len == 0)
			r->table = 4242; /* there is none in main */
	look(&m);
	f = found(&m, "no-default-route");
	assert_non_null(f);
	assert_true(f->blocks);
	assert_int_equal(f->pitfall, 18);
	assert_string_equal(
		f->remedy.items[0], "ip route add default via 1.1.1.254 dev eth0 metric 20000");
	set_sysctl(&m, "net.ipv4.conf.all.rp_filter", "0");
	set_sysctl(&m, "net.ipv4.conf.eth0.rp_filter", "0");
	set_sysctl(&m, "net.ipv4.conf.eth1.rp_filter", "0");
	VEC_EACH (&m.p.plan->want.sysctls, struct net_sysctl, s)
		if (strstr(s->key, "rp_filter"))
			s->value = "0";
	look(&m);
	assert_null(found(&m, "no-default-route"));
	end(&m);
}

static void test_strict_rp_filter(void **state)
{
	struct machine m;
	const struct finding *f;

	begin(&m, article);
	planned_make(&m.p);
	assert_none(&m); /* the plan sets the uplinks to loose */
	VEC_EACH (&m.p.plan->want.sysctls, struct net_sysctl, s)
		if (strstr(s->key, "rp_filter"))
			s->value = "1"; /* if it did not */
	set_sysctl(&m, "net.ipv4.conf.all.rp_filter", "1");
	set_sysctl(&m, "net.ipv4.conf.eth0.rp_filter", "1");
	set_sysctl(&m, "net.ipv4.conf.eth1.rp_filter", "1");
	look(&m);
	f = only(&m, "strict-rp-filter");
	assert_string_equal(f->uplink->uplink->name, "unicom");
	assert_string_equal(f->remedy.items[0], "sysctl -w net.ipv4.conf.eth1.rp_filter=2");
	end(&m);
}

/* ---- the rest ---- */

static void test_networkd(void **state)
{
	struct machine m;
	const struct finding *f;

	begin(&m, article);
	m.facts.networkd_running = true;
	m.facts.networkd_keeps_routes = true;
	look(&m);
	f = only(&m, "networkd-removes");
	assert_null(strstr(f->evidence, "ManageForeignRoutes"));
	assert_int_equal(f->remedy.len, 3);
	m.facts.networkd_keeps_rules = true;
	assert_none(&m);
	m.facts = (struct foreign_facts){.networkd_keeps_rules = false};
	assert_none(&m);
	end(&m);
}

static void test_legacy(void **state)
{
	struct machine m;
	const struct finding *f;

	begin(&m, article);
	m.facts.legacy_filter[0] = true;
	m.facts.legacy_filter_text[0] =
		"*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\nCOMMIT\n";
	assert_none(&m);
	m.facts.legacy_filter_text[0] = "*filter\n:FORWARD DROP [0:0]\nCOMMIT\n";
	look(&m);
	f = only(&m, "legacy-iptables");
	assert_true(f->blocks);
	assert_string_equal(f->remedy.items[0],
		"iptables-legacy -I FORWARD -m connmark --mark 0x80000000/0x80000000 -j ACCEPT");
	m.facts.legacy_filter_text[0] =
		"*filter\n:FORWARD DROP [0:0]\n"
		"-A FORWARD -m connmark --mark 0x80000000/0x80000000 -j ACCEPT\n"
		"COMMIT\n";
	assert_none(&m);
	m.facts.legacy_filter_text[0] = "*filter\n:FORWARD DROP [0:0]\n:DOCKER-USER - [0:0]\n"
					"-A FORWARD -j DOCKER-USER\nCOMMIT\n";
	look(&m);
	f = only(&m, "legacy-iptables");
	assert_false(f->blocks);
	assert_non_null(strstr(f->remedy.items[0], "-I DOCKER-USER"));
	m.facts.legacy_filter_text[0] = NULL; /* not readable */
	look(&m);
	assert_int_equal(only(&m, "legacy-iptables")->severity, DIAG_WARNING);
	m.facts.legacy_filter[0] = false;
	m.facts.legacy_filter[1] = true; /* there are no v6 maps */
	assert_none(&m);
	end(&m);
}

static struct net_listener *add_listener(
	struct machine *m, const char *addr, uint16_t port, const char *process)
{
	struct net_listener *l = vec_add(m->p.a, &m->p.seen.listeners);

	l->proto = PROTO_TCP;
	assert_int_equal(ip_parse(addr, &l->addr), 0);
	l->port = port;
	l->process = process;
	return l;
}

static void test_shadow(void **state)
{
	struct machine m;
	const struct finding *f;
	struct net_listener *l;

	begin(&m, article);
	add_listener(&m, "0.0.0.0", 22, "sshd");
	add_listener(&m, "127.0.0.1", 80, "local");
	add_listener(&m, "192.168.0.1", 80, "inside");
	assert_none(&m);
	l = add_listener(&m, "::", 80, "nginx");
	look(&m);
	f = only(&m, "shadowed-service");
	assert_string_equal(f->title, "map 'web' takes 80/tcp from the gateway's own nginx");
	assert_string_equal(f->evidence, "nginx listens on [::]:80/tcp");
	assert_false(f->blocks);
	l->v6_only = true;
	assert_none(&m);
	l->v6_only = false;
	l->interface = "lan0";
	assert_none(&m);
	l->interface = "eth1";
	look(&m);
	assert_string_equal(only(&m, "shadowed-service")->uplink->uplink->name, "unicom");
	end(&m);
}

static void test_inside_not_forwarded(void **state)
{
	struct machine m;
	const struct finding *f;
	struct net_link *l;
	struct net_addr *a;

	begin(&m, article);
	l = vec_add(m.p.a, &m.p.seen.links);
	l->name = "guest";
	l->index = 99;
	l->up = true;
	a = vec_add(m.p.a, &m.p.seen.addrs);
	a->interface = "guest";
	a->prefix_len = 24;
	assert_int_equal(ip_parse("10.7.0.1", &a->addr), 0);
	assert_none(&m); /* not known */
	*vec_add(m.p.a, &m.p.seen.sysctls) =
		(struct net_sysctl){.key = "net.ipv4.conf.guest.forwarding", .value = "0"};
	look(&m);
	f = found(&m, "inside-not-forwarded");
	assert_non_null(f);
	assert_int_equal(f->severity, DIAG_INFO);
	assert_int_equal(m.found.items.len, 1);
	set_sysctl(&m, "net.ipv4.conf.guest.forwarding", "1");
	m.p.plan = NULL;
	assert_none(&m);
	end(&m);
}

static void test_print(void **state)
{
	struct strbuf b = STRBUF_INIT;
	struct machine m;

	begin(&m, article);
	iptables_forward(&m, FAMILY_IP);
	m.facts.networkd_running = true;
	look(&m);
	findings_print(&b, &m.found, DIAG_ERROR, false);
	assert_string_equal(strbuf_str(&b),
		"error: another iptables rule set drops the maps' connections and their replies on "
		"their way through\n"
		"  pitfall 28: another-table-drops\n"
		"  maps: web (does not work like this)\n"
		"  seen: table ip filter, chain FORWARD: policy drop\n"
		"  so: clients get no answer: the packets reach this gateway and go no further\n"
		"  remedy:\n"
		"    iptables -I FORWARD -m connmark --mark 0x80000000/0x80000000 -j ACCEPT\n"
		"  note: to keep it over a restart, add it where these rules are loaded from\n");
	strbuf_reset(&b);
	findings_print(&b, &m.found, DIAG_WARNING, true);
	assert_non_null(strstr(strbuf_str(&b), "\033[1;35mwarning:"));
	strbuf_fini(&b);
	end(&m);
}

/* 65,535 maps take no longer than one where the other rules do not look at ports. */
static void test_many_maps(void **state)
{
	struct strbuf b = STRBUF_INIT;
	struct machine m;
	const struct finding *f;
	struct nft_chain *c;

	strbuf_add(&b, "uplinks:\n  a: {interface: eth0, gateway: 1.1.1.254}\nmaps:\n");
	for (unsigned int i = 0; i < 20000; i++)
		strbuf_addf(
			&b, "  m%u: {listen: %u/tcp, to: 192.168.0.%u}\n", i, i + 1, i % 200 + 2);
	begin(&m, strbuf_str(&b));
	c = base(&m, table(&m, FAMILY_INET, "filter"), "forward", HOOK_FORWARD, 0);
	c->policy_drop = true;
	look(&m);
	f = found(&m, "foreign-drop");
	assert_non_null(f);
	assert_int_equal(f->maps.len, 20000);
	assert_null(found(&m, "not-all-walked"));
	ours_accept(&m, c, OURS);
	look(&m);
	assert_null(found(&m, "foreign-drop"));
	end(&m);
	strbuf_fini(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sane_gateway),
		cmocka_unit_test(test_plain_nft_drop),
		cmocka_unit_test(test_dropped_at_ingress),
		cmocka_unit_test(test_replies_dropped),
		cmocka_unit_test(test_one_uplink),
		cmocka_unit_test(test_reject),
		cmocka_unit_test(test_iptables),
		cmocka_unit_test(test_other_bits),
		cmocka_unit_test(test_docker),
		cmocka_unit_test(test_ufw),
		cmocka_unit_test(test_firewalld),
		cmocka_unit_test(test_ipv6_has_its_own),
		cmocka_unit_test(test_single_maps),
		cmocka_unit_test(test_blocklist),
		cmocka_unit_test(test_clients_of_from),
		cmocka_unit_test(test_queue_is_only_a_note),
		cmocka_unit_test(test_prerouting_drop_and_notrack),
		cmocka_unit_test(test_own_table_is_never_a_finding),
		cmocka_unit_test(test_mark_overwritten),
		cmocka_unit_test(test_connmark_overwritten),
		cmocka_unit_test(test_bits_in_use),
		cmocka_unit_test(test_rule_takes_replies),
		cmocka_unit_test(test_rule_for_the_backend),
		cmocka_unit_test(test_uncertain_rule),
		cmocka_unit_test(test_preference_and_table_in_use),
		cmocka_unit_test(test_no_default_route),
		cmocka_unit_test(test_strict_rp_filter),
		cmocka_unit_test(test_networkd),
		cmocka_unit_test(test_legacy),
		cmocka_unit_test(test_shadow),
		cmocka_unit_test(test_inside_not_forwarded),
		cmocka_unit_test(test_print),
		cmocka_unit_test(test_many_maps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
