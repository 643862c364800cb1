/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A table with every kind of set and statement that a plan may hold, and its transaction. */
#ifndef TEST_NFT_SAMPLE_H
#define TEST_NFT_SAMPLE_H

#include "netns.h"

#include "kernel/nft.h"
#include "netstate/netstate.h"

struct sample {
	struct arena *a;
	struct nft_table *t;
	VEC(struct nft_change) changes;
};

#define TYPES(...) ((const enum nft_type[]){__VA_ARGS__, NFT_T_NONE})
#define PARTS(...)                                                                                 \
	((struct nft_expr *[]){__VA_ARGS__}),                                                      \
		sizeof((struct nft_expr *[]){__VA_ARGS__}) / sizeof(struct nft_expr *)

static inline void put_address(uint8_t *at, const char *text)
{
	struct ip_addr addr;

	assert_int_equal(ip_parse(text, &addr), 0);
	memcpy(at, addr.bytes, ip_bytes(addr.family));
}

static inline void put_port(uint8_t *at, uint16_t port)
{
	at[0] = port >> 8;
	at[1] = port & 0xff;
}

static inline struct nft_change *add_change(struct sample *s, enum nft_change_kind kind)
{
	struct nft_change *c = vec_add(s->a, &s->changes);

	c->kind = kind;
	c->family = s->t->family;
	c->table = s->t->name;
	return c;
}

/* The transaction that makes the whole table. */
static inline void add_table_changes(struct sample *s)
{
	add_change(s, NFT_ADD_TABLE);
	VEC_EACH (&s->t->counters, struct nft_counter, c)
		add_change(s, NFT_ADD_COUNTER)->counter = c;
	VEC_EACH (&s->t->chains, struct nft_chain *, c)
		add_change(s, NFT_ADD_CHAIN)->chain = *c;
	VEC_EACH (&s->t->sets, struct nft_set *, set) {
		add_change(s, NFT_ADD_SET)->set = *set;
		if ((*set)->len)
			add_change(s, NFT_ADD_ELEMENTS)->set = *set;
	}
	VEC_EACH (&s->t->chains, struct nft_chain *, c) {
		VEC_EACH (&(*c)->rules, struct nft_rule, r) {
			struct nft_change *change = add_change(s, NFT_ADD_RULE);

			change->chain = *c;
			change->rule = r;
		}
	}
}

/* proto . address . port : data, as listeners are kept. */
static inline uint8_t *add_listener(
	struct sample *s, struct nft_set *set, uint8_t proto, const char *address, uint16_t port)
{
	bool v6 = strchr(address, ':');
	uint8_t *e = nft_set_add(s->a, set, NOWHERE);

	e[0] = proto;
	put_address(e + 4, address);
	put_port(e + 4 + (v6 ? 16 : 4), port);
	if (set->flags & SET_INTERVAL)
		memcpy(e + set->key_len, e, set->key_len);
	return nft_set_elem_data(set, set->len - 1);
}

static inline void set_verdict(
	struct sample *s, struct nft_set *set, enum nft_verdict verdict, const char *chain)
{
	uint8_t *data = nft_set_elem_data(set, set->len - 1);
	uint32_t index = chain ? nft_set_chain(s->a, set, chain) : 0;
	int32_t v = verdict;

	memcpy(data, &v, 4);
	memcpy(data + 4, &index, 4);
}

static inline struct nft_rule *new_rule(struct sample *s, const char *chain)
{
	return nft_rule_new(s->a, nft_chain_find(s->t, chain), NOWHERE);
}

/* A rule about packets of one IP version. */
static inline struct nft_rule *ip_rule(struct sample *s, const char *chain, uint8_t nfproto)
{
	struct nft_rule *r = new_rule(s, chain);

	nft_match_u8(s->a, r, nft_sel(s->a, SEL_META_NFPROTO), OP_EQ, nfproto);
	return r;
}

static inline struct nft_set *transports(struct sample *s)
{
	static const uint8_t protos[] = {PROTO_TCP, PROTO_UDP, PROTO_SCTP};
	struct nft_set *set =
		nft_set_new(s->a, NULL, NULL, SET_ANONYMOUS, TYPES(NFT_T_PROTO), NULL, 0);

	for (size_t i = 0; i < sizeof(protos); i++)
		*nft_set_add(s->a, set, NOWHERE) = protos[i];
	return set;
}

static inline struct nft_expr *listener_key(struct sample *s, bool v6)
{
	return nft_concat(s->a, PARTS(nft_sel(s->a, SEL_META_L4PROTO),
					nft_sel(s->a, v6 ? SEL_IP6_DADDR : SEL_IP_DADDR),
					nft_sel(s->a, SEL_TH_DPORT)));
}

static inline void add_interval(
	struct sample *s, struct nft_set *set, const char *first, const char *last)
{
	uint8_t *e = nft_set_add(s->a, set, NOWHERE);

	put_address(e, first);
	put_address(e + set->key_len, last);
}

static inline void sample_sets(struct sample *s)
{
	struct nft_set *set;
	uint8_t *data;

	set = nft_set_new(s->a, s->t, "if_home", 0, TYPES(NFT_T_IFNAME), TYPES(NFT_T_VERDICT), 0);
	memcpy(nft_set_add(s->a, set, NOWHERE), "eth0", 4);
	set_verdict(s, set, VERDICT_JUMP, "up1");
	memcpy(nft_set_add(s->a, set, NOWHERE), "eth1", 4);
	set_verdict(s, set, VERDICT_GOTO, "up2");
	memcpy(nft_set_add(s->a, set, NOWHERE), "eth2.7", 6);
	set_verdict(s, set, VERDICT_RETURN, NULL);

	set = nft_set_new(s->a, s->t, "if_addr_home", 0, TYPES(NFT_T_IFNAME, NFT_T_IPV4),
		TYPES(NFT_T_VERDICT), 100);
	data = nft_set_add(s->a, set, NOWHERE);
	memcpy(data, "eth0", 4);
	put_address(data + 16, "1.1.1.1");
	set_verdict(s, set, VERDICT_JUMP, "up1");

	set = nft_set_new(s->a, s->t, "if_pair", 0, TYPES(NFT_T_IFNAME, NFT_T_IFNAME), NULL, 0);
	data = nft_set_add(s->a, set, NOWHERE);
	memcpy(data, "eth0", 4);
	memcpy(data + 16, "eth2", 4);

	set = nft_set_new(s->a, s->t, "ifs", 0, TYPES(NFT_T_IFNAME), NULL, 0);
	memcpy(nft_set_add(s->a, set, NOWHERE), "eth0", 4);

	set = nft_set_new(s->a, s->t, "mark_home", 0, TYPES(NFT_T_MARK), TYPES(NFT_T_VERDICT), 0);
	memcpy(nft_set_add(s->a, set, NOWHERE), &(uint32_t){0x01000000}, 4);
	set_verdict(s, set, VERDICT_JUMP, "up1");
	memcpy(nft_set_add(s->a, set, NOWHERE), &(uint32_t){0x02000000}, 4);
	set_verdict(s, set, VERDICT_DROP, NULL);

	set = nft_set_new(s->a, s->t, "from4", 0, TYPES(NFT_T_PROTO, NFT_T_IPV4, NFT_T_PORT),
		TYPES(NFT_T_VERDICT), 0);
	(void)add_listener(s, set, PROTO_TCP, "1.1.1.1", 22);
	set_verdict(s, set, VERDICT_JUMP, "up1");

	set = nft_set_new(s->a, s->t, "dnat4", 0, TYPES(NFT_T_PROTO, NFT_T_IPV4, NFT_T_PORT),
		TYPES(NFT_T_IPV4, NFT_T_PORT), 65536);
	data = add_listener(s, set, PROTO_TCP, "1.1.1.1", 80);
	put_address(data, "192.168.0.2");
	put_port(data + 4, 8080);
	nft_set_comment(s->a, set, "map 'web'");
	data = add_listener(s, set, PROTO_UDP, "2.2.2.2", 53);
	put_address(data, "192.168.0.3");
	put_port(data + 4, 53);

	set = nft_set_new(s->a, s->t, "range4", SET_INTERVAL,
		TYPES(NFT_T_PROTO, NFT_T_IPV4, NFT_T_PORT), TYPES(NFT_T_IPV4), 0);
	data = add_listener(s, set, PROTO_UDP, "1.1.1.1", 27000);
	put_address(data, "192.168.0.7");
	put_port(nft_set_elem_last(set, 0) + 8, 27099);

	set = nft_set_new(s->a, s->t, "dnat6", 0, TYPES(NFT_T_PROTO, NFT_T_IPV6, NFT_T_PORT),
		TYPES(NFT_T_IPV6, NFT_T_PORT), 0);
	data = add_listener(s, set, PROTO_TCP, "2001:db8::1", 25);
	put_address(data, "2001:db8::25");
	put_port(data + 16, 2525);

	set = nft_set_new(s->a, s->t, "range6", SET_INTERVAL,
		TYPES(NFT_T_PROTO, NFT_T_IPV6, NFT_T_PORT), TYPES(NFT_T_IPV6), 0);
	data = add_listener(s, set, PROTO_UDP, "2001:db8::1", 100);
	put_address(data, "2001:db8::7");
	put_port(nft_set_elem_last(set, 0) + 20, 65535);

	set = nft_set_new(s->a, s->t, "snat4", 0, TYPES(NFT_T_IPV4), TYPES(NFT_T_IPV4), 0);
	put_address(nft_set_add(s->a, set, NOWHERE), "192.168.0.2");
	put_address(nft_set_elem_data(set, 0), "192.168.0.1");

	set = nft_set_new(s->a, s->t, "snat_port4", 0, TYPES(NFT_T_PROTO, NFT_T_IPV4, NFT_T_PORT),
		TYPES(NFT_T_IPV4), 0);
	put_address(add_listener(s, set, PROTO_TCP, "192.168.0.2", 80), "192.168.0.1");

	set = nft_set_new(s->a, s->t, "clients4", SET_INTERVAL, TYPES(NFT_T_IPV4), NULL, 0);
	add_interval(s, set, "10.0.0.0", "10.255.255.255");
	add_interval(s, set, "11.0.0.0", "11.0.0.5"); /* right behind the one before */
	add_interval(s, set, "0.0.0.0", "0.255.255.255");
	add_interval(s, set, "198.51.100.7", "198.51.100.7");
	nft_set_comment(s->a, set, "one");
	add_interval(s, set, "240.0.0.0", "255.255.255.255"); /* has no end */

	set = nft_set_new(s->a, s->t, "clients6", SET_INTERVAL, TYPES(NFT_T_IPV6), NULL, 0);
	add_interval(s, set, "fc00::", "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff");

	set = nft_set_new(s->a, s->t, "marks", SET_INTERVAL, TYPES(NFT_T_MARK), NULL, 0);
	data = nft_set_add(s->a, set, NOWHERE); /* network order in an interval */
	data[3] = 1;
	data[7] = 5;

	set = nft_set_new(s->a, s->t, "blocked4", SET_TIMEOUT,
		TYPES(NFT_T_PROTO, NFT_T_IPV4, NFT_T_PORT, NFT_T_IPV4, NFT_T_PORT), NULL, 0);
	set->timeout_ms = 60000;
	data = nft_set_add(s->a, set, NOWHERE);
	data[0] = PROTO_UDP;
	put_address(data + 4, "192.168.0.2");
	put_port(data + 8, 53);
	put_address(data + 12, "100.100.100.100");
	put_port(data + 16, 4000);

	set = nft_set_new(s->a, s->t, "memory", 0, TYPES(NFT_T_MARK), NULL, 0);
	memcpy(nft_set_add(s->a, set, NOWHERE), &(uint32_t){7}, 4);
	nft_set_comment(s->a, set, "sysctl net.ipv4.conf.eth0/7.rp_filter=1");
}

static inline void sample_match_rules(struct sample *s)
{
	struct nft_set *set;
	struct nft_rule *r;
	struct nft_expr *e;

	nft_match_ifname(
		s->a, new_rule(s, "plain"), nft_sel(s->a, SEL_META_IIFNAME), OP_EQ, "eth0");
	nft_match_ifname(
		s->a, new_rule(s, "plain"), nft_sel(s->a, SEL_META_OIFNAME), OP_NE, "eth2.7");
	nft_match(s->a, new_rule(s, "plain"), nft_sel(s->a, SEL_META_IIFNAME), OP_EQ, "veth", 4);
	nft_match_set(s->a, new_rule(s, "plain"), nft_sel(s->a, SEL_META_IIFNAME), OP_IN,
		nft_set_find_named(s->t, "ifs"));
	nft_match_set(s->a, new_rule(s, "plain"), nft_sel(s->a, SEL_META_OIFNAME), OP_NOT_IN,
		nft_set_find_named(s->t, "ifs"));
	nft_vmap(s->a, new_rule(s, "plain"), nft_sel(s->a, SEL_META_IIFNAME),
		nft_set_find_named(s->t, "if_home"));
	nft_vmap(s->a, ip_rule(s, "plain", 2),
		nft_concat(
			s->a, PARTS(nft_sel(s->a, SEL_META_IIFNAME), nft_sel(s->a, SEL_IP_DADDR))),
		nft_set_find_named(s->t, "if_addr_home"));
	nft_match_set(s->a, new_rule(s, "plain"),
		nft_concat(s->a,
			PARTS(nft_sel(s->a, SEL_META_IIFNAME), nft_sel(s->a, SEL_META_OIFNAME))),
		OP_IN, nft_set_find_named(s->t, "if_pair"));

	nft_match_u32(s->a, new_rule(s, "plain"), nft_sel(s->a, SEL_CT_STATE), OP_EQ, 8);
	nft_match_u32(s->a, new_rule(s, "plain"), nft_sel(s->a, SEL_CT_STATE), OP_EQ, 2 | 4);
	nft_match_u32(s->a, new_rule(s, "plain"), nft_sel(s->a, SEL_CT_STATE), OP_NE, 2 | 4);
	nft_match_u8(s->a, new_rule(s, "plain"), nft_sel(s->a, SEL_CT_DIRECTION), OP_EQ, 1);
	nft_match_u8(s->a, new_rule(s, "plain"), nft_sel(s->a, SEL_CT_DIRECTION), OP_EQ, 0);
	nft_match_u32(s->a, new_rule(s, "plain"), nft_sel(s->a, SEL_CT_STATUS), OP_EQ, 32);
	nft_match_u32(
		s->a, new_rule(s, "plain"), nft_masked32(s->a, SEL_CT_STATUS, 32, 0), OP_EQ, 0);
	e = nft_masked32(s->a, SEL_CT_MARK, 0x7f000000, 0);
	nft_match_u32(s->a, new_rule(s, "plain"), e, OP_EQ, 0x01000000);
	nft_match_u32(s->a, new_rule(s, "plain"), e, OP_NE, 0x01000000);
	nft_match_u32(s->a, new_rule(s, "plain"), e, OP_NE, 0);
	nft_match_u32(s->a, new_rule(s, "plain"), e, OP_EQ, 0);
	nft_vmap(s->a, new_rule(s, "plain"), e, nft_set_find_named(s->t, "mark_home"));
	nft_match_u32(s->a, new_rule(s, "plain"), nft_masked32(s->a, SEL_META_MARK, 0xff000000, 0),
		OP_NE, 0);
	nft_match_u32(s->a, new_rule(s, "plain"), nft_sel(s->a, SEL_META_MARK), OP_EQ, 0x42);
	nft_match_u32(s->a, new_rule(s, "plain"), nft_sel(s->a, SEL_META_MARK), OP_GT, 0x42);
	nft_match_set(s->a, new_rule(s, "plain"), nft_sel(s->a, SEL_META_MARK), OP_IN,
		nft_set_find_named(s->t, "marks"));

	nft_match_set(
		s->a, new_rule(s, "plain"), nft_sel(s->a, SEL_META_L4PROTO), OP_IN, transports(s));
	nft_match_u8(s->a, new_rule(s, "plain"), nft_sel(s->a, SEL_META_NFPROTO), OP_EQ, 10);
	nft_vmap(s->a, ip_rule(s, "plain", 2), listener_key(s, false),
		nft_set_find_named(s->t, "from4"));
	nft_match_set(s->a, ip_rule(s, "plain", 2), nft_sel(s->a, SEL_IP_SADDR), OP_IN,
		nft_set_find_named(s->t, "clients4"));
	nft_match_set(s->a, ip_rule(s, "plain", 2), nft_sel(s->a, SEL_IP_SADDR), OP_NOT_IN,
		nft_set_find_named(s->t, "clients4"));
	nft_match_set(s->a, ip_rule(s, "plain", 10), nft_sel(s->a, SEL_IP6_DADDR), OP_IN,
		nft_set_find_named(s->t, "clients6"));
	set = nft_set_new(
		s->a, NULL, NULL, SET_ANONYMOUS | SET_INTERVAL, TYPES(NFT_T_IPV4), NULL, 0);
	add_interval(s, set, "10.0.0.0", "10.255.255.255");
	add_interval(s, set, "192.168.0.0", "192.168.255.255");
	nft_match_set(s->a, ip_rule(s, "plain", 2), nft_sel(s->a, SEL_IP_DADDR), OP_IN, set);

	e = nft_sel(s->a, SEL_IP_SADDR);
	e->kind = EXPR_MASKED;
	memset(e->mask, 0xff, 2);
	nft_match(s->a, ip_rule(s, "plain", 2), e, OP_EQ, "\xc0\xa8\0\0", 4);
	e = nft_sel(s->a, SEL_IP_SADDR);
	e->kind = EXPR_MASKED;
	memcpy(e->mask, "\xff\xf0", 2);
	nft_match(s->a, ip_rule(s, "plain", 2), e, OP_NE, "\xac\x10\0\0", 4);
	nft_match(s->a, ip_rule(s, "plain", 2), nft_sel(s->a, SEL_IP_DADDR), OP_EQ, "\1\1\1\1", 4);
	nft_match_u8(
		s->a, ip_rule(s, "plain", 2), nft_sel(s->a, SEL_IP_PROTOCOL), OP_EQ, PROTO_TCP);

	r = ip_rule(s, "plain", 2);
	nft_match_u8(s->a, r, nft_sel(s->a, SEL_META_L4PROTO), OP_EQ, PROTO_ICMP);
	nft_match_u8(s->a, r, nft_sel(s->a, SEL_ICMP_TYPE), OP_EQ, 8);
	r = ip_rule(s, "plain", 10);
	nft_match_u8(s->a, r, nft_sel(s->a, SEL_META_L4PROTO), OP_EQ, PROTO_ICMPV6);
	nft_match_u8(s->a, r, nft_sel(s->a, SEL_ICMPV6_TYPE), OP_EQ, 136);
	r = new_rule(s, "plain");
	nft_match_u8(s->a, r, nft_sel(s->a, SEL_META_L4PROTO), OP_EQ, PROTO_TCP);
	put_port(nft_match(s->a, r, nft_sel(s->a, SEL_TH_DPORT), OP_RANGE, "\0\x50", 2)->last, 90);
	r = new_rule(s, "plain");
	nft_match_u8(s->a, r, nft_sel(s->a, SEL_META_L4PROTO), OP_EQ, PROTO_UDP);
	put_port(nft_match(s->a, r, nft_sel(s->a, SEL_TH_SPORT), OP_NOT_RANGE, "\0\x50", 2)->last,
		90);

	nft_match_u32(s->a, new_rule(s, "plain"), nft_sel(s->a, SEL_FIB_SADDR_TYPE), OP_EQ, 2);
	nft_match_u32(s->a, new_rule(s, "plain"), nft_sel(s->a, SEL_FIB_DADDR_TYPE), OP_NE, 2);
	nft_match_u8(s->a, new_rule(s, "plain"), nft_sel(s->a, SEL_META_SECPATH), OP_EQ, 0);
	nft_match_u8(s->a, new_rule(s, "plain"), nft_sel(s->a, SEL_META_SECPATH), OP_EQ, 1);

	r = ip_rule(s, "plain", 2);
	nft_match_set(s->a, r,
		nft_concat(s->a, PARTS(nft_sel(s->a, SEL_META_L4PROTO), nft_sel(s->a, SEL_IP_SADDR),
					 nft_sel(s->a, SEL_TH_SPORT), nft_sel(s->a, SEL_IP_DADDR),
					 nft_sel(s->a, SEL_TH_DPORT))),
		OP_IN, nft_set_find_named(s->t, "blocked4"));
	nft_verdict(s->a, r, VERDICT_DROP, NULL);

	set = nft_set_new(
		s->a, NULL, NULL, SET_ANONYMOUS, TYPES(NFT_T_CT_STATE), TYPES(NFT_T_VERDICT), 0);
	memcpy(nft_set_add(s->a, set, NOWHERE), &(uint32_t){2}, 4);
	set_verdict(s, set, VERDICT_ACCEPT, NULL);
	memcpy(nft_set_add(s->a, set, NOWHERE), &(uint32_t){8}, 4);
	set_verdict(s, set, VERDICT_JUMP, "up1");
	nft_vmap(s->a, new_rule(s, "plain"), nft_sel(s->a, SEL_CT_STATE), set);
}

static inline void sample_other_rules(struct sample *s)
{
	struct nft_set *set;
	struct nft_rule *r;

	nft_set_mark(s->a, new_rule(s, "up1"), true,
		nft_masked32(s->a, SEL_CT_MARK, 0x80ffffff, 0x01000000));
	nft_set_mark(s->a, new_rule(s, "up1"), false,
		nft_masked32(s->a, SEL_META_MARK, 0x80ffffff, 0x01000000));
	nft_set_mark(
		s->a, new_rule(s, "up1"), false, nft_masked32(s->a, SEL_META_MARK, 0x00ffffff, 0));
	nft_set_mark(s->a, new_rule(s, "up1"), true,
		nft_masked32(s->a, SEL_CT_MARK, 0x7fffffff, 0x80000000));
	nft_set_mark(
		s->a, new_rule(s, "up1"), false, nft_masked32(s->a, SEL_CT_MARK, 0xff000000, 0));
	nft_set_mark(s->a, new_rule(s, "up1"), false, nft_sel(s->a, SEL_CT_MARK));
	nft_set_mark(
		s->a, new_rule(s, "up1"), false, nft_value(s->a, NFT_T_MARK, &(uint32_t){0x1000}));
	r = new_rule(s, "up2");
	nft_count(s->a, r, "away1");
	nft_verdict(s->a, r, VERDICT_ACCEPT, NULL);
	nft_count(s->a, new_rule(s, "up2"), NULL);
	nft_verdict(s->a, new_rule(s, "up2"), VERDICT_JUMP, "up1");
	nft_verdict(s->a, new_rule(s, "up2"), VERDICT_GOTO, "up1");
	r = new_rule(s, "up2");
	r->comment = "said by us";
	nft_verdict(s->a, r, VERDICT_RETURN, NULL);
	nft_verdict(s->a, new_rule(s, "up2"), VERDICT_DROP, NULL);

	for (unsigned int f = 0; f < 2; f++) {
		enum ip_family family = f ? IP_V6 : IP_V4;

		r = ip_rule(s, "listeners", f ? 10 : 2);
		nft_match_set(s->a, r, nft_sel(s->a, SEL_META_L4PROTO), OP_IN, transports(s));
		nft_nat(s->a, r, true, family,
			nft_map_expr(s->a, listener_key(s, f),
				nft_set_find_named(s->t, f ? "dnat6" : "dnat4")),
			true);
		r = ip_rule(s, "listeners", f ? 10 : 2);
		nft_match_set(s->a, r, nft_sel(s->a, SEL_META_L4PROTO), OP_IN, transports(s));
		nft_nat(s->a, r, true, family,
			nft_map_expr(s->a, listener_key(s, f),
				nft_set_find_named(s->t, f ? "range6" : "range4")),
			false);
	}
	r = ip_rule(s, "listeners", 2);
	nft_match_u8(s->a, r, nft_sel(s->a, SEL_META_L4PROTO), OP_EQ, PROTO_TCP);
	nft_nat(s->a, r, true, IP_V4, nft_value(s->a, NFT_T_IPV4, "\xc0\xa8\0\2"), false)->port =
		nft_value(s->a, NFT_T_PORT, "\0\x50");

	for (unsigned int chance = 0; chance < 2; chance++) {
		set = nft_set_new(s->a, NULL, NULL, SET_ANONYMOUS | SET_INTERVAL,
			TYPES(NFT_T_INTEGER), TYPES(NFT_T_IPV4, NFT_T_PORT), 0);
		for (uint32_t i = 0; i < 2; i++) {
			uint32_t ends[] = {
				__builtin_bswap32(i ? 86 : 0), __builtin_bswap32(i ? 257 : 85)};
			uint8_t *e = nft_set_add(s->a, set, NOWHERE);

			memcpy(e, ends, sizeof(ends));
			put_address(nft_set_elem_data(set, i), i ? "192.168.0.3" : "192.168.0.2");
			put_port(nft_set_elem_data(set, i) + 4, 80 + i);
		}
		r = ip_rule(s, "listeners", 2);
		nft_match_u8(s->a, r, nft_sel(s->a, SEL_META_L4PROTO), OP_EQ, PROTO_TCP);
		nft_nat(s->a, r, true, IP_V4,
			nft_map_expr(s->a,
				chance ? nft_random(s->a, 258)
				       : nft_jhash(s->a, nft_sel(s->a, SEL_IP_SADDR), 258, 0x5eed),
				set),
			true);
	}
	r = nft_rule_new(s->a, nft_chain_find(s->t, "listeners"), NOWHERE);
	nft_match_u8(s->a, r, nft_sel(s->a, SEL_META_L4PROTO), OP_EQ, PROTO_TCP);
	nft_reject(s->a, r, "reject with tcp reset");

	r = ip_rule(s, "sources", 2);
	nft_nat(s->a, r, false, IP_V4,
		nft_map_expr(s->a, nft_sel(s->a, SEL_IP_DADDR), nft_set_find_named(s->t, "snat4")),
		false);
	r = ip_rule(s, "sources", 2);
	nft_match_set(s->a, r, nft_sel(s->a, SEL_META_L4PROTO), OP_IN, transports(s));
	nft_nat(s->a, r, false, IP_V4,
		nft_map_expr(s->a, listener_key(s, false), nft_set_find_named(s->t, "snat_port4")),
		false);
	r = ip_rule(s, "sources", 2);
	nft_match_set(s->a, r, nft_sel(s->a, SEL_META_L4PROTO), OP_IN, transports(s));
	set = nft_set_new(
		s->a, NULL, NULL, SET_ANONYMOUS, TYPES(NFT_T_INTEGER), TYPES(NFT_T_IPV4), 0);
	for (uint32_t i = 0; i < 2; i++) {
		memcpy(nft_set_add(s->a, set, NOWHERE), &i, 4);
		put_address(nft_set_elem_data(set, i), i ? "192.168.0.3" : "192.168.0.1");
	}
	nft_nat(s->a, r, false, IP_V4,
		nft_map_expr(s->a,
			nft_jhash(s->a,
				nft_concat(s->a, PARTS(nft_sel(s->a, SEL_IP_SADDR),
							 nft_sel(s->a, SEL_TH_SPORT))),
				2, 0x5eed),
			set),
		false);
	r = ip_rule(s, "sources", 10);
	nft_nat(s->a, r, false, IP_V6,
		nft_value(s->a, NFT_T_IPV6, "\xfd\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1"), false);
}

static inline void sample_init(struct sample *s, const char *table)
{
	struct nft_counter *c;

	memset(s, 0, sizeof(*s));
	s->a = arena_new();
	s->t = nft_table_new(s->a, FAMILY_INET, table);
	c = vec_add(s->a, &s->t->counters);
	c->name = "away1";
	(void)nft_chain_new(s->a, s->t, "up1");
	(void)nft_chain_new(s->a, s->t, "up2");
	(void)nft_chain_new(s->a, s->t, "plain");
	(void)nft_base_chain_new(s->a, s->t, "marks_in", CHAIN_FILTER, HOOK_PREROUTING, -145);
	(void)nft_base_chain_new(s->a, s->t, "listeners", CHAIN_NAT, HOOK_PREROUTING, -105);
	nft_base_chain_new(s->a, s->t, "guard", CHAIN_FILTER, HOOK_FORWARD, 5)->policy_drop = true;
	(void)nft_base_chain_new(s->a, s->t, "out", CHAIN_ROUTE, HOOK_OUTPUT, -145);
	(void)nft_base_chain_new(s->a, s->t, "sources", CHAIN_NAT, HOOK_POSTROUTING, 95);
	(void)nft_base_chain_new(s->a, s->t, "last", CHAIN_FILTER, HOOK_POSTROUTING, 300);
	sample_sets(s);
	sample_match_rules(s);
	sample_other_rules(s);
	VEC_EACH (&s->t->sets, struct nft_set *, set)
		nft_set_sort(s->a, *set);
	add_table_changes(s);
}

static inline void sample_fini(struct sample *s)
{
	arena_free(s->a);
}

/* Commit; the test fails where that does, and says of what. */
static inline uint32_t commit(struct kernel *k, const struct sample *s, uint32_t generation)
{
	struct nft_failure f = {0};
	struct strbuf text = STRBUF_INIT;
	uint32_t after = 0;
	int err = kernel_nft_commit(k, s->changes.items, s->changes.len, generation, &after, &f);

	if (err) {
		if (f.change >= 0 && s->changes.items[f.change].rule)
			nft_print_rule(&text, s->changes.items[f.change].rule);
		fail_msg("commit: %s (%s), change %ld of kind %d, element %ld: %s", strerror(-err),
			f.error.text, f.change,
			f.change >= 0 ? (int)s->changes.items[f.change].kind : -1, f.element,
			strbuf_str(&text));
	}
	return after;
}

static inline void observe(
	struct kernel *k, struct arena *a, bool elements, struct nft_ruleset *out)
{
	struct kernel_error e = {0};

	memset(out, 0, sizeof(*out));
	ok(kernel_nft_observe(k, a, elements, out, &e), e);
}

/* Same elements with same data and comments. */
static inline void assert_same_elements(const struct nft_set *a, const struct nft_set *b)
{
	if (a->len != b->len)
		fail_msg("set %s: %zu elements, not %zu", a->name, b->len, a->len);
	for (size_t i = 0; i < a->len; i++) {
		const char *ca = a->comments ? a->comments[i] : NULL,
			   *cb = b->comments ? b->comments[i] : NULL;
		bool verdict = a->flags & SET_MAP && a->data[0].type == NFT_T_VERDICT;

		assert_memory_equal(
			nft_set_elem(a, i), nft_set_elem(b, i), a->stride - (verdict ? 4 : 0));
		assert_true((!ca && !cb) || (ca && cb && strcmp(ca, cb) == 0));
		if (verdict && a->chains.len) {
			uint32_t x, y;

			memcpy(&x, nft_set_elem_data(a, i) + 4, 4);
			memcpy(&y, nft_set_elem_data(b, i) + 4, 4);
			if (*(const int32_t *)(const void *)nft_set_elem_data(a, i) < -2 &&
				*(const int32_t *)(const void *)nft_set_elem_data(a, i) > -5)
				assert_string_equal(a->chains.items[x], b->chains.items[y]);
		}
	}
}

static inline void assert_same_rules(const struct nft_chain *a, const struct nft_chain *b)
{
	assert_int_equal(a->rules.len, b->rules.len);
	for (size_t i = 0; i < a->rules.len; i++) {
		struct strbuf want = STRBUF_INIT, got = STRBUF_INIT;

		if (nft_rule_equal(&a->rules.items[i], &b->rules.items[i]))
			continue;
		nft_print_rule(&want, &a->rules.items[i]);
		nft_print_rule(&got, &b->rules.items[i]);
		fail_msg("chain %s, rule %zu: %s\nread as: %s", a->name, i, strbuf_str(&want),
			strbuf_str(&got));
	}
}

/* @got says the same as @want, elements included. */
static inline void assert_same_table(const struct nft_table *want, const struct nft_table *got)
{
	assert_int_equal(want->chains.len, got->chains.len);
	VEC_EACH (&want->chains, struct nft_chain *, c) {
		const struct nft_chain *other = nft_chain_find(got, (*c)->name);

		assert_non_null(other);
		assert_int_equal((*c)->base, other->base);
		assert_int_equal((*c)->type, other->type);
		assert_int_equal((*c)->hook, other->hook);
		assert_int_equal((*c)->prio, other->prio);
		assert_int_equal((*c)->policy_drop, other->policy_drop);
		assert_same_rules(*c, other);
	}
	VEC_EACH (&want->sets, struct nft_set *, set) {
		const struct nft_set *other = nft_set_find_named(got, (*set)->name);

		assert_non_null(other);
		if (!nft_set_same_declaration(*set, other))
			fail_msg("set %s reads otherwise", (*set)->name);
		assert_same_elements(*set, other);
	}
	assert_int_equal(want->counters.len, got->counters.len);
}

#endif
