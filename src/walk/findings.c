/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Runs all finders of pitfalls on a plan and a machine, and prints what they found. */
#include "walk/findings.h"

#include <stdlib.h>
#include <string.h>

#include "netstate/xt/xt.h"
#include "walk/pitfalls/flows.h"
#include "walk/pitfalls/inquiry.h"

static void (*const finders[])(struct inquiry *q) = {
	pitfall_foreign_drop,
	pitfall_foreign_mark,
	pitfall_foreign_rules,
	pitfall_foreign_routes,
	pitfall_rp_filter,
	pitfall_legacy,
	pitfall_networkd,
	pitfall_shadow,
	pitfall_forwarding,
};

/* ---- for the finders ---- */

struct finding *finding_add(struct inquiry *q, const char *id, uint8_t pitfall,
	enum diag_severity severity, bool blocks)
{
	struct finding *f = vec_add(q->arena, &q->out->items);

	f->id = id;
	f->pitfall = pitfall;
	f->severity = severity;
	f->blocks = blocks;
	return f;
}

struct finding *finding_once(struct inquiry *q, const char *id, uint8_t pitfall,
	enum diag_severity severity, const char *cause, bool *made)
{
	struct finding *f;

	*made = false;
	VEC_EACH (&q->out->items, struct finding, it) {
		if (it->pitfall != pitfall || !it->cause || strcmp(it->cause, cause) != 0)
			continue;
		if (severity < it->severity)
			it->severity = severity;
		return it;
	}
	f = finding_add(q, id, pitfall, severity, severity == DIAG_ERROR);
	f->cause = cause;
	*made = true;
	return f;
}

void finding_untold(struct inquiry *q, uint8_t pitfall, const char *what, const char *needs)
{
	VEC_EACH (&q->out->untold, struct finding_untold, u) {
		if (u->pitfall == pitfall && strcmp(u->what, what) == 0)
			return;
	}
	vec_push(q->arena, &q->out->untold, ((struct finding_untold){pitfall, what, needs}));
}

void finding_forward(struct inquiry *q, struct finding *f, const char *forward)
{
	VEC_EACH (&f->forwards, const char *, it) {
		if (strcmp(*it, forward) == 0)
			return;
	}
	vec_push(q->arena, &f->forwards, forward);
}

const char *inquiry_text(struct inquiry *q, struct strbuf *b)
{
	const char *text = arena_strdup(q->arena, strbuf_str(b));

	strbuf_fini(b);
	return text;
}

static bool is_in(const char *command, const struct finding *f)
{
	VEC_EACH (&f->remedy, const char *, it) {
		if (strcmp(*it, command) == 0)
			return true;
	}
	return false;
}

/*
 * Names and comments of a machine, or of a dump from who knows where, stand in commands that a person
 * pastes. A name has no spaces: so of what a shell acts on only pipes and redirections are ours, which
 * have spaces around, and what stands between single quotes.
 */
static bool is_safe_to_paste(const char *command)
{
	char quote = '\0';

	for (const char *c = command; *c; c++) {
		bool apart =
			c > command && (c[-1] == ' ' || c[-1] == *c) && (c[1] == ' ' || c[1] == *c);

		if (quote && *c == quote)
			quote = '\0';
		else if (quote == '\'')
			continue;
		else if (strchr("$`\n", *c) ||
			 (!quote && (strchr(";&()", *c) || (strchr("|<>", *c) && !apart))))
			return false;
		else if (*c == '\\' && c[1])
			c++;
		else if (!quote && (*c == '\'' || *c == '"'))
			quote = *c;
	}
	return !quote;
}

static void add_command(struct inquiry *q, struct finding *f, bool keep, const char *command)
{
	if (!is_safe_to_paste(command))
		f->withheld = true;
	else if (keep)
		vec_push(q->arena, &f->keep, command);
	else if (!is_in(command, f))
		vec_push(q->arena, &f->remedy, command);
}

void finding_remedy(struct inquiry *q, struct finding *f, const char *fmt, ...)
{
	struct strbuf b = STRBUF_INIT;
	va_list ap;

	va_start(ap, fmt);
	strbuf_vaddf(&b, fmt, ap);
	va_end(ap);
	add_command(q, f, false, inquiry_text(q, &b));
}

void finding_default_route(struct inquiry *q, struct finding *f, uint8_t family,
	const struct ip_addr *next, const char *interface, const char *more)
{
	const char *ip = family == IP_V6 ? "ip -6" : "ip";
	char buf[IP_STRLEN];

	if (next->family == IP_NONE)
		finding_remedy(q, f, "%s route add default dev %s %s", ip, interface, more);
	else
		finding_remedy(q, f, "%s route add default via %s%s dev %s %s", ip,
			next->family == family ? "" : "inet6 ", ip_format(next, buf), interface,
			more);
}

void finding_keep(struct inquiry *q, struct finding *f, const char *fmt, ...)
{
	struct strbuf b = STRBUF_INIT;
	va_list ap;

	va_start(ap, fmt);
	strbuf_vaddf(&b, fmt, ap);
	va_end(ap);
	add_command(q, f, true, inquiry_text(q, &b));
}

const char *inquiry_rule_text(struct inquiry *q, const struct net_rule *r)
{
	struct strbuf b = STRBUF_INIT;

	net_rule_print(&b, r);
	return inquiry_text(q, &b);
}

const char *inquiry_step_text(struct inquiry *q, const struct walk_step *s)
{
	struct strbuf b = STRBUF_INIT;

	walk_step_print(&b, s);
	return inquiry_text(q, &b);
}

const char *inquiry_route_text(struct inquiry *q, const struct net_route *r)
{
	struct strbuf b = STRBUF_INIT;

	if (!r)
		return "no route";
	net_route_print(&b, r);
	return inquiry_text(q, &b);
}

const char *inquiry_place_text(struct inquiry *q, const struct nft_table *t,
	const struct nft_chain *c, const struct nft_rule *r)
{
	struct walk_step at = {.kind = STEP_RULE, .table = t, .base = c, .chain = c, .rule = r};

	if (r->file && r->text)
		return arena_printf(q->arena, "%s:%u: %s", r->file, r->at.line, r->text);
	if (t->origin != ORIGIN_NFT) {
		struct strbuf b = STRBUF_INIT;

		strbuf_addf(&b, "%s%s -t %s ", t->family == FAMILY_IP6 ? "ip6tables" : "iptables",
			t->origin == ORIGIN_XT_LEGACY ? "-legacy" : "", t->name);
		xt_print_rule(&b, t, c, r);
		return inquiry_text(q, &b);
	}
	return inquiry_step_text(q, &at);
}

long inquiry_conf(struct inquiry *q, const char *interface, const char *what)
{
	return netstate_sysctl_int(
		&q->then, netstate_conf_key(q->arena, IP_V4, interface, what), -1);
}

const char *inquiry_conf_text(struct inquiry *q, const char *interface, const char *what)
{
	long value = inquiry_conf(q, interface, what);

	return value < 0 ? "not known" : arena_printf(q->arena, "%ld", value);
}

const char *inquiry_rp_filter_text(struct inquiry *q, const char *interface)
{
	return arena_printf(q->arena,
		"rp_filter of %s %s %s, of all %s: in effect is the larger one", interface,
		q->plan ? "will be" : "is", inquiry_conf_text(q, interface, "rp_filter"),
		inquiry_conf_text(q, "all", "rp_filter"));
}

static const char *end_text(struct inquiry *q, const struct ip_addr *addr, const char *other,
	uint16_t first, uint16_t last)
{
	char buf[IP_STRLEN];
	const char *host = addr->family ? ip_format(addr, buf) : other;

	if (addr->family == IP_V6)
		host = arena_printf(q->arena, "[%s]", host);
	if (first == 0 && (last == 0 || last == UINT16_MAX))
		return arena_strdup(q->arena, host);
	if (first == last || last == 0)
		return arena_printf(q->arena, "%s:%u", host, first);
	return arena_printf(q->arena, "%s:%u-%u", host, first, last);
}

const char *inquiry_endpoint_text(struct inquiry *q, const struct ip_addr *addr, uint16_t port)
{
	return end_text(q, addr, "?", port, port);
}

const char *inquiry_forward_text(struct inquiry *q, const struct gateway_forward *f)
{
	const char *proto = f->proto ? ip_proto_name(f->proto) : "any";
	const char *from = end_text(
		q, &f->dst.addr, f->in && !f->in_inverted ? f->in : "any", f->first, f->last);

	return arena_printf(q->arena, "%s %s -> %s",
		proto ? proto : arena_printf(q->arena, "protocol %u", f->proto), from,
		end_text(q, &f->to, "this machine", f->to_first, f->to_last_port));
}

size_t inquiry_clients(
	const struct plan_map *map, uint8_t family, struct ip_addr out[INQUIRY_CLIENTS])
{
	/* Ordinary public addresses of three continents; no packet is ever sent to them. */
	static const struct ip_addr anyone[2][INQUIRY_CLIENTS] = {
		{{IP_V4, {81, 2, 69, 142}}, {IP_V4, {104, 28, 10, 10}}, {IP_V4, {133, 4, 5, 6}}},
		{{IP_V6, {0x2a, 0x02, 0x12, 0x34, [15] = 1}},
			{IP_V6, {0x26, 0x07, 0xf8, 0xb0, [15] = 1}},
			{IP_V6, {0x24, 0x00, 0xcb, 0x00, [15] = 1}}},
	};
	size_t n = 0;

	for (size_t i = 0; map && i < map->map->from.len && n < INQUIRY_CLIENTS; i++) {
		const struct ip_prefix *p = &map->map->from.items[i].prefix;

		if (p->addr.family == family)
			out[n++] = ip_prefix_last(p);
	}
	if (n || (map && map->map->from.len))
		return n;
	memcpy(out, anyone[inquiry_family_index(family)], sizeof(anyone[0]));
	return INQUIRY_CLIENTS;
}

/* ---- the front door ---- */

static int compare_findings(const void *a, const void *b)
{
	const struct finding *x = a, *y = b;

	if (x->severity != y->severity)
		return x->severity < y->severity ? -1 : 1;
	if (x->blocks != y->blocks)
		return x->blocks ? -1 : 1;
	return x->pitfall != y->pitfall ? (x->pitfall < y->pitfall ? -1 : 1)
					: strcmp(x->title, y->title);
}

void findings_sort(struct findings *f)
{
	if (f->items.len)
		qsort(f->items.items, f->items.len, sizeof(*f->items.items), compare_findings);
}

static int compare_maps(const void *a, const void *b)
{
	const struct plan_map *const *x = a, *const *y = b;

	return (*x > *y) - (*x < *y);
}

/* A map with several backends is concerned once, whichever of them it is about. */
static void concern_once(struct finding *f)
{
	size_t kept = 0;
	bool several = false;

	VEC_EACH (&f->maps, const struct plan_map *, m)
		several = several || (*m)->map->backends.len > 1;
	if (!several)
		return;
	qsort(f->maps.items, f->maps.len, sizeof(*f->maps.items), compare_maps);
	for (size_t i = 0; i < f->maps.len; i++)
		if (!kept || f->maps.items[kept - 1]->map != f->maps.items[i]->map)
			f->maps.items[kept++] = f->maps.items[i];
	f->maps.len = kept;
}

void walk_findings(struct arena *a, const struct plan *p, const struct netstate *seen,
	const struct foreign_facts *facts, struct findings *out)
{
	static const struct foreign_facts nothing;
	struct troubles troubles = {0};
	struct inquiry q = {.arena = a,
		.plan = p,
		.seen = seen,
		.facts = facts ? facts : &nothing,
		.troubles = &troubles,
		.out = out};

	plan_overlay(a, seen, &p->want, &q.then);
	q.then.ruleset = seen->ruleset;
	q.walker.net = &q.then;
	q.walker.skip = nft_table_find(&seen->ruleset, FAMILY_INET, PORTREEVE_TABLE);
	walk_flows(&q, &troubles);
	for (size_t i = 0; i < sizeof(finders) / sizeof(*finders); i++)
		finders[i](&q);
	VEC_EACH (&out->items, struct finding, f)
		concern_once(f);
	findings_sort(out);
}

/* ---- text ---- */

#define MAPS_PRINTED 5

static void print_maps(struct strbuf *out, const struct finding *f)
{
	if (f->maps.len == 0)
		return;
	strbuf_add(out, "  maps: ");
	for (size_t i = 0; i < f->maps.len && i < MAPS_PRINTED; i++)
		strbuf_addf(out, "%s%s", i ? ", " : "", f->maps.items[i]->map->name);
	if (f->maps.len > MAPS_PRINTED)
		strbuf_addf(out, " and %zu more", f->maps.len - MAPS_PRINTED);
	if (f->blocks)
		strbuf_addf(out, " (%s not work like this)", f->maps.len == 1 ? "does" : "do");
	strbuf_addch(out, '\n');
}

static void print_forwards(struct strbuf *out, const struct finding *f)
{
	if (f->forwards.len == 0)
		return;
	strbuf_add(out, "  forwards: ");
	for (size_t i = 0; i < f->forwards.len && i < MAPS_PRINTED; i++)
		strbuf_addf(out, "%s%s", i ? ", " : "", f->forwards.items[i]);
	if (f->forwards.len > MAPS_PRINTED)
		strbuf_addf(out, " and %zu more", f->forwards.len - MAPS_PRINTED);
	strbuf_addch(out, '\n');
}

/* Each remedy is whole, since it may be the only one that is pasted. */
static bool shares_commands(const struct findings *all, const struct finding *f)
{
	for (const struct finding *before = all->items.items; before < f; before++) {
		VEC_EACH (&f->remedy, const char *, c) {
			if (is_in(*c, before))
				return true;
		}
	}
	return false;
}

static void print_one(
	struct strbuf *out, const struct findings *all, const struct finding *f, bool colour)
{
	static const struct {
		const char *word, *colour;
	} severities[] = {
		[DIAG_ERROR] = {"error", "\033[1;31m"},
		[DIAG_WARNING] = {"warning", "\033[1;35m"},
		[DIAG_INFO] = {"note", "\033[1;36m"},
	};

	if (colour)
		strbuf_addf(out, "%s%s:\033[0m \033[1m%s\033[0m\n", severities[f->severity].colour,
			severities[f->severity].word, f->title);
	else
		strbuf_addf(out, "%s: %s\n", severities[f->severity].word, f->title);
	if (f->pitfall >= 1 && f->pitfall <= PITFALLS)
		strbuf_addf(out, "  pitfall %u: %s\n", f->pitfall, pitfalls[f->pitfall - 1].name);
	print_maps(out, f);
	print_forwards(out, f);
	strbuf_addf(out, "  seen: %s\n  so: %s\n", f->evidence, f->consequence);
	if (f->remedy.len) {
		strbuf_add(out, "  remedy:\n");
		VEC_EACH (&f->remedy, const char *, c)
			strbuf_addf(out, "    %s\n", *c);
	}
	if (shares_commands(all, f))
		strbuf_add(out, "  note: what stands above already needs to be pasted once only\n");
	if (f->keep.len) {
		strbuf_add(out, "  and to keep it over a restart:\n");
		VEC_EACH (&f->keep, const char *, c)
			strbuf_addf(out, "    %s\n", *c);
	}
	if (f->withheld)
		strbuf_add(out, "  a command is left out: a name or comment in it holds what a "
				"shell would act on\n");
	if (f->advice)
		strbuf_addf(out, "  %s: %s\n", f->remedy.len ? "note" : "remedy", f->advice);
}

void findings_print(
	struct strbuf *out, const struct findings *f, enum diag_severity least, bool colour)
{
	VEC_EACH (&f->items, struct finding, it) {
		if (it->severity <= least)
			print_one(out, f, it, colour);
	}
}
