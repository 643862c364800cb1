/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Ipsets: all sets of the namespace with their elements, and their names where rules have numbers. */
#include "kernel/ipset.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <string.h>
#include <unistd.h>

#include <linux/netfilter/ipset/ip_set.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/xt_set.h>

#include "netstate/ipset.h"

/* IPSET_ATTR_BITMASK of Linux 6.2, newer than Debian 12's headers. */
#define CREATE_ATTR_BITMASK 12

#define MAX_ELEMENTS (1u << 22) /* of all sets; a set with more is SET_INCOMPLETE */

struct found_set {
	struct nft_set *set;
	struct ipset_type type;
	uint8_t family;	 /* enum ip_family */
	uint8_t netmask; /* of its addresses; 0: none */
	bool list;
	uint16_t index;
	VEC(uint8_t) nomatch; /* one per element */
	bool any_nomatch;
};

struct reading {
	struct arena *a;
	VEC(struct found_set) sets;
	size_t elements;
};

static uint32_t be32_in(const struct nlattr *attr)
{
	return attr && mnl_attr_get_payload_len(attr) >= 4 ? ntohl(mnl_attr_get_u32(attr)) : 0;
}

static uint8_t u8_in(const struct nlattr *attr)
{
	return attr && mnl_attr_get_payload_len(attr) >= 1 ? mnl_attr_get_u8(attr) : 0;
}

static const char *string_in(struct arena *a, const struct nlattr *attr)
{
	return arena_strndup(a, mnl_attr_get_payload(attr),
		strnlen(mnl_attr_get_payload(attr), mnl_attr_get_payload_len(attr)));
}

/* ---- elements ---- */

/* The @which'th address of an element, as a network. */
static bool put_address(const struct found_set *s, const struct nlattr *const *t,
	unsigned int which, uint8_t *first, uint8_t *last)
{
	const struct nlattr *ip[IPSET_ATTR_IPADDR_MAX + 1], *addr;
	const struct nlattr *nest = t[which ? IPSET_ATTR_IP2 : IPSET_ATTR_IP];
	const struct nlattr *cidr = t[which ? IPSET_ATTR_CIDR2 : IPSET_ATTR_CIDR];
	unsigned int bytes = ip_bytes(s->family), bits = ip_bits(s->family);
	struct ip_prefix net;
	struct ip_addr end;

	if (!nest)
		return false;
	kernel_attrs_in(ip, IPSET_ATTR_IPADDR_MAX, nest);
	addr = ip[s->family == IP_V6 ? IPSET_ATTR_IPADDR_IPV6 : IPSET_ATTR_IPADDR_IPV4];
	if (!addr || mnl_attr_get_payload_len(addr) != bytes)
		return false;
	if (cidr && u8_in(cidr) < bits)
		bits = u8_in(cidr);
	else if (s->netmask && s->netmask < bits)
		bits = s->netmask;
	end = ip_from_bytes(s->family, mnl_attr_get_payload(addr));
	net = ip_prefix_of(&end, (uint8_t)bits);
	end = ip_prefix_last(&net);
	memcpy(first, net.addr.bytes, bytes);
	memcpy(last, end.bytes, bytes);
	return true;
}

static bool put_interface(const struct nlattr *const *t, uint8_t *first, uint8_t *last)
{
	uint32_t flags = be32_in(t[IPSET_ATTR_CADT_FLAGS]);
	const struct nlattr *attr = t[IPSET_ATTR_IFACE];
	size_t len;

	/* A port of a bridge is another thing than the interface of the packet. */
	if (!attr || flags & IPSET_FLAG_PHYSDEV)
		return false;
	len = strnlen(mnl_attr_get_payload(attr), mnl_attr_get_payload_len(attr));
	if (len >= IFNAMSIZ)
		return false;
	memcpy(first, mnl_attr_get_payload(attr), len);
	memcpy(last, first, IFNAMSIZ);
	if (flags & IPSET_FLAG_IFACE_WILDCARD)
		memset(last + len, 0xff, IFNAMSIZ - len);
	return true;
}

/* @len bytes of an attribute as they are. */
static bool put_bytes(const struct nlattr *attr, size_t len, uint8_t *first, uint8_t *last)
{
	if (!attr || mnl_attr_get_payload_len(attr) < len)
		return false;
	memcpy(first, mnl_attr_get_payload(attr), len);
	memcpy(last, first, len);
	return true;
}

static bool put_mac(const struct nlattr *attr, bool interval, uint8_t *first, uint8_t *last)
{
	if (attr)
		return put_bytes(attr, 6, first, last);
	/* One of bitmap:ip,mac that has not been seen yet: any. */
	memset(last, 0xff, 6);
	return interval;
}

static bool put_mark(const struct nlattr *attr, bool interval, uint8_t *first, uint8_t *last)
{
	/* Intervals of numbers in host order are kept in network order. */
	uint32_t mark = interval && attr ? mnl_attr_get_u32(attr) : be32_in(attr);

	memcpy(first, &mark, sizeof(mark));
	memcpy(last, &mark, sizeof(mark));
	return attr;
}

static bool put_field(const struct found_set *s, enum nft_type type, const struct nlattr *const *t,
	unsigned int *addresses, uint8_t *first, uint8_t *last)
{
	bool interval = s->set->flags & SET_INTERVAL;

	switch ((unsigned int)type) {
	case NFT_T_IPV4:
	case NFT_T_IPV6:
		return put_address(s, t, (*addresses)++, first, last);
	case NFT_T_PROTO:
		return put_bytes(t[IPSET_ATTR_PROTO], 1, first, last);
	case NFT_T_PORT:
		return put_bytes(t[IPSET_ATTR_PORT], 2, first, last);
	case NFT_T_ETHER:
		return put_mac(t[IPSET_ATTR_ETHER], interval, first, last);
	case NFT_T_IFNAME:
		return put_interface(t, first, last);
	case NFT_T_MARK:
		return put_mark(t[IPSET_ATTR_MARK], interval, first, last);
	}
	return false;
}

static void keep_details(struct reading *r, struct found_set *s, const struct nlattr *const *t)
{
	bool nomatch = be32_in(t[IPSET_ATTR_CADT_FLAGS]) & IPSET_FLAG_NOMATCH;
	uint32_t timeout = be32_in(t[IPSET_ATTR_TIMEOUT]);

	if (t[IPSET_ATTR_COMMENT])
		nft_set_comment(r->a, s->set, string_in(r->a, t[IPSET_ATTR_COMMENT]));
	if (timeout && !s->set->timeouts_ms)
		s->set->timeouts_ms = arena_alloc(r->a, s->set->cap * sizeof(*s->set->timeouts_ms));
	if (timeout)
		s->set->timeouts_ms[s->set->len - 1] =
			timeout < UINT32_MAX / 1000 ? timeout * 1000 : UINT32_MAX;
	vec_push(r->a, &s->nomatch, (uint8_t)nomatch);
	s->any_nomatch |= nomatch;
}

static void read_element(struct reading *r, struct found_set *s, const struct nlattr *nest)
{
	const struct nlattr *t[IPSET_ATTR_ADT_MAX + 1];
	uint8_t first[NFT_MAX_FIELDS * 16] = {0}, last[NFT_MAX_FIELDS * 16] = {0}, *bytes;
	unsigned int addresses = 0, at = 0;
	bool good = s->type.n && r->elements++ < MAX_ELEMENTS;

	kernel_attrs_in(t, IPSET_ATTR_ADT_MAX, nest);
	if (s->list) {
		if (t[IPSET_ATTR_NAME])
			vec_push(r->a, &s->set->chains, string_in(r->a, t[IPSET_ATTR_NAME]));
		return;
	}
	for (unsigned int f = 0; f < s->set->n_key && good; f++) {
		good = put_field(s, s->set->key[f].type, t, &addresses, first + at, last + at);
		at += nft_padded(s->set->key[f].len);
	}
	if (!good) {
		s->set->flags |= SET_INCOMPLETE;
		return;
	}
	bytes = nft_set_add(r->a, s->set, NOWHERE);
	memcpy(bytes, first, s->set->key_len);
	if (s->set->flags & SET_INTERVAL)
		memcpy(bytes + s->set->key_len, last, s->set->key_len);
	keep_details(r, s, t);
}

/* ---- sets ---- */

static void read_header(struct reading *r, struct found_set *s, const struct nlattr *nest)
{
	const struct nlattr *t[IPSET_ATTR_CREATE_MAX + 1];
	uint32_t timeout;
	bool networks;

	kernel_attrs_in(t, IPSET_ATTR_CREATE_MAX, nest);
	timeout = be32_in(t[IPSET_ATTR_TIMEOUT]);
	if (t[IPSET_ATTR_TIMEOUT]) {
		s->set->flags |= SET_TIMEOUT;
		s->set->timeout_ms = timeout < UINT32_MAX / 1000 ? timeout * 1000 : UINT32_MAX;
	}
	s->netmask = u8_in(t[IPSET_ATTR_NETMASK]);
	s->set->size = be32_in(t[IPSET_ATTR_MAXELEM]);
	/* What a packet has is masked before it is looked up. */
	if (t[CREATE_ATTR_BITMASK] ||
		(t[IPSET_ATTR_MARKMASK] && be32_in(t[IPSET_ATTR_MARKMASK]) != UINT32_MAX))
		s->set->flags |= SET_INCOMPLETE;
	networks = s->netmask && s->netmask < ip_bits(s->family);
	/* There an element without an address of Ethernet stands for any. */
	for (unsigned int i = 0; i < s->type.n; i++)
		networks |= s->type.any_protocol && s->type.dimensions[i] == IPSET_MAC;
	/* And an interface may be the beginning of a name. */
	for (unsigned int i = 0; i < s->type.n; i++)
		networks |= s->type.dimensions[i] == IPSET_IFACE;
	ipset_layout(s->set, &s->type, s->family, networks);
}

static struct found_set *find(struct reading *r, const char *name)
{
	/* Messages about one set follow each other. */
	for (size_t i = r->sets.len; i-- > 0;) {
		if (strcmp(r->sets.items[i].set->name, name) == 0)
			return &r->sets.items[i];
	}
	return NULL;
}

static struct found_set *new_set(struct reading *r, const char *name, const struct nlattr *const *t)
{
	struct found_set *s = vec_add(r->a, &r->sets);
	const char *type = t[IPSET_ATTR_TYPENAME] ? string_in(r->a, t[IPSET_ATTR_TYPENAME]) : "";

	s->set = arena_new_of(r->a, struct nft_set);
	s->set->name = name;
	s->family = u8_in(t[IPSET_ATTR_FAMILY]) == AF_INET6 ? IP_V6 : IP_V4;
	s->index = IPSET_INVALID_ID;
	s->list = strcmp(type, "list:set") == 0;
	if (t[IPSET_ATTR_INDEX])
		s->index = ntohs(mnl_attr_get_u16(t[IPSET_ATTR_INDEX]));
	if (!s->list && !ipset_type_parse(type, &s->type))
		s->set->flags |= SET_INCOMPLETE;
	return s;
}

static int on_set(const struct nlmsghdr *nlh, void *data)
{
	const struct nlattr *t[IPSET_ATTR_CMD_MAX + 1], *element;
	struct reading *r = data;
	struct found_set *s;
	const char *name;

	kernel_attrs_of(t, IPSET_ATTR_CMD_MAX, nlh, sizeof(struct nfgenmsg));
	if (!t[IPSET_ATTR_SETNAME])
		return MNL_CB_OK;
	name = string_in(r->a, t[IPSET_ATTR_SETNAME]);
	s = find(r, name);
	if (!s)
		s = new_set(r, name, t);
	if (t[IPSET_ATTR_DATA] && t[IPSET_ATTR_TYPENAME])
		read_header(r, s, t[IPSET_ATTR_DATA]);
	if (!t[IPSET_ATTR_ADT])
		return MNL_CB_OK;
	mnl_attr_for_each_nested(element, t[IPSET_ATTR_ADT]) read_element(r, s, element);
	return MNL_CB_OK;
}

static void finish(struct reading *r, struct nft_ruleset *out)
{
	VEC_EACH (&r->sets, struct found_set, s) {
		vec_push(r->a, &out->ipsets, s->set);
		if (s->any_nomatch && s->set->n_key > 1)
			s->set->flags |= SET_INCOMPLETE;
		else if (s->any_nomatch)
			ipset_merge_except(r->a, s->set, s->nomatch.items);
		else if (!s->list)
			ipset_merge(r->a, s->set);
	}
	VEC_EACH (&r->sets, struct found_set, s) {
		if (s->list)
			ipset_unite(r->a, s->set, out);
	}
}

/* ---- names in rules ---- */

static const char *name_of(const struct reading *r, uint16_t index)
{
	VEC_EACH (&r->sets, const struct found_set, s) {
		if (index != IPSET_INVALID_ID && s->index == index)
			return s->set->name;
	}
	return NULL;
}

/* Of all revisions what stands first is the number of a set, with flags that differ; from 1 on several
 * of SET follow each other. */
static void name_sets(const struct reading *r, struct nft_xt *x)
{
	bool target = x->target && strcmp(x->name, "SET") == 0;
	unsigned int n = target ? (x->rev >= 3 ? 3 : 2) : 1;
	size_t step = x->rev ? sizeof(struct xt_set_info) : sizeof(struct xt_set_info_v0);
	uint16_t index;

	if (!target && (x->target || strcmp(x->name, "set") != 0))
		return;
	for (unsigned int i = 0; i < n && (i + 1) * step <= x->info_len; i++) {
		memcpy(&index, x->info + i * step, sizeof(index));
		x->names[i] = name_of(r, index);
	}
}

static void name_all(const struct reading *r, struct nft_ruleset *out)
{
	VEC_EACH (&out->tables, struct nft_table *, t) {
		if ((*t)->origin == ORIGIN_XT_LEGACY) /* by name from the start */
			continue;
		VEC_EACH (&(*t)->chains, struct nft_chain *, c) {
			VEC_EACH (&(*c)->rules, struct nft_rule, rule) {
				VEC_EACH (&rule->stmts, struct nft_stmt, s) {
					if (s->kind == STMT_XT)
						name_sets(r, &s->xt);
				}
			}
		}
	}
}

int kernel_ipsets(
	struct kernel *k, struct arena *a, struct nft_ruleset *out, struct kernel_error *e)
{
	uint8_t buf[256] __attribute__((aligned(4)));
	struct reading r = {.a = a};
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct nfgenmsg *m;
	int err;

	/* Asking would load the module. */
	if (access("/sys/module/ip_set", F_OK) != 0)
		return 0;
	nlh->nlmsg_type = NFNL_SUBSYS_IPSET << 8 | IPSET_CMD_LIST;
	nlh->nlmsg_flags = NLM_F_DUMP;
	m = mnl_nlmsg_put_extra_header(nlh, sizeof(*m));
	m->nfgen_family = AF_INET;
	mnl_attr_put_u8(nlh, IPSET_ATTR_PROTOCOL, IPSET_PROTOCOL);
	err = kernel_talk(k, k->netfilter, nlh, on_set, &r, e);
	if (err == -ENOENT) /* there is none */
		err = 0;
	if (err)
		return err;
	finish(&r, out);
	name_all(&r, out);
	return 0;
}
