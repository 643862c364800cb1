/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Rulesets: types and selectors, finding things, equality. */
#include "netstate/ruleset.h"

#include <assert.h>
#include <string.h>

/* ---- types ---- */

/* Numbers and names: libnftables, include/datatype.h (enum datatypes); part of its user data in the
 * kernel and so as stable as an ABI. */
static const struct {
	const char *name;
	uint32_t id;
	unsigned int len;
} types[] = {
	[NFT_T_NONE] = {NULL, 0, 0},
	[NFT_T_IPV4] = {"ipv4_addr", 7, 4},
	[NFT_T_IPV6] = {"ipv6_addr", 8, 16},
	[NFT_T_PORT] = {"inet_service", 13, 2},
	[NFT_T_PROTO] = {"inet_proto", 12, 1},
	[NFT_T_NFPROTO] = {"nf_proto", 2, 1},
	[NFT_T_IFNAME] = {"ifname", 41, 16},
	[NFT_T_IFINDEX] = {"iface_index", 20, 4},
	[NFT_T_MARK] = {"mark", 19, 4},
	[NFT_T_CT_STATE] = {"ct_state", 26, 4},
	[NFT_T_CT_STATUS] = {"ct_status", 28, 4},
	[NFT_T_CT_DIR] = {"ct_dir", 27, 1},
	[NFT_T_FIB_TYPE] = {"fib_addrtype", 38, 4},
	[NFT_T_PKTTYPE] = {"pkt_type", 31, 1},
	[NFT_T_ETHER] = {"ether_addr", 9, 6},
	[NFT_T_ICMP_TYPE] = {"icmp_type", 14, 1},
	[NFT_T_ICMPV6_TYPE] = {"icmpv6_type", 29, 1},
	[NFT_T_BOOL] = {"boolean", 39, 1},
	[NFT_T_INTEGER] = {"integer", 4, 4},
	[NFT_T_TCP_FLAGS] = {"tcp_flag", 15, 1},
	[NFT_T_DSCP] = {"dscp", 36, 1},
	[NFT_T_ICMP_CODE] = {"icmp_code", 32, 1},
	[NFT_T_U8] = {NULL, 0, 1},
	[NFT_T_U16] = {NULL, 0, 2},
	[NFT_T_ETHERTYPE] = {"ether_type", 10, 2},
	[NFT_T_LINK_TYPE] = {"iface_type", 21, 2},
	[NFT_T_UID] = {"uid", 24, 4},
	[NFT_T_VERDICT] = {"verdict", 1, 0},
	[NFT_T_OTHER] = {NULL, 0, 0},
};
static_assert(sizeof(types) / sizeof(*types) == NFT_T_COUNT_, "one row per type");

static const struct {
	const char *name;
	enum nft_type type;
} selectors[] = {
	[SEL_NONE] = {NULL, NFT_T_NONE},
	[SEL_META_IIFNAME] = {"iifname", NFT_T_IFNAME},
	[SEL_META_OIFNAME] = {"oifname", NFT_T_IFNAME},
	[SEL_META_IIF] = {"iif", NFT_T_IFINDEX},
	[SEL_META_OIF] = {"oif", NFT_T_IFINDEX},
	[SEL_META_MARK] = {"meta mark", NFT_T_MARK},
	[SEL_META_L4PROTO] = {"meta l4proto", NFT_T_PROTO},
	[SEL_META_NFPROTO] = {"meta nfproto", NFT_T_NFPROTO},
	[SEL_META_PKTTYPE] = {"meta pkttype", NFT_T_PKTTYPE},
	[SEL_META_SECPATH] = {"meta secpath", NFT_T_BOOL},
	[SEL_CT_STATE] = {"ct state", NFT_T_CT_STATE},
	[SEL_CT_STATUS] = {"ct status", NFT_T_CT_STATUS},
	[SEL_CT_DIRECTION] = {"ct direction", NFT_T_CT_DIR},
	[SEL_CT_MARK] = {"ct mark", NFT_T_MARK},
	[SEL_IP_SADDR] = {"ip saddr", NFT_T_IPV4},
	[SEL_IP_DADDR] = {"ip daddr", NFT_T_IPV4},
	[SEL_IP_PROTOCOL] = {"ip protocol", NFT_T_PROTO},
	[SEL_IP6_SADDR] = {"ip6 saddr", NFT_T_IPV6},
	[SEL_IP6_DADDR] = {"ip6 daddr", NFT_T_IPV6},
	[SEL_IP6_NEXTHDR] = {"ip6 nexthdr", NFT_T_PROTO},
	[SEL_TH_SPORT] = {"th sport", NFT_T_PORT},
	[SEL_TH_DPORT] = {"th dport", NFT_T_PORT},
	[SEL_ICMP_TYPE] = {"icmp type", NFT_T_ICMP_TYPE},
	[SEL_ICMPV6_TYPE] = {"icmpv6 type", NFT_T_ICMPV6_TYPE},
	[SEL_FIB_SADDR_TYPE] = {"fib saddr type", NFT_T_FIB_TYPE},
	[SEL_FIB_DADDR_TYPE] = {"fib daddr type", NFT_T_FIB_TYPE},
	[SEL_FIB_SADDR_OIF] = {"fib saddr oif", NFT_T_BOOL},
	[SEL_FIB_SADDR_MARK_OIF] = {"fib saddr . mark oif", NFT_T_BOOL},
	[SEL_FIB_SADDR_IIF_OIF] = {"fib saddr . iif oif", NFT_T_BOOL},
	[SEL_FIB_SADDR_MARK_IIF_OIF] = {"fib saddr . mark . iif oif", NFT_T_BOOL},
	[SEL_FIB_SADDR_IIF_TYPE] = {"fib saddr . iif type", NFT_T_FIB_TYPE},
	[SEL_FIB_DADDR_IIF_TYPE] = {"fib daddr . iif type", NFT_T_FIB_TYPE},
	[SEL_FIB_DADDR_OIF] = {"fib daddr oif", NFT_T_BOOL},
	[SEL_FIB_DADDR_MARK_OIF] = {"fib daddr . mark oif", NFT_T_BOOL},
	[SEL_FIB_SADDR_OIFNAME] = {"fib saddr oifname", NFT_T_IFNAME},
	[SEL_FIB_SADDR_IIF_OIFNAME] = {"fib saddr . iif oifname", NFT_T_IFNAME},
	[SEL_FIB_DADDR_OIFNAME] = {"fib daddr oifname", NFT_T_IFNAME},
	[SEL_FIB_SADDR_MARK_OIFNAME] = {"fib saddr . mark oifname", NFT_T_IFNAME},
	[SEL_FIB_SADDR_MARK_IIF_OIFNAME] = {"fib saddr . mark . iif oifname", NFT_T_IFNAME},
	[SEL_FIB_DADDR_MARK_OIFNAME] = {"fib daddr . mark oifname", NFT_T_IFNAME},
	[SEL_TCP_FLAGS] = {"tcp flags", NFT_T_TCP_FLAGS},
	[SEL_TCP_MAXSEG] = {"tcp option maxseg size", NFT_T_U16},
	[SEL_IP_DSCP] = {"ip dscp", NFT_T_DSCP},
	[SEL_IP_TTL] = {"ip ttl", NFT_T_U8},
	[SEL_IP_LENGTH] = {"ip length", NFT_T_U16},
	[SEL_IP_FRAG_OFF] = {"ip frag-off", NFT_T_U16},
	[SEL_IP6_DSCP] = {"ip6 dscp", NFT_T_DSCP},
	[SEL_IP6_HOPLIMIT] = {"ip6 hoplimit", NFT_T_U8},
	[SEL_IP6_LENGTH] = {"ip6 length", NFT_T_U16},
	[SEL_ICMP_CODE] = {"icmp code", NFT_T_ICMP_CODE},
	[SEL_ICMPV6_CODE] = {"icmpv6 code", NFT_T_ICMP_CODE},
	[SEL_ETHER_SADDR] = {"ether saddr", NFT_T_ETHER},
	[SEL_ETHER_DADDR] = {"ether daddr", NFT_T_ETHER},
	[SEL_ETHER_TYPE] = {"ether type", NFT_T_ETHERTYPE},
	[SEL_META_LENGTH] = {"meta length", NFT_T_INTEGER},
	[SEL_META_PROTOCOL] = {"meta protocol", NFT_T_ETHERTYPE},
	[SEL_META_SKUID] = {"meta skuid", NFT_T_UID},
	[SEL_META_SKGID] = {"meta skgid", NFT_T_UID},
	[SEL_META_PRIORITY] = {"meta priority", NFT_T_INTEGER},
	[SEL_META_RTCLASSID] = {"meta rtclassid", NFT_T_INTEGER},
	[SEL_META_IIFGROUP] = {"meta iifgroup", NFT_T_INTEGER},
	[SEL_META_OIFGROUP] = {"meta oifgroup", NFT_T_INTEGER},
	[SEL_META_IIFTYPE] = {"meta iiftype", NFT_T_LINK_TYPE},
	[SEL_META_OIFTYPE] = {"meta oiftype", NFT_T_LINK_TYPE},
	[SEL_META_IBRNAME] = {"meta ibrname", NFT_T_IFNAME},
	[SEL_META_OBRNAME] = {"meta obrname", NFT_T_IFNAME},
	[SEL_CT_ORIGINAL_SADDR] = {"ct original saddr", NFT_T_OTHER},
	[SEL_CT_ORIGINAL_DADDR] = {"ct original daddr", NFT_T_OTHER},
	[SEL_CT_REPLY_SADDR] = {"ct reply saddr", NFT_T_OTHER},
	[SEL_CT_REPLY_DADDR] = {"ct reply daddr", NFT_T_OTHER},
	[SEL_CT_ORIGINAL_SPORT] = {"ct original proto-src", NFT_T_PORT},
	[SEL_CT_ORIGINAL_DPORT] = {"ct original proto-dst", NFT_T_PORT},
	[SEL_CT_REPLY_SPORT] = {"ct reply proto-src", NFT_T_PORT},
	[SEL_CT_REPLY_DPORT] = {"ct reply proto-dst", NFT_T_PORT},
	[SEL_CT_L3PROTO] = {"ct l3proto", NFT_T_NFPROTO},
	[SEL_CT_PROTOCOL] = {"ct protocol", NFT_T_PROTO},
	[SEL_CT_ZONE] = {"ct zone", NFT_T_OTHER},
	[SEL_CT_HELPER] = {"ct helper", NFT_T_OTHER},
	[SEL_RT_MTU] = {"rt mtu", NFT_T_U16},
};
static_assert(sizeof(selectors) / sizeof(*selectors) == SEL_COUNT_, "one row per selector");

unsigned int nft_type_len(enum nft_type t)
{
	return types[t].len;
}

bool nft_type_is_host_order(enum nft_type t)
{
	return t == NFT_T_MARK || t == NFT_T_IFINDEX || t == NFT_T_INTEGER || t == NFT_T_CT_STATE ||
	       t == NFT_T_CT_STATUS || t == NFT_T_FIB_TYPE || t == NFT_T_UID ||
	       t == NFT_T_LINK_TYPE;
}

uint32_t nft_type_id(enum nft_type t)
{
	return types[t].id;
}

const char *nft_type_name(enum nft_type t)
{
	return types[t].name;
}

const char *nft_selector_name(enum nft_selector s)
{
	return selectors[s].name;
}

enum nft_type nft_selector_type(enum nft_selector s)
{
	return selectors[s].type;
}

unsigned int nft_selector_len(enum nft_selector s)
{
	if (s == SEL_CT_ZONE)
		return 2;
	if (selectors[s].type == NFT_T_OTHER) /* addresses, and a name */
		return 16;
	return types[selectors[s].type].len;
}

bool nft_selector_is_host_order(enum nft_selector s)
{
	return nft_type_is_host_order(selectors[s].type) || s == SEL_CT_ZONE || s == SEL_RT_MTU;
}

unsigned int nft_expr_len(const struct nft_expr *e)
{
	if (e->kind == EXPR_VALUE)
		return e->value_len;
	return e->type == NFT_T_IPV4 ? 4 : nft_selector_len(e->selector);
}

/* ---- finding ---- */

struct nft_table *nft_table_find(const struct nft_ruleset *r, enum nft_family f, const char *name)
{
	VEC_EACH (&r->tables, struct nft_table *, t) {
		if ((*t)->family == f && strcmp((*t)->name, name) == 0)
			return *t;
	}
	return NULL;
}

const struct nft_object *nft_object_find(
	const struct nft_table *t, const char *kind, const char *name)
{
	VEC_EACH (&t->objects, const struct nft_object, o) {
		if (strcmp(o->kind, kind) == 0 && strcmp(o->name, name) == 0)
			return o;
	}
	return NULL;
}

struct nft_chain *nft_chain_find(const struct nft_table *t, const char *name)
{
	VEC_EACH (&t->chains, struct nft_chain *, c) {
		if (strcmp((*c)->name, name) == 0)
			return *c;
	}
	return NULL;
}

struct nft_set *nft_set_find_named(const struct nft_table *t, const char *name)
{
	VEC_EACH (&t->sets, struct nft_set *, s) {
		if (strcmp((*s)->name, name) == 0)
			return *s;
	}
	return NULL;
}

/* ---- equality ---- */

static bool string_equal(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

static bool fields_equal(const struct nft_field *a, const struct nft_field *b, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		if (a[i].type != b[i].type || a[i].len != b[i].len)
			return false;
	}
	return true;
}

/* Constness is not part of it: nft(8) sets it for anonymous sets, nobody else cares. */
#define DECLARED_FLAGS                                                                             \
	(SET_MAP | SET_INTERVAL | SET_TIMEOUT | SET_ANONYMOUS | SET_OBJECTS | SET_DYNAMIC)

bool nft_set_same_declaration(const struct nft_set *a, const struct nft_set *b)
{
	return ((a->flags ^ b->flags) & DECLARED_FLAGS) == 0 && a->n_key == b->n_key &&
	       a->n_data == b->n_data && fields_equal(a->key, b->key, a->n_key) &&
	       fields_equal(a->data, b->data, a->n_data) && a->timeout_ms == b->timeout_ms &&
	       (a->flags & SET_ANONYMOUS || (a->size == b->size && string_equal(a->name, b->name)));
}

static bool verdict_data_equal(const struct nft_set *a, size_t i, const struct nft_set *b, size_t j)
{
	int32_t va, vb;
	uint32_t ca, cb;

	memcpy(&va, nft_set_elem_data(a, i), sizeof(va));
	memcpy(&vb, nft_set_elem_data(b, j), sizeof(vb));
	if (va != vb)
		return false;
	if (va != VERDICT_JUMP && va != VERDICT_GOTO)
		return true;
	memcpy(&ca, nft_set_elem_data(a, i) + 4, sizeof(ca));
	memcpy(&cb, nft_set_elem_data(b, j) + 4, sizeof(cb));
	return strcmp(a->chains.items[ca], b->chains.items[cb]) == 0;
}

/* Both sorted. */
static bool elements_equal(const struct nft_set *a, const struct nft_set *b)
{
	for (size_t i = 0; i < a->len; i++) {
		if (memcmp(nft_set_elem(a, i), nft_set_elem(b, i), nft_set_keys_len(a)) != 0)
			return false;
		if (!(a->flags & SET_MAP))
			continue;
		if (a->n_data == 1 && a->data[0].type == NFT_T_VERDICT) {
			if (!verdict_data_equal(a, i, b, i))
				return false;
		} else if (memcmp(nft_set_elem_data(a, i), nft_set_elem_data(b, i), a->data_len)) {
			return false;
		}
	}
	return true;
}

static struct nft_set *sorted_copy(struct arena *a, const struct nft_set *s)
{
	struct nft_set *copy = arena_new_of(a, struct nft_set);

	*copy = *s;
	copy->origins = NULL;
	copy->comments = NULL;
	copy->timeouts_ms = NULL;
	copy->bytes = arena_alloc(a, s->len * s->stride);
	if (s->len)
		memcpy(copy->bytes, s->bytes, s->len * s->stride);
	nft_set_sort(a, copy);
	return copy;
}

static bool set_use_equal(const struct nft_set *a, const struct nft_set *b)
{
	struct arena *scratch;
	bool equal;

	if (a == b)
		return true;
	if (!a || !b || (a->flags ^ b->flags) & SET_ANONYMOUS)
		return false;
	if (!(a->flags & SET_ANONYMOUS))
		return string_equal(a->name, b->name);
	if (!nft_set_same_declaration(a, b) || a->len != b->len)
		return false;
	if (nft_set_is_sorted(a) && nft_set_is_sorted(b))
		return elements_equal(a, b);
	scratch = arena_new();
	equal = elements_equal(sorted_copy(scratch, a), sorted_copy(scratch, b));
	arena_free(scratch);
	return equal;
}

static bool expr_equal(const struct nft_expr *a, const struct nft_expr *b)
{
	if (a == b)
		return true;
	if (!a || !b || a->kind != b->kind)
		return false;
	switch (a->kind) {
	case EXPR_SELECTOR:
		return a->selector == b->selector && nft_expr_len(a) == nft_expr_len(b);
	case EXPR_MASKED:
		return a->selector == b->selector && nft_expr_len(a) == nft_expr_len(b) &&
		       memcmp(a->mask, b->mask, 16) == 0 && memcmp(a->xor, b->xor, 16) == 0;
	case EXPR_VALUE:
		return a->value_len == b->value_len && memcmp(a->value, b->value, 16) == 0;
	case EXPR_CONCAT:
		if (a->n_parts != b->n_parts)
			return false;
		for (unsigned int i = 0; i < a->n_parts; i++) {
			if (!expr_equal(a->parts[i], b->parts[i]))
				return false;
		}
		return true;
	case EXPR_MAP:
		return expr_equal(a->key, b->key) && set_use_equal(a->set, b->set);
	case EXPR_JHASH:
		return a->mod == b->mod && a->seed == b->seed && a->offset == b->offset &&
		       expr_equal(a->key, b->key);
	case EXPR_SYMHASH:
	case EXPR_NUMGEN:
		return a->mod == b->mod && a->offset == b->offset &&
		       a->incremental == b->incremental;
	case EXPR_UNKNOWN:
		return false; /* nobody can tell */
	}
	return false;
}

static bool xt_equal(const struct nft_xt *a, const struct nft_xt *b)
{
	/* Of a hollow one nobody can tell. */
	return !a->hollow && !b->hollow && a->target == b->target && a->rev == b->rev &&
	       string_equal(a->name, b->name) && a->info_len == b->info_len &&
	       (!a->info_len || memcmp(a->info, b->info, a->info_len) == 0);
}

/* Where to a translation leads. */
static bool nat_equal(const struct nft_stmt *a, const struct nft_stmt *b)
{
	return a->nat_flags == b->nat_flags && expr_equal(a->expr, b->expr) &&
	       expr_equal(a->expr_last, b->expr_last) && expr_equal(a->port, b->port) &&
	       expr_equal(a->port_last, b->port_last);
}

static bool stmt_equal(const struct nft_stmt *a, const struct nft_stmt *b)
{
	if (a->kind != b->kind)
		return false;
	switch (a->kind) {
	case STMT_MATCH:
		return a->op == b->op && a->value_len == b->value_len &&
		       memcmp(a->value, b->value, 16) == 0 && memcmp(a->last, b->last, 16) == 0 &&
		       set_use_equal(a->set, b->set) && expr_equal(a->expr, b->expr);
	case STMT_VMAP:
		return set_use_equal(a->set, b->set) && expr_equal(a->expr, b->expr);
	case STMT_VERDICT:
		return a->verdict == b->verdict && string_equal(a->chain, b->chain) &&
		       string_equal(a->text, b->text);
	case STMT_SET_MARK:
	case STMT_SET_CT_MARK:
		return expr_equal(a->expr, b->expr);
	case STMT_NAT:
		return a->dnat == b->dnat && a->nat_family == b->nat_family &&
		       a->map_gives_port == b->map_gives_port && nat_equal(a, b);
	case STMT_REDIRECT:
	case STMT_MASQUERADE:
		return nat_equal(a, b);
	case STMT_TPROXY:
		return a->nat_family == b->nat_family && nat_equal(a, b);
	case STMT_SET:
		return a->selector == b->selector && string_equal(a->text, b->text) &&
		       expr_equal(a->expr, b->expr);
	case STMT_SET_UPDATE:
		return a->update == b->update && a->timeout_ms == b->timeout_ms &&
		       string_equal(a->text, b->text) && set_use_equal(a->set, b->set) &&
		       expr_equal(a->expr, b->expr) && expr_equal(a->port, b->port);
	case STMT_FLOW_ADD:
	case STMT_COUNTER:
		return string_equal(a->chain, b->chain);
	case STMT_REJECT:
	case STMT_LOG:
	case STMT_HARMLESS:
		return string_equal(a->text, b->text);
	case STMT_LIMIT:
		return string_equal(a->text, b->text) && string_equal(a->chain, b->chain);
	case STMT_NOTRACK:
		return true;
	case STMT_XT:
		return xt_equal(&a->xt, &b->xt);
	case STMT_UNKNOWN:
		return false;
	}
	return false;
}

bool nft_rule_equal(const struct nft_rule *a, const struct nft_rule *b)
{
	if (a->stmts.len != b->stmts.len || !string_equal(a->comment, b->comment))
		return false;
	for (size_t i = 0; i < a->stmts.len; i++) {
		if (!stmt_equal(&a->stmts.items[i], &b->stmts.items[i]))
			return false;
	}
	return true;
}
