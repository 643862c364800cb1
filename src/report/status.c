/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Status: the parts of it, and what they amount to. */
#include "report/status.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "report/report.h"

#define LINE_BYTES 512

/* ---- uplinks ---- */

/* What the plan alone says of an uplink whose checks nobody makes. */
static enum health_state state_without_checks(const struct plan_uplink *u, const char **why)
{
	*why = "";
	if (u->addrs.len == 0) {
		*why = "its interface has no address, or is not there";
		return HEALTH_DOWN;
	}
	if (!plan_uplink_reaches(u, 0) && !plan_uplink_reaches(u, 1)) {
		*why = "there is no way out by it: no gateway is known";
		return HEALTH_DOWN;
	}
	if (u->uplink->checks.len) {
		*why = "no daemon makes its checks";
		return HEALTH_UNKNOWN;
	}
	return HEALTH_UP;
}

const char *report_check_kind(enum check_kind kind)
{
	static const char *const names[] = {[CHECK_ICMP] = "icmp",
		[CHECK_TCP] = "tcp",
		[CHECK_HTTP] = "http",
		[CHECK_DNS] = "dns"};

	return names[kind];
}

json_t *report_history(const struct health *h)
{
	json_t *list = json_array();

	for (uint64_t i = h->n_changes > HEALTH_HISTORY ? h->n_changes - HEALTH_HISTORY : 0;
		i < h->n_changes; i++) {
		const struct health_change *c = &h->history[i % HEALTH_HISTORY];

		json_array_append_new(
			list, json_pack("{s:I, s:s, s:o}", "at_ms", (json_int_t)c->at_ms, "state",
				      health_name(c->state), "reason",
				      report_text(c->reason[0] ? c->reason : NULL)));
	}
	return list;
}

json_t *report_checks(const struct health *h, const struct check *checks, size_t n)
{
	json_t *list = json_array();

	for (size_t i = 0; i < n && i < h->n_checks; i++) {
		const struct health_check *c = &h->checks[i];

		json_array_append_new(
			list, json_pack("{s:s, s:s, s:I, s:I, s:o, s:o}", "kind",
				      report_check_kind(checks[i].kind), "state",
				      health_name(c->state), "rounds", (json_int_t)c->rounds,
				      "good_rounds", (json_int_t)c->good_rounds, "rtt_us",
				      c->good_rounds ? json_integer(c->rtt_us) : json_null(), "why",
				      report_text(c->why[0] ? c->why : NULL)));
	}
	return list;
}

json_t *report_uplink(
	const struct plan_uplink *u, const struct health *h, const struct tally_counters *c)
{
	json_t *j = json_object(), *addresses = json_array();
	const char *why = h ? h->reason : "";
	enum health_state state = h ? h->state : state_without_checks(u, &why);
	uint64_t misrouted;
	bool counted = c && tally_misrouted(c, u->uplink->name, &misrouted);

	VEC_EACH (&u->addrs, struct ip_addr, a)
		json_array_append_new(addresses, report_addr(a));
	json_object_set_new(j, "name", report_text(u->uplink->name));
	json_object_set_new(j, "interface", report_text(u->uplink->interface));
	json_object_set_new(j, "addresses", addresses);
	json_object_set_new(j, "ipv4", json_boolean(plan_uplink_reaches(u, 0)));
	json_object_set_new(j, "ipv6", json_boolean(plan_uplink_reaches(u, 1)));
	json_object_set_new(j, "number", json_integer(u->number));
	json_object_set_new(j, "state", json_string(health_name(state)));
	json_object_set_new(j, "reason", report_text(why[0] ? why : NULL));
	json_object_set_new(j, "since_ms", h ? json_integer((json_int_t)h->since_ms) : json_null());
	json_object_set_new(j, "history", h ? report_history(h) : json_array());
	json_object_set_new(
		j, "misrouted", counted ? json_integer((json_int_t)misrouted) : json_null());
	json_object_set_new(j, "checks",
		h ? report_checks(h, u->uplink->checks.items, u->uplink->checks.len)
		  : json_array());
	return j;
}

/* ---- maps ---- */

size_t report_map_backends(const struct plan *p, const struct plan_map *first)
{
	const struct plan_map *end = p->maps.items + p->maps.len, *it = first;

	while (it < end && it->map == first->map)
		it++;
	return (size_t)(it - first);
}

static json_t *backend_json(const struct plan_map *pm)
{
	json_t *j = json_object(), *snat = json_array();

	VEC_EACH (&pm->snat, struct ip_addr, a)
		json_array_append_new(snat, report_addr(a));
	json_object_set_new(j, "address", report_addr(&pm->backend->addr));
	json_object_set_new(
		j, "port", pm->backend->port ? json_integer(pm->backend->port) : json_null());
	json_object_set_new(j, "weight", json_integer(pm->backend->weight));
	json_object_set_new(j, "interface", report_text(pm->interface));
	json_object_set_new(
		j, "return", json_string(pm->return_mode == RETURN_SNAT ? "snat" : "direct"));
	json_object_set_new(j, "snat", snat);
	json_object_set_new(j, "reason", report_text(pm->reason));
	json_object_set_new(j, "down", json_boolean(pm->down));
	return j;
}

json_t *report_map(const struct plan_map *first, size_t n)
{
	static const char *const balances[] = {
		[BALANCE_HASH] = "hash", [BALANCE_RANDOM] = "random", [BALANCE_FIRST] = "first"};
	json_t *j = json_object(), *listen = json_array(), *uplinks = json_array(),
	       *backends = json_array();

	VEC_EACH (&first->map->listens, struct listen, l)
		json_array_append_new(listen, json_pack("{s:o, s:i, s:i}", "protocol",
						      report_text(ip_proto_name(l->proto)), "first",
						      l->first, "last", l->last));
	VEC_EACH (&first->uplinks, struct plan_uplink *, u)
		json_array_append_new(uplinks, report_text((*u)->uplink->name));
	for (size_t i = 0; i < n; i++)
		json_array_append_new(backends, backend_json(&first[i]));
	json_object_set_new(j, "name", report_text(first->map->name));
	json_object_set_new(j, "listen", listen);
	json_object_set_new(j, "uplinks", uplinks);
	json_object_set_new(j, "balance", json_string(balances[first->map->balance]));
	json_object_set_new(j, "backends", backends);
	return j;
}

/* ---- the verdict ---- */

struct verdict {
	json_t *problems;
	bool unknown;
};

static const char *text_of(const json_t *j, const char *key)
{
	const char *s = json_string_value(json_object_get(j, key));

	return s ? s : "";
}

static void problem(struct verdict *v, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void problem(struct verdict *v, const char *fmt, ...)
{
	char line[LINE_BYTES];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	json_array_append_new(v->problems, report_text(line));
}

static void judge_state(struct verdict *v, const json_t *subject, const char *what)
{
	const char *state = text_of(subject, "state"), *reason = text_of(subject, "reason");

	if (strcmp(state, health_name(HEALTH_UNKNOWN)) == 0)
		v->unknown = true;
	else if (strcmp(state, health_name(HEALTH_UP)) != 0)
		problem(v, "%s is %s%s%s", what, state, reason[0] ? ": " : "", reason);
}

static void judge_uplink(struct verdict *v, const json_t *uplink)
{
	json_int_t misrouted = json_integer_value(json_object_get(uplink, "misrouted"));
	char what[128];

	snprintf(what, sizeof(what), "uplink %s", text_of(uplink, "name"));
	judge_state(v, uplink, what);
	if (misrouted)
		problem(v,
			"%" JSON_INTEGER_FORMAT
			" repl%s of connections of %s left by another line than home",
			misrouted, misrouted == 1 ? "y" : "ies", text_of(uplink, "name"));
}

static void judge_backend(struct verdict *v, const json_t *backend)
{
	char what[256];

	snprintf(what, sizeof(what), "backend %s of map %s", text_of(backend, "address"),
		text_of(backend, "map"));
	judge_state(v, backend, what);
}

void report_verdict(json_t *status)
{
	struct verdict v = {.problems = json_array()};
	const json_t *drift = json_object_get(status, "drift");
	const json_t *in_force = json_object_get(status, "in_force");
	const json_t *config = json_object_get(status, "config");
	const json_t *one;
	size_t i;

	if (json_is_false(in_force))
		problem(&v, "the kernel is not what the config calls for%s%s",
			text_of(status, "problem")[0] ? ": " : "", text_of(status, "problem"));
	else if (!json_is_true(in_force))
		v.unknown = true;
	if (json_is_integer(json_object_get(config, "refused_ms")))
		problem(&v,
			"%s was refused, and what was in force before stays; `portreeve check` "
			"says why",
			text_of(config, "file"));
	if (text_of(drift, "opponent")[0])
		problem(&v, "%s takes away again and again what portreeve puts in",
			text_of(drift, "opponent"));
	json_array_foreach(json_object_get(status, "uplinks"), i, one)
	{
		judge_uplink(&v, one);
	}
	json_array_foreach(json_object_get(status, "backends"), i, one)
	{
		judge_backend(&v, one);
	}
	json_object_set_new(status, "well",
		json_array_size(v.problems) ? json_false()
		: v.unknown		    ? json_null()
					    : json_true());
	json_object_set_new(status, "problems", v.problems);
}
