/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reads a set of dumps into one netstate: which reader for which file, in what order, and what is known. */
#include "netstate/dump/dump.h"

#include <stdlib.h>
#include <string.h>

#include "netstate/dump/reader.h"

#define NOTE_TEXT_MAX 160u
/* A file of garbage has a note per line; no one reads more, and the count goes on. */
#define LIMIT_NOTES 10000u

void dump_note(struct dump *d, const struct dump_file *f, uint32_t line, const char *text,
	size_t len, const char *why)
{
	struct dump_note *n;
	char *copy;

	if (d->notes.len >= LIMIT_NOTES) {
		d->more_notes++;
		return;
	}
	n = vec_add(d->arena, &d->notes);
	n->file = f->name;
	n->line = line;
	n->why = why;
	copy = arena_strndup(d->arena, text ? text : "",
		!text		      ? 0
		: len < NOTE_TEXT_MAX ? len
				      : NOTE_TEXT_MAX);
	/* It goes to a terminal, which is not to obey what others wrote into a dump. */
	for (char *c = copy; *c; c++)
		if (((unsigned char)*c < ' ' && *c != '\t') || *c == 0x7f)
			*c = '?';
	n->text = len > NOTE_TEXT_MAX ? arena_printf(d->arena, "%s...", copy) : copy;
}

/* ---- meta.json ---- */

static void known_empty(struct dump *d, const char *what)
{
	if (strcmp(what, "iptables-legacy") == 0)
		d->out->have |= HAVE_LEGACY4;
	else if (strcmp(what, "ip6tables-legacy") == 0)
		d->out->have |= HAVE_LEGACY6;
	else if (strcmp(what, "ipset") == 0)
		d->out->have |= HAVE_IPSETS;
}

/* "Linux 6.18.4 x86_64", as uname(1) says it: the word that begins with a number. */
static const char *release_in(struct arena *a, const char *kernel)
{
	const char *digit = strpbrk(kernel, "0123456789");

	return digit ? arena_strndup(a, digit, strcspn(digit, " ")) : NULL;
}

static void each_meta(struct dump_record *r, const json_t *meta, void *data)
{
	const char *kernel = dump_json_text(r->d->arena, meta, "kernel");
	const json_t *item;
	size_t i;

	if (kernel)
		r->d->out->release = release_in(r->d->arena, kernel);
	json_array_foreach(json_object_get(meta, "known_empty"), i, item) if (json_is_string(item))
		known_empty(r->d, json_string_value(item));
	json_array_foreach(json_object_get(meta, "missing"), i, item)
	{
		const char *what = dump_json_text(r->d->arena, item, "what");
		const char *why = dump_json_text(r->d->arena, item, "why");

		if (what && why)
			dump_note(r->d, r->f, 0, what, strlen(what),
				arena_printf(r->d->arena, "not in the snapshot: %s", why));
	}
}

static void read_meta(struct dump *d, const struct dump_file *f)
{
	dump_json_each(d, f, each_meta, NULL);
}

/* ---- one file ---- */

struct input {
	struct dump_file file;
	struct dump_guessed is;
	bool done;
};

struct reading {
	struct dump *d;
	struct input *inputs;
	size_t n;
	bool all_tables[2]; /* [1] v6: routes of table local were given, so all were */
};

static size_t family_index(uint8_t family)
{
	return family == IP_V6;
}

/* A file "ip-route-wan.txt" is of table wan if a rule says that there is one, or the name does. */
static const char *table_of(struct reading *g, const struct input *in)
{
	const char *table = in->is.table, *name;
	uint32_t number;

	if (!table || dump_u32(table, &number) || strcmp(table, "main") == 0 ||
		strcmp(table, "local") == 0 || strcmp(table, "default") == 0 ||
		strcasestr(in->file.name, "table"))
		return table;
	for (size_t i = 0; i < g->d->tables.len; i++)
		if (strcmp(g->d->tables.items[i], table) == 0)
			return table;
	/* dump_table() is not asked: it would make up a number. */
	name = arena_printf(g->d->arena,
		"no rule names a table '%s'; its routes are taken for those of main", table);
	dump_note(g->d, &in->file, 0, in->file.name, strlen(in->file.name), name);
	return NULL;
}

/* Where nothing tells, it is of what `iptables-save` is on a machine of today. */
static enum nft_origin iptables_origin(const struct input *in)
{
	return in->is.legacy ? ORIGIN_XT_LEGACY : ORIGIN_XT_NFT;
}

static void read_iptables(struct reading *g, const struct input *in)
{
	dump_read_iptables(g->d, &in->file, in->is.family, iptables_origin(in));
	if (in->is.legacy)
		g->d->out->have |= in->is.family == IP_V6 ? HAVE_LEGACY6 : HAVE_LEGACY4;
}

static void read_one(struct reading *g, const struct input *in)
{
	struct dump *d = g->d;

	switch (in->is.kind) {
	case DUMP_IPTABLES_SAVE:
		read_iptables(g, in);
		break;
	case DUMP_NFT_JSON:
		dump_read_nft_json(d, &in->file);
		break;
	case DUMP_NFT_TEXT:
		dump_read_nft_text(d, &in->file);
		break;
	case DUMP_IP_LINK:
		dump_read_link(d, &in->file);
		break;
	case DUMP_IP_ADDR:
		dump_read_link(d, &in->file);
		dump_read_addr(d, &in->file);
		break;
	case DUMP_IP_RULE:
		dump_read_rule(d, &in->file, in->is.family);
		break;
	case DUMP_IP_ROUTE:
		dump_read_route(d, &in->file, in->is.family, table_of(g, in));
		break;
	case DUMP_IP_NEIGHBOUR:
		dump_read_neighbour(d, &in->file);
		break;
	case DUMP_IP_NEXTHOP:
		dump_read_nexthop(d, &in->file);
		break;
	case DUMP_SYSCTL:
		dump_read_sysctl(d, &in->file);
		break;
	case DUMP_CONNTRACK:
		dump_read_conntrack(d, &in->file);
		break;
	case DUMP_IPSET:
		dump_read_ipset(d, &in->file);
		break;
	case DUMP_META:
		read_meta(d, &in->file);
		break;
	case DUMP_NOT_KNOWN:
		dump_note(d, &in->file, 0, in->file.name, strlen(in->file.name),
			in->is.advice ? in->is.advice
				      : "neither name nor content tells what this is");
		break;
	}
}

static void read_kind(struct reading *g, enum dump_kind kind)
{
	for (size_t i = 0; i < g->n; i++)
		if (g->inputs[i].is.kind == kind && !g->inputs[i].done) {
			g->inputs[i].done = true;
			read_one(g, &g->inputs[i]);
		}
}

/* ---- rulesets ---- */

/*
 * nft's text is the better of the two: its JSON (1.0.6) leaves out that a set is dynamic and some
 * dependencies of rules, and breaks off at a table that has flags. JSON stands in where there is no text,
 * or the text brought no table.
 */
static void read_nft(struct reading *g)
{
	size_t before = g->d->out->ruleset.tables.len;

	read_kind(g, DUMP_NFT_TEXT);
	for (size_t i = 0; g->d->out->ruleset.tables.len > before && i < g->n; i++)
		if (g->inputs[i].is.kind == DUMP_NFT_JSON)
			g->inputs[i].done = true;
	read_kind(g, DUMP_NFT_JSON);
}

static bool has_rules(const struct nft_table *t)
{
	VEC_EACH (&t->chains, struct nft_chain *, c)
		if ((*c)->rules.len)
			return true;
	return false;
}

/* The one of tables @from to @to that is called as @t is, and is nft's; NULL: none. */
static const struct nft_table *namesake(
	const struct nft_ruleset *rs, size_t from, size_t to, const struct nft_table *t)
{
	for (size_t i = from; i < to; i++) {
		const struct nft_table *it = rs->tables.items[i];

		if (it->origin != ORIGIN_XT_LEGACY && it->family == t->family &&
			strcmp(it->name, t->name) == 0)
			return it;
	}
	return NULL;
}

static bool is_saved_twice(
	const struct nft_ruleset *rs, size_t n, size_t at, const struct nft_table *t)
{
	const struct nft_table *other;

	/* Of a table that is nft's own, iptables-save shows the name only: "incompatible". */
	if (at < n) {
		other = namesake(rs, n, rs->tables.len, t);
		return t->origin == ORIGIN_XT_NFT && !has_rules(t) && other && has_rules(other);
	}
	other = namesake(rs, 0, n, t);
	return other && (has_rules(other) || !has_rules(t));
}

/* The first @n tables are of iptables-save, with all their words. The same tables in nft's dump, where
 * matches have lost their arguments, go. */
static void drop_hollow(struct arena *a, struct nft_ruleset *rs, size_t n)
{
	struct nft_ruleset all = *rs;

	rs->tables.items = NULL;
	rs->tables.len = rs->tables.cap = 0;
	for (size_t i = 0; i < all.tables.len; i++)
		if (!is_saved_twice(&all, n, i, all.tables.items[i]))
			vec_push(a, &rs->tables, all.tables.items[i]);
}

/* iptables-nft-save says in comments what it does not show. It matters where no other file has it. */
static void tell_left_out(
	struct dump *d, const struct dump_file *f, const struct dump_line *l, uint32_t have)
{
	static const struct {
		const char *comment;
		uint32_t have;
		const char *why;
	} left_out[] = {
		{"# Table `", HAVE_NFT, "its rules are not in this dump: give `nft list ruleset`"},
		{"# Warning: iptables-legacy tables", HAVE_LEGACY4,
			"there are rules besides these: give `iptables-legacy-save`"},
		{"# Warning: ip6tables-legacy tables", HAVE_LEGACY6,
			"there are rules besides these: give `ip6tables-legacy-save`"},
	};

	for (size_t k = 0; k < sizeof(left_out) / sizeof(*left_out); k++)
		if (dump_starts_with(l->s, l->len, left_out[k].comment) &&
			!(have & left_out[k].have))
			dump_note(d, f, l->number, l->s, l->len, left_out[k].why);
}

static void tell_all_left_out(struct reading *g)
{
	/* Tables of iptables-nft are only a part of nft's. */
	uint32_t have = g->d->out->have & ~(uint32_t)HAVE_NFT;
	struct dump_lines lines;
	struct dump_line l;

	for (size_t i = 0; i < g->n; i++)
		if (g->inputs[i].is.kind == DUMP_NFT_TEXT || g->inputs[i].is.kind == DUMP_NFT_JSON)
			have |= HAVE_NFT;
	for (size_t i = 0; i < g->n; i++) {
		if (g->inputs[i].is.kind != DUMP_IPTABLES_SAVE)
			continue;
		dump_lines_begin(&lines, &g->inputs[i].file);
		while (dump_lines_next(&lines, &l))
			if (*l.s == '#')
				tell_left_out(g->d, &g->inputs[i].file, &l, have);
	}
}

static void read_rulesets(struct reading *g)
{
	struct nft_ruleset *rs = &g->d->out->ruleset;
	size_t saved;

	read_kind(g, DUMP_IPSET);
	read_kind(g, DUMP_IPTABLES_SAVE);
	saved = rs->tables.len;
	read_nft(g);
	drop_hollow(g->d->arena, rs, saved);
	tell_all_left_out(g);
}

/* ---- what is known ---- */

static bool has_table(const struct netstate *s, uint8_t family, uint32_t table)
{
	VEC_EACH (&s->routes, const struct net_route, r)
		if (r->family == family && r->table == table)
			return true;
	return false;
}

/* Of one file each: a table that is there and empty. */
static bool was_given(struct reading *g, uint8_t family, uint32_t table)
{
	for (size_t i = 0; i < g->n; i++) {
		const struct input *in = &g->inputs[i];
		const char *name;

		if (in->is.kind == DUMP_IP_ROUTE && in->is.table &&
			(!in->is.family || in->is.family == family) &&
			dump_table(g->d, in->is.table, &name) == table)
			return true;
	}
	return false;
}

/*
 * Are routes of all tables there, or of all that rules name? Table local tells of `table all`: nobody
 * asks for it by itself without asking for the rest. Default is empty on nearly all machines.
 */
static bool tables_missing(struct reading *g, uint8_t family)
{
	const struct netstate *s = g->d->out;
	uint32_t rules = family == IP_V6 ? HAVE_RULES6 : HAVE_RULES4;

	if (g->all_tables[family_index(family)])
		return false;
	if (!(s->have & rules))
		return true;
	VEC_EACH (&s->rules, const struct net_rule, r) {
		if (r->family != family || r->action != RULE_LOOKUP || r->l3mdev ||
			r->table == TABLE_LOCAL || r->table == TABLE_DEFAULT)
			continue;
		if (!has_table(s, family, r->table) && !was_given(g, family, r->table))
			return true;
	}
	return false;
}

static void tell_tables(struct reading *g)
{
	struct netstate *s = g->d->out;

	for (unsigned int i = 0; i < 2; i++)
		g->all_tables[i] = has_table(s, i ? IP_V6 : IP_V4, TABLE_LOCAL);
	if (s->have & HAVE_ROUTES4 && tables_missing(g, IP_V4))
		s->have |= HAVE_ONLY_MAIN4;
	if (s->have & HAVE_ROUTES6 && tables_missing(g, IP_V6))
		s->have |= HAVE_ONLY_MAIN6;
}

/* ---- order and doublets ---- */

struct sorting {
	uint8_t family;
	uint32_t preference;
	size_t at;
};

static int compare_rules(const void *x, const void *y)
{
	const struct sorting *a = x, *b = y;

	if (a->family != b->family)
		return a->family < b->family ? -1 : 1;
	if (a->preference != b->preference)
		return a->preference < b->preference ? -1 : 1;
	return (a->at > b->at) - (a->at < b->at);
}

/* By family and preference, in the order they came; the same rule twice is of two files. */
static void sort_rules(struct dump *d)
{
	size_t n = d->out->rules.len;
	struct sorting *order = arena_alloc(d->arena, n * sizeof(*order));
	struct net_rule *old = d->out->rules.items, *last = NULL;

	for (size_t i = 0; i < n; i++)
		order[i] = (struct sorting){old[i].family, old[i].preference, i};
	if (n)
		qsort(order, n, sizeof(*order), compare_rules);
	memset(&d->out->rules, 0, sizeof(d->out->rules));
	for (size_t i = 0; i < n; i++) {
		const struct net_rule *r = &old[order[i].at];

		/* In one file it stands twice if it is there twice. */
		if (last && last->file != r->file && net_rule_equal(last, r) &&
			last->more_selectors == r->more_selectors)
			continue;
		last = vec_add(d->arena, &d->out->rules);
		*last = *r;
	}
}

/* Pointers to the @n items of @size bytes, sorted; there are that many. */
static const void **sorted(struct dump *d, const void *items, size_t n, size_t size,
	int (*compare)(const void *, const void *))
{
	const void **order = arena_alloc(d->arena, n * sizeof(*order));

	for (size_t i = 0; i < n; i++)
		order[i] = (const uint8_t *)items + i * size;
	if (n)
		qsort(order, n, sizeof(*order), compare);
	return order;
}

/* Takes out the items of which @drop says so: how many are left. */
static size_t take_out(void *items, size_t n, size_t size, const bool *drop)
{
	uint8_t *bytes = items;
	size_t kept = 0;

	for (size_t i = 0; i < n; i++)
		if (!drop[i])
			memmove(bytes + kept++ * size, bytes + i * size, size);
	return kept;
}

static int compare_routes(const void *x, const void *y)
{
	const struct net_route *a = *(const struct net_route *const *)x;
	const struct net_route *b = *(const struct net_route *const *)y;
	int c;

	if (a->family != b->family)
		return a->family < b->family ? -1 : 1;
	if (a->table != b->table)
		return a->table < b->table ? -1 : 1;
	if (a->dst.len != b->dst.len)
		return a->dst.len < b->dst.len ? -1 : 1;
	c = memcmp(a->dst.addr.bytes, b->dst.addr.bytes, sizeof(a->dst.addr.bytes));
	if (c)
		return c;
	if (a->metric != b->metric)
		return a->metric < b->metric ? -1 : 1;
	return (a > b) - (a < b);
}

static bool same_key(const struct net_route *a, const struct net_route *b)
{
	return a->family == b->family && a->table == b->table && a->metric == b->metric &&
	       a->dst.len == b->dst.len && ip_equal(&a->dst.addr, &b->dst.addr);
}

/* Is there an equal one before it? @order is sorted, and equal keys are few. */
static bool is_doublet(const struct net_route *const *order, size_t i)
{
	for (size_t k = i; k-- > 0 && same_key(order[k], order[i]) && i - k < 64;)
		if (order[k]->file != order[i]->file && net_route_equal(order[k], order[i]))
			return true;
	return false;
}

/* `ip route` and `ip route show table all` in two files tell the same routes twice. */
static void drop_route_doublets(struct dump *d)
{
	size_t n = d->out->routes.len;
	struct net_route *routes = d->out->routes.items;
	const struct net_route *const *order =
		(const void *)sorted(d, routes, n, sizeof(*routes), compare_routes);
	bool *drop = arena_alloc(d->arena, n);

	for (size_t i = 0; i < n; i++)
		drop[order[i] - routes] = is_doublet(order, i);
	d->out->routes.len = take_out(routes, n, sizeof(*routes), drop);
}

static int compare_addrs(const void *x, const void *y)
{
	const struct net_addr *a = *(const struct net_addr *const *)x;
	const struct net_addr *b = *(const struct net_addr *const *)y;
	int c = ip_cmp(&a->addr, &b->addr);

	if (!c)
		c = strcmp(a->interface, b->interface);
	if (!c)
		c = ip_cmp(&a->peer, &b->peer);
	return c ? c : (a > b) - (a < b);
}

/* An address is on an interface once, however many files tell of it. */
static void drop_addr_doublets(struct dump *d)
{
	size_t n = d->out->addrs.len;
	struct net_addr *addrs = d->out->addrs.items;
	const struct net_addr *const *order =
		(const void *)sorted(d, addrs, n, sizeof(*addrs), compare_addrs);
	bool *drop = arena_alloc(d->arena, n);

	for (size_t i = 1; i < n; i++)
		drop[order[i] - addrs] = ip_equal(&order[i]->addr, &order[i - 1]->addr) &&
					 ip_equal(&order[i]->peer, &order[i - 1]->peer) &&
					 strcmp(order[i]->interface, order[i - 1]->interface) == 0;
	d->out->addrs.len = take_out(addrs, n, sizeof(*addrs), drop);
}

static int compare_sysctls(const void *x, const void *y)
{
	const struct net_sysctl *a = *(const struct net_sysctl *const *)x;
	const struct net_sysctl *b = *(const struct net_sysctl *const *)y;
	int c = strcmp(a->key, b->key);

	return c ? c : (a > b) - (a < b);
}

/* Of a key that was given twice, the last value is in force, as in sysctl.conf(5). */
static void drop_sysctl_doublets(struct dump *d)
{
	size_t n = d->out->sysctls.len;
	struct net_sysctl *sysctls = d->out->sysctls.items;
	const struct net_sysctl *const *order =
		(const void *)sorted(d, sysctls, n, sizeof(*sysctls), compare_sysctls);
	bool *drop = arena_alloc(d->arena, n);

	for (size_t i = 0; i + 1 < n; i++)
		drop[order[i] - sysctls] = strcmp(order[i]->key, order[i + 1]->key) == 0;
	d->out->sysctls.len = take_out(sysctls, n, sizeof(*sysctls), drop);
}

void netstate_read(struct arena *a, const struct dump_file *files, size_t n, struct netstate *out,
	struct dump *notes)
{
	/* Rules before routes: they tell which names are tables. */
	static const enum dump_kind network[] = {DUMP_META, DUMP_IP_NEXTHOP, DUMP_IP_LINK,
		DUMP_IP_ADDR, DUMP_IP_RULE, DUMP_IP_ROUTE, DUMP_IP_NEIGHBOUR, DUMP_SYSCTL,
		DUMP_CONNTRACK};
	struct reading g = {.d = notes, .n = n};

	*notes = (struct dump){.arena = a, .out = out};
	g.inputs = arena_alloc(a, n * sizeof(*g.inputs));
	for (size_t i = 0; i < n; i++) {
		g.inputs[i].file = dump_without_mark(&files[i]);
		dump_guess_all(a, &g.inputs[i].file, &g.inputs[i].is);
	}
	for (size_t i = 0; i < sizeof(network) / sizeof(*network); i++)
		read_kind(&g, network[i]);
	read_rulesets(&g);
	read_kind(&g, DUMP_NOT_KNOWN);
	sort_rules(notes);
	drop_addr_doublets(notes);
	drop_sysctl_doublets(notes);
	drop_route_doublets(notes);
	tell_tables(&g);
	dump_derive_local(notes);
}
