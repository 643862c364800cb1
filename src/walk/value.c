/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Evaluates expressions on a packet and compares the result with constants, ranges and sets. */
#include "walk/value.h"

#include <string.h>

#include "walk/routes.h"

bool walk_spend(struct walk_run *run, size_t n)
{
	if (n > run->left) {
		run->left = 0;
		return false;
	}
	run->left -= n;
	return true;
}

void walk_untrack(struct packet *p)
{
	p->known |= PKT_CT_STATE;
	p->ct_state = CT_UNTRACKED;
}

/* ---- values ---- */

static void value_unknown(struct walk_value *v, enum nft_type type, uint16_t len)
{
	memset(v, 0, sizeof(*v));
	v->type = type;
	v->len = len < WALK_VALUE_BYTES ? len : WALK_VALUE_BYTES;
}

static void value_known(struct walk_value *v, enum nft_type type, const void *bytes, uint16_t len)
{
	value_unknown(v, type, len);
	memcpy(v->bytes, bytes, v->len);
	memset(v->known, 0xff, v->len);
}

static void value_absent(struct walk_value *v)
{
	value_unknown(v, NFT_T_OTHER, 0);
	v->absent = true;
}

static void value_u8(struct walk_value *v, enum nft_type type, bool known, uint8_t n)
{
	if (known)
		value_known(v, type, &n, 1);
	else
		value_unknown(v, type, 1);
}

static void value_tri(struct walk_value *v, enum tri t)
{
	value_u8(v, NFT_T_BOOL, t != TRI_UNKNOWN, t == TRI_YES);
}

static void value_bits(struct walk_value *v, enum nft_type type, uint32_t n, uint32_t known)
{
	n &= known;
	value_unknown(v, type, 4);
	memcpy(v->bytes, &n, 4);
	memcpy(v->known, &known, 4);
}

static void value_port(struct walk_value *v, bool known, uint16_t port)
{
	const uint8_t bytes[2] = {port >> 8, port & 0xff};

	if (known)
		value_known(v, NFT_T_PORT, bytes, 2);
	else
		value_unknown(v, NFT_T_PORT, 2);
}

/* ---- selectors ---- */

int walk_address_type(const struct netstate *net, const struct ip_addr *addr)
{
	static const struct ip_addr broadcast = {.family = IP_V4, .bytes = {255, 255, 255, 255}};
	const struct net_route *r;

	if (ip_is_multicast(addr))
		return ROUTE_MULTICAST;
	if (ip_equal(addr, &broadcast))
		return ROUTE_BROADCAST;
	if (ip_is_loopback(addr))
		return ROUTE_LOCAL;
	VEC_EACH (&net->addrs, struct net_addr, a) {
		if (ip_equal(&a->addr, addr))
			return ROUTE_LOCAL;
	}
	r = netstate_route(net, TABLE_LOCAL, addr);
	if (!r)
		r = netstate_route(net, TABLE_MAIN, addr);
	return r ? r->type : -1;
}

static void value_ifname(struct walk_value *v, bool known, const char *name)
{
	char padded[16] = "";

	if (!known) {
		value_unknown(v, NFT_T_IFNAME, sizeof(padded));
		return;
	}
	if (name) /* none: the kernel compares an empty name */
		memcpy(padded, name, strnlen(name, sizeof(padded) - 1));
	value_known(v, NFT_T_IFNAME, padded, sizeof(padded));
}

static void value_ifindex(
	struct walk_value *v, const struct netstate *net, bool known, const char *name)
{
	const struct net_link *l = known && name ? netstate_link(net, name) : NULL;

	value_bits(v, NFT_T_IFINDEX, l ? (uint32_t)l->index : 0,
		l || (known && !name) ? UINT32_MAX : 0);
}

static void value_addr(struct walk_value *v, const struct packet *p, uint8_t family,
	enum packet_field field, const struct ip_addr *addr)
{
	enum nft_type type = family == IP_V4 ? NFT_T_IPV4 : NFT_T_IPV6;

	if (p->family != family)
		value_absent(v);
	else if (packet_knows(p, field))
		value_known(v, type, addr->bytes, ip_bytes(family));
	else
		value_unknown(v, type, ip_bytes(family));
}

static void value_fib_type(
	struct walk_value *v, const struct netstate *net, bool known, const struct ip_addr *addr)
{
	int type = known ? walk_address_type(net, addr) : -1;

	value_bits(v, NFT_T_FIB_TYPE, type < 0 ? 0 : (uint32_t)type, type < 0 ? 0 : UINT32_MAX);
}

static bool has_ports(const struct packet *p)
{
	return packet_knows(p, PKT_PROTO) &&
	       (p->proto == PROTO_TCP || p->proto == PROTO_UDP || p->proto == PROTO_SCTP);
}

static void value_icmp_type(struct walk_value *v, const struct packet *p, uint8_t proto)
{
	enum nft_type type = proto == PROTO_ICMP ? NFT_T_ICMP_TYPE : NFT_T_ICMPV6_TYPE;

	if (packet_knows(p, PKT_PROTO) && p->proto != proto)
		value_absent(v);
	else
		value_u8(v, type, packet_knows(p, PKT_PROTO | PKT_ICMP_TYPE), p->icmp_type);
}

static void select_ct(struct walk_value *v, const struct packet *p, enum nft_selector s)
{
	if (packet_without_conntrack(p))
		value_absent(v);
	else if (s == SEL_CT_STATUS)
		value_bits(v, NFT_T_CT_STATUS, p->ct_status, p->ct_status_known);
	else if (s == SEL_CT_MARK)
		value_bits(v, NFT_T_MARK, p->ct_mark, p->ct_mark_known);
	else
		value_u8(v, NFT_T_CT_DIR, packet_knows(p, PKT_CT_DIRECTION), p->ct_reply);
}

static void select_ip(struct walk_value *v, const struct packet *p, enum nft_selector s)
{
	bool v4 = s == SEL_IP_SADDR || s == SEL_IP_DADDR || s == SEL_IP_PROTOCOL;
	uint8_t family = v4 ? IP_V4 : IP_V6;

	if (s == SEL_IP_SADDR || s == SEL_IP6_SADDR)
		value_addr(v, p, family, PKT_SADDR, &p->saddr);
	else if (s == SEL_IP_DADDR || s == SEL_IP6_DADDR)
		value_addr(v, p, family, PKT_DADDR, &p->daddr);
	else if (p->family != family)
		value_absent(v);
	else
		value_u8(v, NFT_T_PROTO, packet_knows(p, PKT_PROTO), p->proto);
}

static void select_value(const struct netstate *net, const struct packet *p, enum nft_selector s,
	struct walk_value *v)
{
	switch (s) {
	case SEL_META_IIFNAME:
		value_ifname(v, packet_knows(p, PKT_IIF), p->iif);
		return;
	case SEL_META_OIFNAME:
		value_ifname(v, packet_knows(p, PKT_OIF), p->oif);
		return;
	case SEL_META_IIF:
		value_ifindex(v, net, packet_knows(p, PKT_IIF), p->iif);
		return;
	case SEL_META_OIF:
		value_ifindex(v, net, packet_knows(p, PKT_OIF), p->oif);
		return;
	case SEL_META_MARK:
		value_bits(v, NFT_T_MARK, p->mark, p->mark_known);
		return;
	case SEL_META_L4PROTO:
		value_u8(v, NFT_T_PROTO, packet_knows(p, PKT_PROTO), p->proto);
		return;
	case SEL_META_NFPROTO:
		value_u8(v, NFT_T_NFPROTO, true, p->family == IP_V6 ? FAMILY_IP6 : FAMILY_IP);
		return;
	case SEL_META_PKTTYPE:
		value_u8(v, NFT_T_PKTTYPE, packet_knows(p, PKT_TYPE), p->type);
		return;
	case SEL_META_SECPATH:
		value_u8(v, NFT_T_BOOL, packet_knows(p, PKT_SECPATH), p->secpath);
		return;
	case SEL_CT_STATE:
		value_bits(v, NFT_T_CT_STATE, p->ct_state,
			packet_knows(p, PKT_CT_STATE) ? UINT32_MAX : 0);
		return;
	case SEL_CT_STATUS:
	case SEL_CT_DIRECTION:
	case SEL_CT_MARK:
		select_ct(v, p, s);
		return;
	case SEL_IP_SADDR:
	case SEL_IP_DADDR:
	case SEL_IP_PROTOCOL:
	case SEL_IP6_SADDR:
	case SEL_IP6_DADDR:
	case SEL_IP6_NEXTHDR:
		select_ip(v, p, s);
		return;
	case SEL_TH_SPORT:
		value_port(v, has_ports(p) && packet_knows(p, PKT_SPORT), p->sport);
		return;
	case SEL_TH_DPORT:
		value_port(v, has_ports(p) && packet_knows(p, PKT_DPORT), p->dport);
		return;
	case SEL_ICMP_TYPE:
		value_icmp_type(v, p, PROTO_ICMP);
		return;
	case SEL_ICMPV6_TYPE:
		value_icmp_type(v, p, PROTO_ICMPV6);
		return;
	case SEL_FIB_SADDR_TYPE:
		value_fib_type(v, net, packet_knows(p, PKT_SADDR), &p->saddr);
		return;
	case SEL_FIB_DADDR_TYPE:
		value_fib_type(v, net, packet_knows(p, PKT_DADDR), &p->daddr);
		return;
	case SEL_FIB_SADDR_OIF:
		value_tri(v, walk_way_back(net, p, false, WAY_BACK_ANY));
		return;
	case SEL_FIB_SADDR_MARK_OIF:
		value_tri(v, walk_way_back(net, p, true, WAY_BACK_ANY));
		return;
	case SEL_FIB_SADDR_IIF_OIF:
		value_tri(v, walk_way_back(net, p, false, WAY_BACK_BY_BEST));
		return;
	case SEL_FIB_SADDR_MARK_IIF_OIF:
		value_tri(v, walk_way_back(net, p, true, WAY_BACK_BY_BEST));
		return;
	case SEL_NONE:
	case SEL_COUNT_:
		break;
	}
	value_unknown(v, NFT_T_OTHER, 16);
}

/* ---- expressions ---- */

static void apply_mask(struct walk_value *v, const struct nft_expr *e)
{
	for (unsigned int i = 0; i < v->len && i < sizeof(e->mask); i++) {
		v->known[i] |= (uint8_t)~e->mask[i];
		v->bytes[i] = ((v->bytes[i] & e->mask[i]) ^ e->xor [i]) & v->known[i];
	}
}

static void evaluate_concat(struct walk_run *run, const struct packet *p, const struct nft_expr *e,
	struct walk_value *out)
{
	struct walk_value part;
	unsigned int at = 0;

	value_unknown(out, NFT_T_OTHER, 0);
	for (unsigned int i = 0; i < e->n_parts; i++) {
		walk_evaluate(run, p, e->parts[i], &part);
		if (part.absent) {
			value_absent(out);
			return;
		}
		if (at + nft_padded(part.len) > WALK_VALUE_BYTES)
			return;
		memcpy(out->bytes + at, part.bytes, part.len);
		memset(out->known + at, 0xff, nft_padded(part.len));
		memcpy(out->known + at, part.known, part.len);
		at += nft_padded(part.len);
		out->len = at;
	}
}

/* What of @v is also true of the @len bytes at @data. */
static void join_data(struct walk_value *v, const uint8_t *data, uint16_t len)
{
	for (unsigned int i = 0; i < len && i < v->len; i++) {
		v->known[i] &= (uint8_t) ~(v->bytes[i] ^ data[i]);
		v->bytes[i] &= v->known[i];
	}
}

static void evaluate_map(struct walk_run *run, const struct packet *p, const struct nft_expr *e,
	struct walk_value *out)
{
	const struct nft_set *set = e->set;
	struct walk_value key;
	bool any = false;

	value_unknown(out, NFT_T_OTHER, 16);
	if (!set || !(set->flags & SET_MAP) || !e->key || set->flags & SET_INCOMPLETE ||
		!walk_spend(run, 1 + set->len / 16))
		return;
	value_unknown(out, set->n_data == 1 ? set->data[0].type : NFT_T_OTHER, set->data_len);
	walk_evaluate(run, p, e->key, &key);
	for (size_t i = 0; !key.absent && i < set->len; i++) {
		enum tri t = walk_element(set, i, &key);

		if (t == TRI_YES || (t == TRI_UNKNOWN && !any))
			value_known(out, out->type, nft_set_elem_data(set, i), set->data_len);
		else if (t == TRI_UNKNOWN)
			join_data(out, nft_set_elem_data(set, i), set->data_len);
		any = any || t != TRI_NO;
		if (t == TRI_YES)
			break;
	}
	if (!any && !(set->flags & SET_DYNAMIC))
		value_absent(out);
}

void walk_evaluate(struct walk_run *run, const struct packet *p, const struct nft_expr *e,
	struct walk_value *out)
{
	switch (e->kind) {
	case EXPR_SELECTOR:
	case EXPR_MASKED:
		select_value(run->w->net, p, e->selector, out);
		if (e->kind == EXPR_MASKED)
			apply_mask(out, e);
		return;
	case EXPR_VALUE:
		value_known(out, e->type, e->value,
			e->value_len <= sizeof(e->value) ? e->value_len : sizeof(e->value));
		return;
	case EXPR_CONCAT:
		evaluate_concat(run, p, e, out);
		return;
	case EXPR_MAP:
		evaluate_map(run, p, e, out);
		return;
	case EXPR_JHASH:
		value_unknown(out, NFT_T_INTEGER, 4);
		return;
	case EXPR_UNKNOWN:
		break;
	}
	value_unknown(out, NFT_T_OTHER, 16);
}

/* ---- comparing ---- */

static enum tri bytes_equal(
	const uint8_t *bytes, const uint8_t *known, const uint8_t *other, unsigned int len)
{
	enum tri answer = TRI_YES;

	for (unsigned int i = 0; i < len; i++) {
		if ((bytes[i] ^ other[i]) & known[i])
			return TRI_NO;
		if (known[i] != 0xff)
			answer = TRI_UNKNOWN;
	}
	return answer;
}

static bool is_host_order(enum nft_type t)
{
	return t == NFT_T_IFINDEX || t == NFT_T_MARK || t == NFT_T_CT_STATE ||
	       t == NFT_T_CT_STATUS || t == NFT_T_FIB_TYPE || t == NFT_T_INTEGER;
}

static int compare_bytes(const uint8_t *a, const uint8_t *b, unsigned int len, bool host_order)
{
	if (host_order && len == 4) {
		uint32_t x, y;

		memcpy(&x, a, 4);
		memcpy(&y, b, 4);
		return x < y ? -1 : x > y;
	}
	return memcmp(a, b, len);
}

/* Is the value @or_equal to or greater than @other, whatever the bits are that are not known? */
static enum tri bytes_greater(const uint8_t *bytes, const uint8_t *known, const uint8_t *other,
	unsigned int len, bool host_order, bool or_equal)
{
	uint8_t least[16], most[16];
	int low, high;

	if (len > sizeof(least))
		return TRI_UNKNOWN;
	for (unsigned int i = 0; i < len; i++) {
		least[i] = bytes[i] & known[i];
		most[i] = bytes[i] | (uint8_t)~known[i];
	}
	low = compare_bytes(least, other, len, host_order);
	high = compare_bytes(most, other, len, host_order);
	if (low > 0 || (or_equal && low == 0))
		return TRI_YES;
	if (high < 0 || (!or_equal && high == 0))
		return TRI_NO;
	return TRI_UNKNOWN;
}

static enum tri bytes_within(const uint8_t *bytes, const uint8_t *known, const uint8_t *first,
	const uint8_t *last, unsigned int len, bool host_order)
{
	return tri_and(bytes_greater(bytes, known, first, len, host_order, true),
		tri_not(bytes_greater(bytes, known, last, len, host_order, false)));
}

enum tri walk_element(const struct nft_set *set, size_t i, const struct walk_value *key)
{
	const uint8_t *first = nft_set_elem(set, i);
	const uint8_t *last = set->flags & SET_INTERVAL ? nft_set_elem_last(set, i) : first;
	enum tri answer = TRI_YES;
	unsigned int at = 0;

	for (unsigned int f = 0; f < set->n_key && answer != TRI_NO; f++) {
		unsigned int len = set->key[f].len;

		if (at + len > key->len)
			return TRI_UNKNOWN;
		if (memcmp(first + at, last + at, len) == 0)
			answer = tri_and(answer,
				bytes_equal(key->bytes + at, key->known + at, first + at, len));
		else
			answer = tri_and(answer, bytes_within(key->bytes + at, key->known + at,
							 first + at, last + at, len, false));
		at += nft_padded(len);
	}
	return answer;
}

static enum tri in_set(struct walk_run *run, const struct nft_set *set,
	const struct walk_value *key, const char **why)
{
	enum tri answer = TRI_NO;

	if (!set || !walk_spend(run, 1 + set->len / 16)) {
		*why = "the set is too large to look through";
		return TRI_UNKNOWN;
	}
	for (size_t i = 0; i < set->len; i++) {
		enum tri t = walk_element(set, i, key);

		if (t == TRI_YES)
			return TRI_YES;
		answer = t == TRI_UNKNOWN ? t : answer;
	}
	if (set->flags & SET_INCOMPLETE) {
		*why = "the elements of the set were not read";
		return TRI_UNKNOWN;
	}
	return answer;
}

static enum tri compare_op(const struct nft_stmt *s, const struct walk_value *v)
{
	unsigned int len = s->value_len < v->len ? s->value_len : v->len;
	bool host = is_host_order(v->type);
	const uint8_t *b = v->bytes, *k = v->known;

	if (s->value_len > sizeof(s->value) || len == 0)
		return TRI_UNKNOWN;
	switch (s->op) {
	case OP_EQ: /* fewer bytes than the field has: a prefix, as of eth* */
		return bytes_equal(b, k, s->value, len);
	case OP_NE:
		return tri_not(bytes_equal(b, k, s->value, len));
	case OP_LT:
		return tri_not(bytes_greater(b, k, s->value, len, host, true));
	case OP_LE:
		return tri_not(bytes_greater(b, k, s->value, len, host, false));
	case OP_GT:
		return bytes_greater(b, k, s->value, len, host, false);
	case OP_GE:
		return bytes_greater(b, k, s->value, len, host, true);
	case OP_RANGE:
		return bytes_within(b, k, s->value, s->last, len, host);
	case OP_NOT_RANGE:
		return tri_not(bytes_within(b, k, s->value, s->last, len, host));
	case OP_IN:
	case OP_NOT_IN:
		break;
	}
	return TRI_UNKNOWN;
}

enum tri walk_match(
	struct walk_run *run, const struct packet *p, const struct nft_stmt *s, const char **why)
{
	struct walk_value v;
	enum tri t;

	*why = s->expr->kind == EXPR_UNKNOWN ? "the expression is not understood"
					     : "it depends on what is not known of the packet";
	walk_evaluate(run, p, s->expr, &v);
	if (v.absent)
		return TRI_NO;
	if (s->op != OP_IN && s->op != OP_NOT_IN)
		return compare_op(s, &v);
	t = in_set(run, s->set, &v, why);
	return s->op == OP_IN ? t : tri_not(t);
}

uint32_t walk_mark(
	struct walk_run *run, const struct packet *p, const struct nft_expr *e, uint32_t *known)
{
	struct walk_value v;
	uint32_t mark;

	walk_evaluate(run, p, e, &v);
	memcpy(&mark, v.bytes, 4);
	memcpy(known, v.known, 4);
	return mark;
}
