/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Prints a plan: a summary for people, commands and nft text, and all of it as JSON. */
#include "report/plan_out.h"

#include <inttypes.h>
#include <stdio.h>

#include "report/report.h"

#define MARK_STRLEN	11 /* "0xff000000" */
#define MAX_NAME_COLUMN 20

static const char *mark_text(uint32_t mark, char buf[MARK_STRLEN])
{
	snprintf(buf, MARK_STRLEN, "0x%08" PRIx32, mark);
	return buf;
}

static const char *return_name(enum return_mode mode)
{
	switch (mode) {
	case RETURN_AUTO:
		return "auto";
	case RETURN_DIRECT:
		return "direct";
	case RETURN_SNAT:
		return "snat";
	}
	return "";
}

static const char *balance_name(enum balance b)
{
	switch (b) {
	case BALANCE_HASH:
		return "hash";
	case BALANCE_RANDOM:
		return "random";
	case BALANCE_FIRST:
		return "first";
	}
	return "";
}

/* The way out of one family: an address, "onlink", or NULL where there is none. */
static const char *gateway_text(const struct plan_uplink *u, int six, char buf[IP_STRLEN])
{
	if (!u->up[six])
		return NULL;
	if (u->nexthop[six].gateway.family == IP_NONE)
		return "onlink";
	return ip_format(&u->nexthop[six].gateway, buf);
}

/* ---- text ---- */

static void add_ports(struct strbuf *out, uint16_t first, uint16_t last)
{
	strbuf_addf(out, "%u", first);
	if (last != first)
		strbuf_addf(out, "-%u", last);
}

static void add_addrs(struct strbuf *out, const struct ip_addr *addrs, size_t n)
{
	char ip[IP_STRLEN];

	for (size_t i = 0; i < n; i++)
		strbuf_addf(out, "%s%s", i ? ", " : "", ip_format(&addrs[i], ip));
}

/* "80/tcp, 443/tcp" */
static void add_listens(struct strbuf *out, const struct map *m)
{
	VEC_EACH (&m->listens, struct listen, l) {
		if (l != m->listens.items)
			strbuf_add(out, ", ");
		add_ports(out, l->first, l->last);
		strbuf_addf(out, "/%s", ip_proto_name(l->proto));
	}
}

/* " on telecom, 2.2.2.2": the file's own words; without any, the uplinks that it came to. */
static void add_on(struct strbuf *out, const struct plan_map *pm)
{
	const char *between = " on ";
	char ip[IP_STRLEN];

	if (pm->map->on.len > 0) {
		VEC_EACH (&pm->map->on, struct map_on, on) {
			strbuf_addf(out, "%s%s", between,
				on->addr.family != IP_NONE ? ip_format(&on->addr, ip)
							   : on->uplink->name);
			between = ", ";
		}
		return;
	}
	VEC_EACH (&pm->uplinks, struct plan_uplink *, u) {
		strbuf_addf(out, "%s%s", between, (*u)->uplink->name);
		between = ", ";
	}
}

/* "192.168.0.7:28000-28099"; several listeners that keep their ports have no one port to show. */
static void add_backend(struct strbuf *out, const struct map *m, const struct backend *b)
{
	const struct listen *l = m->listens.items;
	char ip[IP_STRLEN];
	bool one = m->listens.len == 1;

	ip_format(&b->addr, ip);
	if (!one && !b->port) {
		strbuf_add(out, ip);
		return;
	}
	strbuf_addf(out, b->addr.family == IP_V6 ? "[%s]:" : "%s:", ip);
	if (one)
		add_ports(out, backend_port_for(b, l, l->first), backend_port_for(b, l, l->last));
	else
		add_ports(out, b->port, b->port);
}

static void add_uplink(struct strbuf *out, const struct plan_uplink *u, uint32_t mask, int width)
{
	char mark[MARK_STRLEN], bits[MARK_STRLEN], ip[IP_STRLEN];

	strbuf_addf(out, "#   %-*s  %s: ", width, u->uplink->name, u->uplink->interface);
	add_addrs(out, u->addrs.items, u->addrs.len);
	for (int six = 0; six < 2; six++)
		if (u->up[six] && u->nexthop[six].gateway.family != IP_NONE)
			strbuf_addf(out, ", via %s", gateway_text(u, six, ip));
	if ((u->up[0] && u->nexthop[0].gateway.family == IP_NONE) ||
		(u->up[1] && u->nexthop[1].gateway.family == IP_NONE))
		strbuf_add(out, ", onlink");
	strbuf_addf(out,
		"\n#   %-*s  number %" PRIu32 ": mark %s/%s, rule %" PRIu32 ", table %" PRIu32 "\n",
		width, "", u->number, mark_text(u->mark, mark),
		mark_text(mark_number_mask(mask), bits), u->preference, u->table);
}

static void add_return(struct strbuf *out, const struct plan_map *pm)
{
	strbuf_addf(out, "return %s", return_name(pm->return_mode));
	if (pm->return_mode == RETURN_SNAT) {
		strbuf_addch(out, ' ');
		add_addrs(out, pm->snat.items, pm->snat.len);
	}
	if (pm->reason)
		strbuf_addf(out, " (%s)", pm->reason);
}

/* @pm: of several backends of its map, the first. Those have a line each. */
static void add_map(struct strbuf *out, const struct plan_map *pm, int width)
{
	const struct map *m = pm->map;
	size_t n = m->backends.len;

	strbuf_addf(out, "#   %-*s  ", width, m->name);
	add_listens(out, m);
	add_on(out, pm);
	strbuf_add(out, " -> ");
	if (n == 1) {
		add_backend(out, m, pm->backend);
		strbuf_addf(out, "%s\n#   %-*s  ", pm->down ? ", down" : "", width, "");
		add_return(out, pm);
		strbuf_addch(out, '\n');
		return;
	}
	strbuf_addf(out, "%zu backends, %s\n", n, balance_name(m->balance));
	for (size_t i = 0; i < n; i++) {
		strbuf_addf(out, "#   %-*s    ", width, "");
		add_backend(out, m, pm[i].backend);
		if (m->balance != BALANCE_FIRST)
			strbuf_addf(out, ", weight %u", pm[i].backend->weight);
		strbuf_add(out, pm[i].down ? ", down; " : "; ");
		add_return(out, &pm[i]);
		strbuf_addch(out, '\n');
	}
}

static int name_column(const struct plan *p)
{
	size_t width = 0;

	VEC_EACH (&p->uplinks, struct plan_uplink, u)
		if (strlen(u->uplink->name) > width)
			width = strlen(u->uplink->name);
	VEC_EACH (&p->maps, struct plan_map, pm)
		if (strlen(pm->map->name) > width)
			width = strlen(pm->map->name);
	return width < MAX_NAME_COLUMN ? (int)width : MAX_NAME_COLUMN;
}

static void add_fastpaths(struct strbuf *out, const struct plan *p, int width)
{
	if (!p->fastpaths.len)
		return;
	strbuf_add(out, "# fast path, by `portreeve run`\n");
	VEC_EACH (&p->fastpaths, struct plan_fastpath, f)
		strbuf_addf(out, "#   %-*s  %s%s%s\n", width, f->interface,
			fastpath_mode_names[f->mode], f->not_ip6 ? ", not of IPv6: " : "",
			f->not_ip6 ? f->not_ip6 : "");
}

void plan_out_summary(struct strbuf *out, const struct plan *p)
{
	int width = name_column(p);
	size_t disabled = 0;

	VEC_EACH (&p->model->maps, struct map, m)
		disabled += !m->enabled;

	strbuf_add(out, "# uplinks\n");
	VEC_EACH (&p->uplinks, struct plan_uplink, u)
		add_uplink(out, u, p->model->mark_mask, width);
	strbuf_add(out, "# maps\n");
	for (size_t i = 0; i < p->maps.len; i += p->maps.items[i].map->backends.len)
		add_map(out, &p->maps.items[i], width);
	if (disabled > 0)
		strbuf_addf(out, "#   (and %zu disabled)\n", disabled);
	add_fastpaths(out, p, width);
}

void plan_out_commands(struct strbuf *out, const struct plan *p)
{
	const struct netstate *w = &p->want;

	VEC_EACH (&w->routes, struct net_route, r) {
		strbuf_addf(out, "ip %sroute add ", r->family == IP_V6 ? "-6 " : "");
		net_route_print(out, r);
		strbuf_addch(out, '\n');
	}
	VEC_EACH (&w->rules, struct net_rule, r) {
		strbuf_addf(out, "ip %srule add ", r->family == IP_V6 ? "-6 " : "");
		net_rule_print(out, r);
		strbuf_addch(out, '\n');
	}
	VEC_EACH (&w->sysctls, struct net_sysctl, s) {
		strbuf_add(out, "sysctl -w ");
		net_sysctl_print(out, s);
		strbuf_addch(out, '\n');
	}
}

void plan_out_nft(struct strbuf *out, const struct plan *p)
{
	VEC_EACH (&p->want.ruleset.tables, struct nft_table *, t)
		nft_print_table(out, *t);
}

/* ---- JSON ---- */

static json_t *addr_json(const struct ip_addr *a)
{
	char ip[IP_STRLEN];

	return a->family == IP_NONE ? json_null() : json_string(ip_format(a, ip));
}

static json_t *addrs_json(const struct ip_addr *addrs, size_t n)
{
	json_t *list = json_array();

	for (size_t i = 0; i < n; i++)
		json_array_append_new(list, addr_json(&addrs[i]));
	return list;
}

/* jansson has no text from null; an absent name is JSON's null. */
static json_t *string_json(const char *s)
{
	return s ? json_string(s) : json_null();
}

static json_t *uplink_json(const struct plan_uplink *u, uint32_t mask)
{
	char mark[MARK_STRLEN], bits[MARK_STRLEN], ip[2][IP_STRLEN];
	json_t *j = json_object(), *gateways = json_object();

	json_object_set_new(gateways, "ipv4", string_json(gateway_text(u, 0, ip[0])));
	json_object_set_new(gateways, "ipv6", string_json(gateway_text(u, 1, ip[1])));
	json_object_set_new(j, "name", string_json(u->uplink->name));
	json_object_set_new(j, "interface", string_json(u->uplink->interface));
	json_object_set_new(j, "addresses", addrs_json(u->addrs.items, u->addrs.len));
	json_object_set_new(j, "gateways", gateways);
	json_object_set_new(j, "number", json_integer(u->number));
	json_object_set_new(j, "mark", string_json(mark_text(u->mark, mark)));
	json_object_set_new(j, "mask", string_json(mark_text(mark_number_mask(mask), bits)));
	json_object_set_new(j, "preference", json_integer(u->preference));
	json_object_set_new(j, "table", json_integer(u->table));
	return j;
}

static json_t *listen_json(const struct map *m, const struct listen *l)
{
	json_t *j = json_object();

	json_object_set_new(j, "protocol", string_json(ip_proto_name(l->proto)));
	json_object_set_new(j, "first", json_integer(l->first));
	json_object_set_new(j, "last", json_integer(l->last));
	json_object_set_new(
		j, "to_first", json_integer(backend_port_for(m->backends.items, l, l->first)));
	json_object_set_new(
		j, "to_last", json_integer(backend_port_for(m->backends.items, l, l->last)));
	return j;
}

static void set_return(json_t *j, const struct plan_map *pm)
{
	json_object_set_new(j, "interface", string_json(pm->interface));
	json_object_set_new(j, "return", string_json(return_name(pm->return_mode)));
	json_object_set_new(j, "snat", addrs_json(pm->snat.items, pm->snat.len));
	json_object_set_new(j, "hairpin", addr_json(&pm->hairpin));
	json_object_set_new(j, "reason", string_json(pm->reason));
}

static json_t *backend_json(const struct plan_map *pm)
{
	json_t *j = json_object();

	json_object_set_new(j, "address", addr_json(&pm->backend->addr));
	json_object_set_new(
		j, "port", pm->backend->port ? json_integer(pm->backend->port) : json_null());
	json_object_set_new(j, "weight", json_integer(pm->backend->weight));
	json_object_set_new(j, "down", json_boolean(pm->down));
	set_return(j, pm);
	return j;
}

/* @pm: of several backends of its map, the first. What it says beside the list is that one's. */
static json_t *map_json(const struct plan_map *pm)
{
	json_t *j = json_object(), *listens = json_array(), *uplinks = json_array(),
	       *backends = json_array();
	const struct map *m = pm->map;

	VEC_EACH (&m->listens, struct listen, l)
		json_array_append_new(listens, listen_json(m, l));
	VEC_EACH (&pm->uplinks, struct plan_uplink *, u)
		json_array_append_new(uplinks, string_json((*u)->uplink->name));
	for (size_t i = 0; i < m->backends.len; i++)
		json_array_append_new(backends, backend_json(&pm[i]));
	json_object_set_new(j, "name", string_json(m->name));
	json_object_set_new(j, "listen", listens);
	json_object_set_new(j, "uplinks", uplinks);
	json_object_set_new(j, "to", addr_json(&pm->backend->addr));
	set_return(j, pm);
	json_object_set_new(j, "backends", backends);
	json_object_set_new(j, "balance", string_json(balance_name(m->balance)));
	json_object_set_new(
		j, "when_down", string_json(m->when_down == WHEN_DOWN_CUT ? "cut" : "keep"));
	json_object_set_new(
		j, "all_down", string_json(m->all_down == ALL_DOWN_REFUSE ? "refuse" : "try"));
	return j;
}

static json_t *text_json(const struct strbuf *text)
{
	return string_json(strbuf_str(text));
}

static json_t *routes_json(const struct netstate *w)
{
	json_t *list = json_array();
	struct strbuf text = STRBUF_INIT;

	VEC_EACH (&w->routes, struct net_route, r) {
		json_t *j = json_object();

		strbuf_reset(&text);
		net_route_print(&text, r);
		json_object_set_new(j, "family", string_json(r->family == IP_V6 ? "ipv6" : "ipv4"));
		json_object_set_new(j, "table", json_integer(r->table));
		json_object_set_new(j, "route", text_json(&text));
		json_array_append_new(list, j);
	}
	strbuf_fini(&text);
	return list;
}

static json_t *rules_json(const struct netstate *w)
{
	json_t *list = json_array();
	struct strbuf text = STRBUF_INIT;

	VEC_EACH (&w->rules, struct net_rule, r) {
		json_t *j = json_object();

		strbuf_reset(&text);
		net_rule_print(&text, r);
		json_object_set_new(j, "family", string_json(r->family == IP_V6 ? "ipv6" : "ipv4"));
		json_object_set_new(j, "preference", json_integer(r->preference));
		json_object_set_new(j, "rule", text_json(&text));
		json_array_append_new(list, j);
	}
	strbuf_fini(&text);
	return list;
}

static json_t *uplinks_json(const struct plan *p)
{
	json_t *list = json_array();

	VEC_EACH (&p->uplinks, struct plan_uplink, u)
		json_array_append_new(list, uplink_json(u, p->model->mark_mask));
	return list;
}

static json_t *sysctls_json(const struct netstate *w)
{
	json_t *j = json_object();

	VEC_EACH (&w->sysctls, struct net_sysctl, s)
		json_object_set_new(j, s->key, string_json(s->value));
	return j;
}

static json_t *fastpaths_json(const struct plan *p)
{
	json_t *list = json_array();

	VEC_EACH (&p->fastpaths, struct plan_fastpath, f)
		json_array_append_new(
			list, json_pack("{s:s, s:s, s:s?}", "interface", f->interface, "mode",
				      fastpath_mode_names[f->mode], "not_ipv6", f->not_ip6));
	return list;
}

/* The members behind the ones that may be large. */
static void set_rest(json_t *j, const struct plan *p)
{
	json_object_set_new(j, "routes", routes_json(&p->want));
	json_object_set_new(j, "rules", rules_json(&p->want));
	json_object_set_new(j, "sysctls", sysctls_json(&p->want));
	json_object_set_new(j, "fastpaths", fastpaths_json(p));
}

json_t *plan_out_json(const struct plan *p)
{
	json_t *j = json_object(), *maps = json_array();
	struct strbuf nft = STRBUF_INIT;

	for (size_t i = 0; i < p->maps.len; i += p->maps.items[i].map->backends.len)
		json_array_append_new(maps, map_json(&p->maps.items[i]));
	plan_out_nft(&nft, p);
	json_object_set_new(j, "uplinks", uplinks_json(p));
	json_object_set_new(j, "maps", maps);
	json_object_set_new(j, "elements", json_integer((json_int_t)p->elements));
	json_object_set_new(j, "nft", text_json(&nft));
	set_rest(j, p);
	strbuf_fini(&nft);
	return j;
}

/* ---- JSON in pieces ---- */

#define NFT_BYTES 8192u /* and up to the line's end, in one piece */

static void next_map(struct plan_out *o, struct strbuf *out)
{
	const struct plan *p = o->plan;

	if (o->at < p->maps.len) {
		if (o->at)
			strbuf_addch(out, ',');
		report_add(out, map_json(&p->maps.items[o->at]));
		o->at += p->maps.items[o->at].map->backends.len;
		return;
	}
	strbuf_addf(out, "],\"elements\":%zu,\"nft\":\"", p->elements);
	plan_out_nft(&o->nft, p);
	o->part = PLAN_OUT_NFT;
	o->at = 0;
}

/* A string's escapes are those of its parts. */
static void next_lines(struct plan_out *o, struct strbuf *out)
{
	const char *s = strbuf_str(&o->nft) + o->at;
	size_t left = o->nft.len - o->at, len = left < NFT_BYTES ? left : NFT_BYTES;
	struct strbuf quoted = STRBUF_INIT;

	while (len < left && s[len - 1] != '\n')
		len++;
	o->at += len;
	report_add(&quoted, json_stringn(s, len));
	strbuf_addn(out, quoted.s + 1, quoted.len - 2);
	strbuf_fini(&quoted);
	if (o->at < o->nft.len)
		return;
	strbuf_fini(&o->nft);
	o->part = PLAN_OUT_TAIL;
}

static void add_rest(struct plan_out *o, struct strbuf *out)
{
	struct strbuf object = STRBUF_INIT;
	json_t *rest = json_object();

	set_rest(rest, o->plan);
	report_add(&object, rest);
	strbuf_addf(out, "\",%s", object.s + 1); /* without its brace */
	strbuf_fini(&object);
}

bool plan_out_next(struct plan_out *o, struct strbuf *out)
{
	switch (o->part) {
	case PLAN_OUT_HEAD:
		strbuf_add(out, "{\"uplinks\":");
		report_add(out, uplinks_json(o->plan));
		strbuf_add(out, ",\"maps\":[");
		o->part = PLAN_OUT_MAPS;
		return true;
	case PLAN_OUT_MAPS:
		next_map(o, out);
		return true;
	case PLAN_OUT_NFT:
		next_lines(o, out);
		return true;
	case PLAN_OUT_TAIL:
		add_rest(o, out);
		return false;
	}
	return false;
}

void plan_out_fini(struct plan_out *o)
{
	strbuf_fini(&o->nft);
}
