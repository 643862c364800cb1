/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reads which packets a rule is for from its matches. See scope.h; iptables' own: scope_xt.c. */
#include "walk/scope_parts.h"

#include <string.h>

/* ---- meeting ---- */

static bool is_any(const struct ip_prefix *p)
{
	return p->addr.family == IP_NONE;
}

static bool meet_prefix(struct ip_prefix *p, const struct ip_prefix *other)
{
	if (is_any(other))
		return true;
	if (is_any(p)) {
		*p = *other;
		return true;
	}
	if (!ip_prefix_overlap(p, other))
		return false;
	if (other->len > p->len)
		*p = *other;
	return true;
}

static bool is_wildcard(const char *name)
{
	size_t len = strlen(name);

	return len && (name[len - 1] == '*' || name[len - 1] == '+');
}

static bool name_covers(const char *pattern, const char *name)
{
	return is_wildcard(pattern) ? strncmp(pattern, name, strlen(pattern) - 1) == 0
				    : strcmp(pattern, name) == 0;
}

static bool meet_interface(
	const char **name, bool *inverted, const char *other, bool other_inverted, bool *more)
{
	if (!other)
		return true;
	if (!*name) {
		*name = other;
		*inverted = other_inverted;
		return true;
	}
	if (*inverted && other_inverted) {
		*more = *more || strcmp(*name, other) != 0;
		return true;
	}
	if (*inverted || other_inverted) {
		const char *not_this = *inverted ? *name : other, *this = *inverted ? other : *name;

		if (name_covers(not_this, this))
			return false;
		*name = this;
		*inverted = false;
		return true;
	}
	if (name_covers(*name, other))
		*name = other;
	else if (!name_covers(other, *name))
		return false;
	return true;
}

static bool meet_bits(uint32_t *value, uint32_t *mask, uint32_t other, uint32_t other_mask)
{
	if ((*value ^ other) & *mask & other_mask)
		return false;
	*value |= other;
	*mask |= other_mask;
	return true;
}

/* What is in both. False: nothing. */
static bool meet(const struct scope *a, const struct scope *b, struct scope *out)
{
	struct scope s = *a;

	if (s.family && b->family && s.family != b->family)
		return false;
	if (s.proto && b->proto && s.proto != b->proto)
		return false;
	s.family = s.family ? s.family : b->family;
	s.proto = s.proto ? s.proto : b->proto;
	if (!meet_prefix(&s.src, &b->src) || !meet_prefix(&s.dst, &b->dst))
		return false;
	s.first = s.first > b->first ? s.first : b->first;
	s.last = s.last < b->last ? s.last : b->last;
	if (s.first > s.last)
		return false;
	s.more = s.more || b->more;
	if (!meet_interface(&s.in, &s.in_inverted, b->in, b->in_inverted, &s.more) ||
		!meet_interface(&s.out, &s.out_inverted, b->out, b->out_inverted, &s.more))
		return false;
	if (s.states && b->states && !(s.states & b->states))
		return false;
	s.states = s.states && b->states ? s.states & b->states : s.states | b->states;
	s.only_dnat = s.only_dnat || b->only_dnat;
	s.not_dnat = s.not_dnat || b->not_dnat;
	if ((s.only_dnat && s.not_dnat) ||
		(s.direction && b->direction && s.direction != b->direction))
		return false;
	s.direction = s.direction ? s.direction : b->direction;
	if (!meet_bits(&s.mark, &s.mark_mask, b->mark, b->mark_mask) ||
		!meet_bits(&s.ct_mark, &s.ct_mark_mask, b->ct_mark, b->ct_mark_mask))
		return false;
	s.dst_local = s.dst_local || b->dst_local;
	s.looks_back = s.looks_back || b->looks_back;
	*out = s;
	return true;
}

static bool prefix_covers(const struct ip_prefix *a, const struct ip_prefix *b)
{
	return is_any(a) || (!is_any(b) && a->len <= b->len && ip_in_prefix(&b->addr, a));
}

static bool interface_covers(const char *a, bool a_inverted, const char *b, bool b_inverted)
{
	if (!a)
		return true;
	if (!b)
		return false;
	if (a_inverted)
		return b_inverted ? strcmp(a, b) == 0 : !is_wildcard(b) && !name_covers(a, b);
	return !b_inverted && name_covers(a, b);
}

static bool bits_cover(uint32_t a, uint32_t a_mask, uint32_t b, uint32_t b_mask)
{
	return (a_mask & ~b_mask) == 0 && ((a ^ b) & a_mask) == 0;
}

bool scope_covers(const struct scope *a, const struct scope *b)
{
	if (a->more || a->looks_back || (a->family && a->family != b->family) ||
		(a->proto && a->proto != b->proto) || a->first > b->first || a->last < b->last)
		return false;
	if (!prefix_covers(&a->src, &b->src) || !prefix_covers(&a->dst, &b->dst) ||
		(a->dst_local && !b->dst_local))
		return false;
	if (!interface_covers(a->in, a->in_inverted, b->in, b->in_inverted) ||
		!interface_covers(a->out, a->out_inverted, b->out, b->out_inverted))
		return false;
	if (a->states && (!b->states || (b->states & ~a->states)))
		return false;
	if ((a->only_dnat && !b->only_dnat) || (a->not_dnat && !b->not_dnat) ||
		(a->direction && a->direction != b->direction))
		return false;
	return bits_cover(a->mark, a->mark_mask, b->mark, b->mark_mask) &&
	       bits_cover(a->ct_mark, a->ct_mark_mask, b->ct_mark, b->ct_mark_mask);
}

/* ---- one field of a value or range to a scope ---- */

struct scope *scope_alternative(struct scope_reading *r)
{
	struct scope *s = vec_add(r->arena, &r->alternatives.items);

	*s = scope_any(IP_NONE);
	return s;
}

static uint32_t value32(const uint8_t *bytes)
{
	uint32_t v;

	memcpy(&v, bytes, sizeof(v));
	return v;
}

static uint16_t port16(const uint8_t *bytes)
{
	return (uint16_t)(bytes[0] << 8 | bytes[1]);
}

/* The longest prefix with both ends in it; *@exact: the range is that prefix. */
static struct ip_prefix prefix_between(
	uint8_t family, const uint8_t *first, const uint8_t *last, bool *exact)
{
	struct ip_addr a = ip_from_bytes(family, first), b = ip_from_bytes(family, last), end;
	struct ip_prefix p;
	uint8_t len = 0;

	while (len < ip_bits(family) && !((first[len / 8] ^ last[len / 8]) & (0x80 >> (len % 8))))
		len++;
	p = ip_prefix_of(&a, len);
	end = ip_prefix_last(&p);
	*exact = ip_equal(&p.addr, &a) && ip_equal(&end, &b);
	return p;
}

static const char *interface_name(
	struct scope_reading *r, const uint8_t *first, unsigned int len, bool index)
{
	const struct net_link *l;
	size_t n;

	if (index) {
		l = netstate_link_by_index(r->net, (int)value32(first));
		return l ? l->name : NULL;
	}
	n = strnlen((const char *)first, len);
	if (n < len || len >= 16)
		return arena_strndup(r->arena, (const char *)first, n);
	return arena_printf(r->arena, "%.*s*", (int)n, (const char *)first);
}

void scope_read_address(
	struct scope *s, bool source, uint8_t family, const uint8_t *first, const uint8_t *last)
{
	bool exact;
	struct ip_prefix p = prefix_between(family, first, last, &exact);

	s->family = family;
	if (source)
		s->src = p;
	else
		s->dst = p;
	s->more = s->more || !exact;
}

static void read_family(struct scope *s, uint8_t nfproto)
{
	s->family = nfproto == FAMILY_IP6 ? IP_V6 : nfproto == FAMILY_IP ? IP_V4 : IP_NONE;
}

/* @s narrowed to the packets whose @selector is from @first to @last. */
static void read_field(struct scope_reading *r, struct scope *s, enum nft_selector selector,
	unsigned int len, const uint8_t *first, const uint8_t *last)
{
	bool one = memcmp(first, last, len) == 0;

	switch ((int)selector) {
	case SEL_META_IIFNAME:
	case SEL_META_IIF:
	case SEL_META_OIFNAME:
	case SEL_META_OIF: {
		bool in = selector == SEL_META_IIFNAME || selector == SEL_META_IIF;
		bool index = selector == SEL_META_IIF || selector == SEL_META_OIF;
		const char *name = one ? interface_name(r, first, len, index) : NULL;

		*(in ? &s->in : &s->out) = name;
		s->more = s->more || !name;
		return;
	}
	case SEL_META_L4PROTO:
	case SEL_IP_PROTOCOL:
	case SEL_IP6_NEXTHDR:
	case SEL_CT_PROTOCOL:
		s->proto = first[0];
		s->more = s->more || !one;
		return;
	case SEL_META_NFPROTO:
	case SEL_CT_L3PROTO:
		read_family(s, first[0]);
		return;
	case SEL_IP_SADDR:
	case SEL_IP_DADDR:
		scope_read_address(s, selector == SEL_IP_SADDR, IP_V4, first, last);
		return;
	case SEL_IP6_SADDR:
	case SEL_IP6_DADDR:
		scope_read_address(s, selector == SEL_IP6_SADDR, IP_V6, first, last);
		return;
	case SEL_TH_DPORT:
		s->first = port16(first);
		s->last = port16(last);
		return;
	case SEL_META_MARK:
	case SEL_CT_MARK:
		if (selector == SEL_META_MARK) {
			s->mark = value32(first);
			s->mark_mask = UINT32_MAX;
		} else {
			s->ct_mark = value32(first);
			s->ct_mark_mask = UINT32_MAX;
		}
		s->more = s->more || !one;
		return;
	case SEL_CT_STATE:
		s->states = value32(first) & SCOPE_STATES;
		s->more = s->more || !one;
		return;
	case SEL_CT_DIRECTION:
		s->direction = first[0] ? 2 : 1;
		return;
	case SEL_FIB_DADDR_TYPE:
	case SEL_FIB_DADDR_IIF_TYPE:
		s->dst_local = one && value32(first) == ROUTE_LOCAL;
		s->more = s->more || !s->dst_local;
		return;
	case SEL_FIB_SADDR_OIF:
	case SEL_FIB_SADDR_MARK_OIF:
	case SEL_FIB_SADDR_IIF_OIF:
	case SEL_FIB_SADDR_MARK_IIF_OIF:
		s->looks_back = true;
		return;
	default: /* the many that a scope has no field for */
		s->more = true;
	}
}

static bool negate(struct scope *s, enum nft_selector selector)
{
	switch ((int)selector) {
	case SEL_META_IIFNAME:
	case SEL_META_IIF:
		s->in_inverted = s->in != NULL;
		return s->in_inverted;
	case SEL_META_OIFNAME:
	case SEL_META_OIF:
		s->out_inverted = s->out != NULL;
		return s->out_inverted;
	case SEL_CT_DIRECTION:
		s->direction = s->direction == 1 ? 2 : 1;
		return true;
	case SEL_CT_STATE:
		s->states = SCOPE_STATES & ~s->states;
		return s->states != 0;
	default:
		return false;
	}
}

void scope_all_of_it(struct scope_reading *r)
{
	r->alternatives.items.len = 0;
	scope_alternative(r)->more = true;
}

/* The bits of ct state and ct status that are asked for, and masked addresses and marks. */
static void read_masked(struct scope_reading *r, const struct nft_stmt *m)
{
	const struct nft_expr *e = m->expr;
	uint32_t mask = value32(e->mask), value = value32(m->value), set = 0;
	bool is_set = m->op == OP_NE && value == 0, is_clear = m->op == OP_EQ && value == 0;
	struct scope *s = scope_alternative(r);
	uint8_t last[16];

	for (unsigned int i = 0; i < sizeof(e->xor); i++)
		set |= e->xor [i];
	if (set) {
		s->more = true;
		return;
	}
	switch ((int)e->selector) {
	case SEL_CT_STATE:
		s->states = is_set ? mask & SCOPE_STATES : is_clear ? SCOPE_STATES & ~mask : 0;
		s->more = s->states == 0;
		return;
	case SEL_CT_STATUS:
		s->only_dnat = mask == CT_DST_NAT && (is_set || (m->op == OP_EQ && value == mask));
		s->not_dnat = mask == CT_DST_NAT && is_clear;
		s->more = !s->only_dnat && !s->not_dnat;
		return;
	case SEL_META_MARK:
	case SEL_CT_MARK: {
		bool one_bit = is_set && mask && !(mask & (mask - 1));

		*(e->selector == SEL_META_MARK ? &s->mark : &s->ct_mark) = one_bit ? mask : value;
		*(e->selector == SEL_META_MARK ? &s->mark_mask : &s->ct_mark_mask) =
			one_bit || m->op == OP_EQ ? mask : 0;
		s->more = !one_bit && m->op != OP_EQ;
		return;
	}
	case SEL_IP_SADDR:
	case SEL_IP_DADDR:
	case SEL_IP6_SADDR:
	case SEL_IP6_DADDR:
		for (unsigned int i = 0; i < sizeof(last); i++)
			last[i] = m->value[i] | (uint8_t)~e->mask[i];
		if (m->op == OP_EQ)
			read_field(r, s, e->selector, m->value_len, m->value, last);
		else
			s->more = true;
		return;
	default: /* of anything else, bits say nothing that a scope could hold */
		s->more = true;
	}
}

static const enum nft_selector *selectors_of(
	const struct nft_expr *e, enum nft_selector room[NFT_MAX_FIELDS], unsigned int *n)
{
	const struct nft_expr *one[] = {e};
	const struct nft_expr *const *parts =
		e->kind == EXPR_CONCAT ? (const struct nft_expr *const *)e->parts : one;

	*n = e->kind == EXPR_CONCAT ? e->n_parts : 1;
	for (unsigned int i = 0; i < *n; i++)
		room[i] = parts[i]->kind == EXPR_SELECTOR ? parts[i]->selector : SEL_NONE;
	return room;
}

static void read_element(
	struct scope_reading *r, const struct nft_expr *e, const struct nft_set *set, size_t i)
{
	enum nft_selector room[NFT_MAX_FIELDS];
	unsigned int n, at = 0;
	const enum nft_selector *selectors = selectors_of(e, room, &n);
	const uint8_t *first = nft_set_elem(set, i);
	const uint8_t *last = set->flags & SET_INTERVAL ? nft_set_elem_last(set, i) : first;
	struct scope *s = scope_alternative(r);

	for (unsigned int f = 0; f < n && f < set->n_key; f++) {
		unsigned int len = set->key[f].len;

		/* Intervals of numbers are kept in network order: not read. */
		if (set->flags & SET_INTERVAL && nft_type_is_host_order(set->key[f].type))
			s->more = true;
		else
			read_field(r, s, selectors[f], len, first + at, last + at);
		at += nft_padded(len);
	}
}

static void read_set(struct scope_reading *r, const struct nft_stmt *m)
{
	if (!m->set || m->set->flags & SET_INCOMPLETE || m->set->flags & SET_DYNAMIC ||
		m->set->len > SCOPE_MAX) {
		scope_all_of_it(r);
		return;
	}
	for (size_t i = 0; i < m->set->len; i++)
		read_element(r, m->expr, m->set, i);
	if (m->op == OP_IN)
		return;
	if (m->set->len != 1 || m->expr->kind != EXPR_SELECTOR ||
		!negate(&r->alternatives.items.items[0], m->expr->selector))
		scope_all_of_it(r);
}

/* Ports below, above, between. */
static void read_order(struct scope_reading *r, const struct nft_stmt *m)
{
	struct scope *s = scope_alternative(r);
	uint32_t v = port16(m->value);

	if (m->expr->kind != EXPR_SELECTOR || m->expr->selector != SEL_TH_DPORT ||
		(m->op == OP_LT && v == 0) || (m->op == OP_GT && v == UINT16_MAX)) {
		s->more = true;
		return;
	}
	if (m->op == OP_LT || m->op == OP_LE)
		s->last = (uint16_t)(m->op == OP_LT ? v - 1 : v);
	else
		s->first = (uint16_t)(m->op == OP_GT ? v + 1 : v);
}

static void read_match(struct scope_reading *r, const struct nft_stmt *m)
{
	const struct nft_expr *e = m->expr;
	struct scope *s;

	if (!e || (e->kind != EXPR_SELECTOR && e->kind != EXPR_MASKED && e->kind != EXPR_CONCAT)) {
		scope_all_of_it(r);
		return;
	}
	switch (m->op) {
	case OP_IN:
	case OP_NOT_IN:
		read_set(r, m);
		return;
	case OP_LT:
	case OP_GT:
	case OP_LE:
	case OP_GE:
		read_order(r, m);
		return;
	case OP_EQ:
	case OP_NE:
		if (e->kind == EXPR_MASKED) {
			read_masked(r, m);
			return;
		}
		break;
	case OP_RANGE:
	case OP_NOT_RANGE:
		break;
	}
	if (e->kind != EXPR_SELECTOR) {
		scope_all_of_it(r);
		return;
	}
	s = scope_alternative(r);
	read_field(r, s, e->selector, m->value_len, m->value,
		m->op == OP_RANGE || m->op == OP_NOT_RANGE ? m->last : m->value);
	if ((m->op == OP_NE || m->op == OP_NOT_RANGE) && !s->looks_back && !negate(s, e->selector))
		scope_all_of_it(r);
}

/* ---- rules ---- */

static void meet_all(struct scope_reading *r, const struct scopes *within, struct scopes *out)
{
	VEC_EACH (&within->items, struct scope, w) {
		VEC_EACH (&r->alternatives.items, struct scope, it) {
			struct scope both;

			if (meet(w, it, &both))
				vec_push(r->arena, &out->items, both);
		}
	}
}

void scopes_match(struct arena *a, const struct netstate *net, const struct nft_stmt *s,
	const struct scopes *within, struct scopes *out)
{
	struct scope_reading r = {.arena = a, .net = net};

	if (s->kind == STMT_MATCH)
		read_match(&r, s);
	else if (s->kind == STMT_XT && !s->xt.target)
		scope_read_xt(&r, &s->xt);
	else if (s->kind == STMT_LIMIT || s->kind == STMT_UNKNOWN)
		scope_all_of_it(&r);
	else
		scope_alternative(&r);
	if (within->items.len * r.alternatives.items.len > SCOPE_MAX)
		scope_all_of_it(&r);
	meet_all(&r, within, out);
}

void scopes_rule(struct arena *a, const struct netstate *net, const struct nft_rule *r,
	const struct scopes *within, struct scopes *out)
{
	struct scopes now = *within;

	VEC_EACH (&r->stmts, struct nft_stmt, s) {
		struct scopes next = {0};

		if (s->kind != STMT_MATCH && s->kind != STMT_LIMIT && s->kind != STMT_UNKNOWN &&
			(s->kind != STMT_XT || s->xt.target))
			continue;
		scopes_match(a, net, s, &now, &next);
		now = next;
	}
	*out = now;
}

void scopes_of_rule(struct arena *a, const struct netstate *net, uint8_t family,
	const struct nft_rule *r, struct scopes *out)
{
	struct scopes any = {0};

	vec_push(a, &any.items, scope_any(family));
	scopes_rule(a, net, r, &any, out);
}

bool scope_rule_accepts(const struct nft_rule *r)
{
	VEC_EACH (&r->stmts, struct nft_stmt, s) {
		if (s->kind == STMT_VERDICT && s->verdict == VERDICT_ACCEPT)
			return true;
	}
	return false;
}

void scopes_element(struct arena *a, const struct netstate *net, const struct nft_expr *e,
	const struct nft_set *set, size_t i, const struct scopes *within, struct scopes *out)
{
	struct scope_reading r = {.arena = a, .net = net};

	read_element(&r, e, set, i);
	meet_all(&r, within, out);
}
