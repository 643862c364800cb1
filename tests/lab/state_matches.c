/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Compares the kernel, in the namespace it is run in, with a snapshot of it: field by field, what
 * kernel_observe() sees and what netstate_read() makes of the files. Each difference is a line on
 * standard output; exit status 1 if there is any.
 *
 * usage: state_matches DIR
 */
#include <dirent.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/observe.h"
#include "netstate/dump/dump.h"

#define EVERYTHING                                                                                 \
	(OBSERVE_NETWORK | OBSERVE_SYSCTLS | OBSERVE_RULESET | OBSERVE_ELEMENTS |                  \
		OBSERVE_NEIGHBOURS | OBSERVE_FLOWS | OBSERVE_LEGACY | OBSERVE_IPSETS)
/* That is nowhere in the files. */
#define NOT_IN_FILES HAVE_LISTENERS

struct comparison {
	struct netstate live, read;
	unsigned int differences;
};

static void differ(struct comparison *c, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
static void differ(struct comparison *c, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
	c->differences++;
}

static bool same_text(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

static void compare_links(struct comparison *c)
{
	if (c->live.links.len != c->read.links.len)
		differ(c, "links: %zu live, %zu read", c->live.links.len, c->read.links.len);
	VEC_EACH (&c->live.links, const struct net_link, l) {
		const struct net_link *r = netstate_link(&c->read, l->name);

		if (!r)
			differ(c, "link %s: not read", l->name);
		else if (l->index != r->index || !same_text(l->kind, r->kind) || l->up != r->up ||
			 (l->up && l->carrier != r->carrier) || l->loopback != r->loopback ||
			 l->point_to_point != r->point_to_point || l->mtu != r->mtu ||
			 l->master != r->master || l->group != r->group ||
			 l->vrf_table != r->vrf_table || l->has_mac != r->has_mac ||
			 memcmp(l->mac, r->mac, 6) != 0)
			differ(c, "link %s: differs", l->name);
	}
}

static bool same_addr(const struct net_addr *a, const struct net_addr *b)
{
	return strcmp(a->interface, b->interface) == 0 && ip_equal(&a->addr, &b->addr) &&
	       ip_equal(&a->peer, &b->peer) && a->prefix_len == b->prefix_len &&
	       a->scope == b->scope && a->secondary == b->secondary && a->unusable == b->unusable;
}

static void compare_addrs(struct comparison *c)
{
	if (c->live.addrs.len != c->read.addrs.len)
		differ(c, "addresses: %zu live, %zu read", c->live.addrs.len, c->read.addrs.len);
	VEC_EACH (&c->live.addrs, const struct net_addr, l) {
		bool found = false;
		char buf[IP_STRLEN];

		VEC_EACH (&c->read.addrs, const struct net_addr, r)
			found = found || same_addr(l, r);
		if (!found)
			differ(c, "address %s on %s: not read like that", ip_format(&l->addr, buf),
				l->interface);
	}
}

static const char *route_text(struct strbuf *b, const struct net_route *r)
{
	strbuf_reset(b);
	net_route_print(b, r);
	return strbuf_str(b);
}

/* Routes have no order among each other. */
static void compare_routes(struct comparison *c)
{
	struct strbuf b = STRBUF_INIT;

	if (c->live.routes.len != c->read.routes.len)
		differ(c, "routes: %zu live, %zu read", c->live.routes.len, c->read.routes.len);
	VEC_EACH (&c->live.routes, const struct net_route, l) {
		bool found = false;

		VEC_EACH (&c->read.routes, const struct net_route, r) {
			if (!net_route_equal(l, r) || l->mtu != r->mtu)
				continue;
			found = true;
			for (size_t i = 0; i < l->nexthops.len; i++)
				found = found &&
					l->nexthops.items[i].dead == r->nexthops.items[i].dead &&
					l->nexthops.items[i].linkdown ==
						r->nexthops.items[i].linkdown;
		}
		if (!found)
			differ(c, "route not read like that: %s", route_text(&b, l));
	}
	strbuf_fini(&b);
}

static void compare_rules(struct comparison *c)
{
	struct strbuf b = STRBUF_INIT;

	if (c->live.rules.len != c->read.rules.len)
		differ(c, "rules: %zu live, %zu read", c->live.rules.len, c->read.rules.len);
	for (size_t i = 0; i < c->live.rules.len && i < c->read.rules.len; i++) {
		const struct net_rule *l = &c->live.rules.items[i], *r = &c->read.rules.items[i];

		if (net_rule_equal(l, r) && l->more_selectors == r->more_selectors &&
			l->tun_id == r->tun_id &&
			l->has_suppress_ifgroup == r->has_suppress_ifgroup &&
			l->suppress_ifgroup == r->suppress_ifgroup)
			continue;
		strbuf_reset(&b);
		net_rule_print(&b, l);
		strbuf_add(&b, " | ");
		net_rule_print(&b, r);
		differ(c, "rule: %s", strbuf_str(&b));
	}
	strbuf_fini(&b);
}

static void compare_sysctls(struct comparison *c)
{
	VEC_EACH (&c->live.sysctls, const struct net_sysctl, l) {
		const char *value = netstate_sysctl(&c->read, l->key);

		if (!same_text(l->value, value))
			differ(c, "%s: %s live, %s read", l->key, l->value, value ? value : "not");
	}
}

static void compare_neighbours(struct comparison *c)
{
	VEC_EACH (&c->live.neighbours, const struct net_neighbour, l) {
		bool found = false;
		char buf[IP_STRLEN];

		VEC_EACH (&c->read.neighbours, const struct net_neighbour, r)
			found = found || (ip_equal(&l->addr, &r->addr) &&
						 strcmp(l->interface, r->interface) == 0 &&
						 l->state == r->state && l->has_mac == r->has_mac &&
						 memcmp(l->mac, r->mac, 6) == 0);
		if (!found)
			differ(c, "neighbour %s: not read like that", ip_format(&l->addr, buf));
	}
}

static bool same_tuple(const struct flow_tuple *a, const struct flow_tuple *b)
{
	return ip_equal(&a->src, &b->src) && ip_equal(&a->dst, &b->dst) && a->sport == b->sport &&
	       a->dport == b->dport;
}

/* Of the status only what a dump can tell. */
static bool same_flow(const struct net_flow *a, const struct net_flow *b)
{
	const uint32_t told = 1u << 1 | 1u << 2 | 1u << 4 | 1u << 5; /* reply, assured, both NATs */

	return a->proto == b->proto && same_tuple(&a->original, &b->original) &&
	       same_tuple(&a->reply, &b->reply) && a->mark == b->mark && a->zone == b->zone &&
	       (a->status & told) == (b->status & told) && same_text(a->state, b->state) &&
	       a->offloaded == b->offloaded;
}

static void compare_flows(struct comparison *c)
{
	if (c->live.flows.len != c->read.flows.len)
		differ(c, "connections: %zu live, %zu read", c->live.flows.len, c->read.flows.len);
	VEC_EACH (&c->live.flows, const struct net_flow, l) {
		bool found = false;
		char src[IP_STRLEN], dst[IP_STRLEN];

		VEC_EACH (&c->read.flows, const struct net_flow, r)
			found = found || same_flow(l, r);
		if (!found)
			differ(c, "connection %s:%u to %s:%u: not read like that",
				ip_format(&l->original.src, src), l->original.sport,
				ip_format(&l->original.dst, dst), l->original.dport);
	}
}

/* A verdict's chain is a number within the set. */
static bool same_data(const struct nft_set *a, const struct nft_set *b, size_t i)
{
	const uint8_t *x = nft_set_elem_data(a, i), *y = nft_set_elem_data(b, i);
	int32_t verdicts[2];
	uint32_t chains[2];

	if (!(a->flags & SET_MAP) || a->data[0].type != NFT_T_VERDICT)
		return memcmp(x, y, a->data_len) == 0;
	memcpy(&verdicts[0], x, 4);
	memcpy(&verdicts[1], y, 4);
	memcpy(&chains[0], x + 4, 4);
	memcpy(&chains[1], y + 4, 4);
	return verdicts[0] == verdicts[1] &&
	       ((verdicts[0] != VERDICT_JUMP && verdicts[0] != VERDICT_GOTO) ||
		       strcmp(a->chains.items[chains[0]], b->chains.items[chains[1]]) == 0);
}

static bool same_elements(const struct nft_set *a, const struct nft_set *b)
{
	bool same = a->len == b->len && a->n_key == b->n_key && a->stride == b->stride &&
		    (a->flags & SET_MAP) == (b->flags & SET_MAP);

	for (size_t i = 0; i < a->len && same; i++)
		same = memcmp(nft_set_elem(a, i), nft_set_elem(b, i), nft_set_keys_len(a)) == 0 &&
		       same_data(a, b, i);
	return same;
}

static void compare_ipsets(struct comparison *c)
{
	const struct nft_ruleset *live = &c->live.ruleset, *read = &c->read.ruleset;

	if (live->ipsets.len != read->ipsets.len)
		differ(c, "ipsets: %zu live, %zu read", live->ipsets.len, read->ipsets.len);
	VEC_EACH (&live->ipsets, struct nft_set *, l) {
		bool found = false;

		VEC_EACH (&read->ipsets, struct nft_set *, r)
			found = found ||
				(strcmp((*l)->name, (*r)->name) == 0 && same_elements(*l, *r) &&
					((*l)->flags & SET_INCOMPLETE) ==
						((*r)->flags & SET_INCOMPLETE));
		if (!found)
			differ(c, "ipset %s: not read like that", (*l)->name);
	}
}

/* Ipsets have numbers in the kernel, which no dump tells. */
static bool asks_ipset(const struct nft_rule *r)
{
	VEC_EACH (&r->stmts, const struct nft_stmt, s)
		if (s->kind == STMT_XT && s->xt.names[0])
			return true;
	return false;
}

static void compare_chain(struct comparison *c, const struct nft_table *t,
	const struct nft_chain *l, const struct nft_chain *r)
{
	struct strbuf b = STRBUF_INIT, other = STRBUF_INIT;

	if (l->base != r->base ||
		(l->base && (l->type != r->type || l->hook != r->hook || l->prio != r->prio ||
				    l->policy_drop != r->policy_drop)))
		differ(c, "chain %s of %s: differs", l->name, t->name);
	if (l->rules.len != r->rules.len)
		differ(c, "chain %s of %s: %zu rules live, %zu read", l->name, t->name,
			l->rules.len, r->rules.len);
	for (size_t i = 0; i < l->rules.len && i < r->rules.len; i++) {
		strbuf_reset(&b);
		nft_print_rule(&b, &l->rules.items[i]);
		strbuf_reset(&other);
		nft_print_rule(&other, &r->rules.items[i]);
		if (nft_rule_equal(&l->rules.items[i], &r->rules.items[i]) ||
			(asks_ipset(&l->rules.items[i]) &&
				strcmp(strbuf_str(&b), strbuf_str(&other)) == 0))
			continue;
		differ(c, "rule %zu in %s of %s: %s | %s", i + 1, l->name, t->name, strbuf_str(&b),
			strbuf_str(&other));
	}
	strbuf_fini(&b);
	strbuf_fini(&other);
}

static const struct nft_table *find_table(
	const struct nft_ruleset *rs, const struct nft_table *like)
{
	VEC_EACH (&rs->tables, struct nft_table *, t)
		if ((*t)->family == like->family && (*t)->origin == like->origin &&
			strcmp((*t)->name, like->name) == 0)
			return *t;
	return NULL;
}

static void compare_table(
	struct comparison *c, const struct nft_table *l, const struct nft_table *r)
{
	VEC_EACH (&l->chains, struct nft_chain *, chain) {
		const struct nft_chain *other = nft_chain_find(r, (*chain)->name);

		if (other)
			compare_chain(c, l, *chain, other);
		else
			differ(c, "chain %s of %s: not read", (*chain)->name, l->name);
	}
	VEC_EACH (&l->sets, struct nft_set *, set) {
		const struct nft_set *other = nft_set_find_named(r, (*set)->name);

		if ((*set)->flags & SET_ANONYMOUS)
			continue;
		if (!other)
			differ(c, "set %s of %s: not read", (*set)->name, l->name);
		else if (!same_elements(*set, other))
			differ(c, "set %s of %s: its elements differ", (*set)->name, l->name);
	}
}

/* An empty legacy table has policies alone, and iptables-save does not make a chain that nft has not:
 * so both ways round. */
static void compare_rulesets(struct comparison *c)
{
	VEC_EACH (&c->live.ruleset.tables, struct nft_table *, l) {
		const struct nft_table *r = find_table(&c->read.ruleset, *l);

		if (r)
			compare_table(c, *l, r);
		else
			differ(c, "table %s (family %d, origin %d): not read", (*l)->name,
				(*l)->family, (*l)->origin);
	}
	VEC_EACH (&c->read.ruleset.tables, struct nft_table *, r)
		if (!find_table(&c->live.ruleset, *r))
			differ(c, "table %s (family %d, origin %d): not live", (*r)->name,
				(*r)->family, (*r)->origin);
}

/* ---- the two states ---- */

static int look(struct arena *a, struct netstate *out)
{
	struct kernel_error e = {0};
	struct kernel *k = NULL;
	int err = kernel_open(&k, &e);

	if (!err)
		err = kernel_observe(k, a, EVERYTHING, out, &e);
	if (err)
		printf("cannot look at the kernel: %s\n", e.text);
	kernel_close(k);
	return err;
}

static bool read_file(struct arena *a, const char *dir, const char *name, struct dump_file *out)
{
	struct strbuf b = STRBUF_INIT;
	char buf[65536];
	size_t n;
	FILE *f = fopen(arena_printf(a, "%s/%s", dir, name), "re");

	if (!f)
		return false;
	while ((n = fread(buf, 1, sizeof(buf), f)) > 0)
		strbuf_addn(&b, buf, n);
	fclose(f);
	*out = (struct dump_file){
		arena_strdup(a, name), arena_strndup(a, strbuf_str(&b), b.len), b.len};
	strbuf_fini(&b);
	return true;
}

static int read_files(struct arena *a, const char *path, struct comparison *c)
{
	struct dump_file files[64];
	struct dump notes;
	struct dirent *e;
	DIR *d = opendir(path);
	size_t n = 0;

	if (!d) {
		perror(path);
		return 1;
	}
	while ((e = readdir(d)) && n < 64)
		if (e->d_name[0] != '.')
			n += read_file(a, path, e->d_name, &files[n]);
	closedir(d);
	netstate_read(a, files, n, &c->read, &notes);
	VEC_EACH (&notes.notes, const struct dump_note, note)
		differ(c, "%s:%u: %s: %s", note->file, note->line, note->why, note->text);
	return 0;
}

int main(int argc, char **argv)
{
	struct arena *a = arena_new();
	struct comparison c = {.differences = 0};
	uint32_t have;

	if (argc != 2 || read_files(a, argv[1], &c) != 0 || look(a, &c.live) != 0)
		return 2;
	have = c.live.have & ~(uint32_t)NOT_IN_FILES;
	if (have != c.read.have)
		differ(&c, "have: 0x%x live, 0x%x read", have, c.read.have);
	compare_links(&c);
	compare_addrs(&c);
	compare_routes(&c);
	compare_rules(&c);
	compare_sysctls(&c);
	compare_neighbours(&c);
	compare_flows(&c);
	compare_ipsets(&c);
	compare_rulesets(&c);
	arena_free(a);
	return c.differences > 0;
}
