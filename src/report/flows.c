/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Flows: the connections through the maps as JSON. */
#include "report/flows.h"

#include <string.h>

#include "report/report.h"

static json_t *pair(bool known, const uint64_t n[2])
{
	if (!known)
		return json_null();
	return json_pack("{s:I, s:I}", "request", (json_int_t)n[0], "reply", (json_int_t)n[1]);
}

json_t *report_flow(const struct mapped_flow *f, uint64_t now_ms)
{
	const struct net_flow *n = f->flow;
	const struct flow_account *c = f->account;
	json_t *j = json_object();
	uint64_t age_ms = now_ms > c->start_ms ? now_ms - c->start_ms : 0;

	json_object_set_new(j, "id", json_integer(c->id));
	json_object_set_new(j, "map", report_text(f->map ? f->map->map->name : NULL));
	json_object_set_new(j, "home", report_text(f->home ? f->home->uplink->name : NULL));
	json_object_set_new(j, "return", json_string(f->snat ? "snat" : "direct"));
	json_object_set_new(j, "protocol", report_text(ip_proto_name(n->proto)));
	json_object_set_new(j, "client", report_addr(&n->original.src));
	json_object_set_new(j, "client_port", json_integer(n->original.sport));
	json_object_set_new(j, "address", report_addr(&n->original.dst));
	json_object_set_new(j, "port", json_integer(n->original.dport));
	json_object_set_new(j, "backend", report_addr(&n->reply.src));
	json_object_set_new(j, "backend_port", json_integer(n->reply.sport));
	json_object_set_new(j, "seen_as", report_addr(&n->reply.dst));
	json_object_set_new(j, "state", report_text(n->state));
	json_object_set_new(j, "expires_s", json_integer(n->timeout_s));
	json_object_set_new(
		j, "age_s", c->start_ms ? json_integer((json_int_t)(age_ms / 1000)) : json_null());
	json_object_set_new(j, "bytes", pair(c->counted, c->bytes));
	json_object_set_new(j, "packets", pair(c->counted, c->packets));
	json_object_set_new(j, "bypassed", pair(f->fast, f->bypassed));
	json_object_set_new(j, "offloaded", json_boolean(n->offloaded));
	return j;
}

struct listing {
	const struct flows_query *q;
	json_t *list;
	size_t total;
	uint64_t now_ms;
};

static bool fits(const struct flows_query *q, const struct mapped_flow *f)
{
	if (q->map && (!f->map || strcmp(f->map->map->name, q->map) != 0))
		return false;
	if (q->uplink && (!f->home || strcmp(f->home->uplink->name, q->uplink) != 0))
		return false;
	return q->client.addr.family == IP_NONE || ip_in_prefix(&f->flow->original.src, &q->client);
}

static void list_flow(const struct mapped_flow *f, void *data)
{
	struct listing *l = data;

	if (!fits(l->q, f))
		return;
	if (l->total++ < l->q->limit)
		json_array_append_new(l->list, report_flow(f, l->now_ms));
}

static json_t *switch_json(enum tally_switch s)
{
	return s == TALLY_UNKNOWN ? json_null() : json_boolean(s == TALLY_ON);
}

json_t *report_conntrack(const struct tally_conntrack *c)
{
	json_t *j = json_object();
	const char *hint = NULL;

	if (c->accounting == TALLY_OFF && c->timestamps == TALLY_OFF)
		hint = "bytes and ages of connections are not kept; for those that begin from then "
		       "on: sysctl -w net.netfilter.nf_conntrack_acct=1 "
		       "net.netfilter.nf_conntrack_timestamp=1";
	else if (c->accounting == TALLY_OFF)
		hint = "bytes of connections are not kept; for those that begin from then on: "
		       "sysctl -w net.netfilter.nf_conntrack_acct=1";
	else if (c->timestamps == TALLY_OFF)
		hint = "ages of connections are not kept; for those that begin from then on: "
		       "sysctl -w net.netfilter.nf_conntrack_timestamp=1";
	json_object_set_new(
		j, "entries", c->known ? json_integer((json_int_t)c->entries) : json_null());
	json_object_set_new(
		j, "limit", c->known ? json_integer((json_int_t)c->limit) : json_null());
	json_object_set_new(j, "accounting", switch_json(c->accounting));
	json_object_set_new(j, "timestamps", switch_json(c->timestamps));
	json_object_set_new(j, "hint", report_text(hint));
	return j;
}

json_t *report_flows(struct kernel *k, struct arena *a, const struct plan *p,
	const struct fastpath_accounts *fast, const struct flows_query *q, uint64_t now_ms,
	struct kernel_error *e)
{
	struct listing l = {.q = q, .list = json_array(), .now_ms = now_ms};
	struct tally_conntrack conntrack;
	json_t *j;

	if (mapped_each(k, mapped_index(a, p), fast, list_flow, &l, e) != 0) {
		json_decref(l.list);
		return NULL;
	}
	kernel_tally_conntrack(k, &conntrack);
	j = json_object();
	json_object_set_new(j, "flows", l.list);
	json_object_set_new(j, "total", json_integer((json_int_t)l.total));
	json_object_set_new(j, "conntrack", report_conntrack(&conntrack));
	return j;
}
