/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The kernel's ruleset as a struct nft_ruleset.
 *
 * A ruleset is read in several dumps (tables, chains, sets, elements, counters, rules), which are one
 * picture only if nothing was committed meanwhile. So the generation is looked at before and after,
 * and all is read again when it moved or when the kernel says that a dump was interrupted.
 *
 * That alone is not enough: a commit first counts the generation up and then makes the new ruleset
 * the visible one (net/netfilter/nf_tables_api.c, nf_tables_commit()), so that for a moment the old
 * one is seen under the new number. An empty transaction for just that generation waits for commits
 * under way, since it takes their lock; what it lets pass has happened.
 */
#include "kernel/nft_wire.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base/strbuf.h"

#define TRIES 20

/* ---- attributes ---- */

const char *nft_get_string(struct arena *a, const struct nlattr *attr)
{
	if (!attr)
		return NULL;
	return arena_strndup(a, mnl_attr_get_payload(attr),
		strnlen(mnl_attr_get_payload(attr), mnl_attr_get_payload_len(attr)));
}

const uint8_t *nft_udata_find(const struct nlattr *udata, uint8_t type, uint8_t *len)
{
	const uint8_t *at, *end;

	if (!udata)
		return NULL;
	at = mnl_attr_get_payload(udata);
	end = at + mnl_attr_get_payload_len(udata);
	for (; end - at >= 2 && end - at >= 2 + at[1]; at += 2 + at[1]) {
		if (at[0] == type) {
			*len = at[1];
			return at + 2;
		}
	}
	return NULL;
}

static uint8_t family_of(const struct nlmsghdr *nlh)
{
	const struct nfgenmsg *nfg = mnl_nlmsg_get_payload(nlh);

	return nfg->nfgen_family;
}

/* ---- hooks ---- */

static const uint8_t ip_hooks[] = {
	[HOOK_PREROUTING] = NF_INET_PRE_ROUTING,
	[HOOK_INPUT] = NF_INET_LOCAL_IN,
	[HOOK_FORWARD] = NF_INET_FORWARD,
	[HOOK_OUTPUT] = NF_INET_LOCAL_OUT,
	[HOOK_POSTROUTING] = NF_INET_POST_ROUTING,
	[HOOK_INGRESS] = NF_INET_INGRESS,
};

int nft_hook_number(enum nft_family f, enum nft_hook h)
{
	switch (f) {
	case FAMILY_INET:
	case FAMILY_IP:
	case FAMILY_IP6:
	case FAMILY_BRIDGE:
		return h <= HOOK_INGRESS ? ip_hooks[h] : -1;
	case FAMILY_ARP: /* NF_ARP_IN and NF_ARP_OUT */
		return h == HOOK_INPUT ? 0 : h == HOOK_OUTPUT ? 1 : -1;
	case FAMILY_NETDEV:
		return h == HOOK_INGRESS  ? NF_NETDEV_INGRESS
		       : h == HOOK_EGRESS ? NF_NETDEV_EGRESS
					  : -1;
	}
	return -1;
}

enum nft_hook nft_hook_of_number(enum nft_family f, uint32_t number)
{
	for (unsigned int h = HOOK_PREROUTING; h <= HOOK_EGRESS; h++) {
		if (nft_hook_number(f, h) == (int)number)
			return h;
	}
	return HOOK_PREROUTING;
}

/* ---- what the dumps hold ---- */

struct observation {
	struct arena *a;
	struct nft_ruleset *out;
	enum nft_family family; /* and name, of the one table that is wanted; NULL: all */
	const char *only;
	/* The chain of the rule read last: rules come chain by chain. */
	struct nft_chain *chain;
	const struct nft_table *chain_table;
};

static struct nft_table *find_table(
	struct observation *o, const struct nlmsghdr *nlh, const struct nlattr *name)
{
	if (!name || mnl_attr_validate(name, MNL_TYPE_NUL_STRING) < 0)
		return NULL;
	return nft_table_find(o->out, family_of(nlh), mnl_attr_get_str(name));
}

static int table_cb(const struct nlmsghdr *nlh, void *data)
{
	const struct nlattr *attrs[NFTA_TABLE_MAX + 1];
	struct observation *o = data;
	struct nft_table *t;

	kernel_attrs_of(attrs, NFTA_TABLE_MAX, nlh, sizeof(struct nfgenmsg));
	if (!attrs[NFTA_TABLE_NAME])
		return MNL_CB_OK;
	if (o->only && (family_of(nlh) != o->family ||
			       strcmp(o->only, nft_get_string(o->a, attrs[NFTA_TABLE_NAME])) != 0))
		return MNL_CB_OK;
	t = nft_table_new(o->a, family_of(nlh), nft_get_string(o->a, attrs[NFTA_TABLE_NAME]));
	t->flags = get_be32(attrs[NFTA_TABLE_FLAGS]);
	t->handle = get_be64(attrs[NFTA_TABLE_HANDLE]);
	vec_push(o->a, &o->out->tables, t);
	return MNL_CB_OK;
}

static const char *first_device(struct arena *a, const struct nlattr *devices)
{
	const struct nlattr *device;

	mnl_attr_for_each_nested(device, devices)
	{
		if (mnl_attr_get_type(device) == NFTA_DEVICE_NAME)
			return nft_get_string(a, device);
	}
	return NULL;
}

static void read_hook(
	struct arena *a, struct nft_chain *c, enum nft_family f, const struct nlattr **attrs)
{
	const struct nlattr *hook[NFTA_HOOK_MAX + 1], *counter[NFTA_COUNTER_MAX + 1];
	const char *type = attrs[NFTA_CHAIN_TYPE] ? mnl_attr_get_str(attrs[NFTA_CHAIN_TYPE]) : "";

	kernel_attrs_in(hook, NFTA_HOOK_MAX, attrs[NFTA_CHAIN_HOOK]);
	c->base = true;
	c->type = strcmp(type, "nat") == 0     ? CHAIN_NAT
		  : strcmp(type, "route") == 0 ? CHAIN_ROUTE
					       : CHAIN_FILTER;
	c->hook = nft_hook_of_number(f, get_be32(hook[NFTA_HOOK_HOOKNUM]));
	c->prio = (int32_t)get_be32(hook[NFTA_HOOK_PRIORITY]);
	c->policy_drop = attrs[NFTA_CHAIN_POLICY] && get_be32(attrs[NFTA_CHAIN_POLICY]) == NF_DROP;
	if (hook[NFTA_HOOK_DEV])
		c->device = nft_get_string(a, hook[NFTA_HOOK_DEV]);
	else if (hook[NFTA_HOOK_DEVS])
		c->device = first_device(a, hook[NFTA_HOOK_DEVS]);
	if (attrs[NFTA_CHAIN_COUNTERS]) {
		kernel_attrs_in(counter, NFTA_COUNTER_MAX, attrs[NFTA_CHAIN_COUNTERS]);
		c->packets = get_be64(counter[NFTA_COUNTER_PACKETS]);
		c->bytes = get_be64(counter[NFTA_COUNTER_BYTES]);
	}
}

static int chain_cb(const struct nlmsghdr *nlh, void *data)
{
	const struct nlattr *attrs[NFTA_CHAIN_MAX + 1];
	struct observation *o = data;
	struct nft_table *t;
	struct nft_chain *c;

	kernel_attrs_of(attrs, NFTA_CHAIN_MAX, nlh, sizeof(struct nfgenmsg));
	t = find_table(o, nlh, attrs[NFTA_CHAIN_TABLE]);
	if (!t || !attrs[NFTA_CHAIN_NAME])
		return MNL_CB_OK;
	c = nft_chain_new(o->a, t, nft_get_string(o->a, attrs[NFTA_CHAIN_NAME]));
	c->handle = get_be64(attrs[NFTA_CHAIN_HANDLE]);
	if (attrs[NFTA_CHAIN_HOOK])
		read_hook(o->a, c, t->family, attrs);
	return MNL_CB_OK;
}

static int set_cb(const struct nlmsghdr *nlh, void *data)
{
	const struct nlattr *attrs[NFTA_SET_MAX + 1];
	struct observation *o = data;
	struct nft_table *t;

	kernel_attrs_of(attrs, NFTA_SET_MAX, nlh, sizeof(struct nfgenmsg));
	t = find_table(o, nlh, attrs[NFTA_SET_TABLE]);
	if (t && attrs[NFTA_SET_NAME])
		vec_push(o->a, &t->sets, nft_read_set(o->a, nlh));
	return MNL_CB_OK;
}

static int object_cb(const struct nlmsghdr *nlh, void *data)
{
	const struct nlattr *attrs[NFTA_OBJ_MAX + 1], *counter[NFTA_COUNTER_MAX + 1];
	struct observation *o = data;
	struct nft_counter *c;
	struct nft_object *object;
	struct nft_table *t;

	kernel_attrs_of(attrs, NFTA_OBJ_MAX, nlh, sizeof(struct nfgenmsg));
	t = find_table(o, nlh, attrs[NFTA_OBJ_TABLE]);
	if (!t || !attrs[NFTA_OBJ_NAME] || !attrs[NFTA_OBJ_DATA])
		return MNL_CB_OK;
	if (get_be32(attrs[NFTA_OBJ_TYPE]) != NFT_OBJECT_COUNTER) {
		object = vec_add(o->a, &t->objects);
		object->name = nft_get_string(o->a, attrs[NFTA_OBJ_NAME]);
		nft_read_object(o->a, get_be32(attrs[NFTA_OBJ_TYPE]), attrs[NFTA_OBJ_DATA], object);
		return MNL_CB_OK;
	}
	kernel_attrs_in(counter, NFTA_COUNTER_MAX, attrs[NFTA_OBJ_DATA]);
	c = vec_add(o->a, &t->counters);
	c->name = nft_get_string(o->a, attrs[NFTA_OBJ_NAME]);
	c->packets = get_be64(counter[NFTA_COUNTER_PACKETS]);
	c->bytes = get_be64(counter[NFTA_COUNTER_BYTES]);
	return MNL_CB_OK;
}

/* A flowtable as nft declares it: it is listed among the objects. */
static int flowtable_cb(const struct nlmsghdr *nlh, void *data)
{
	const struct nlattr *attrs[NFTA_FLOWTABLE_MAX + 1], *hook[NFTA_FLOWTABLE_HOOK_MAX + 1];
	const struct nlattr *device;
	struct observation *o = data;
	struct strbuf text = STRBUF_INIT;
	struct nft_object *object;
	struct nft_table *t;
	bool first = true;

	kernel_attrs_of(attrs, NFTA_FLOWTABLE_MAX, nlh, sizeof(struct nfgenmsg));
	t = find_table(o, nlh, attrs[NFTA_FLOWTABLE_TABLE]);
	if (!t || !attrs[NFTA_FLOWTABLE_NAME] || !attrs[NFTA_FLOWTABLE_HOOK])
		return MNL_CB_OK;
	kernel_attrs_in(hook, NFTA_FLOWTABLE_HOOK_MAX, attrs[NFTA_FLOWTABLE_HOOK]);
	strbuf_addf(&text, "hook ingress priority %d;",
		(int32_t)get_be32(hook[NFTA_FLOWTABLE_HOOK_PRIORITY]));
	if (hook[NFTA_FLOWTABLE_HOOK_DEVS]) {
		mnl_attr_for_each_nested(device, hook[NFTA_FLOWTABLE_HOOK_DEVS])
		{
			strbuf_addf(&text, first ? " devices = { \"%s\"" : ", \"%s\"",
				nft_get_string(o->a, device));
			first = false;
		}
	}
	strbuf_add(&text, first ? "" : " };");
	if (get_be32(attrs[NFTA_FLOWTABLE_FLAGS]) & NFT_FLOWTABLE_HW_OFFLOAD)
		strbuf_add(&text, " flags offload;");
	object = vec_add(o->a, &t->objects);
	object->kind = "flowtable";
	object->name = nft_get_string(o->a, attrs[NFTA_FLOWTABLE_NAME]);
	object->text = arena_strdup(o->a, strbuf_str(&text));
	strbuf_fini(&text);
	return MNL_CB_OK;
}

static int rule_cb(const struct nlmsghdr *nlh, void *data)
{
	const struct nlattr *attrs[NFTA_RULE_MAX + 1];
	struct observation *o = data;
	const uint8_t *comment;
	struct nft_table *t;
	struct nft_rule *r;
	uint8_t len;

	kernel_attrs_of(attrs, NFTA_RULE_MAX, nlh, sizeof(struct nfgenmsg));
	t = find_table(o, nlh, attrs[NFTA_RULE_TABLE]);
	if (!t || !attrs[NFTA_RULE_CHAIN] ||
		mnl_attr_validate(attrs[NFTA_RULE_CHAIN], MNL_TYPE_NUL_STRING) < 0)
		return MNL_CB_OK;
	if (o->chain_table != t || !o->chain ||
		strcmp(o->chain->name, mnl_attr_get_str(attrs[NFTA_RULE_CHAIN])) != 0) {
		o->chain_table = t;
		o->chain = nft_chain_find(t, mnl_attr_get_str(attrs[NFTA_RULE_CHAIN]));
	}
	if (!o->chain)
		return MNL_CB_OK;
	r = nft_rule_new(o->a, o->chain, NOWHERE);
	r->handle = get_be64(attrs[NFTA_RULE_HANDLE]);
	comment = nft_udata_find(attrs[NFTA_RULE_USERDATA], UDATA_RULE_COMMENT, &len);
	if (comment)
		r->comment = arena_strndup(o->a, (const char *)comment, len);
	nft_read_rule(o->a, t, attrs[NFTA_RULE_EXPRESSIONS], r);
	return MNL_CB_OK;
}

/* ---- whose tables they are ---- */

/* Is the chain one that iptables makes: by its name, at that hook? */
static bool is_iptables_chain(const struct nft_chain *c)
{
	static const char *const names[] = {[HOOK_PREROUTING] = "PREROUTING",
		[HOOK_INPUT] = "INPUT",
		[HOOK_FORWARD] = "FORWARD",
		[HOOK_OUTPUT] = "OUTPUT",
		[HOOK_POSTROUTING] = "POSTROUTING"};

	return c->hook <= HOOK_POSTROUTING && strcmp(c->name, names[c->hook]) == 0;
}

static bool has_xt(const struct nft_chain *c)
{
	VEC_EACH (&c->rules, const struct nft_rule, r) {
		VEC_EACH (&r->stmts, const struct nft_stmt, s) {
			if (s->kind == STMT_XT)
				return true;
		}
	}
	return false;
}

/* Iptables-nft has tables of five names. Which of those are its own nothing says outright: its base
 * chains have their names in capitals, and only it puts matches of its own there. */
static bool is_iptables_table(const struct nft_table *t)
{
	static const char *const names[] = {"raw", "mangle", "nat", "filter", "security"};
	bool known = false, base = false, others = false;

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		known |= strcmp(t->name, names[i]) == 0;
	if (!known || (t->family != FAMILY_IP && t->family != FAMILY_IP6))
		return false;
	VEC_EACH (&t->chains, struct nft_chain *, c) {
		if (has_xt(*c))
			return true;
		base |= (*c)->base && is_iptables_chain(*c);
		others |= (*c)->base && !is_iptables_chain(*c);
	}
	return base && !others;
}

static void tell_origins(struct nft_ruleset *r)
{
	VEC_EACH (&r->tables, struct nft_table *, t)
		(*t)->origin = is_iptables_table(*t) ? ORIGIN_XT_NFT : ORIGIN_NFT;
}

/* ---- dumps ---- */

/* The attribute that names the table has the same number in all that a table contains. */
static_assert((int)NFTA_SET_TABLE == (int)NFTA_RULE_TABLE &&
		      (int)NFTA_OBJ_TABLE == (int)NFTA_RULE_TABLE &&
		      (int)NFTA_CHAIN_TABLE == (int)NFTA_RULE_TABLE,
	"one number for all");

static int dump(
	struct kernel *k, uint16_t type, mnl_cb_t cb, struct observation *o, struct kernel_error *e)
{
	uint8_t buf[512] __attribute__((aligned(4))) = {0};
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct nfgenmsg *nfg;

	nlh->nlmsg_type = NFNL_SUBSYS_NFTABLES << 8 | type;
	nlh->nlmsg_flags = NLM_F_DUMP;
	nfg = mnl_nlmsg_put_extra_header(nlh, sizeof(*nfg));
	if (o->only && type != NFT_MSG_GETTABLE) {
		nfg->nfgen_family = (uint8_t)o->family;
		mnl_attr_put_strz(nlh, NFTA_RULE_TABLE, o->only);
	}
	return kernel_talk(k, k->netfilter, nlh, cb, o, e);
}

static int dump_elements(struct kernel *k, struct arena *a, bool named, struct nft_ruleset *r,
	struct kernel_error *e)
{
	int err = 0;

	VEC_EACH (&r->tables, struct nft_table *, t) {
		VEC_EACH (&(*t)->sets, struct nft_set *, s) {
			if ((*s)->flags & SET_OBJECTS)
				continue;
			if (named || (*s)->flags & SET_ANONYMOUS)
				err = kernel_nft_elements(k, a, (*t)->family, (*t)->name, *s, e);
			else
				(*s)->flags |= SET_INCOMPLETE;
			if (err)
				return err;
		}
	}
	return 0;
}

static int observe_once(
	struct kernel *k, bool elements, struct observation *o, struct kernel_error *e)
{
	int err = dump(k, NFT_MSG_GETTABLE, table_cb, o, e);

	if (err || o->out->tables.len == 0)
		return err;
	err = dump(k, NFT_MSG_GETCHAIN, chain_cb, o, e);
	if (!err)
		err = dump(k, NFT_MSG_GETSET, set_cb, o, e);
	if (!err)
		err = dump_elements(k, o->a, elements, o->out, e);
	if (!err)
		err = dump(k, NFT_MSG_GETOBJ, object_cb, o, e);
	if (!err && !o->only) {
		err = dump(k, NFT_MSG_GETFLOWTABLE, flowtable_cb, o, e);
		if (err == -EOPNOTSUPP || err == -EINVAL) /* before Linux 4.16 */
			err = 0;
	}
	if (!err)
		err = dump(k, NFT_MSG_GETRULE, rule_cb, o, e);
	return err;
}

/* The generation, once its ruleset is the visible one. -ERESTART if it changed meanwhile. */
static int settled_generation(struct kernel *k, uint32_t *generation, struct kernel_error *e)
{
	struct nft_failure f = {.change = -1, .element = -1};
	uint32_t same;
	int err;

	err = kernel_nft_generation(k, generation, e);
	if (err)
		return err;
	err = kernel_nft_commit(k, NULL, 0, *generation, &same, &f);
	if (err && e)
		*e = f.error;
	return err;
}

static int observe(
	struct kernel *k, bool elements, const struct observation *wanted, struct kernel_error *e)
{
	struct nft_ruleset *out = wanted->out;
	uint32_t before, after;
	int err;

	for (unsigned int i = 0; i < TRIES; i++) {
		struct observation o = *wanted;

		memset(out, 0, sizeof(*out));
		err = settled_generation(k, &before, e);
		if (err == -ERESTART)
			continue;
		if (err)
			return err;
		err = observe_once(k, elements, &o, e);
		/* A set or table may have gone since it was listed. */
		if (err == -EINTR || err == -ENOENT)
			continue;
		if (!err)
			err = kernel_nft_generation(k, &after, e);
		if (err)
			return err;
		out->generation = after;
		if (before == after) {
			tell_origins(out);
			return 0;
		}
	}
	return kernel_error_set(e, EINTR, "the ruleset changes faster than it can be read");
}

int kernel_nft_observe(struct kernel *k, struct arena *a, bool elements, struct nft_ruleset *out,
	struct kernel_error *e)
{
	const struct observation all = {.a = a, .out = out};

	return observe(k, elements, &all, e);
}

int kernel_nft_observe_table(struct kernel *k, struct arena *a, enum nft_family family,
	const char *table, struct nft_ruleset *out, struct kernel_error *e)
{
	const struct observation one = {.a = a, .out = out, .family = family, .only = table};

	return observe(k, false, &one, e);
}
