/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reads the routes that `ip route` prints, as text or as JSON. */
#include <stdlib.h>
#include <string.h>

#include "netstate/dump/reader.h"

/* A reading of one file. */
struct reading {
	uint8_t family;	   /* as the file's name says; IP_NONE: it does not */
	uint8_t seen;	   /* of the last route that tells its family: `table all` has v4 first */
	const char *table; /* of routes that name none */
	size_t first;
};

enum route_word {
	WORD_FROM,
	WORD_TOS,
	WORD_VIA,
	WORD_DEV,
	WORD_TABLE,
	WORD_PROTO,
	WORD_SCOPE,
	WORD_METRIC,
	WORD_SRC,
	WORD_MTU,
	WORD_NHID,
	WORD_NEXTHOP,
	WORD_WEIGHT,
	WORD_ONLINK,
	WORD_DEAD,
	WORD_LINKDOWN,
	WORD_PREF,
	WORD_ENCAP,
	WORD_ANSWER, /* only `ip route get` says it, which tells of no route in a table */
	WORD_NH_INFO,
	WORD_FLAG, /* has no part in routing */
	WORD_ONE,  /* nor has this, and a value follows */
};

static const struct dump_word words[] = {
	{"from", WORD_FROM},
	{"tos", WORD_TOS},
	{"dsfield", WORD_TOS},
	{"via", WORD_VIA},
	{"dev", WORD_DEV},
	{"table", WORD_TABLE},
	{"proto", WORD_PROTO},
	{"scope", WORD_SCOPE},
	{"metric", WORD_METRIC},
	{"src", WORD_SRC},
	{"mtu", WORD_MTU},
	{"nhid", WORD_NHID},
	{"nexthop", WORD_NEXTHOP},
	{"weight", WORD_WEIGHT},
	{"onlink", WORD_ONLINK},
	{"dead", WORD_DEAD},
	{"linkdown", WORD_LINKDOWN},
	{"pref", WORD_PREF},
	{"encap", WORD_ENCAP},
	{"cache", WORD_ANSWER},
	{"uid", WORD_ANSWER},
	{"nh_info", WORD_NH_INFO},
	{"offload", WORD_FLAG},
	{"rt_offload", WORD_FLAG},
	{"rt_trap", WORD_FLAG},
	{"rt_offload_failed", WORD_FLAG},
	{"trap", WORD_FLAG},
	{"notify", WORD_FLAG},
	{"pervasive", WORD_FLAG},
	{"unresolved", WORD_FLAG},
	{"lock", WORD_FLAG},
	{"ecn", WORD_FLAG}, /* of features, in JSON */
	{"features", WORD_ONE},
	{"realm", WORD_ONE},
	{"realms", WORD_ONE},
	{"rtt", WORD_ONE},
	{"rttvar", WORD_ONE},
	{"rto_min", WORD_ONE},
	{"ssthresh", WORD_ONE},
	{"cwnd", WORD_ONE},
	{"initcwnd", WORD_ONE},
	{"initrwnd", WORD_ONE},
	{"advmss", WORD_ONE},
	{"reordering", WORD_ONE},
	{"window", WORD_ONE},
	{"hoplimit", WORD_ONE},
	{"quickack", WORD_ONE},
	{"congctl", WORD_ONE},
	{"congestion", WORD_ONE},
	{"fastopen_no_cookie", WORD_ONE},
	{"ttl-propagate", WORD_ONE},
	{"expires", WORD_ONE},
	{"error", WORD_ONE},
	{"users", WORD_ONE},
	{"age", WORD_ONE},
	{"used", WORD_ONE},
};

static bool route_word(const char *word, unsigned int *is)
{
	return dump_find_word(words, sizeof(words) / sizeof(*words), word, is);
}

/* ---- next hops ---- */

/* The hop that a word is about: that of the last "nexthop", else the route's one. */
static struct net_nexthop *hop_of(struct dump_record *r, struct net_route *route)
{
	if (!route->nexthops.len)
		vec_add(r->d->arena, &route->nexthops)->weight = 1;
	return &route->nexthops.items[route->nexthops.len - 1];
}

static bool take_via(struct dump_record *r, struct net_route *route)
{
	struct net_nexthop *hop = hop_of(r, route);
	bool other = dump_record_take(r, "inet6") || dump_record_take(r, "inet");
	const char *word = dump_record_word(r);

	if (!word || !dump_addr(word, &hop->gateway))
		return false;
	if (!other && !route->family)
		route->family = hop->gateway.family;
	return true;
}

static const struct dump_nexthop *object(const struct dump *d, uint32_t id)
{
	VEC_EACH (&d->nexthops, const struct dump_nexthop, n)
		if (n->id == id)
			return n;
	return NULL;
}

static void add_object(struct dump_record *r, struct net_route *route, uint32_t id, uint32_t weight)
{
	const struct dump_nexthop *o = object(r->d, id);
	struct net_nexthop *hop;

	if (!o) {
		dump_record_note(r, "nexthop object %u is not among the dumps (ip nexthop)", id);
	} else if (o->blackhole) {
		route->type = ROUTE_BLACKHOLE;
	} else {
		hop = vec_add(r->d->arena, &route->nexthops);
		*hop = o->hop;
		hop->weight = weight;
	}
}

/* A route that names an object and nothing else: `ip` resolves it, unless the kernel was told not to
 * (net.ipv4.nexthop_compat_mode). */
static void resolve(struct dump_record *r, struct net_route *route, uint32_t id)
{
	const struct dump_nexthop *o = object(r->d, id);

	if (o && o->members.len)
		VEC_EACH (&o->members, const struct dump_nexthop_member, m)
			add_object(r, route, m->id, m->weight);
	else
		add_object(r, route, id, 1);
}

/* ---- words ---- */

static bool take_number(struct dump_record *r, uint32_t *out)
{
	const char *word = dump_record_word(r);

	return word && dump_u32(word, out);
}

/* "mtu 1400", "mtu lock 1400" */
static bool take_mtu(struct dump_record *r, struct net_route *route)
{
	dump_record_take(r, "lock");
	return take_number(r, &route->mtu);
}

/* Of a detailed text: the object's words, up to the first "nexthop". */
static bool skip_object(struct dump_record *r)
{
	const char *next;

	while ((next = dump_record_peek(r)) && strcmp(next, "nexthop") != 0)
		r->next++;
	return true;
}

/* A tunnel's words are many and not kept; what follows them begins with a word of the route's. */
static bool skip_encap(struct dump_record *r)
{
	const char *next;

	while ((next = dump_record_peek(r)) && strcmp(next, "via") != 0 && strcmp(next, "dev") != 0)
		r->next++;
	dump_record_note(r, "the encapsulation is not kept");
	return true;
}

static bool take(struct dump_record *r, struct net_route *route, enum route_word is, uint32_t *nhid)
{
	const char *word;

	switch (is) {
	case WORD_FROM:
		word = dump_record_word(r);
		return word && dump_prefix(word, &route->family, &route->src);
	case WORD_TOS:
		word = dump_record_word(r);
		return word && dump_tos(word, &route->tos);
	case WORD_VIA:
		return take_via(r, route);
	case WORD_DEV:
		return (hop_of(r, route)->interface = dump_record_word(r));
	case WORD_TABLE:
		word = dump_record_word(r);
		if (word)
			route->table = dump_table(r->d, word, &route->table_name);
		return word;
	case WORD_PROTO:
		word = dump_record_word(r);
		return word && dump_protocol(word, &route->protocol);
	case WORD_SCOPE:
		word = dump_record_word(r);
		return word && dump_scope(word, &route->scope);
	case WORD_METRIC:
		return take_number(r, &route->metric);
	case WORD_SRC:
		word = dump_record_word(r);
		if (!word || !dump_addr(word, &route->prefsrc))
			return false;
		if (!route->family)
			route->family = route->prefsrc.family;
		return true;
	case WORD_MTU:
		return take_mtu(r, route);
	case WORD_NHID:
		return take_number(r, nhid);
	case WORD_NEXTHOP:
		vec_add(r->d->arena, &route->nexthops)->weight = 1;
		return true;
	case WORD_WEIGHT:
		return take_number(r, &hop_of(r, route)->weight);
	case WORD_ONLINK:
		return (hop_of(r, route)->onlink = true);
	case WORD_DEAD:
		return (hop_of(r, route)->dead = true);
	case WORD_LINKDOWN:
		return (hop_of(r, route)->linkdown = true);
	case WORD_PREF: /* RFC 4191, which only v6 has */
		if (!route->family)
			route->family = IP_V6;
		return dump_record_word(r);
	case WORD_ENCAP:
		return skip_encap(r);
	case WORD_NH_INFO:
		return skip_object(r);
	case WORD_FLAG:
	case WORD_ANSWER:
		return true;
	case WORD_ONE:
		dump_record_take(r, "lock");
		return dump_record_word(r);
	}
	return false;
}

static bool leads_nowhere(uint8_t type)
{
	return type == ROUTE_BLACKHOLE || type == ROUTE_UNREACHABLE || type == ROUTE_PROHIBIT ||
	       type == ROUTE_THROW;
}

/* The words before the attributes: a type, which may be left out, and the destination. */
static bool take_destination(struct dump_record *r, struct net_route *route, const char **dst)
{
	const char *word = dump_record_word(r);

	route->type = ROUTE_UNICAST;
	if (word && dump_route_type(word, &route->type))
		word = dump_record_word(r);
	*dst = word;
	return word && dump_prefix(word, &route->family, &route->dst);
}

static void read_record(struct dump_record *r, void *data)
{
	struct reading *reading = data;
	struct net_route route = {.table = TABLE_MAIN,
		.protocol = 3, /* boot: what `ip route` leaves out */
		.at = {.line = r->line, .col = 1, .len = 1},
		.file = r->f->name};
	const char *word, *dst;
	uint32_t nhid = 0;
	unsigned int is;

	if (reading->table)
		route.table = dump_table(r->d, reading->table, &route.table_name);
	if (!take_destination(r, &route, &dst)) {
		dump_record_note(r, "not a route");
		return;
	}
	while ((word = dump_record_word(r))) {
		bool known = route_word(word, &is);

		if (known && is == WORD_ANSWER) {
			dump_record_note(r, "an answer of `ip route get`, which is no route");
			return;
		}
		if (known && take(r, &route, (enum route_word)is, &nhid))
			continue;
		dump_record_note(r, "'%s' is not understood", word);
	}
	if (route.family)
		reading->seen = route.family;
	else
		route.family = reading->seen	 ? reading->seen
			       : reading->family ? reading->family
						 : IP_V4;
	if (!route.dst.len)
		dump_prefix("default", &route.family, &route.dst);
	if (leads_nowhere(route.type)) /* in v6 they carry "dev lo" */
		route.nexthops.len = 0;
	else if (!route.nexthops.len && nhid)
		resolve(r, &route, nhid);
	vec_push(r->d->arena, &r->d->out->routes, route);
}

/* ---- JSON ---- */

static const struct dump_key keys[] = {
	/* These are pushed first, or last. */
	{"type", NULL},
	{"dst", NULL},
	{"nexthops", NULL},
	/* Of an object, which the route itself repeats. */
	{"nh_info", NULL},
	{"gateway", "via"},
	{"family", ""},
	{"host", ""},
	{"protocol", "proto"},
	{"prefsrc", "src"},
	{"flags", ""},
	{"metrics", ""},
	{"flow_to", "realm"},
	{"flow_from", "realm"},
	{NULL, NULL},
};

/* A tunnel has a `dst` too, in the same object: the route's own is the first. */
static void push_first_dst(struct dump_record *r)
{
	static const char key[] = "\"dst\"";
	const char *end = r->f->text + r->f->len;
	const char *at = dump_find(r->text, (size_t)(end - r->text), key), *close;

	for (at = at ? at + sizeof(key) - 1 : end; at < end && strchr(": \t", *at); at++)
		;
	close = at < end && *at == '"' ? memchr(at + 1, '"', (size_t)(end - at - 1)) : NULL;
	if (close)
		dump_record_push(r, arena_strndup(r->d->arena, at + 1, (size_t)(close - at - 1)));
}

static void push_member(struct dump_record *r, const json_t *object, const char *key)
{
	const char *text = dump_json_text(r->d->arena, object, key);

	if (text)
		dump_record_push(r, text);
}

static void each_object(struct dump_record *r, const json_t *object, void *data)
{
	const json_t *hop;
	size_t i;

	push_member(r, object, "type");
	if (json_object_get(object, "encap"))
		push_first_dst(r);
	else
		push_member(r, object, "dst");
	dump_record_push_json(r, object, keys);
	json_array_foreach(json_object_get(object, "nexthops"), i, hop)
	{
		if (!json_is_object(hop))
			continue;
		dump_record_push(r, "nexthop");
		dump_record_push_json(r, hop, keys);
	}
	read_record(r, data);
}

/* ---- text ---- */

/* A next hop, or what a terminal or a mail wrapped, begins with a word that is no destination. */
static bool goes_on(const struct dump_line *l)
{
	char word[32];
	unsigned int is;

	return dump_first_word(l, word, sizeof(word)) && route_word(word, &is);
}

/* Does the line begin as a route does? So that a stray line is not taken for one. */
static bool begins_route(const struct dump_line *l)
{
	char word[PREFIX_STRLEN];
	struct ip_prefix p;
	uint8_t family = IP_NONE, type;

	return dump_first_word(l, word, sizeof(word)) &&
	       (dump_route_type(word, &type) || dump_prefix(word, &family, &p));
}

void dump_read_route(struct dump *d, const struct dump_file *f, uint8_t family, const char *table)
{
	static const struct dump_layout layout = {
		begins_route, goes_on, "not a line of `ip route`"};
	struct reading reading = {.family = family, .table = table, .first = d->out->routes.len};

	if (dump_is_json(f))
		dump_json_each(d, f, each_object, &reading);
	else
		dump_text_each(d, f, &layout, read_record, &reading);
	for (size_t i = reading.first; i < d->out->routes.len; i++)
		d->out->have |=
			d->out->routes.items[i].family == IP_V6 ? HAVE_ROUTES6 : HAVE_ROUTES4;
	/* An empty table is known too. */
	if (family)
		d->out->have |= family == IP_V6 ? HAVE_ROUTES6 : HAVE_ROUTES4;
}
