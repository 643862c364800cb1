/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Writes a proposal down as a config for people: what was found, why, and what is asked. */
#include <stdarg.h>
#include <string.h>

#include "config/write.h"
#include "plan/plan.h"
#include "walk/propose.h"

#define EXAMPLES_MAX 8u

struct writing {
	struct arena *arena;
	struct proposal *p;
	struct strbuf y;
	unsigned int indent;
	const char *objection; /* see propose_text() */
};

/* ---- lines of text ---- */

static void ask(struct writing *w, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void ask(struct writing *w, const char *fmt, ...)
{
	struct strbuf b = STRBUF_INIT;
	const char *text;
	va_list ap;

	va_start(ap, fmt);
	strbuf_vaddf(&b, fmt, ap);
	va_end(ap);
	text = arena_strdup(w->arena, strbuf_str(&b));
	strbuf_fini(&b);
	config_add_remark(&w->y, w->indent, "? ", text);
	vec_push(w->arena, &w->p->questions, text);
}

/* A line of an uplink's; of one that is only supposed, as a comment that can be uncommented. */
static void line(struct writing *w, const struct proposal_uplink *u, bool on, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

static void line(struct writing *w, const struct proposal_uplink *u, bool on, const char *fmt, ...)
{
	bool whole = u->standing != LINE_FOUND;
	va_list ap;

	strbuf_add(&w->y, whole ? "  #" : "  ");
	strbuf_fill(&w->y, ' ', w->indent - 2);
	strbuf_add(&w->y, !on && !whole ? "#" : "");
	va_start(ap, fmt);
	strbuf_vaddf(&w->y, fmt, ap);
	va_end(ap);
	strbuf_addch(&w->y, '\n');
}

static const char *scalar(struct writing *w, const char *s)
{
	struct strbuf b = STRBUF_INIT;
	const char *text;

	config_add_scalar(&b, s);
	text = arena_strdup(w->arena, strbuf_str(&b));
	strbuf_fini(&b);
	return text;
}

static const char *address(struct writing *w, const struct ip_addr *a)
{
	char buf[IP_STRLEN];

	ip_format(a, buf);
	return arena_printf(w->arena, a->family == IP_V6 ? "\"%s\"" : "%s", buf);
}

/* @list and one more, as the items of "[a, b]". */
static const char *with_item(struct writing *w, const char *list, const char *item)
{
	return arena_printf(w->arena, "%s%s%s", list, *list ? ", " : "", item);
}

static const char *listed(struct writing *w, const char *list)
{
	return strchr(list, ',') ? arena_printf(w->arena, "[%s]", list) : list;
}

/* ---- uplinks ---- */

/* The routers that the file names. */
static const char *routers(struct writing *w, const struct proposal_uplink *u)
{
	const char *list = u->router.family ? address(w, &u->router) : "";

	for (unsigned int f = 0; f < 2; f++) {
		if (!proposal_names_router(u, f))
			continue;
		if (u->line.next[f].family)
			list = with_item(w, list, address(w, &u->line.next[f]));
		else if (u->shares && !strstr(list, "onlink")) /* once, for both families */
			list = with_item(w, list, "onlink");
	}
	return listed(w, list);
}

/* @gateways: what the file names already, for the other family. */
static void ask_router(
	struct writing *w, const struct proposal_uplink *u, uint8_t family, const char *gateways)
{
	const char *which = !u->line.has_default[family == IP_V4] ? ""
			    : family == IP_V6			  ? "IPv6 "
								  : "IPv4 ";
	const char *list = "", *likely = u->routers.len ? address(w, u->routers.items) : "ADDRESS";
	const char *with =
		*gateways ? arena_printf(w->arena, " With it: gateway: [%s, %s]", gateways, likely)
			  : "";

	VEC_EACH (&u->routers, const struct ip_addr, r)
		list = with_item(w, list, address(w, r));
	if (u->router.family) {
		ask(w,
			"Is %s its %srouter? No %sdefault route tells; it is the only neighbour "
			"seen on "
			"%s.",
			list, which, which, u->line.interface);
		return;
	}
	if (u->routers.len)
		ask(w,
			"Which is its %srouter? No %sdefault route tells; these were seen on %s: "
			"%s. "
			"The line cannot be used without.%s",
			which, which, u->line.interface, list, with);
	else
		ask(w,
			"Which is its %srouter? No %sdefault route leads out by %s, and nobody was "
			"seen "
			"there. The line cannot be used without.%s",
			which, which, u->line.interface, with);
	if (!*gateways)
		line(w, u, false, "gateway: %s", likely);
}

static bool is_carriers(const struct ip_addr *a)
{
	return a->family == IP_V4 && a->bytes[0] == 100 && (a->bytes[1] & 0xc0) == 64;
}

static void write_public(struct writing *w, const struct proposal_uplink *u)
{
	const struct ip_addr *own = NULL;
	char buf[IP_STRLEN];

	VEC_EACH (&u->line.addrs, const struct ip_addr, a)
		own = !own && a->family == IP_V4 ? a : own;
	if (u->public.family) {
		line(w, u, true, "public: %s", address(w, &u->public));
		return;
	}
	if (!own || !proposal_is_behind(u))
		return;
	if (is_carriers(own))
		ask(w,
			"%s is of the carrier's own network (100.64.0.0/10): nobody outside can "
			"call "
			"it, unless the provider sends ports on to it. From which address?",
			ip_format(own, buf));
	else
		ask(w,
			"%s is a private address: a box in front has the public one, and must send "
			"the ports on to this one (1:1 NAT, \"DMZ\", \"exposed host\"). Which "
			"address does the world call?",
			ip_format(own, buf));
	line(w, u, false, "public: ADDRESS");
}

static void write_addresses(struct writing *w, const struct proposal_uplink *u)
{
	const char *list = "";

	if (!u->shares || !u->line.addrs.len)
		return;
	VEC_EACH (&u->line.addrs, const struct ip_addr, a)
		list = with_item(w, list, address(w, a));
	line(w, u, true, "address: %s", listed(w, list));
}

static void write_body(struct writing *w, const struct proposal_uplink *u)
{
	const char *gateways = routers(w, u), *addresses = proposal_addresses(w->arena, &u->line);
	uint8_t lacks = proposal_lacks_router(w->p, u);

	line(w, u, true, "%s:", scalar(w, u->line.name));
	w->indent = 4;
	line(w, u, true, "interface: %s%s%s", scalar(w, u->line.interface),
		*addresses ? " # " : " # it has no address now", addresses);
	write_addresses(w, u);
	if (u->standing == LINE_FOUND && lacks && !u->router_sure)
		ask_router(w, u, lacks, gateways);
	if (*gateways)
		line(w, u, true, "gateway: %s", gateways);
	else if (u->standing == LINE_MAYBE && lacks)
		line(w, u, true, "gateway: %s",
			u->routers.len ? address(w, u->routers.items) : "ADDRESS");
	if (u->standing == LINE_FOUND)
		write_public(w, u);
	if (u->number)
		line(w, u, true, "number: %u", u->number);
	w->indent = 2;
}

static void ask_maybe(struct writing *w, const struct proposal_uplink *u)
{
	const char *addresses = proposal_addresses(w->arena, &u->line);

	if (u->line.has_default[0] || u->line.has_default[1])
		ask(w, "Do clients come in by the tunnel %s? Then uncomment it.",
			u->line.interface);
	else
		ask(w,
			"Is %s a line to the Internet? It has %s, but no default route leads out "
			"by it. "
			"If it is one, uncomment it, with its router.",
			u->line.interface, *addresses ? addresses : "no address");
}

const char *proposal_obstacle(struct arena *a, const struct proposal_uplink *u)
{
	if (u->standing == LINE_NAMELESS)
		return arena_printf(a,
			"Can %s have another name? This one cannot stand in a file: ip link set "
			"dev ... "
			"name ...",
			u->line.interface);
	if (u->standing == LINE_UNFIT)
		return arena_printf(a, "What is right for %s? No file takes it as it is: %s.",
			u->line.interface, u->unfit);
	return NULL;
}

static void write_uplink(struct writing *w, const struct proposal_uplink *u)
{
	const char *hops = routers(w, u);

	VEC_EACH (&u->why, const char *, why)
		config_add_remark(&w->y, 2, "", *why);
	switch (u->standing) {
	case LINE_FOUND:
		write_body(w, u);
		break;
	case LINE_MAYBE:
		ask_maybe(w, u);
		write_body(w, u);
		break;
	case LINE_TWIN:
		ask(w,
			"Is %s on %s a line of its own? Lines that share an interface are told "
			"apart by "
			"the address that was called, so it needs one that no other line there "
			"has. A "
			"spare router needs nothing.",
			*hops ? hops : "this", u->line.interface);
		break;
	case LINE_NAMELESS:
	case LINE_UNFIT:
		ask(w, "%s", proposal_obstacle(w->arena, u));
		break;
	case LINE_DENIED:
		config_add_remark(&w->y, 2, "",
			arena_printf(w->arena, "But %s was said to be no line to the Internet.",
				u->line.interface));
		break;
	}
}

static void write_uplinks(struct writing *w)
{
	config_add_remark(&w->y, 0, "",
		"The lines to the Internet. Rename them as you like; a number stays with its line "
		"for life, since connections carry it.");
	strbuf_add(&w->y, "uplinks:\n");
	w->indent = 2;
	VEC_EACH (&w->p->uplinks, const struct proposal_uplink, u) {
		if (u != w->p->uplinks.items)
			strbuf_addch(&w->y, '\n');
		write_uplink(w, u);
	}
}

/* ---- inside ---- */

static const char *host_words(struct writing *w, const struct proposal_host *h)
{
	const char *ports = "";
	char buf[IP_STRLEN];

	VEC_EACH (&h->ports, const struct proposal_port, port)
		ports = with_item(w, ports,
			arena_printf(w->arena, "%u/%s", port->port, ip_proto_name(port->proto)));
	ip_format(&h->addr, buf);
	return arena_printf(w->arena, *ports ? "%s (answers on %s)" : "%s%s", buf, ports);
}

static void write_insides(struct writing *w)
{
	char buf[PREFIX_STRLEN];

	w->indent = 0;
	strbuf_addch(&w->y, '\n');
	if (!w->p->insides.len) {
		ask(w, "Where are the backends? No network was found besides those of the lines "
		       "above.");
		return;
	}
	config_add_remark(&w->y, 0, "", "Inside, where backends can be, and who was seen there:");
	VEC_EACH (&w->p->insides, const struct proposal_inside, i) {
		const char *hosts = "";

		VEC_EACH (&i->hosts, const struct proposal_host, h)
			hosts = with_item(w, hosts, host_words(w, h));
		config_add_remark(&w->y, 0, "  ",
			arena_printf(w->arena, "%s, %s: %s", i->inside->interface,
				ip_prefix_format(&i->inside->network, buf),
				*hosts ? hosts : "nobody"));
	}
}

/* ---- maps ---- */

/* Ports that an example was given for. */
struct examples {
	VEC(struct proposal_port) items;
};

static bool is_told(const struct examples *told, const struct proposal_port *port)
{
	VEC_EACH (&told->items, const struct proposal_port, e) {
		if (e->proto == port->proto && e->port == port->port)
			return true;
	}
	return false;
}

/* One listener can be but one map's, so that all of them may be uncommented. */
static void example_port(struct writing *w, const struct proposal_host *h,
	const struct proposal_port *port, struct examples *told)
{
	const char *name = import_service_name(port->proto, port->port);

	if (told->items.len >= EXAMPLES_MAX || is_told(told, port))
		return;
	vec_push(w->arena, &told->items, *port);
	if (!name)
		name = arena_printf(w->arena, "%s-%u", ip_proto_name(port->proto), port->port);
	strbuf_addf(&w->y, "  #%s: {listen: %u/%s, to: %s}\n", name, port->port,
		ip_proto_name(port->proto), address(w, &h->addr));
}

/* A host that a map could lead to: one that was seen; else one that could be there. IP_NONE: no network
 * is known. */
static struct ip_addr likely_backend(const struct proposal *p)
{
	struct ip_addr none = {0};

	VEC_EACH (&p->insides, const struct proposal_inside, i) {
		VEC_EACH (&i->hosts, const struct proposal_host, h) {
			if (!ip_is_link_local(&h->addr))
				return h->addr;
		}
	}
	VEC_EACH (&p->insides, const struct proposal_inside, i) {
		if (i->inside->neighbour.family)
			return i->inside->neighbour;
	}
	return none;
}

static void write_examples(struct writing *w)
{
	struct ip_addr backend = likely_backend(w->p);
	struct examples told = {0};

	w->indent = 2;
	ask(w, "Which ports lead where? No port forward was found.");
	config_add_remark(&w->y, 2, "", "One line per map, for example:");
	VEC_EACH (&w->p->insides, const struct proposal_inside, i) {
		VEC_EACH (&i->hosts, const struct proposal_host, h) {
			VEC_EACH (&h->ports, const struct proposal_port, port)
				example_port(w, h, port, &told);
		}
	}
	if (!told.items.len)
		strbuf_addf(&w->y, "  #web: {listen: [80/tcp, 443/tcp], to: %s}\n",
			backend.family ? address(w, &backend) : "192.168.0.2");
}

/* With what is no comment yet as one. */
static void write_as_comments(struct writing *w, const char *text)
{
	while (*text) {
		size_t len = strcspn(text, "\n"), blank = strspn(text, " ");

		strbuf_addn(&w->y, text, blank);
		strbuf_add(&w->y, text[blank] == '#' ? "" : "#");
		strbuf_addn(&w->y, text + blank, len - blank);
		strbuf_addch(&w->y, '\n');
		text += len + (text[len] == '\n');
	}
}

static void write_carried(struct writing *w)
{
	struct import *im = &w->p->import;

	w->indent = 2;
	if (!w->objection) {
		strbuf_add(&w->y, im->maps_yaml);
		return;
	}
	ask(w,
		"Which of these are right? They cannot all stand in one file: %s. Uncomment those "
		"that can.",
		w->objection);
	write_as_comments(w, im->maps_yaml);
}

static void write_maps(struct writing *w)
{
	struct proposal *p = w->p;
	struct import *im = &p->import;

	strbuf_addch(&w->y, '\n');
	if (im->maps)
		config_add_remark(&w->y, 0, "",
			"Carried over from the port forwards of this machine, which stay as they "
			"are; "
			"portreeve's come first. Once these are in force, the old ones can go.");
	strbuf_add(&w->y, "maps:\n");
	if (im->maps)
		write_carried(w);
	if (im->asked)
		vec_push(w->arena, &p->questions,
			arena_printf(w->arena,
				"Of %zu map%s: do the backend's replies come back through this "
				"gateway?",
				im->asked, im->asked == 1 ? "" : "s"));
	if (im->lost)
		vec_push(w->arena, &p->questions,
			arena_printf(w->arena,
				"Of %zu map%s: is the backend still there? No route leads to it.",
				im->lost, im->lost == 1 ? "" : "s"));
	VEC_EACH (&p->maps, const struct proposal_map, m)
		strbuf_addf(&w->y, "  %s: {listen: %s, to: %s}\n", scalar(w, m->name),
			scalar(w, m->listen), scalar(w, m->to));
	if (!im->maps && !p->maps.len)
		write_examples(w);
	if (im->left.len)
		strbuf_addch(&w->y, '\n');
	import_add_left(w->arena, im, &w->y);
}

/* ---- the whole ---- */

static void write_head(struct writing *w, const char *source)
{
	config_add_remark(&w->y, 0, "",
		arena_printf(w->arena,
			"A proposal by 'portreeve init', made from what was seen on %s. Read and "
			"correct "
			"it. Lines that begin with \"# ?\" ask what could not be seen. What else "
			"can be "
			"said here is in portreeve.yaml(5).",
			source));
	if (w->p->in_force)
		config_add_remark(&w->y, 0, "",
			"portreeve has a config in force there. Its lines keep their names and "
			"numbers; "
			"its maps are not in this proposal.");
	strbuf_addch(&w->y, '\n');
}

void propose_text(struct arena *a, struct proposal *p, const char *source, const char *objection)
{
	struct writing w = {.arena = a, .p = p, .y = STRBUF_INIT, .objection = objection};

	memset(&p->questions, 0, sizeof(p->questions));
	write_head(&w, source);
	write_uplinks(&w);
	write_insides(&w);
	write_maps(&w);
	p->text = arena_strdup(a, strbuf_str(&w.y));
	strbuf_fini(&w.y);
}
